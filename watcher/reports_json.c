/* Prints status objects as JSON. Pure; run by the watcher. */
#include "watcher/reports_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "watcher/api_text.h"

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

/* Namespace of the Service with this key into buf; returns its name, NULL when the key has none. */
static const char *split(const char *key, char ns[static 260])
{
	const char *slash = strchr(key, '/');
	if (slash)
		str_fmt(ns, 260, "%.*s", (int)(slash - key), key);
	return slash ? slash + 1 : NULL;
}

static json_t *service_status(const char *node, const char *key, const char *list, json_t *items)
{
	char ns[260];
	const char *name = split(key, ns);
	if (name)
		return json_pack("{s:s, s:s, s:s, s:o}", "node", node, "serviceName", name,
				 "serviceNamespace", ns, list, items);
	json_decref(items);
	return NULL;
}

/* An object about a Service, named by its key so that the name stays. */
static json_t *service_object(const char *kind, const char *prefix, const char *node, const char *ns,
			      const char *key, json_t *status)
{
	static const uint8_t salt[16] = "ingot status obj";
	char object[64], service_ns[260];
	const char *name = split(key, service_ns);
	if (!status || !name)
		return NULL;
	str_fmt(object, sizeof object, "%s-%016llx", prefix,
		(unsigned long long)siphash24(salt, key, strlen(key)));
	json_t *labels = json_pack("{s:s, s:s, s:s}", "metallb.io/node", node, "metallb.io/service-name",
				   name, "metallb.io/service-namespace", service_ns);
	json_t *meta = json_pack("{s:s, s:s, s:o}", "name", object, "namespace", ns, "labels", labels);
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

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

/* Texts in order, each as itself or as {field: text}. */
static json_t *sorted_list(char *const *texts, size_t n, const char *field)
{
	const char **v = calloc(n + 1, sizeof *v);
	json_t *list = json_array();
	for (size_t i = 0; v && i < n; i++)
		v[i] = texts[i];
	if (v && n > 1)
		qsort(v, n, sizeof *v, by_text);
	for (size_t i = 0; v && i < n; i++)
		json_array_append_new(list, field ? json_pack("{s:s}", field, v[i]) : json_string(v[i]));
	free(v);
	return list;
}

json_t *reports_json_l2_status(const char *node, const char *key, const Ingot__L2ServiceState *s)
{
	size_t n = s->all_interfaces ? 0 : s->n_interfaces;
	return service_status(node, key, "interfaces", sorted_list(s->interfaces, n, "name"));
}

char *reports_json_l2(const char *node, const char *ns, const struct map *l2)
{
	json_t *items = json_array();
	const struct map_entry **v = sorted(l2);
	for (size_t i = 0; v && v[i]; i++) {
		const Ingot__L2ServiceState *s = v[i]->value;
		if (s->announcing)
			json_array_append_new(items,
					      service_object("ServiceL2Status", "l2", node, ns, v[i]->key,
							     reports_json_l2_status(node, v[i]->key, s)));
	}
	free(v);
	return finish(list_of("ServiceL2Status", items), "");
}

json_t *reports_json_bgp_status(const char *node, const char *key, const Ingot__BgpServiceState *s)
{
	return service_status(node, key, "peers", sorted_list(s->peers, s->n_peers, NULL));
}

char *reports_json_bgp(const char *node, const char *ns, const struct map *bgp)
{
	json_t *items = json_array();
	const struct map_entry **v = sorted(bgp);
	for (size_t i = 0; v && v[i]; i++) {
		const Ingot__BgpServiceState *s = v[i]->value;
		if (s->n_peers)
			json_array_append_new(items,
					      service_object("ServiceBGPStatus", "bgp", node, ns, v[i]->key,
							     reports_json_bgp_status(node, v[i]->key, s)));
	}
	free(v);
	return finish(list_of("ServiceBGPStatus", items), "");
}

json_t *reports_json_config_status(const char *condition, const struct config_report *r)
{
	char since[RFC3339_SIZE], message[4096] = "", errors[4096 - 32];
	if (!r->exists)
		return json_pack("{s:s, s:s}", "result", "Unknown", "errorSummary", "");
	if (!r->valid)
		str_fmt(message, sizeof message, "configuration error: %s",
			api_text(r->errors, errors, sizeof errors));
	json_t *c =
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", condition, "status", r->valid ? "True" : "False",
		      "reason", r->valid ? "Reconciled" : "ConfigurationError", "message", message,
		      "lastTransitionTime", rfc3339(r->since_ms, since));
	return json_pack("{s:s, s:s, s:[o]}", "result", r->valid ? "Valid" : "Invalid", "errorSummary",
			 message, "conditions", c);
}

static json_t *config_object(const char *name, const char *ns, json_t *labels, const char *condition,
			     const struct config_report *r)
{
	json_t *status = reports_json_config_status(condition, r);
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
	char at[RFC3339_SIZE];
	return finish(json_pack("{s:s, s:s, s:s, s:s, s:s}", "time", rfc3339(at_ms, at), "service", key,
				"type", e->warning ? "Warning" : "Normal", "reason", e->reason, "message",
				e->message),
		      "\n");
}
