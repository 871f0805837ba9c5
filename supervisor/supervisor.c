/* The supervisor's loop: signals, the control socket, the children's pairs and their deadlines. One thread,
 * one poll(). It opens no network socket and parses nothing that came from one (docs/threat-model.md). */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cap-ng.h>

#include "lib/base/must.h"
#include "supervisor/rundir.h"
#include "supervisor/status.h"

/* A supervisor that was itself held up for so long judges nobody by it. */
#define HELD_UP	   MS(50)
#define READY_WAIT SEC(10)

static mono_t now_mono(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (mono_t){ (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 };
}

static struct child_world world_of(const struct supervisor *s, char uid_base[static 24])
{
	if (s->uid_base == (uid_t)-1)
		str_fmt(uid_base, 24, "-1");
	else
		str_fmt(uid_base, 24, "%u", (unsigned)s->uid_base);
	return (struct child_world){
		.options = &s->options, .libexec = s->libexec, .uid_base = uid_base, .draining = s->draining
	};
}

static void event(struct supervisor *s, struct child *c, enum policy_event e, uint64_t value, mono_t now)
{
	char text[24];
	const struct child_world w = world_of(s, text);
	child_event(c, &w, e, value, now);
}

/* ---- stopping ---- */

/* Asks the current stage to stop; goes on to the next one when all of it is gone. */
static void advance_stop(struct supervisor *s, mono_t now)
{
	while (s->stopping && s->stop_stage < TABLE_STOP_STAGES) {
		bool alive = false;
		for (unsigned i = 0; i < s->n_children; i++) {
			struct child *c = &s->children[i];
			if (c->row->stop_stage != s->stop_stage)
				continue;
			if (!c->policy.asked)
				event(s, c, POLICY_STOP, 0, now);
			alive |= policy_is_alive(&c->policy);
		}
		if (alive)
			return;
		s->stop_stage++;
	}
	s->done = s->stopping;
}

static void begin_stop(struct supervisor *s, mono_t now)
{
	log_line(LOG_INFO, NULL, "stopping", "all daemons, in order");
	notify_say(&s->notify, "STOPPING=1");
	s->stopping = true;
	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];
		event(s, c, POLICY_LET_GO, 0, now);
		if (c->row->drain_on_stop && policy_is_alive(&c->policy))
			child_say_drain(c, true);
	}
	advance_stop(s, now);
}

/* Asked a second time: whoever is left has no more time. */
static void hasten_stop(struct supervisor *s, mono_t now)
{
	log_line(LOG_WARN, NULL, "killing", "asked to stop again: the daemons that are left are killed");
	for (unsigned i = 0; i < s->n_children; i++)
		event(s, &s->children[i], POLICY_KILL, 0, now);
}

/* ---- control socket ---- */

static void answer_status(const struct supervisor *s, mono_t now, struct strbuf *ret)
{
	const struct status_head head = {
		.version = INGOT_VERSION,
		.role = s->options.role,
		.node = s->options.node,
		.run_dir = s->options.run_dir,
		.pid = (int)getpid(),
		.ready = s->ready,
		.draining = s->draining,
		.stopping = s->stopping,
		.uptime_us = mono_sub(now, s->started_at),
	};
	status_begin(ret, &head);
	for (unsigned i = 0; i < s->n_children; i++) {
		const struct child *c = &s->children[i];
		const struct status_daemon d = {
			.name = child_name(c),
			.policy = &c->policy,
			.pid = (int)c->pid,
			.last_exit = c->last_exit,
			.retained = fdstore_count(&c->store),
			.retained_refused = c->store.refused,
			.malformed = c->malformed,
		};
		status_daemon(ret, &d, now);
	}
	status_end(ret);
}

static void set_drain(struct supervisor *s, bool on)
{
	s->draining = on;
	log_line(LOG_INFO, NULL, on ? "draining" : "serving", "asked over the control socket");
	for (unsigned i = 0; i < s->n_children; i++)
		if (policy_is_alive(&s->children[i].policy))
			child_say_drain(&s->children[i], on);
}

static void answer_restart(struct supervisor *s, const char *name, mono_t now, struct strbuf *ret)
{
	if (s->stopping) {
		strbuf_add(ret, "error: stopping\n");
		return;
	}
	for (unsigned i = 0; i < s->n_children; i++)
		if (strcmp(name, child_name(&s->children[i])) == 0) {
			event(s, &s->children[i], POLICY_RESTART, 0, now);
			strbuf_add(ret, "ok\n");
			return;
		}
	strbuf_fmt(ret, "error: %s: no such daemon in role %s\n", name, s->options.role);
}

