/* Objects from short texts. */
#include "tests/unit/allocator/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

enum { WORDS = 64 };

/* Split a copy of text at blanks. */
static size_t words(const char *text, char *copy, size_t size, char *w[static WORDS])
{
	must(str_fmt(copy, size, "%s", text));
	size_t n = 0;
	char *save = NULL;
	for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
		must(n < WORDS);
		w[n++] = p;
	}
	return n;
}

static char *own(const char *s)
{
	char *copy = strdup(s);
	must(copy);
	return copy;
}

static void set(char **field, const char *value)
{
	*field = own(value);
	for (char *p = *field; *p; p++)
		*p = *p == '+' ? ' ' : *p;
}

static void *grow(void *v, size_t n)
{
	void **more = realloc(v, (n + 1) * sizeof *more);
	must(more);
	return more;
}

static void add_kv(size_t *n, Ingot__KeyValue ***v, const char *key, const char *value)
{
	*v = grow(*v, *n);
	Ingot__KeyValue *kv = malloc(sizeof *kv);
	must(kv);
	ingot__key_value__init(kv);
	set(&kv->key, key);
	set(&kv->value, value);
	(*v)[(*n)++] = kv;
}

static void add_pair(size_t *n, Ingot__KeyValue ***v, const char *pair)
{
	char copy[256];
	must(str_fmt(copy, sizeof copy, "%s", pair));
	char *eq = strchr(copy, '=');
	must(eq);
	*eq = 0;
	add_kv(n, v, copy, eq + 1);
}

static void add_string(size_t *n, char ***v, const char *s)
{
	*v = grow(*v, *n);
	set(&(*v)[(*n)++], s);
}

static void add_list(size_t *n, char ***v, const char *list)
{
	char copy[512], *save = NULL;
	must(str_fmt(copy, sizeof copy, "%s", list));
	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save))
		add_string(n, v, p);
}

static Ingot__ObjectMeta *new_meta(const char *ns, const char *name)
{
	Ingot__ObjectMeta *m = malloc(sizeof *m);
	must(m);
	ingot__object_meta__init(m);
	set(&m->namespace_, ns);
	set(&m->name, name);
	return m;
}

static void add_selector(size_t *n, Ingot__LabelSelector ***v, const char *pair)
{
	Ingot__LabelSelector *s = malloc(sizeof *s);
	must(s);
	ingot__label_selector__init(s);
	add_pair(&s->n_match_labels, &s->match_labels, pair);
	*v = grow(*v, *n);
	(*v)[(*n)++] = s;
}

static Ingot__ServiceAllocation *allocation(Ingot__IPAddressPool *p)
{
	if (!p->service_allocation) {
		p->service_allocation = malloc(sizeof *p->service_allocation);
		must(p->service_allocation);
		ingot__service_allocation__init(p->service_allocation);
	}
	return p->service_allocation;
}

void fixture_pool(struct objects *o, const char *text)
{
	char copy[1024], *w[WORDS], key[OBJECT_KEY];
	size_t n = words(text, copy, sizeof copy, w);
	Ingot__IPAddressPool *p = malloc(sizeof *p);
	must(p && n > 0);
	ingot__ipaddress_pool__init(p);
	p->meta = new_meta(FIXTURE_NS, w[0]);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(w[i], "buggy") == 0)
			p->avoid_buggy_ips = true;
		else if (strcmp(w[i], "manual") == 0)
			p->auto_assign = INGOT__TRISTATE__NO;
		else if (str_starts(w[i], "prio="))
			allocation(p)->priority = atoi(w[i] + 5);
		else if (str_starts(w[i], "ns="))
			add_string(&allocation(p)->n_namespaces, &allocation(p)->namespaces, w[i] + 3);
		else if (str_starts(w[i], "nssel="))
			add_selector(&allocation(p)->n_namespace_selectors,
				     &allocation(p)->namespace_selectors, w[i] + 6);
		else if (str_starts(w[i], "sel="))
			add_selector(&allocation(p)->n_service_selectors, &allocation(p)->service_selectors,
				     w[i] + 4);
		else
			add_string(&p->n_addresses, &p->addresses, w[i]);
	}
	must(objects_put(o, KIND_POOL, object_key(FIXTURE_NS, w[0], key), &p->base) == 0);
}

