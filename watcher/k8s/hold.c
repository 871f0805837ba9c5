/* Which of MetalLB's Pods run. Pure; run by the watcher. */
#include "watcher/k8s/hold.h"

#include <string.h>

#include "lib/base/strbuf.h"

void hold_init(struct hold *h)
{
	map_init(&h->pods);
}

void hold_fini(struct hold *h)
{
	map_fini(&h->pods, NULL);
}

bool hold_saw(struct hold *h, const char *key, const json_t *pod)
{
	const char *phase = json_string_value(json_object_get(json_object_get(pod, "status"), "phase"));
	size_t before = map_len(&h->pods);
	if (phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
		map_del(&h->pods, key);
	else if (map_set(&h->pods, key, h, NULL) < 0)
		return false;
	return map_len(&h->pods) != before;
}

bool hold_gone(struct hold *h, const char *key)
{
	return map_del(&h->pods, key) != NULL;
}

size_t hold_now(const struct hold *h)
{
	return map_len(&h->pods);
}

void hold_text(const struct hold *h, char *buf, size_t size)
{
	size_t n = map_len(&h->pods);
	const char *first = n ? h->pods.head->key : "";
	/* What follows a "#" tells two sightings of one Pod apart. */
	int len = (int)strcspn(first, "#");
	if (n > 1)
		str_fmt(buf, size, "%.*s and %zu more", len, first, n - 1);
	else
		str_fmt(buf, size, "%.*s", len, first);
}
