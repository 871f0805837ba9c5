/* The skeleton of every daemon: start in the order that the sandbox needs, heartbeats, retained descriptors,
 * orderly stop, and the requests that every daemon answers. Runs in every daemon but the supervisor. Knows
 * nothing of what the daemon is for. docs/architecture.md has the order of start and why. */
#include "lib/run/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/map.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/bus_internal.h"
#include "lib/run/daemon_internal.h"
#include "lib/run/fds.h"
#include "lib/run/sandbox.h"

enum { STOP_GRACE_US = 5000000, EXIT_FAILED = 1 };

static void daemon_stop(struct daemon *d, const char *why)
{
	struct daemon_private *p = d->priv;
	if (p->stopping)
		return;
	p->stopping = true;
	log_line(LOG_INFO, "daemon", "stopping", "%s", why);
	if (!p->ops->stop || !p->joined) {
		daemon_stopped(d);
		return;
	}
	loop_timer_set(p->stop_timer, mono_add(loop_now(d->loop), STOP_GRACE_US));
	p->ops->stop(d);
}

void daemon_stopped(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	struct sup_message m = { .type = SUP_STOPPED, .fd = -1 };
	if (p->stopped)
		return;
	p->stopped = true;
	supervisor_say(d, &m);
	loop_stop(d->loop);
}

static void on_stop_timer(void *ctx)
{
	struct daemon *d = ctx;
	log_line(LOG_WARN, "daemon", "stopping", "the orderly stop took longer than %d s",
		 STOP_GRACE_US / 1000000);
	d->priv->stopped = true;
	loop_stop(d->loop);
}

