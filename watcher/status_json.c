/* Reads and prints the stored addresses of Services. Foreign input: anybody may have edited the files. Pure;
 * run by the watcher. */
#include "watcher/status_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/base/addr.h"

static int bad(char *error, size_t size, const char *text)
{
	str_fmt(error, size, "%s", text);
	return -EINVAL;
}

static int take_ips(const json_t *ingress, struct service_status *s, char *error, size_t size)
{
	size_t i;
	json_t *item;
	if (ingress && !json_is_array(ingress))
		return bad(error, size, "ingress is not a list");
	json_array_foreach(ingress, i, item)
	{
		const char *ip = json_string_value(json_object_get(item, "ip"));
		addr_t a;
		if (!ip || !addr_parse(ip, &a))
			return bad(error, size, "an entry of ingress has no address in \"ip\"");
		if (s->n_ips == STATUS_MAX_IPS)
			return bad(error, size, "too many addresses");
		if (!(s->ips[s->n_ips] = strdup(ip)))
			return -ENOMEM;
		s->n_ips++;
	}
	return 0;
}

int status_json_parse(const void *data, size_t len, struct service_status **ret, char *error,
		      size_t error_size)
{
	json_error_t e;
	if (len > STATUS_MAX_BYTES)
		return bad(error, error_size, "too large");
	json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &e);
	if (!root) {
		str_fmt(error, error_size, "line %d: %s", e.line, e.text);
		return -EINVAL;
	}
	struct service_status *s = calloc(1, sizeof *s);
	const json_t *pool = json_object_get(root, "pool");
	int rc = s ? 0 : -ENOMEM;
	if (rc == 0 && !json_is_object(root))
		rc = bad(error, error_size, "not an object");
	if (rc == 0 && pool && !json_is_string(pool))
		rc = bad(error, error_size, "pool is not a text");
	if (rc == 0)
		rc = take_ips(json_object_get(root, "ingress"), s, error, error_size);
	if (rc == 0 && !(s->pool = strdup(pool ? json_string_value(pool) : "")))
		rc = -ENOMEM;
	json_decref(root);
	if (rc == 0)
		*ret = s;
	else
		service_status_free(s);
	return rc;
}

char *status_json_print(const struct service_status *s)
{
	json_t *root = json_object(), *ingress = json_array();
	char *text = NULL, *line = NULL;
	int rc = root && ingress ? 0 : -1;
	for (size_t i = 0; i < s->n_ips && rc == 0; i++)
		rc = json_array_append_new(ingress, json_pack("{s:s}", "ip", s->ips[i]));
	if (rc == 0)
		rc = json_object_set(root, "ingress", ingress);
	if (rc == 0)
		rc = json_object_set_new(root, "pool", json_string(s->pool ? s->pool : ""));
	if (rc == 0)
		text = json_dumps(root, JSON_COMPACT);
	struct strbuf b = { 0 };
	if (text) {
		strbuf_fmt(&b, "%s\n", text);
		line = strbuf_take(&b);
	}
	free(text);
	json_decref(ingress);
	json_decref(root);
	return line;
}