void fixture_namespace(struct objects *o, const char *text)
{
	char copy[256], *w[WORDS];
	size_t n = words(text, copy, sizeof copy, w);
	Ingot__Namespace *s = malloc(sizeof *s);
	must(s && n > 0);
	ingot__namespace__init(s);
	s->meta = new_meta("", w[0]);
	for (size_t i = 1; i < n; i++)
		add_pair(&s->meta->n_labels, &s->meta->labels, w[i] + strlen("label="));
	must(objects_put(o, KIND_NAMESPACE, w[0], &s->base) == 0);
}

static void add_ingress(Ingot__Service *s, const char *ip, const char *host)
{
	s->ingress = grow(s->ingress, s->n_ingress);
	Ingot__LoadBalancerIngress *in = malloc(sizeof *in);
	must(in);
	ingot__load_balancer_ingress__init(in);
	set(&in->ip, ip);
	set(&in->hostname, host);
	s->ingress[s->n_ingress++] = in;
}

static void add_port(Ingot__Service *s, const char *text)
{
	s->ports = grow(s->ports, s->n_ports);
	Ingot__ServicePort *p = malloc(sizeof *p);
	must(p);
	ingot__service_port__init(p);
	set(&p->protocol, str_starts(text, "udp") ? "UDP" : "TCP");
	p->port = (uint32_t)atoi(strchr(text, '/') + 1);
	s->ports[s->n_ports++] = p;
}

static void annotate(Ingot__Service *s, const char *key, const char *value)
{
	add_kv(&s->meta->n_annotations, &s->meta->annotations, key, value);
}

static bool service_text(Ingot__Service *s, const char *k, const char *v)
{
	static const struct {
		const char *word, *annotation;
	} annotations[] = {
		{ "pool", ANNOTATION_POOL },
		{ "ips", ANNOTATION_IPS },
		{ "share", ANNOTATION_SHARE },
		{ "from", ANNOTATION_FROM_POOL },
		{ "crash", "ingot.dev/test-crash" },
		{ "legacypool", ANNOTATION_LEGACY_PREFIX "address-pool" },
		{ "legacyfrom", ANNOTATION_LEGACY_PREFIX "ip-allocated-from-pool" },
	};
	for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
		if (strcmp(k, annotations[i].word) == 0) {
			annotate(s, annotations[i].annotation, v);
			return true;
		}
	return false;
}

static void service_word(Ingot__Service *s, const char *k, const char *v)
{
	char **list = NULL;
	size_t n = 0;
	if (service_text(s, k, v)) {
		return;
	} else if (strcmp(k, "type") == 0) {
		free(s->type);
		set(&s->type, v);
	} else if (strcmp(k, "class") == 0) {
		set(&s->load_balancer_class, v);
	} else if (strcmp(k, "cluster") == 0) {
		add_list(&s->n_cluster_ips, &s->cluster_ips, v);
	} else if (strcmp(k, "status") == 0) {
		add_list(&n, &list, v);
		for (size_t i = 0; i < n; i++) {
			add_ingress(s, list[i], "");
			free(list[i]);
		}
		free(list);
	} else if (strcmp(k, "host") == 0) {
		add_ingress(s, "", v);
	} else if (strcmp(k, "lbip") == 0) {
		set(&s->load_balancer_ip, v);
	} else if (strcmp(k, "policy") == 0) {
		char policy[32];
		str_fmt(policy, sizeof policy, "%s%s", v, strcmp(v, "Single") == 0 ? "Stack" : "DualStack");
		set(&s->ip_family_policy, policy);
	} else if (strcmp(k, "families") == 0) {
		add_list(&s->n_ip_families, &s->ip_families, v);
	} else if (strcmp(k, "local") == 0) {
		set(&s->external_traffic_policy, "Local");
	} else if (strcmp(k, "selector") == 0) {
		add_pair(&s->n_selector, &s->selector, v);
	} else if (strcmp(k, "port") == 0) {
		add_port(s, v);
	} else if (strcmp(k, "label") == 0) {
		add_pair(&s->meta->n_labels, &s->meta->labels, v);
	} else if (strcmp(k, "uid") == 0) {
		set(&s->meta->uid, v);
	} else if (strcmp(k, "born") == 0) {
		s->meta->creation_ms = atoi(v);
	} else {
		must_failed("a known word of the Service text", __FILE__, __LINE__);
	}
}

