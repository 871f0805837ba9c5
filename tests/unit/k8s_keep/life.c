/* One life of a watcher, as far as keep sees it: a daemon without a bus, and its supervisor's end of the
 * pair. */
#include "tests/unit/k8s_keep/life.h"

#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/model/objects.h"
#include "tests/unit/k8s_keep/make.h"

char folder[64], path[128], temporary[128];

void on_object(void *ctx, enum kind k, const char *key, const ProtobufCMessage *m)
{
	struct life *l = ctx;
	assert_non_null(object_meta(k, m));
	strbuf_fmt(&l->told, "%s %s;", kind_name(k), key);
}

static void on_look(void *ctx)
{
	struct life *l = ctx;
	if (l->fact(l) || mono_reached(loop_now(l->d.loop), l->until))
		loop_stop(l->d.loop);
	else
		loop_timer_set(l->look, mono_add(loop_now(l->d.loop), MS(2)));
}

bool run_until(struct life *l, bool (*fact)(struct life *l))
{
	l->fact = fact;
	l->until = mono_add(loop_clock(), SEC(10));
	loop_timer_set(l->look, loop_clock());
	loop_run(l->d.loop);
	return fact(l);
}

int64_t metric(struct life *l, const char *name)
{
	struct strbuf out = { 0 };
	long long v = -1;
	char line[128];
	metrics_print(l->d.metrics, &out);
	str_fmt(line, sizeof line, "\n%s ", name);
	const char *at = strstr(strbuf_get(&out), line);
	must(at && sscanf(at + strlen(line), "%lld", &v) == 1);
	strbuf_fini(&out);
	return v;
}

bool is_written(struct life *l)
{
	return metric(l, "ingot_watcher_state_writes_total") == 1;
}

bool is_written_twice(struct life *l)
{
	return metric(l, "ingot_watcher_state_writes_total") == 2;
}

bool has_failed(struct life *l)
{
	return metric(l, "ingot_watcher_state_failures_total") > 0;
}

void life_prepare(struct life *l, int retained, const char *dir, const char *identity)
{
	int pair[2];
	memset(l, 0, sizeof *l);
	l->d.priv = &l->priv;
	l->d.loop = loop_new();
	l->d.metrics = metrics_new();
	l->d.options.role = "node";
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	l->priv.pair = pair[0];
	l->supervisor = pair[1];
	if (retained >= 0) {
		l->priv.retained = calloc(1, sizeof *l->priv.retained);
		str_fmt(l->priv.retained->name, SUP_NAME, "mirror");
		l->priv.retained->fd = retained;
		l->priv.n_retained = 1;
	}
	l->look = loop_timer_new(l->d.loop, on_look, l);
	l->keep = keep_new(&l->d, dir, identity, (uid_t)-1);
	assert_non_null(l->keep);
}

void life_begin(struct life *l, int retained)
{
	life_prepare(l, retained, folder, who);
	keep_load(l->keep, on_object, l, &l->found);
}

int retained_of(struct life *l)
{
	struct sup_message m;
	int fd = -1;
	while (sup_receive(l->supervisor, &m) == 1) {
		assert_int_equal(m.type, SUP_RETAIN);
		assert_string_equal(m.name, "mirror");
		if (fd >= 0)
			close(fd);
		fd = m.fd;
	}
	return fd;
}

void life_close(struct life *l)
{
	loop_timer_free(l->look);
	loop_free(l->d.loop);
	metrics_free(l->d.metrics);
	for (size_t i = 0; i < l->priv.n_retained; i++)
		close(l->priv.retained[i].fd);
	free(l->priv.retained);
	free(l->priv.outbox);
	close(l->priv.pair);
	close(l->supervisor);
	strbuf_fini(&l->told);
}

void life_end(struct life *l)
{
	keep_free(l->keep);
	life_close(l);
}

void put_service(struct life *l, const char *name, const char *ip)
{
	struct packed p = pack_service("default", name, ip);
	char key[128];
	str_fmt(key, sizeof key, "default/%s", name);
	keep_put(l->keep, KIND_SERVICE, key, p.data, p.len);
	free(p.data);
}

struct stat stat_of(const char *file)
{
	struct stat st = { 0 };
	if (stat(file, &st) < 0)
		st.st_ino = 0;
	return st;
}

void leave_file(unsigned services)
{
	struct life l;
	char name[32];
	life_begin(&l, -1);
	for (unsigned i = 0; i < services; i++) {
		str_fmt(name, sizeof name, "web%u", i);
		put_service(&l, name, "192.0.2.1");
	}
	keep_synced(l.keep);
	life_end(&l);
}

int open_folder(void **unused)
{
	(void)unused;
	str_fmt(folder, sizeof folder, "/tmp/ingot-keep-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	str_fmt(path, sizeof path, "%s/mirror.node", folder);
	str_fmt(temporary, sizeof temporary, "%s/.mirror.node.tmp", folder);
	return 0;
}

int close_folder(void **unused)
{
	(void)unused;
	unlink(path);
	unlink(temporary);
	return rmdir(folder);
}
