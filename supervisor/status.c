/* JSON (RFC 8259) of the process table. Pure; runs in the supervisor, which links no JSON library. */
#include "supervisor/status.h"

#include <inttypes.h>
#include <string.h>

/* Strings are ours or the operator's: only quotes, backslashes and controls need care; foreign bytes are
 * escaped first. */
static void add_string(struct strbuf *b, const char *s)
{
	char clean[1024];
	str_escape(s, strlen(s), clean, sizeof clean);
	strbuf_char(b, '"');
	for (const char *p = clean; *p; p++) {
		if (*p == '"' || *p == '\\')
			strbuf_char(b, '\\');
		strbuf_char(b, *p);
	}
	strbuf_char(b, '"');
}

static void add_key(struct strbuf *b, const char *key)
{
	if (b->len > 0 && b->s[b->len - 1] != '{')
		strbuf_add(b, ", ");
	add_string(b, key);
	strbuf_add(b, ": ");
}

static void add_text(struct strbuf *b, const char *key, const char *value)
{
	add_key(b, key);
	add_string(b, value);
}

static void add_number(struct strbuf *b, const char *key, int64_t value)
{
	add_key(b, key);
	strbuf_fmt(b, "%" PRId64, value);
}

static void add_bool(struct strbuf *b, const char *key, bool value)
{
	add_key(b, key);
	strbuf_add(b, value ? "true" : "false");
}

void status_begin(struct strbuf *b, const struct status_head *h)
{
	strbuf_add(b, "{");
	add_text(b, "version", h->version);
	add_number(b, "pid", h->pid);
	add_text(b, "role", h->role);
	add_text(b, "node", h->node);
	add_text(b, "run_dir", h->run_dir);
	add_bool(b, "ready", h->ready);
	add_bool(b, "draining", h->draining);
	add_bool(b, "stopping", h->stopping);
	add_number(b, "uptime_ms", h->uptime_us / 1000);
	add_key(b, "daemons");
	strbuf_add(b, "[");
}

void status_daemon(struct strbuf *b, const struct status_daemon *d, mono_t now)
{
	const struct policy *p = d->policy;
	bool alive = policy_is_alive(p);
	if (b->len > 0 && b->s[b->len - 1] == '}')
		strbuf_add(b, ",");
	strbuf_add(b, "\n {");
	add_text(b, "name", d->name);
	add_number(b, "pid", d->pid);
	add_text(b, "state", policy_state_name(p->state));
	add_bool(b, "ready", p->state == POLICY_READY);
	add_number(b, "since_ms", mono_sub(now, p->since) / 1000);
	add_number(b, "restarts", p->lives > 0 ? (int64_t)p->lives - 1 : 0);
	add_text(b, "last_exit", d->last_exit);
	add_number(b, "retained", (int64_t)d->retained);
	add_number(b, "retained_refused", (int64_t)d->retained_refused);
	add_number(b, "unready_lives", p->unready_lives);
	add_number(b, "heartbeat_age_ms", alive ? mono_sub(now, p->heartbeat_at) / 1000 : -1);
	add_number(b, "backoff_ms", p->state == POLICY_BACKOFF ? p->backoff_us / 1000 : 0);
	add_number(b, "watchdog_kills", p->watchdog_kills);
	add_number(b, "store_emptied", p->emptied);
	add_number(b, "malformed", (int64_t)d->malformed);
	strbuf_add(b, "}");
}

void status_end(struct strbuf *b)
{
	strbuf_add(b, "]}\n");
}
