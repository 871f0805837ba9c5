/* See fixture.h. */
#include "fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/strbuf.h"

static const char *const listeners[LISTENERS] = { "plain", "tls",    "other", "expired",
						  "named", "mutual", "proxy" };

pid_t house_spawn(const struct house *h, char *const argv[], int out)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (out >= 0)
			dup2(out, STDOUT_FILENO);
		if (chdir(h->dir) == 0)
			execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

void house_start(struct house *h)
{
	int ends[2];
	char plain[16], tls[16], line[64];
	char script[] = KUBE_TESTS "/server.py";
	snprintf(plain, sizeof plain, "%d", h->port[PLAIN]);
	snprintf(tls, sizeof tls, "%d", h->port[TLS]);
	assert_int_equal(pipe(ends), 0);
	h->server = house_spawn(h, (char *const[]){ script, h->dir, plain, tls, NULL }, ends[1]);
	close(ends[1]);
	FILE *f = fdopen(ends[0], "r");
	assert_non_null(f);
	bool ready = false;
	while (!ready && fgets(line, sizeof line, f)) {
		for (int i = 0; i < LISTENERS; i++)
			if (strncmp(line, listeners[i], strlen(listeners[i])) == 0)
				h->port[i] = atoi(line + strlen(listeners[i]));
		ready = strcmp(line, "ready\n") == 0;
	}
	fclose(f);
	assert_true(ready);
}

void house_stop(struct house *h)
{
	if (h->server <= 0)
		return;
	kill(h->server, SIGKILL);
	waitpid(h->server, NULL, 0);
	h->server = 0;
}

int house_open(void **state)
{
	int status;
	char script[] = KUBE_TESTS "/certificates.sh";
	struct house *h = calloc(1, sizeof *h);
	assert_non_null(h);
	strcpy(h->dir, "/tmp/ingot-kube-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	pid_t pid = house_spawn(h, (char *const[]){ script, NULL }, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	house_start(h);
	*state = h;
	return 0;
}

static void close_client(struct house *h)
{
	http_free(h->http);
	access_free(h->access);
	metrics_free(h->metrics);
	loop_free(h->loop);
	h->http = NULL;
	h->access = NULL;
	h->metrics = NULL;
	h->loop = NULL;
}

int house_clear(void **state)
{
	struct house *h = *state;
	close_client(h);
	h->base = NULL;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int house_close(void **state)
{
	struct house *h = *state;
	house_stop(h);
	nftw(h->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(h);
	return 0;
}

void house_write(const struct house *h, const char *name, const char *text)
{
	char path[128], fresh[136];
	snprintf(path, sizeof path, "%s/%s", h->dir, name);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	FILE *f = fopen(fresh, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(fresh, path), 0);
}

void house_read(const struct house *h, const char *name, char *buf, size_t size)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", h->dir, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(buf, 1, size - 1, f);
	fclose(f);
	buf[n] = 0;
}

void house_copy(const struct house *h, const char *from, const char *to)
{
	char text[8192];
	house_read(h, from, text, sizeof text);
	house_write(h, to, text);
}

void house_client(struct house *h, const char *scheme, int port, const char *cluster, const char *user)
{
	char text[16384], path[128], error[512] = "";
	snprintf(
	    text, sizeof text,
	    "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: here}}]\n"
	    "clusters: [{name: k, cluster: {server: '%s://127.0.0.1:%d%s'%s%s}}]\n"
	    "users: [{name: u, user: {%s}}]\n",
	    scheme, port, h->base ? h->base : "", *cluster ? ", " : "", cluster, user);
	house_write(h, "kubeconfig", text);
	snprintf(path, sizeof path, "%s/kubeconfig", h->dir);
	const struct access_where where = { .kubeconfig = path };
	close_client(h);
	h->access = access_new(&where, error, sizeof error);
	if (!h->access)
		fail_msg("%s", error);
	h->loop = loop_new();
	h->metrics = metrics_new();
	h->http = http_new(h->loop, h->access, h->metrics);
	assert_non_null(h->http);
}

void house_client_to(struct house *h, enum listener l)
{
	house_client(h, l == PLAIN ? "http" : "https", h->port[l], "certificate-authority: ca.pem", "");
}

static void on_data(void *ctx, const char *content_type, const void *data, size_t len)
{
	struct outcome *o = ctx;
	snprintf(o->content_type, sizeof o->content_type, "%s", content_type);
	strbuf_add_n(&o->data, data, len);
	o->n_data++;
	if (o->on_data)
		o->on_data(o);
}

static void on_done(void *ctx, const struct http_answer *a)
{
	struct outcome *o = ctx;
	assert_false(o->done);
	o->done = true;
	o->answer = *a;
	snprintf(o->error, sizeof o->error, "%s", a->error);
	if (!o->n_data)
		snprintf(o->content_type, sizeof o->content_type, "%s", a->content_type);
	o->body = malloc(a->len + 1);
	assert_non_null(o->body);
	if (a->len > 0)
		memcpy(o->body, a->body, a->len);
	o->body[a->len] = 0;
	o->answer.body = NULL;
	if (o->on_done)
		o->on_done(o);
	if (--*o->left == 0)
		loop_stop(o->loop);
}

void outcome_fini(struct outcome *o)
{
	free(o->body);
	strbuf_fini(&o->data);
	*o = (struct outcome){ 0 };
}

void house_begin(struct house *h, struct outcome *o, const struct http_request *r, bool streamed)
{
	const struct http_events events = { .data = streamed ? on_data : NULL, .done = on_done };
	o->loop = h->loop;
	o->call = http_start(h->http, r, &events, o);
	assert_non_null(o->call);
}

struct patience {
	struct loop *loop;
	bool over;
};

static void on_patience(void *ctx)
{
	struct patience *p = ctx;
	p->over = true;
	loop_stop(p->loop);
}

void house_wait(struct house *h, const size_t *left)
{
	struct patience p = { .loop = h->loop };
	struct loop_timer *t = loop_timer_new(h->loop, on_patience, &p);
	assert_non_null(t);
	loop_timer_set(t, mono_add(loop_now(h->loop), SEC(20)));
	if (*left > 0)
		loop_run(h->loop);
	loop_timer_free(t);
	assert_false(p.over);
	assert_int_equal(*left, 0);
}

void house_call(struct house *h, struct outcome *o, const struct http_request *r, bool streamed)
{
	size_t left = 1;
	o->left = &left;
	house_begin(h, o, r, streamed);
	house_wait(h, &left);
	assert_true(o->done);
}

void house_get(struct house *h, struct outcome *o, const char *path)
{
	const struct http_request r = { .method = "GET", .path = path, .timeout_ms = 10000 };
	house_call(h, o, &r, false);
}

long house_count(struct house *h, const char *name)
{
	struct outcome o = { 0 };
	char pattern[64];
	house_get(h, &o, "/counts");
	assert_int_equal(o.answer.status, 200);
	snprintf(pattern, sizeof pattern, "\"%s\": ", name);
	const char *at = strstr(o.body, pattern);
	assert_non_null(at);
	long n = atol(at + strlen(pattern));
	outcome_fini(&o);
	return n;
}

long house_metric(const struct house *h, const char *series)
{
	struct strbuf b = { 0 };
	char pattern[128];
	metrics_print(h->metrics, &b);
	snprintf(pattern, sizeof pattern, "\n%s ", series);
	const char *at = strstr(strbuf_get(&b), pattern);
	long n = at ? atol(at + strlen(pattern)) : -1;
	strbuf_fini(&b);
	return n;
}