void supervisor_command(struct supervisor *s, const char *line, struct strbuf *ret)
{
	mono_t now = now_mono();
	if (strcmp(line, "status") == 0) {
		answer_status(s, now, ret);
	} else if (str_starts(line, "restart ")) {
		answer_restart(s, line + strlen("restart "), now, ret);
	} else if (strcmp(line, "stop") == 0) {
		strbuf_add(ret, "ok\n");
		if (!s->stopping)
			begin_stop(s, now);
	} else if (strcmp(line, "drain on") == 0 || strcmp(line, "drain off") == 0) {
		set_drain(s, strcmp(line, "drain on") == 0);
		strbuf_add(ret, "ok\n");
	} else {
		strbuf_fmt(ret, "error: %s: expected status, restart NAME, stop, drain on or drain off\n",
			   line);
	}
}

static void on_command(void *ctx, const char *line, struct strbuf *ret)
{
	supervisor_command(ctx, line, ret);
}

/* ---- signals and deaths ---- */

static int open_signals(struct supervisor *s)
{
	static const int wanted[] = { SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	sigset_t set;
	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_LEN(wanted); i++)
		sigaddset(&set, wanted[i]);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signal_fd < 0 ? -errno : 0;
}

/* All that ended: our children, and as process 1 whatever lost its parent. */
static void reap(struct supervisor *s, mono_t now)
{
	char text[24];
	const struct child_world w = world_of(s, text);
	pid_t pid;
	int status;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < s->n_children; i++)
			if (s->children[i].pid == pid)
				child_reaped(&s->children[i], &w, status, now);
}

static void reload(struct supervisor *s)
{
	log_line(LOG_INFO, NULL, "reload", "the daemons read their files again");
	for (unsigned i = 0; i < s->n_children; i++)
		if (policy_is_alive(&s->children[i].policy))
			child_say_reload(&s->children[i]);
}

static void handle_signals(struct supervisor *s, mono_t now)
{
	struct signalfd_siginfo info;
	while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (info.ssi_signo == SIGHUP)
			reload(s);
		else if (s->stopping)
			hasten_stop(s, now);
		else
			begin_stop(s, now);
	}
	/* Whatever the signals said: one SIGCHLD may stand for many deaths. */
	reap(s, now);
}

/* ---- the loop ---- */

static mono_t next_deadline(struct supervisor *s, mono_t now)
{
	mono_t next = notify_tick(&s->notify, now);
	if (!s->ready)
		next = mono_min(next, s->ready_deadline);
	for (unsigned i = 0; i < s->n_children; i++)
		next = mono_min(next, s->children[i].policy.deadline);
	return next;
}

static int poll_timeout(mono_t now, mono_t next)
{
	int64_t us = mono_sub(next, now);
	if (next.us == INT64_MAX || us > SEC(3600))
		return 3600 * 1000;
	return us <= 0 ? 0 : (int)((us + 999) / 1000);
}

/* To the service manager: all that can be ready is, or has had its time. A daemon that waits for an API
 * server that is away must not make anybody give up on the others. */
static void check_ready(struct supervisor *s, mono_t now)
{
	bool waiting = false;
	for (unsigned i = 0; i < s->n_children; i++) {
		enum policy_state state = s->children[i].policy.state;
		waiting |= state == POLICY_STARTING || state == POLICY_BACKOFF;
	}
	if (s->ready || s->stopping || (waiting && !mono_reached(now, s->ready_deadline)))
		return;
	s->ready = true;
	notify_say(&s->notify, waiting ? "READY=1\nSTATUS=some daemons are not ready yet" : "READY=1");
	log_line(LOG_INFO, NULL, "running",
		 waiting ? "some daemons are not ready yet" : "all daemons have started");
}

static void turn(struct supervisor *s)
{
	enum { CHILDREN_AT = 1 + CONTROL_POLLS, POLLS = CHILDREN_AT + SUPERVISOR_CHILDREN };
	struct pollfd polls[POLLS];
	char text[24];
	check_ready(s, now_mono());
	mono_t next = next_deadline(s, now_mono());
	polls[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	control_prepare(&s->control, polls + 1);
	for (unsigned i = 0; i < s->n_children; i++) {
		const struct child *c = &s->children[i];
		short events = (short)(POLLIN | (child_wants_write(c) ? POLLOUT : 0));
		polls[CHILDREN_AT + i] = (struct pollfd){ .fd = c->sock, .events = events };
	}
	int n = poll(polls, CHILDREN_AT + s->n_children, poll_timeout(now_mono(), next));
	mono_t now = now_mono();
	int64_t late = next.us == INT64_MAX ? 0 : mono_sub(now, next);
	const struct child_world w = world_of(s, text);
	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->children[i];
		short revents = n > 0 ? polls[CHILDREN_AT + i].revents : 0;
		if (late > HELD_UP)
			policy_forgive(&c->policy, late);
		if (c->sock >= 0 && (revents & (POLLIN | POLLHUP | POLLERR)))
			child_receive(c, &w, now);
		if (c->sock >= 0 && (revents & POLLOUT))
			child_flush(c);
	}
	if (n > 0) {
		handle_signals(s, now);
		control_handle(&s->control, polls + 1, on_command, s);
	}
	for (unsigned i = 0; i < s->n_children; i++)
		if (mono_reached(now, s->children[i].policy.deadline))
			event(s, &s->children[i], POLICY_TICK, 0, now);
	advance_stop(s, now);
}

