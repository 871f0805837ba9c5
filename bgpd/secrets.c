/* BGP passwords: asked from the watcher, kept in this process alone, never logged, and only compared by a
 * keyed digest with those of a former life. Runs in bgpd. A peer whose password is not there yet waits and
 * says so. */
#include <errno.h>
#include <string.h>

#include "bgpd/bgpd.h"
#include "proto/bus.pb-c.h"

enum { RETRY_MOST_S = 30, LOOK_AGAIN_S = 30 };

static void ask(struct session *s);

static void on_retry(void *ctx)
{
	ask(ctx);
}

static void ask_in(struct session *s, int64_t pause)
{
	if (!s->secret_timer)
		s->secret_timer = loop_timer_new(s->b->loop, on_retry, s);
	if (s->secret_timer)
		loop_timer_set(s->secret_timer, mono_add(loop_now(s->b->loop), pause));
}

static void wait_and_ask_again(struct session *s, const char *why)
{
	if (!s->secret_known)
		str_fmt(s->waiting, sizeof s->waiting, "waiting for its password: %s", why);
	int64_t pause = SEC(1) << (s->secret_failures < 5 ? s->secret_failures : 5);
	s->secret_failures++;
	ask_in(s, pause < SEC(RETRY_MOST_S) ? pause : SEC(RETRY_MOST_S));
	publish_peer(s);
}

/* Whether an adopted session runs with this password. */
static bool adopted_matches(const struct session *s, const char *password)
{
	const struct store_params *p = &s->up->store->params;
	uint8_t key[16];
	memcpy(key, p->password_key, sizeof key);
	return p->password_digest == siphash24(key, password, strlen(password));
}

static void apply(struct session *s, const char *password)
{
	bool had = s->secret_known;
	bool same = s->secret_known ? strcmp(s->password, password) == 0
		    : s->up	    ? adopted_matches(s, password)
				    : true;
	str_fmt(s->password, sizeof s->password, "%s", password);
	s->secret_known = true;
	s->secret_failures = 0;
	s->waiting[0] = '\0';
	ask_in(s, SEC(LOOK_AGAIN_S)); /* another value behind the same name is not always announced */
	if (same && had)
		return;
	listen_key(s);
	if (!same) {
		log_line(LOG_INFO, s->name, "passwordChanged", "the session starts anew");
		session_end(s, BGP_CEASE_OTHER_CHANGE);
	}
	session_try(s);
	publish_peer(s);
}

static void on_answer(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct session *s = ctx;
	s->secret_request = 0;
	if (error) {
		wait_and_ask_again(s, message && *message ? message : strerror(-error));
		return;
	}
	const Ingot__SecretReply *r = (const Ingot__SecretReply *)payload;
	char password[TCP_MAX_PASSWORD + 1];
	if (r->value.len == 0 || r->value.len > TCP_MAX_PASSWORD || memchr(r->value.data, 0, r->value.len)) {
		wait_and_ask_again(s, "it is empty, over 80 bytes, or has a zero byte");
		return;
	}
	memcpy(password, r->value.data, r->value.len);
	password[r->value.len] = '\0';
	apply(s, password);
	explicit_bzero(password, sizeof password);
}

static void ask(struct session *s)
{
	Ingot__SecretRequest q = INGOT__SECRET_REQUEST__INIT;
	const char *ns = s->b->d->options.namespace;
	if (s->settings.secret[0]) {
		q.namespace_ = (char *)(uintptr_t)(*ns ? ns : "metallb-system");
		q.name = s->settings.secret;
		q.key = (char *)(uintptr_t) "password";
	} else {
		q.bgp_peer = s->name;
	}
	if (s->secret_request || !s->configured || !s->settings.has_password)
		return;
	s->secret_request = bus_request(s->b->d->bus, DAEMON_WATCHER, REQUEST_SECRET, &q.base, on_answer, s);
	if (!s->secret_request)
		wait_and_ask_again(s, "the watcher cannot be asked");
	else if (!s->secret_known)
		str_fmt(s->waiting, sizeof s->waiting, "waiting for its password");
}

void secrets_want(struct session *s)
{
	if (!s->secret_known && !s->secret_request && s->secret_failures == 0)
		ask(s);
}

void secrets_again(struct bgpd *b)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++) {
		struct session *s = b->sessions[i];
		if (s && s->configured && s->settings.has_password)
			ask(s);
	}
}

void secrets_cancel(struct session *s)
{
	if (s->secret_request)
		bus_cancel(s->b->d->bus, s->secret_request);
	s->secret_request = 0;
}