void fixture_service(struct objects *o, const char *text, char key[static OBJECT_KEY])
{
	char copy[1024], *w[WORDS];
	size_t n = words(text, copy, sizeof copy, w);
	must(n > 0);
	char *slash = strchr(w[0], '/');
	if (slash)
		*slash = 0;
	const char *ns = slash ? w[0] : "default", *name = slash ? slash + 1 : w[0];
	Ingot__Service *s = malloc(sizeof *s);
	must(s);
	ingot__service__init(s);
	s->meta = new_meta(ns, name);
	set(&s->type, "LoadBalancer");
	bool has_cluster = false;
	for (size_t i = 1; i < n; i++) {
		char *eq = strchr(w[i], '=');
		if (eq)
			*eq = 0;
		has_cluster |= strcmp(w[i], "cluster") == 0;
		service_word(s, w[i], eq ? eq + 1 : "");
	}
	if (!has_cluster)
		add_string(&s->n_cluster_ips, &s->cluster_ips, "1.2.3.4");
	must(objects_put(o, KIND_SERVICE, object_key(ns, name, key), &s->base) == 0);
}

struct config *fixture_config(const struct objects *o)
{
	struct diags d = { 0 };
	struct config *c = NULL;
	must(config_compile(&(struct config_input){ .objects = o, .ns = FIXTURE_NS }, &d, &c) == 0);
	must(d.n_errors == 0);
	diags_fini(&d);
	return c;
}

static int cmp_port(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static void request_word(struct fixture_request *q, char *w)
{
	static const char *const families[] = { "", "v4", "v6", "dual" }, *const policies[] = { "single",
												"prefer",
												"require" };
	for (size_t i = 1; i < ARRAY_LEN(families); i++)
		if (strcmp(w, families[i]) == 0)
			q->r.family = (enum service_family)i;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		if (strcmp(w, policies[i]) == 0)
			q->r.policy = (enum ip_policy)i;
	if (strcmp(w, "v6first") == 0)
		q->r.prefer_v6 = true;
	else if (str_starts(w, "tcp/") || str_starts(w, "udp/"))
		q->ports[q->r.ports.n++] = (*w == 't' ? 1u : 2u) << 16 | (uint32_t)atoi(w + 4);
	else if (str_starts(w, "key="))
		q->r.sharing = w + 4;
	else if (str_starts(w, "backend="))
		q->r.backend = w + 8;
	else if (str_starts(w, "ns="))
		q->r.ns = w + 3;
	else if (addr_parse(w, &q->ips[q->n_ips < 3 ? q->n_ips : 3]))
		q->n_ips++;
	if (str_starts(w, "label=")) {
		char *eq = strchr(w + 6, '=');
		must(eq);
		*eq = 0;
		q->label.key = w + 6;
		q->label.value = eq + 1;
		q->labels = &q->label;
		q->r.labels = &q->labels;
		q->r.n_labels = 1;
	}
}

void fixture_request(const char *text, struct fixture_request *q)
{
	char *w[WORDS];
	*q = (struct fixture_request){
		.r = { .ns = "default", .sharing = "", .backend = "", .family = SERVICE_FAMILY_V4 }
	};
	ingot__key_value__init(&q->label);
	size_t n = words(text, q->text, sizeof q->text, w);
	must(n > 0);
	q->r.key = w[0];
	for (size_t i = 1; i < n; i++)
		request_word(q, w[i]);
	qsort(q->ports, q->r.ports.n, sizeof *q->ports, cmp_port);
	q->r.ports.v = q->ports;
}