/* ---- start and end ---- */

/* Whether the children can become users of their own; says what is lost when they cannot. */
/* Some listener has a port that only root may bind. */
static bool wants_low_port(const struct options *o)
{
	const char *const listeners[] = { o->bgp_listen, o->metrics, o->health };
	for (unsigned i = 0; i < ARRAY_LEN(listeners); i++) {
		const char *colon = strrchr(listeners[i], ':');
		unsigned long long port = 0;
		if (colon && str_to_u64(colon + 1, strlen(colon + 1), 65535, &port) && port > 0 &&
		    port < 1024)
			return true;
	}
	return false;
}

static void decide_users(struct supervisor *s)
{
	bool off = strcmp(s->options.sandbox, "off") == 0, asked = strcmp(s->options.uid_base, "-1") != 0;
	unsigned long long base = 0;
	s->uid_base = (uid_t)-1;
	capng_get_caps_process();
	bool users = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID) &&
		     capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID) &&
		     capng_have_capability(CAPNG_EFFECTIVE, CAP_CHOWN) &&
		     capng_have_capability(CAPNG_EFFECTIVE, CAP_KILL);
	bool raw = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW) ||
		   !(options_daemons(s->options.role) & READS(L2D));
	bool ports =
	    capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_BIND_SERVICE) || !wants_low_port(&s->options);
	if (users && asked && !off &&
	    str_to_u64(s->options.uid_base, strlen(s->options.uid_base), UINT32_MAX, &base))
		s->uid_base = (uid_t)base;
	if (off)
		log_line(LOG_WARN, NULL, "sandboxOff", "the daemons run without a sandbox, all as uid %u",
			 (unsigned)geteuid());
	if (!users || !raw || !ports)
		log_line(LOG_WARN, NULL, "unprivileged", "not possible for uid %u:%s%s%s",
			 (unsigned)geteuid(),
			 users ? "" : " an own user for each daemon (all run as this one);",
			 raw ? "" : " packet sockets, so no ARP and neighbour discovery for Services;",
			 ports ? "" : " listening below port 1024;");
}

static void raise_file_limit(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int open_all(struct supervisor *s)
{
	char error[512] = "";
	int r = open_signals(s);
	if (r < 0)
		str_fmt(error, sizeof error, "signals: %s", strerror(-r));
	if (r == 0)
		r = s->lock_fd = rundir_lock(s->options.run_dir, error, sizeof error);
	if (r >= 0)
		r = rundir_folders(s->options.run_dir, options_daemons(s->options.role), s->uid_base, error,
				   sizeof error);
	if (r == 0 && (r = control_open(&s->control, s->options.run_dir)) < 0)
		str_fmt(error, sizeof error, "%s/control.sock: %s", s->options.run_dir, strerror(-r));
	if (r < 0)
		log_line(LOG_ERROR, NULL, "notStarted", "%s", error);
	return r;
}

static void start_children(struct supervisor *s)
{
	unsigned daemons = options_daemons(s->options.role);
	mono_t now = now_mono();
	for (size_t i = 0; i < table_n_rows; i++) {
		if (!(daemons & (1u << table_rows[i].daemon)))
			continue;
		must(s->n_children < SUPERVISOR_CHILDREN);
		child_init(&s->children[s->n_children++], &table_rows[i], now);
	}
	for (unsigned i = 0; i < s->n_children; i++)
		event(s, &s->children[i], POLICY_START, 0, now);
}

static void close_all(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_children; i++)
		child_fini(&s->children[i]);
	control_close(&s->control, s->options.run_dir);
	notify_close(&s->notify);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
}

int supervisor_run(struct supervisor *s)
{
	s->lock_fd = s->signal_fd = s->notify.fd = s->control.listener = -1;
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		s->control.clients[i] = -1;
	s->started_at = now_mono();
	s->ready_deadline = mono_add(s->started_at, READY_WAIT);
	raise_file_limit();
	decide_users(s);
	int r = open_all(s);
	if (r >= 0) {
		rundir_status_folder(s->options.source, s->uid_base);
		rundir_libexec(s->options.libexec, s->libexec, sizeof s->libexec);
		notify_open(&s->notify, s->started_at);
		log_line(LOG_INFO, NULL, "starting", "version %s, role %s, node %s", INGOT_VERSION,
			 s->options.role, s->options.node);
		start_children(s);
		while (!s->done)
			turn(s);
		log_line(LOG_INFO, NULL, "stopped", "in order");
	}
	close_all(s);
	return r < 0 ? 1 : 0;
}
