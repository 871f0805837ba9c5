/* A client of the API server without any logic of its own, over the same HTTP client as the watcher's: what
 * remains of a measurement when Ingot is taken out. Started by kube.py.
 *   kube_bare KUBECONFIG watch SELECTOR ADDRESS
 *       patch this address into every Service with these labels when it is added; until it is ended
 *   kube_bare KUBECONFIG patch PREFIX COUNT IN_FLIGHT
 *       addresses into the statuses of PREFIX0, PREFIX1, ... of the namespace default; prints the seconds
 *   kube_bare KUBECONFIG clear PREFIX COUNT IN_FLIGHT
 *       takes them away, and Ingot's note of the pool */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/kube/http.h"

enum { LINE_MAX_BYTES = 256 << 10, TIMEOUT_MS = 30000 };

#define SERVICES "/api/v1/namespaces/default/services"

struct bare {
	struct loop *loop;
	struct http *http;
	const char *verb, *prefix, *address;
	unsigned long long count, next, done, failed, most;
	char last_error[256];
	struct strbuf line; /* of the watch, not whole yet */
};

static void on_patched(void *ctx, const struct http_answer *a);

static bool patch(struct bare *b, const char *name, const char *body)
{
	static const struct http_events events = { .done = on_patched };
	char path[512];
	str_fmt(path, sizeof path, SERVICES "/%s/status", name);
	struct http_request q = { .method = "PATCH",
				  .path = path,
				  .content_type = "application/merge-patch+json",
				  .body = body,
				  .body_len = strlen(body),
				  .timeout_ms = TIMEOUT_MS };
	return http_start(b->http, &q, &events, b) != NULL;
}

static void address_body(char *buf, size_t size, const char *address)
{
	str_fmt(buf, size, "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"%s\"}]}}}", address);
}

/* ---- many ---- */

static bool start_one(struct bare *b)
{
	unsigned long long i = b->next++;
	char name[256], address[32], body[256];
	str_fmt(name, sizeof name, "%s%llu", b->prefix, i);
	str_fmt(address, sizeof address, "172.16.%llu.%llu", i >> 8 & 255, i & 255);
	address_body(body, sizeof body, address);
	if (strcmp(b->verb, "clear") == 0)
		str_fmt(body, sizeof body,
			"{\"metadata\":{\"annotations\":{\"metallb.io/ip-allocated-from-pool\":null}},"
			"\"status\":{\"loadBalancer\":{\"ingress\":null}}}");
	return patch(b, name, body);
}

static void fill(struct bare *b)
{
	while (b->next < b->count && b->next - b->done < b->most)
		if (!start_one(b))
			b->done = b->count; /* out of memory */
	if (b->done >= b->count)
		loop_stop(b->loop);
}

static void on_patched(void *ctx, const struct http_answer *a)
{
	struct bare *b = ctx;
	b->done++;
	if (a->status != 200) {
		b->failed++;
		str_fmt(b->last_error, sizeof b->last_error, "%d %.*s%s", a->status,
			(int)(a->len < 200 ? a->len : 200), a->body ? (const char *)a->body : "", a->error);
	}
	if (b->count)
		fill(b);
}

static int run_many(struct bare *b)
{
	mono_t began = loop_clock();
	fill(b);
	loop_run(b->loop);
	printf("%.3f\n", (double)(loop_clock().us - began.us) / 1e6);
	if (b->failed || b->next < b->count)
		fprintf(stderr, "%llu of %llu failed: %s\n", b->failed, b->count, b->last_error);
	return b->failed || b->next < b->count ? 1 : 0;
}

/* ---- one at a time ---- */

static void take_line(struct bare *b, const char *line)
{
	static const char begin[] = "{\"type\":\"ADDED\"", key[] = "\"name\":\"";
	const char *name = str_starts(line, begin) ? strstr(line, key) : NULL;
	char text[256], body[256];
	if (!name)
		return;
	name += strlen(key);
	str_fmt(text, sizeof text, "%.*s", (int)strcspn(name, "\""), name);
	address_body(body, sizeof body, b->address);
	(void)patch(b, text, body);
}

static void on_data(void *ctx, const char *content_type, const void *data, size_t len)
{
	struct bare *b = ctx;
	(void)content_type;
	for (const char *at = data, *end = at + len, *stop; at < end; at = stop + 1) {
		stop = memchr(at, '\n', (size_t)(end - at));
		if (b->line.len < LINE_MAX_BYTES)
			strbuf_add_n(&b->line, at, (size_t)((stop ? stop : end) - at));
		if (!stop)
			return;
		take_line(b, strbuf_get(&b->line));
		strbuf_reset(&b->line);
	}
}

static void on_watch_done(void *ctx, const struct http_answer *a)
{
	struct bare *b = ctx;
	fprintf(stderr, "the watch ended: %d %s\n", a->status, a->error);
	b->failed++;
	loop_stop(b->loop);
}

static int run_watch(struct bare *b, const char *selector)
{
	static const struct http_events events = { .data = on_data, .done = on_watch_done };
	char path[512];
	str_fmt(path, sizeof path, SERVICES "?watch=1&resourceVersion=0&labelSelector=%s", selector);
	struct http_request q = { .method = "GET", .path = path };
	if (!http_start(b->http, &q, &events, b))
		return 1;
	loop_run(b->loop);
	return b->failed ? 1 : 0;
}

static int usage(void)
{
	fputs("usage: kube_bare KUBECONFIG watch SELECTOR ADDRESS | patch|clear PREFIX COUNT IN_FLIGHT\n",
	      stderr);
	return 2;
}

static int run(struct bare *b, char **argv, int argc)
{
	if (strcmp(b->verb, "watch") == 0 && argc == 5) {
		b->address = argv[4];
		return run_watch(b, argv[3]);
	}
	b->prefix = argv[3];
	bool many = strcmp(b->verb, "patch") == 0 || strcmp(b->verb, "clear") == 0;
	if (!many || argc != 6 || !str_to_u64(argv[4], strlen(argv[4]), 65536, &b->count) ||
	    !str_to_u64(argv[5], strlen(argv[5]), 1000, &b->most) || !b->count || !b->most)
		return usage();
	return run_many(b);
}

int main(int argc, char **argv)
{
	char error[512];
	if (argc < 5)
		return usage();
	struct access_where where = { .kubeconfig = argv[1] };
	struct access *access = access_new(&where, error, sizeof error);
	if (!access) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	struct bare b = { .loop = loop_new(), .verb = argv[2] };
	b.http = b.loop ? http_new(b.loop, access, NULL) : NULL;
	int rc = b.http ? run(&b, argv, argc) : 1;
	strbuf_fini(&b.line);
	http_free(b.http);
	loop_free(b.loop);
	access_free(access);
	return rc;
}
