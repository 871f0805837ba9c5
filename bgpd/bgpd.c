/* Wires bgpd together: order of start, one turn's work, explain, the end. Runs in bgpd. Opens no socket but
 * TCP, reads no file, and believes nobody: not its peers, not the other daemons, not what a former life left.
 */
#include "bgpd/bgpd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "bgpd/room.h"

void bgpd_ask_work(struct bgpd *b)
{
	loop_defer_ask(b->work);
}

void bgpd_check_synced(struct bgpd *b)
{
	if (b->synced || !b->config_loaded || !services_synced(b))
		return;
	b->synced = true;
	log_line(LOG_INFO, "daemon", "synced", "configuration and Services are complete");
}

/* Once per turn in which anything changed. */
static void work(void *ctx)
{
	struct bgpd *b = ctx;
	if (b->links_changed) {
		b->links_changed = false;
		for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
			if (b->sessions[i] && b->sessions[i]->up)
				session_next_hops(b->sessions[i]);
	}
	bgpd_check_synced(b);
	if (!b->synced)
		return;
	services_work(b);
	if (b->ready)
		return;
	b->ready = true;
	publisher_synced(b->peers_out);
	publisher_synced(b->services_out);
	daemon_ready(b->d);
}

int bgpd_open(struct daemon *d)
{
	struct bgpd *b = d->self;
	b->d = d;
	b->loop = d->loop;
	b->listen_fd = b->slots_fd = -1;
	b->restarted = true;
	b->started = loop_now(d->loop);
	if (getrandom(&b->seed, sizeof b->seed, 0) != (ssize_t)sizeof b->seed ||
	    getrandom(b->hash_key, sizeof b->hash_key, 0) != (ssize_t)sizeof b->hash_key)
		return -EIO;
	int rc = adopt_open(b);
	return rc < 0 ? rc : listen_open(b);
}

int bgpd_join(struct daemon *d)
{
	struct bgpd *b = d->self;
	b->work = loop_defer_new(b->loop, work, b);
	b->rest = loop_timer_new(b->loop, work, b);
	if (!b->work || !b->rest)
		return -ENOMEM;
	int rc = publish_open(b);
	rc = rc < 0 ? rc : stop_open(b);
	if (rc < 0)
		return rc;
	adopt_all(b); /* keepalives go on before anything else is known */
	rc = peers_open(b);
	rc = rc < 0 ? rc : services_open(b);
	rc = rc < 0 ? rc : links_open(b);
	return rc < 0 ? rc : listen_join(b);
}

static const struct session *session_by_name(const struct bgpd *b, const char *name)
{
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
		if (b->sessions[i] && strcmp(b->sessions[i]->name, name) == 0)
			return b->sessions[i];
	return NULL;
}

static const char *why_down(const struct session *s)
{
	return s->waiting[0] ? s->waiting : s->last_error[0] ? s->last_error : "connecting";
}

/* Where a Service stands with each peer that should carry it; the first one that does not is named. */
static void explain_service(const struct bgpd *b, const struct svc *v, char *buf, size_t size)
{
	unsigned wanted = 0, sent = 0;
	const struct session *missing = NULL;
	for (unsigned i = 0; i < RIB_MAX_PEERS; i++) {
		enum rib_standing st =
		    b->sessions[i] ? rib_claim_standing(b->rib, &v->claim, i) : RIB_NOT_FOR_PEER;
		wanted += st != RIB_NOT_FOR_PEER;
		sent += st == RIB_SENT;
		if (st == RIB_WANTED && !missing)
			missing = b->sessions[i];
	}
	if (wanted == 0)
		str_fmt(buf, size, "announced over BGP by this node, but no BGPPeer carries it");
	else if (!missing)
		str_fmt(buf, size, "announced over BGP by this node to %u of %u peers", sent, wanted);
	else if (missing->up)
		str_fmt(buf, size,
			"announced over BGP by this node to %u of %u peers; %s does not carry its family",
			sent, wanted, missing->name);
	else
		str_fmt(buf, size, "announced over BGP by this node to %u of %u peers; %s is down: %s", sent,
			wanted, missing->name, why_down(missing));
}

void bgpd_explain(struct daemon *d, const char *subject, char *buf, size_t size)
{
	const struct bgpd *b = d->self;
	const struct session *s = session_by_name(b, subject);
	const struct svc *v = services_find(b, subject);
	if (s && s->up)
		str_fmt(buf, size, "BGP session to %s is Established, %zu prefixes sent", s->name,
			rib_counts(b->rib, s->slot).sent);
	else if (s)
		str_fmt(buf, size, "BGP session to %s is %s: %s", s->name,
			bgp_state_name(s->dialled.fsm.state), why_down(s));
	else if (v && v->packed && v->reason != WITHDRAW_ANNOUNCE)
		str_fmt(buf, size, "not announced over BGP by this node: %s",
			withdraw_reason_sentence((enum withdraw_reason)v->reason));
	else if (v && v->packed && v->claim.n > 0)
		explain_service(b, v, buf, size);
}

void bgpd_close(struct daemon *d)
{
	struct bgpd *b = d->self;
	if (b->rib)
		for (unsigned i = 0; i < RIB_MAX_PEERS; i++)
			session_free(b->sessions[i]);
	listen_close(b);
	feed_free(b->feed);
	services_close(b);
	links_close(b);
	config_free(b->config);
	loop_defer_free(b->work);
	loop_timer_free(b->rest);
	loop_timer_free(b->stage_timer);
	rib_free(b->rib);
	if (b->slots)
		munmap(b->slots, sizeof *b->slots);
	if (b->slots_fd >= 0)
		close(b->slots_fd);
}

int bgpd_main(int argc, char **argv)
{
	static const struct daemon_ops ops = { .id = DAEMON_BGPD,
					       .open = bgpd_open,
					       .join = bgpd_join,
					       .stop = stop_begin,
					       .drain = stop_drain,
					       .explain = bgpd_explain,
					       .close = bgpd_close };
	struct bgpd *b = calloc(1, sizeof *b);
	if (!b)
		return 1;
	int status = daemon_main(argc, argv, &ops, b);
	free(b);
	return status;
}
