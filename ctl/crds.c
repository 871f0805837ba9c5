/* ingotctl crds: the definitions of the metallb.io kinds, which the build puts into the program, printed or
 * applied to a cluster by server-side apply. Runs at an operator's hands, or in a Pod before an upgrade;
 * never in a daemon. */
#include "ctl/crds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "lib/base/strbuf.h"
#include "lib/kube/http.h"
#include "lib/run/log.h"

#define GROUP "/apis/apiextensions.k8s.io/v1"

enum { TIMEOUT_MS = 30000 };

struct session {
	struct access *access;
	struct loop *loop;
	struct http *http;
	/* Of the last answer. */
	int status;
	enum http_failure failure;
	char error[1024];
	json_t *body; /* NULL when it is no JSON */
};

static void on_answer(void *ctx, const struct http_answer *a)
{
	struct session *s = ctx;
	s->status = a->status;
	s->failure = a->failure;
	str_fmt(s->error, sizeof s->error, "%s", a->error);
	json_decref(s->body);
	s->body = a->len > 0 ? json_loadb((const char *)a->body, a->len, 0, NULL) : NULL;
	loop_stop(s->loop);
}

/* One request and its answer. True when that is a 2xx. */
static bool ask(struct session *s, const struct http_request *r)
{
	static const struct http_events events = { .done = on_answer };
	s->failure = HTTP_NO_MEMORY;
	if (http_start(s->http, r, &events, s))
		loop_run(s->loop);
	return s->failure == HTTP_OK && s->status >= 200 && s->status <= 299;
}

static int fail(const struct session *s, const char *what)
{
	const char *said = json_string_value(json_object_get(s->body, "message"));
	char text[1024];
	if (s->failure != HTTP_OK) {
		fprintf(stderr, "ingotctl: %s: %s\n", what, *s->error ? s->error : "out of memory");
		return CTL_UNREACHABLE;
	}
	said = said ? said : "no reason given";
	fprintf(stderr, "ingotctl: %s: the API server answers %d: %s\n", what, s->status,
		str_escape(said, strlen(said), text, sizeof text));
	return CTL_ERROR;
}

static void remember_version(const struct session *s, char version[static 64])
{
	const char *v =
	    json_string_value(json_object_get(json_object_get(s->body, "metadata"), "resourceVersion"));
	str_fmt(version, 64, "%s", v ? v : "");
}

/* MetalLB's definition asks MetalLB's webhook for conversions, and apply leaves alone what it does not name:
 * but the one strategy excludes the other. */
static bool drop_webhook(struct session *s, const char *path)
{
	static const char patch[] = "{\"spec\":{\"conversion\":{\"strategy\":\"None\",\"webhook\":null}}}";
	const json_t *conversion = json_object_get(json_object_get(s->body, "spec"), "conversion");
	const struct http_request r = { .method = "PATCH",
					.path = path,
					.content_type = "application/merge-patch+json",
					.body = patch,
					.body_len = strlen(patch),
					.timeout_ms = TIMEOUT_MS };
	return !json_object_get(conversion, "webhook") || ask(s, &r);
}

static int apply_one(struct session *s, const struct embedded *crd)
{
	char name[128], path[256], patch[320], before[64] = "", after[64];
	str_fmt(name, sizeof name, "%s.metallb.io", crd->name);
	str_fmt(path, sizeof path, GROUP "/customresourcedefinitions/%s", name);
	str_fmt(patch, sizeof patch, "%s?fieldManager=ingotctl&force=true", path);
	const struct http_request get = { .method = "GET", .path = path, .timeout_ms = TIMEOUT_MS };
	const struct http_request apply = { .method = "PATCH",
					    .path = patch,
					    .content_type = "application/apply-patch+yaml",
					    .body = crd->data,
					    .body_len = crd->len,
					    .timeout_ms = TIMEOUT_MS };
	bool there = ask(s, &get);
	if (!there && (s->failure != HTTP_OK || s->status != 404))
		return fail(s, name);
	if (there) {
		remember_version(s, before);
		if (!drop_webhook(s, path))
			return fail(s, name);
	}
	if (!ask(s, &apply))
		return fail(s, name);
	remember_version(s, after);
	printf("%s %s\n", name, !there ? "created" : strcmp(before, after) == 0 ? "unchanged" : "configured");
	return CTL_OK;
}

static int apply_all(struct session *s)
{
	const struct http_request group = { .method = "GET", .path = GROUP, .timeout_ms = TIMEOUT_MS };
	int worst = CTL_OK;
	if (!ask(s, &group) && s->failure == HTTP_OK && s->status == 404) {
		fputs("ingotctl: this API server has no apiextensions.k8s.io/v1 (Kubernetes before 1.16): "
		      "kubectl apply -f manifests/crds-v1beta1.yaml\n",
		      stderr);
		return CTL_ERROR;
	}
	for (const struct embedded *crd = crds_embedded; crd->name && worst != CTL_UNREACHABLE; crd++) {
		int status = apply_one(s, crd);
		worst = status > worst ? status : worst;
	}
	return worst;
}

/* As kubectl looks for it, but one file only. "" = none: the service account. */
static void find_kubeconfig(const struct ctl *c, struct strbuf *ret)
{
	const char *list = getenv("KUBECONFIG"), *home = getenv("HOME");
	if (c->kubeconfig) {
		strbuf_add(ret, c->kubeconfig);
	} else if (list && *list) {
		strbuf_add_n(ret, list, strcspn(list, ":"));
	} else if (home && *home) {
		strbuf_fmt(ret, "%s/.kube/config", home);
		if (access(strbuf_get(ret), F_OK) < 0)
			strbuf_reset(ret);
	}
}

static int apply(const struct ctl *c)
{
	struct session s = { 0 };
	struct strbuf file = { 0 };
	char error[1024];
	int status = CTL_ERROR;
	find_kubeconfig(c, &file);
	const struct access_where where = { .kubeconfig = strbuf_get(&file), .context = c->context };
	s.access = access_new(&where, error, sizeof error);
	if (!s.access) {
		fprintf(stderr, "ingotctl: %s\n", error);
	} else {
		s.loop = loop_new();
		s.http = s.loop ? http_new(s.loop, s.access, NULL) : NULL;
		if (s.http)
			status = apply_all(&s);
		else
			fputs("ingotctl: out of memory\n", stderr);
	}
	json_decref(s.body);
	http_free(s.http);
	loop_free(s.loop);
	access_free(s.access);
	strbuf_fini(&file);
	return status;
}

static int print(void)
{
	for (const struct embedded *crd = crds_embedded; crd->name; crd++) {
		fputs(crd == crds_embedded ? "" : "---\n", stdout);
		fwrite(crd->data, 1, crd->len, stdout);
	}
	return ferror(stdout) ? CTL_ERROR : CTL_OK;
}

int ctl_crds(const struct ctl *c)
{
	log_open("ingotctl", "logfmt", "warn");
	if (strcmp(c->argv[0], "apply") == 0)
		return apply(c);
	if (strcmp(c->argv[0], "print") == 0)
		return print();
	return ctl_usage_error("crds %s: apply and print are known", c->argv[0]);
}
