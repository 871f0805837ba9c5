/* The status of IPAddressPool. Pure; run by the watcher. */
#include "watcher/k8s/report/pool_status.h"

#include <string.h>

static bool pool_key(const struct upkeep_place *p, const json_t *metadata, char ret[static OBJECT_KEY])
{
	const char *name = json_string_value(json_object_get(metadata, "name"));
	const char *ns = json_string_value(json_object_get(metadata, "namespace"));
	if (!name || !ns || strcmp(ns, p->ns) != 0)
		return false;
	return str_fmt(ret, OBJECT_KEY, "%s", name);
}

const struct upkeep_kind pool_status_kind = {
	.kind = "IPAddressPool", .plural = "ipaddresspools", .key = pool_key, .pause_us = SEC(1)
};

json_t *pool_status_json(const Ingot__PoolStatus *s)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "assignedIPv4", (json_int_t)s->assigned_v4, "assignedIPv6",
			 (json_int_t)s->assigned_v6, "availableIPv4", (json_int_t)s->available_v4,
			 "availableIPv6", (json_int_t)s->available_v6);
}