static void on_signal(void *ctx, unsigned events)
{
	struct daemon *d = ctx;
	struct signalfd_siginfo info;
	(void)events;
	while (read(d->priv->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			daemon_stop(d, "asked by a signal");
		else if (d->priv->ops->reload && d->priv->joined)
			d->priv->ops->reload(d);
	}
}

void daemon_told(struct daemon *d, const struct sup_message *m)
{
	const struct daemon_ops *ops = d->priv->ops;
	switch (m->type) {
	case SUP_STOP: daemon_stop(d, "asked by the supervisor"); break;
	case SUP_DRAIN:
		log_line(LOG_INFO, "daemon", "draining", "%s", m->value ? "on" : "off");
		if (ops->drain)
			ops->drain(d, m->value != 0);
		break;
	case SUP_RELOAD:
		if (ops->reload)
			ops->reload(d);
		break;
	default: break; /* of a newer supervisor */
	}
}

void daemon_ready(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	struct sup_message m = { .type = SUP_READY, .fd = -1 };
	if (p->ready)
		return;
	p->ready = true;
	/* Only now: until here a daemon may still open what its first objects name. */
	int r = sandbox_seal(sandbox_rules_of(d->id), &p->sandbox);
	if (r < 0) {
		log_line(LOG_ERROR, "daemon", "sandbox", "cannot seal the sandbox: %s", strerror(-r));
		p->exit_status = EXIT_FAILED;
		loop_stop(d->loop);
		return;
	}
	log_line(LOG_INFO, "daemon", "ready", "the first state is applied");
	supervisor_say(d, &m);
}

void daemon_decided(struct daemon *d, const char *subject, const char *fact, const char *reason_fmt, ...)
{
	char reason[DECISION_REASON];
	va_list ap;
	va_start(ap, reason_fmt);
	vsnprintf(reason, sizeof(reason), reason_fmt, ap);
	va_end(ap);
	decisions_note(&d->decisions, loop_wall_ms(), subject, fact, reason);
}

/* Flags and environment into options, sandbox context and supervisor socket. 0, or the exit status. */
static int daemon_configure(struct daemon *d, int argc)
{
	struct daemon_private *p = d->priv;
	char error[256] = "";
	unsigned long long base = 0;
	int type = 0;
	socklen_t size = sizeof(type);
	const char *standalone = getenv("INGOT_STANDALONE");
	bool alone = standalone && strcmp(standalone, "1") == 0;
	if (!alone &&
	    (getsockopt(FD_SUPERVISOR, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)) {
		fprintf(stderr, "%s is started by ingotd, not by hand; see ingotd --help\n",
			daemon_name(d->id));
		return EXIT_CONFIG;
	}
	if (argc > 1 || options_from_env(&d->options, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s: %s\n", daemon_name(d->id),
			argc > 1 ? "takes no arguments; its environment configures it" : error);
		return EXIT_CONFIG;
	}
	log_open(daemon_name(d->id), d->options.log_format, d->options.log_level);
	d->daemons = options_daemons(d->options.role);
	const char *text = d->options.uid_base;
	bool shared_uid = strcmp(text, "-1") == 0; /* the supervisor is not root: all run as its user */
	if (!shared_uid && !str_to_u64(text, strlen(text), UINT32_MAX / 2, &base)) {
		log_line(LOG_ERROR, "daemon", "configuration", "INGOT_UID_BASE is not a user id: %s", text);
		return EXIT_CONFIG;
	}
	p->pair = alone ? -1 : FD_SUPERVISOR;
	p->sandbox.options = &d->options;
	p->sandbox.reads = p->reads;
	p->sandbox.enabled = options_bool(d->options.sandbox);
	p->own_uid = !shared_uid && geteuid() == 0 && p->sandbox.enabled;
	p->uid_base = p->own_uid ? (uid_t)base : (uid_t)-1;
	p->sandbox.uid = p->own_uid ? (uid_t)base + bus_wire_uid_offset(d->id) : (uid_t)-1;
	return 0;
}

static int daemon_open_signals(struct daemon *d)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Before any thread starts: they inherit the mask. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	d->priv->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (d->priv->signal_fd < 0)
		return -errno;
	d->priv->signal_watch = loop_fd_new(d->loop, d->priv->signal_fd, LOOP_READ, on_signal, d);
	return d->priv->signal_watch ? 0 : -ENOMEM;
}

/* A daemon under test has no supervisor that makes its folder. */
static void daemon_make_folder(const struct daemon *d)
{
	char path[256];
	if (d->priv->pair >= 0 ||
	    !str_fmt(path, sizeof(path), "%s/%s", d->options.run_dir, daemon_name(d->id)))
		return;
	(void)!mkdir(d->options.run_dir, 0755);
	(void)!mkdir(path, 0755);
	if (d->priv->own_uid)
		(void)!chown(path, d->priv->sandbox.uid, d->priv->sandbox.uid);
}

int daemon_may_read(struct daemon *d, const char *path)
{
	struct daemon_private *p = d->priv;
	if (p->n_reads == DAEMON_READS)
		return -ENOSPC;
	p->reads[p->n_reads++] = path;
	return 0;
}

static int daemon_enter_sandbox(struct daemon *d)
{
	char missing[256] = "";
	int r = sandbox_enter(sandbox_rules_of(d->id), &d->priv->sandbox, missing, sizeof(missing));
	if (r < 0)
		log_line(LOG_ERROR, "daemon", "sandbox", "cannot enter the sandbox: %s", strerror(-r));
	else if (missing[0] != '\0')
		log_line(LOG_WARN, "daemon", "sandbox", "this kernel or user cannot do: %s", missing);
	return r;
}

static int daemon_open_bus(struct daemon *d)
{
	struct bus_config config = { .run_dir = d->options.run_dir,
				     .self = d->id,
				     .daemons = d->daemons,
				     .uid_base = d->priv->uid_base,
				     .metrics = d->metrics };
	d->bus = bus_new(d->loop, &config);
	if (!d->bus) {
		int error = errno;
		log_line(LOG_ERROR, "daemon", "bus", "cannot open the bus in %s: %s", d->options.run_dir,
			 strerror(error));
		return -error;
	}
	return daemon_serve(d);
}

static void on_heartbeat(void *ctx)
{
	struct daemon *d = ctx;
	struct daemon_private *p = d->priv;
	unsigned ms = p->ops->heartbeat_ms ? p->ops->heartbeat_ms : 1000;
	struct sup_message m = { .type = SUP_HEARTBEAT, .value = ms, .fd = -1 };
	supervisor_say(d, &m);
	loop_timer_set(p->heartbeat, mono_add(loop_now(d->loop), MS(ms)));
}

static int daemon_start(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	uint8_t seed[16];
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -EIO;
	map_seed(seed);
	d->loop = loop_new();
	d->metrics = metrics_new();
	if (!d->loop || !d->metrics)
		return -ENOMEM;
	p->heartbeat = loop_timer_new(d->loop, on_heartbeat, d);
	p->stop_timer = loop_timer_new(d->loop, on_stop_timer, d);
	if (!p->heartbeat || !p->stop_timer)
		return -ENOMEM;
	int r = daemon_open_signals(d);
	r = r < 0 ? r : supervisor_receive_retained(d);
	if (r < 0 || p->stopping)
		return r;
	daemon_make_folder(d);
	r = p->ops->open ? p->ops->open(d) : 0;
	if (r < 0) {
		log_line(LOG_ERROR, "daemon", "open", "cannot start: %s", strerror(-r));
		p->exit_status = r == -EINVAL ? EXIT_CONFIG : EXIT_FAILED;
		return r;
	}
	p->opened = true;
	r = daemon_enter_sandbox(d);
	r = r < 0 ? r : daemon_open_bus(d);
	if (r < 0)
		return r;
	r = supervisor_watch(d);
	r = r < 0 ? r : p->ops->join(d);
	p->joined = r >= 0;
	if (r < 0)
		log_line(LOG_ERROR, "daemon", "join", "cannot start: %s", strerror(-r));
	return r;
}

static void daemon_free(struct daemon *d)
{
	struct daemon_private *p = d->priv;
	if (p->opened && p->ops->close)
		p->ops->close(d);
	bus_leave(d->bus);
	supervisor_close(d);
	loop_fd_free(p->signal_watch);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	loop_timer_free(p->heartbeat);
	loop_timer_free(p->stop_timer);
	loop_free(d->loop);
	metrics_free(d->metrics);
	decisions_fini(&d->decisions);
}

int daemon_main(int argc, char **argv, const struct daemon_ops *ops, void *self)
{
	struct daemon_private priv = { .ops = ops, .pair = -1, .signal_fd = -1 };
	struct daemon d = { .id = ops->id, .self = self, .priv = &priv };
	(void)argv;
	/* One arena: nng's threads allocate too, and each arena would map 64 MB and keep its own free memory.
	 */
	mallopt(M_ARENA_MAX, 1);
	int status = daemon_configure(&d, argc);
	if (status != 0)
		return status;
	int r = daemon_start(&d);
	if (r == 0 && !priv.stopped && priv.exit_status == 0) {
		on_heartbeat(&d);
		loop_run(d.loop);
	}
	supervisor_flush(&d);
	daemon_free(&d);
	if (r < 0 && priv.exit_status == 0)
		return EXIT_FAILED;
	return priv.exit_status;
}
