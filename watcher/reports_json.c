/* Prints status objects as JSON. Pure; run by the watcher. */
#include "watcher/reports_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/base/strbuf.h"

static void rfc3339(int64_t ms, char buf[static 40])
{
	/* Civil date of a day number, Gregorian. */
	int64_t s = ms / 1000, days = s / 86400 - (s % 86400 < 0), rest = s - days * 86400;
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153, day = doy - (153 * mp + 2) / 5 + 1,
		month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);
	str_fmt(buf, 40, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ", (long long)year, (long long)month,
		(long long)day, (long long)(rest / 3600), (long long)(rest / 60 % 60),
		(long long)(rest % 60));
}

static char *finish(json_t *root, const char *end)
{
	char *text = root ? json_dumps(root, *end ? JSON_COMPACT : JSON_INDENT(1)) : NULL;
	struct strbuf b = { 0 };
	json_decref(root);
	if (!text)
		return NULL;
	strbuf_fmt(&b, "%s\n", text);
	free(text);
	return strbuf_take(&b);
}

static json_t *list_of(const char *kind, json_t *items)
{
	char name[64];
	str_fmt(name, sizeof name, "%sList", kind);
	return json_pack("{s:s, s:s, s:o}", "apiVersion", "metallb.io/v1beta1", "kind", name, "items", items);
}

/* An object about a Service, named by its key so that the name stays. */
static json_t *service_object(const char *kind, const char *prefix, const char *node, const char *ns,
			      const char *key, json_t *status)
{
	static const uint8_t salt[16] = "ingot status obj";
	const char *slash = strchr(key, '/');
	char object[64], service_ns[260];
	if (!status || !slash)
		return NULL;
	str_fmt(service_ns, sizeof service_ns, "%.*s", (int)(slash - key), key);
	str_fmt(object, sizeof object, "%s-%016llx", prefix,
		(unsigned long long)siphash24(salt, key, strlen(key)));
	json_t *labels = json_pack("{s:s, s:s, s:s}", "metallb.io/node", node, "metallb.io/service-name",
				   slash + 1, "metallb.io/service-namespace", service_ns);
	json_t *meta = json_pack("{s:s, s:s, s:o}", "name", object, "namespace", ns, "labels", labels);
	json_object_set_new(status, "node", json_string(node));
	json_object_set_new(status, "serviceName", json_string(slash + 1));
	json_object_set_new(status, "serviceNamespace", json_string(service_ns));
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "metallb.io/v1beta1", "kind", kind, "metadata",
			 meta, "status", status);
}

/* Keys in order: the document must not change because the news came in another order. */
static int by_key(const void *a, const void *b)
{
	const struct map_entry *const *x = a, *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

static const struct map_entry **sorted(const struct map *m)
{
	const struct map_entry **v = calloc(map_len(m) + 1, sizeof *v);
	size_t n = 0;
	map_each (m, e)
		if (v)
			v[n++] = e;
	if (v && n > 1)
		qsort(v, n, sizeof *v, by_key);
	return v;
}

static json_t *l2_status(const Ingot__L2ServiceState *s)
{
	json_t *interfaces = json_array();
	for (size_t i = 0; !s->all_interfaces && i < s->n_interfaces; i++)
		json_array_append_new(interfaces, json_pack("{s:s}", "name", s->interfaces[i]));
	return json_pack("{s:o}", "interfaces", interfaces);
}

char *reports_json_l2(const char *node, const char *ns, const struct map *l2)
{
	json_t *items = json_array();
	const struct map_entry **v = sorted(l2);
	for (size_t i = 0; v && v[i]; i++) {
		const Ingot__L2ServiceState *s = v[i]->value;
		if (s->announcing)
			json_array_append_new(items, service_object("ServiceL2Status", "l2", node, ns,
								    v[i]->key, l2_status(s)));
	}
	free(v);
	return finish(list_of("ServiceL2Status", items), "");
}

static json_t *bgp_status(const Ingot__BgpServiceState *s)
{
	json_t *peers = json_array();
	for (size_t i = 0; i < s->n_peers; i++)
		json_array_append_new(peers, json_string(s->peers[i]));
	return json_pack("{s:o}", "peers", peers);
}

char *reports_json_bgp(const char *node, const char *ns, const struct map *bgp)
{
	json_t *items = json_array();
	const struct map_entry **v = sorted(bgp);
	for (size_t i = 0; v && v[i]; i++) {
		const Ingot__BgpServiceState *s = v[i]->value;
		if (s->n_peers)
			json_array_append_new(items, service_object("ServiceBGPStatus", "bgp", node, ns,
								    v[i]->key, bgp_status(s)));
	}
	free(v);
	return finish(list_of("ServiceBGPStatus", items), "");
}

static json_t *config_object(const char *name, const char *ns, json_t *labels, const char *condition,
			     const struct config_report *r)
{
	char since[40], message[4096] = "";
	rfc3339(r->since_ms, since);
	if (!r->valid)
		str_fmt(message, sizeof message, "configuration error: %s", r->errors);
	json_t *c = json_pack(
	    "{s:s, s:s, s:s, s:s, s:s}", "type", condition, "status", r->valid ? "True" : "False", "reason",
	    r->valid ? "Reconciled" : "ConfigurationError", "message", message, "lastTransitionTime", since);
	json_t *status = json_pack("{s:s, s:s, s:[o]}", "result", r->valid ? "Valid" : "Invalid",
				   "errorSummary", message, "conditions", c);
	json_t *meta = json_pack("{s:s, s:s, s:o}", "name", name, "namespace", ns, "labels", labels);
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "metallb.io/v1beta1", "kind",
			 "ConfigurationState", "metadata", meta, "status", status);
}

char *reports_json_config(const char *node, const char *ns, const struct config_report *controller,
			  const struct config_report *speaker)
{
	json_t *items = json_array();
	char name[300];
	if (controller->exists)
		json_array_append_new(
		    items, config_object("controller", ns,
					 json_pack("{s:s}", "metallb.io/component-type", "controller"),
					 "poolReconcilerValid", controller));
	str_fmt(name, sizeof name, "speaker-%s", node);
	if (speaker->exists)
		json_array_append_new(items,
				      config_object(name, ns,
						    json_pack("{s:s, s:s}", "metallb.io/component-type",
							      "speaker", "metallb.io/node-name", node),
						    "configReconcilerValid", speaker));
	return finish(list_of("ConfigurationState", items), "");
}

char *reports_json_event(int64_t at_ms, const char *key, const Ingot__ServiceEvent *e)
{
	char at[40];
	rfc3339(at_ms, at);
	return finish(json_pack("{s:s, s:s, s:s, s:s, s:s}", "time", at, "service", key, "type",
				e->warning ? "Warning" : "Normal", "reason", e->reason, "message",
				e->message),
		      "\n");
}
