/* One child of the supervisor: carries out what the restart policy says, keeps and hands over descriptors,
 * hears heartbeats. Runs in the supervisor. What a child sends is believed only as far as the codec checked
 * it; nothing that a child does can stop the others. */
#include "supervisor/child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/strbuf.h"
#include "lib/run/fds.h"
#include "lib/run/supwire.h"
#include "supervisor/environ.h"
#include "supervisor/spawn.h"

enum { PENDING_DRAIN = 1, PENDING_SERVE = 2, PENDING_RELOAD = 4, PENDING_STOP = 8 };
/* A flood from one child may not keep the others waiting; and what a dead one left cannot be more than its
 * socket held. */
enum { MESSAGES_PER_TURN = 256, MESSAGES_OF_THE_DEAD = 1 << 16 };

void child_init(struct child *c, const struct table_row *row, mono_t now)
{
	*c = (struct child){ .row = row, .sock = -1 };
	policy_init(&c->policy, row->heartbeat_ms, now);
	fdstore_init(&c->store);
}

void child_fini(struct child *c)
{
	if (c->sock >= 0)
		close(c->sock);
	c->sock = -1;
	fdstore_fini(&c->store);
}

const char *child_name(const struct child *c)
{
	return daemon_name(c->row->daemon);
}

static void log_spawn_error(struct child *c, const char *path, int error)
{
	if (error == -ENOENT || error == -EACCES)
		log_line(LOG_ERROR, child_name(c), "missing", "%s: %s; the others run without it", path,
			 strerror(-error));
	else
		log_line(LOG_ERROR, child_name(c), "notStarted", "%s", strerror(-error));
}

static void do_spawn(struct child *c, const struct child_world *w, mono_t now)
{
	char path[512];
	char **env = environ_new(c->row, w->options, w->uid_base);
	int r = -ENOMEM;
	if (env)
		r = str_fmt(path, sizeof path, "%s/%s", w->libexec, child_name(c))
			? spawn_child(path, child_name(c), env, &c->pid, &c->sock)
			: -ENAMETOOLONG;
	environ_free(env);
	if (r < 0) {
		log_spawn_error(c, path, r);
		bool missing = r == -ENOENT || r == -EACCES;
		child_event(c, w, missing ? POLICY_NO_PROGRAM : POLICY_SPAWN_FAILED, 0, now);
		return;
	}
	c->next_retained = fdstore_next(&c->store, NULL);
	c->to_hand_over = fdstore_count(&c->store);
	c->end_pending = true;
	c->pending = w->draining ? PENDING_DRAIN : 0;
	log_line(LOG_INFO, child_name(c), "started", "pid %d, life %u, %zu retained descriptors", (int)c->pid,
		 c->policy.lives + 1, c->to_hand_over);
	child_event(c, w, POLICY_SPAWNED, 0, now);
	child_flush(c);
}

static void do_kill(struct child *c)
{
	if (c->pid > 0 && kill(c->pid, SIGKILL) < 0)
		log_line(LOG_ERROR, child_name(c), "notKilled", "%s", strerror(errno));
}

static void do_action(struct child *c, const struct child_world *w, enum policy_action action, mono_t now)
{
	switch (action) {
	case POLICY_DO_EMPTY_STORE:
		log_line(LOG_WARN, child_name(c), "storeEmptied",
			 "%u lives in a row never became ready: %zu retained descriptors are dropped",
			 c->policy.unready_lives, fdstore_count(&c->store));
		fdstore_clear(&c->store);
		break;
	case POLICY_DO_SPAWN: do_spawn(c, w, now); break;
	case POLICY_DO_SAY_STOP:
		c->pending |= PENDING_STOP;
		child_flush(c);
		break;
	case POLICY_DO_KILL: do_kill(c); break;
	}
}

static void log_change(const struct child *c, enum policy_state before, mono_t now)
{
	const struct policy *p = &c->policy;
	if (p->state == before)
		return;
	if (p->state == POLICY_READY)
		log_line(LOG_INFO, child_name(c), "ready", "after %lld ms",
			 (long long)mono_sub(now, p->heartbeat_at) / 1000);
	else if (p->state == POLICY_BACKOFF)
		log_line(LOG_WARN, child_name(c), "backoff", "is started again in %lld s",
			 (long long)(p->backoff_us / 1000000));
	else if (p->state == POLICY_REFUSED)
		log_line(
		    LOG_ERROR, child_name(c), "refused",
		    "says that its configuration is wrong (exit %d): not started again until it is asked for",
		    EXIT_CONFIG);
	else if (p->state == POLICY_DYING)
		log_line(LOG_WARN, child_name(c), "killed",
			 before == POLICY_STOPPING ? "did not stop in time" : "gave no heartbeat for %lld ms",
			 (long long)mono_sub(now, p->heartbeat_at) / 1000);
}

void child_event(struct child *c, const struct child_world *w, enum policy_event event, uint64_t value,
		 mono_t now)
{
	struct policy_actions actions;
	enum policy_state before = c->policy.state;
	policy_step(&c->policy, event, value, now, &actions);
	log_change(c, before, now);
	for (unsigned i = 0; i < actions.n; i++)
		do_action(c, w, actions.v[i], now);
}

static void complain(struct child *c, const char *event, const char *what)
{
	log_limited(&c->complaints, 5, SEC(10), LOG_WARN, child_name(c), event, "%s", what);
}

