/* Reads what an API server says of itself. Foreign input. Pure; run by the watcher. */
#include "watcher/k8s/discovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/base/strbuf.h"

enum { MOST_VERSIONS = 4096 };

void discovery_init(struct discovery *d)
{
	*d = (struct discovery){ 0 };
	map_init(&d->versions);
}

void discovery_fini(struct discovery *d)
{
	map_fini(&d->versions, NULL);
}

/* NULL with a sentence when it is no JSON object. */
static json_t *load(const void *data, size_t len, char *error, size_t size)
{
	json_error_t e;
	char shown[80];
	json_t *root = json_loadb(data, len, 0, &e);
	if (json_is_object(root))
		return root;
	json_decref(root);
	str_fmt(error, size, "expected JSON, found \"%s\"",
		str_escape(data, len < 60 ? len : 60, shown, sizeof shown));
	return NULL;
}

static unsigned number(const json_t *root, const char *key)
{
	/* Some vendors write the minor version as "34+". */
	const char *text = json_string_value(json_object_get(root, key));
	unsigned long long n = 0;
	size_t digits = text ? strspn(text, "0123456789") : 0;
	return digits > 0 && str_to_u64(text, digits, 10000, &n) ? (unsigned)n : 0;
}

int discovery_take_version(struct discovery *d, const void *data, size_t len, char *error, size_t error_size)
{
	json_t *root = load(data, len, error, error_size);
	if (!root)
		return -EINVAL;
	const char *text = json_string_value(json_object_get(root, "gitVersion"));
	unsigned major = number(root, "major"), minor = number(root, "minor");
	if (text) {
		d->major = major;
		d->minor = minor;
		str_escape(text, strlen(text), d->version, sizeof d->version);
	} else {
		str_fmt(error, error_size, "no gitVersion in the answer to /version");
	}
	json_decref(root);
	return text ? 0 : -EINVAL;
}

static int take_group(struct map *to, const json_t *group)
{
	size_t i;
	json_t *version;
	json_array_foreach(json_object_get(group, "versions"), i, version)
	{
		const char *text = json_string_value(json_object_get(version, "groupVersion"));
		if (!text || map_len(to) >= MOST_VERSIONS)
			continue;
		if (map_set(to, text, to, NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

int discovery_take_groups(struct discovery *d, const void *data, size_t len, char *error, size_t error_size)
{
	struct map fresh;
	size_t i;
	json_t *group, *root = load(data, len, error, error_size);
	if (!root)
		return -EINVAL;
	int rc = json_is_array(json_object_get(root, "groups")) ? 0 : -EINVAL;
	if (rc < 0)
		str_fmt(error, error_size, "no list of groups in the answer to /apis");
	map_init(&fresh);
	json_array_foreach(json_object_get(root, "groups"), i, group)
	{
		if (rc == 0)
			rc = take_group(&fresh, group);
	}
	json_decref(root);
	if (rc == 0) {
		struct map old = d->versions;
		d->versions = fresh;
		fresh = old;
	}
	map_fini(&fresh, NULL);
	return rc;
}

bool discovery_has(const struct discovery *d, const char *group_version)
{
	return strcmp(group_version, "v1") == 0 || map_get(&d->versions, group_version) != NULL;
}

bool discovery_streams_lists(const struct discovery *d)
{
	return d->major > 1 || (d->major == 1 && d->minor >= 34);
}