static void forget(struct child *c, const char *name)
{
	const struct map_entry *e = map_find_n(&c->store.by_name, name, strlen(name));
	if (e && e == c->next_retained)
		c->next_retained = fdstore_next(&c->store, e);
	fdstore_drop(&c->store, name);
}

static void handle(struct child *c, const struct child_world *w, const struct sup_message *m, mono_t now)
{
	switch (m->type) {
	case SUP_READY: child_event(c, w, POLICY_SAID_READY, 0, now); break;
	case SUP_HEARTBEAT: child_event(c, w, POLICY_HEARTBEAT, m->value, now); break;
	case SUP_RETAIN:
		if (!fdstore_put(&c->store, m->name, m->fd))
			complain(c, "notRetained", "it already keeps as many descriptors as it may");
		break;
	case SUP_RELEASE: forget(c, m->name); break;
	case SUP_STOPPED: log_line(LOG_DEBUG, child_name(c), "stopped", "in order"); break;
	default:
		c->malformed++;
		if (m->fd >= 0)
			close(m->fd);
		complain(c, "malformed", "a message that only the supervisor may send");
	}
}

/* At most `most` messages; 0 at the end of the stream, otherwise what sup_receive said last. */
static int receive_some(struct child *c, const struct child_world *w, unsigned most, mono_t now)
{
	int r = 1;
	for (unsigned i = 0; i < most && (r == 1 || r == -EPROTO); i++) {
		struct sup_message m;
		r = sup_receive(c->sock, &m);
		if (r == 1) {
			handle(c, w, &m, now);
		} else if (r == -EPROTO) {
			c->malformed++;
			complain(c, "malformed", "a message that does not decode");
		}
	}
	return r;
}

static void close_pair(struct child *c)
{
	if (c->sock >= 0)
		close(c->sock);
	c->sock = -1;
	c->to_hand_over = 0;
	c->next_retained = NULL;
	c->end_pending = false;
	c->pending = 0;
}

void child_receive(struct child *c, const struct child_world *w, mono_t now)
{
	int r = receive_some(c, w, MESSAGES_PER_TURN, now);
	if (r == 1 || r == -EAGAIN || r == -EPROTO)
		return;
	close_pair(c);
	child_event(c, w, POLICY_CLOSED, 0, now);
}

bool child_wants_write(const struct child *c)
{
	return c->sock >= 0 && (c->to_hand_over > 0 || c->end_pending || c->pending);
}

/* 0, or a negative errno (-EAGAIN: later). A child that is gone is noticed by the reading side. */
static int say(struct child *c, enum sup_type type, uint64_t value, const struct map_entry *retained)
{
	struct sup_message m = { .type = type, .value = value, .fd = -1 };
	if (retained) {
		str_fmt(m.name, sizeof m.name, "%s", retained->key);
		m.fd = fdstore_fd(retained);
	}
	return sup_send(c->sock, &m);
}

static int say_pending(struct child *c, unsigned bit, enum sup_type type, uint64_t value)
{
	int r = c->pending & bit ? say(c, type, value, NULL) : 0;
	if (r != -EAGAIN)
		c->pending &= ~bit;
	return r;
}

void child_flush(struct child *c)
{
	if (c->sock < 0)
		return;
	while (c->to_hand_over > 0 && c->next_retained) {
		if (say(c, SUP_RETAINED, 0, c->next_retained) == -EAGAIN)
			return;
		c->next_retained = fdstore_next(&c->store, c->next_retained);
		c->to_hand_over--;
	}
	c->to_hand_over = 0;
	if (c->end_pending && say(c, SUP_RETAINED_END, c->policy.unready_lives, NULL) == -EAGAIN)
		return;
	c->end_pending = false;
	if (say_pending(c, PENDING_SERVE, SUP_DRAIN, 0) == -EAGAIN ||
	    say_pending(c, PENDING_DRAIN, SUP_DRAIN, 1) == -EAGAIN ||
	    say_pending(c, PENDING_RELOAD, SUP_RELOAD, 0) == -EAGAIN)
		return;
	(void)say_pending(c, PENDING_STOP, SUP_STOP, 0);
}

void child_say_drain(struct child *c, bool on)
{
	c->pending &= ~(unsigned)(PENDING_DRAIN | PENDING_SERVE);
	c->pending |= on ? PENDING_DRAIN : PENDING_SERVE;
	child_flush(c);
}

void child_say_reload(struct child *c)
{
	c->pending |= PENDING_RELOAD;
	child_flush(c);
}

void child_reaped(struct child *c, const struct child_world *w, int status, mono_t now)
{
	uint64_t code =
	    WIFSIGNALED(status) ? 128u + (unsigned)WTERMSIG(status) : (unsigned)WEXITSTATUS(status);
	bool expected = c->policy.asked && code == 0;
	str_fmt(c->last_exit, sizeof c->last_exit, WIFSIGNALED(status) ? "signal %d" : "exit %d",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	/* Descriptors outlive their sender in the socket: what it retained in its last moment counts. */
	if (c->sock >= 0)
		(void)receive_some(c, w, MESSAGES_OF_THE_DEAD, now);
	close_pair(c);
	c->pid = 0;
	log_line(expected ? LOG_INFO : LOG_WARN, child_name(c), "exited", "%s after %s", c->last_exit,
		 c->policy.was_ready ? "it was ready" : "a life that never became ready");
	child_event(c, w, POLICY_DIED, code, now);
}
