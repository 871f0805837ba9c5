/* What goes back to the server: the desks, who leads, and what lets them write. Runs in the watcher. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/run/memfile.h"
#include "watcher/api_text.h"
#include "watcher/k8s/k8s.h"
#include "watcher/reports_json.h"

/* So many requests at once for each kind of write. The server bounds them too; these keep one kind from
 * filling the connection. A renewal of the Lease that hangs must leave time for another one. */
enum { SERVICES_AT_ONCE = 64, EVENTS_AT_ONCE = 8, STATUS_AT_ONCE = 8, LEASE_TIMEOUT_MS = 1800 };

static bool is_controller(const struct k8s *k)
{
	return (k->context.daemons & READS(ALLOCATOR)) != 0;
}

/* ---- who leads ---- */

static void set_leading(struct k8s *k, bool leads)
{
	if (k->leads == leads && k->w->leading == (leads && !k->quiet))
		return;
	k->leads = leads;
	bool writes = leads && !k->quiet;
	service_status_pause(&k->service_status, !writes);
	gossip_secret_lead(&k->gossip_secret, writes);
	upkeep_hold(k->controller_state, !writes);
	upkeep_hold(k->pool_status, !writes);
	if (!writes) {
		pace_abort(k->pace, &k->service_status);
		pace_abort(k->pace, k->pool_status);
	}
	watcher_lead(k->w, writes, leads ? "" : lease_holder(&k->lease));
	pace_ask(k->pace);
}

void writing_check_lease(struct k8s *k)
{
	mono_t now = loop_now(k->w->d->loop);
	char holder[300];
	bool leads = lease_leads(&k->lease, now);
	str_fmt(holder, sizeof holder, "%s", lease_holder(&k->lease));
	bool other = !leads && strcmp(holder, k->holder) != 0;
	str_fmt(k->holder, sizeof k->holder, "%s", holder);
	if (leads != k->leads)
		set_leading(k, leads);
	else if (other)
		watcher_lead(k->w, false, k->holder);
	loop_timer_set(k->lease_timer, leads ? lease_deadline(&k->lease) : MONO_NEVER);
	if (k->stopping && !lease_ends(&k->lease))
		daemon_stopped(k->w->d);
}

static void on_lease_timer(void *ctx)
{
	writing_check_lease(ctx);
}

void writing_lease_saw(struct k8s *k, const json_t *object)
{
	lease_saw(&k->lease, object, loop_now(k->w->d->loop));
	writing_check_lease(k);
}

/* The lease's desk, with the time of day and its consequences. */
static bool lease_desk_next(void *desk, mono_t now, struct write *ret)
{
	struct k8s *k = desk;
	char clock[RFC3339_SIZE];
	lease_clock(&k->lease, rfc3339_micro(loop_wall_ms(), clock));
	return lease_next(&k->lease, now, ret);
}

static void lease_desk_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct k8s *k = desk;
	lease_done(&k->lease, id, o, now);
	writing_check_lease(k);
}

static mono_t lease_desk_wake(const void *desk)
{
	return lease_wake(&((const struct k8s *)desk)->lease);
}

/* Give the Lease back, so that the other controller goes on at once. */
void writing_stop(struct k8s *k)
{
	k->stopping = true;
	lease_release(&k->lease, loop_now(k->w->d->loop));
	if (!is_controller(k) || !lease_ends(&k->lease)) {
		daemon_stopped(k->w->d);
		return;
	}
	set_leading(k, false);
	pace_ask(k->pace);
}

/* ---- what lets them write ---- */

void writing_held(struct k8s *k)
{
	k->quiet = k->held || !k->hold_known;
	set_leading(k, k->leads);
	pace_ask(k->pace);
}

void writing_apis(struct k8s *k)
{
	const struct discovery *d = &k->discovery;
	if (is_controller(k))
		lease_api(&k->lease, discovery_has(d, "coordination.k8s.io/v1")
					 ? "coordination.k8s.io/v1"
					 : "coordination.k8s.io/v1beta1");
	events_api(k->events, discovery_has(d, "events.k8s.io/v1")	  ? EVENTS_API_V1
			      : discovery_has(d, "events.k8s.io/v1beta1") ? EVENTS_API_V1BETA1
									  : EVENTS_API_CORE_V1);
	pace_ask(k->pace);
}

/* ---- what the other daemons say ---- */

void writing_assign(void *source, const char *key, const Ingot__Assignment *a)
{
	struct k8s *k = source;
	if (service_status_want(&k->service_status, key, a) < 0)
		log_line(LOG_ERROR, key, "assignment", "out of memory");
	pace_ask(k->pace);
}

void writing_unassign(void *source, const char *key)
{
	struct k8s *k = source;
	service_status_unwant(&k->service_status, key);
}

static void note_event(struct k8s *k, const char *key, const char *controller, bool warning,
		       const char *reason, const char *note)
{
	char ns[254], uid[DECODE_UID];
	const char *slash = strchr(key, '/');
	if (!slash || !sinks_uid(k, key, uid))
		return; /* it is gone */
	str_fmt(ns, sizeof ns, "%.*s", (int)(slash - key), key);
	struct service_event e = { .at = loop_now(k->w->d->loop),
				   .wall_ms = loop_wall_ms(),
				   .ns = ns,
				   .service = slash + 1,
				   .uid = uid,
				   .warning = warning,
				   .reason = reason,
				   .note = note,
				   .controller = controller,
				   .instance = k->instance };
	if (events_add(k->events, &e) < 0)
		log_line(LOG_ERROR, key, "event", "out of memory");
	pace_ask(k->pace);
}

/* Once, when it becomes so. */
static void tell_lacking(struct k8s *k, const char *key, const Ingot__L2ServiceState *s)
{
	const char *ip = s ? s->lacks_interface : "";
	char note[400];
	if (!*ip) {
		map_del(&k->lacking, key);
		return;
	}
	if (map_get(&k->lacking, key) || map_set(&k->lacking, key, k, NULL) < 0)
		return;
	str_fmt(
	    note, sizeof note,
	    "the interfaces specified by LB IP \"%s\" doesn't exist in assigned node \"%s\" with protocol "
	    "\"layer2\"",
	    ip, k->context.node);
	note_event(k, key, "metallb-speaker", true, "announceFailed", note);
}

static void report_service(struct k8s *k, enum status_kind kind, const char *key, const ProtobufCMessage *m)
{
	const char *node = k->context.node;
	json_t *status = NULL;
	if (!key) {
		status_objects_whole(k->status_objects, kind);
		return;
	}
	if (kind == STATUS_L2)
		tell_lacking(k, key, (const Ingot__L2ServiceState *)m);
	if (m && kind == STATUS_L2 && ((const Ingot__L2ServiceState *)m)->announcing)
		status = reports_json_l2_status(node, key, (const Ingot__L2ServiceState *)m);
	else if (m && kind == STATUS_BGP && ((const Ingot__BgpServiceState *)m)->n_peers)
		status = reports_json_bgp_status(node, key, (const Ingot__BgpServiceState *)m);
	if (status_objects_want(k->status_objects, kind, key, status) < 0)
		log_line(LOG_ERROR, key, "status", "out of memory");
	json_decref(status);
}

static void report_pool(struct k8s *k, const char *pool, const ProtobufCMessage *m)
{
	json_t *status = m ? pool_status_json((const Ingot__PoolStatus *)m) : NULL;
	if (!pool)
		upkeep_whole(k->pool_status);
	else if (upkeep_want(k->pool_status, pool, status) < 0)
		log_line(LOG_ERROR, pool, "status", "out of memory");
	json_decref(status);
}

void writing_report(void *source, enum report r, const char *key, const ProtobufCMessage *m)
{
	struct k8s *k = source;
	if (r == REPORT_L2)
		report_service(k, STATUS_L2, key, m);
	else if (r == REPORT_BGP)
		report_service(k, STATUS_BGP, key, m);
	else if (r == REPORT_POOL)
		report_pool(k, key, m);
	pace_ask(k->pace);
}

static void want_config(struct upkeep *state, const char *name, const char *condition,
			const struct config_report *r)
{
	json_t *status = reports_json_config_status(condition, r);
	if (upkeep_want(state, name, status) < 0)
		log_line(LOG_ERROR, name, "status", "out of memory");
	json_decref(status);
}

void writing_configuration(void *source, const struct config_report *controller,
			   const struct config_report *speaker)
{
	struct k8s *k = source;
	char name[OBJECT_KEY];
	if (is_controller(k))
		want_config(k->controller_state, CONFIG_STATE_CONTROLLER, "poolReconcilerValid", controller);
	if (k->context.daemons & READS(GOSSIPD))
		want_config(k->speaker_state, config_state_speaker(k->context.node, name),
			    "configReconcilerValid", speaker);
	upkeep_whole(k->controller_state);
	upkeep_whole(k->speaker_state);
	pace_ask(k->pace);
}

void writing_event(void *source, const char *key, const Ingot__ServiceEvent *e)
{
	note_event(source, key, "metallb-controller", e->warning, e->reason, e->message);
}

static bool service_exists(void *ctx, const char *ns, const char *service, const char *uid)
{
	char key[OBJECT_KEY], known[DECODE_UID];
	return sinks_uid(ctx, object_key(ns, service, key), known) && (!*uid || strcmp(known, uid) == 0);
}

/* This node began to announce it. */
static void on_announced(void *ctx, enum status_kind kind, const char *key)
{
	struct k8s *k = ctx;
	char note[400];
	str_fmt(note, sizeof note, "announcing from node \"%s\" with protocol \"%s\"", k->context.node,
		kind == STATUS_L2 ? "layer2" : "bgp");
	note_event(k, key, "metallb-speaker", false, "nodeAssigned", note);
}

/* ---- start and end ---- */

/* A conflict is everyday life, and so is an object that has just gone. */
static void on_failed(void *ctx, const struct write *w, const struct write_outcome *o)
{
	struct k8s *k = ctx;
	if (o->status == 409 || o->status == 404)
		return;
	if (o->status)
		log_limited(&k->refusals, 10, SEC(10), LOG_WARN, w->what, "writeFailed", "%d %s", o->status,
			    o->error.message);
	else
		log_limited(&k->refusals, 10, SEC(10), LOG_WARN, w->what, "writeFailed", "%s", o->failure);
}

/* By rank: who leads, then addresses, then everything that only informs. */
static void fill_desks(struct k8s *k)
{
	static const struct desk_ops lease = { lease_desk_next, lease_desk_done, lease_desk_wake };
	static const struct desk_ops service = { service_status_next, service_status_done,
						 service_status_wake };
	static const struct desk_ops secret = { gossip_secret_next, gossip_secret_done, gossip_secret_wake };
	const struct pace_desk desks[] = {
		{ "lease", &lease, k, 1, LEASE_TIMEOUT_MS, true, NULL, on_failed, k },
		{ "service", &service, &k->service_status, SERVICES_AT_ONCE, 0, false, NULL, on_failed, k },
		{ "gossip_secret", &secret, &k->gossip_secret, 1, 0, false, NULL, on_failed, k },
		{ "controller_state", &upkeep_desk, k->controller_state, 1, 0, false, NULL, on_failed, k },
		{ "speaker_state", &upkeep_desk, k->speaker_state, 1, 0, false, &k->quiet, on_failed, k },
		{ "ipaddresspool", &upkeep_desk, k->pool_status, STATUS_AT_ONCE, 0, false, NULL, on_failed,
		  k },
		{ "event", &events_desk, k->events, EVENTS_AT_ONCE, 0, false, &k->quiet, on_failed, k },
		{ "servicestatus", &status_objects_desk, k->status_objects, STATUS_AT_ONCE, 0, false,
		  &k->quiet, on_failed, k },
	};
	must(ARRAY_LEN(desks) <= ARRAY_LEN(k->desks));
	memcpy(k->desks, desks, sizeof desks);
	k->n_desks = ARRAY_LEN(desks);
}

/* Unique to this Pod and the same in its next life, which so goes on leading at once. Without a Pod: to this
 * supervisor's life, by a number that it keeps for us. */
static void make_identity(struct k8s *k, char *buf, size_t size)
{
	const struct options *o = &k->w->d->options;
	uint64_t number = k->seed;
	if (*o->pod_uid) {
		str_fmt(buf, size, "%.120s_%.120s", k->instance, o->pod_uid);
		return;
	}
	int fd = daemon_take_retained(k->w->d, "identity");
	void *data = NULL;
	size_t len = 0;
	if (fd >= 0 && memfile_read(fd, sizeof number, &data, &len) == 0 && len == sizeof number)
		memcpy(&number, data, sizeof number);
	free(data);
	if (fd < 0)
		fd = memfile_new("identity");
	if (fd >= 0 && memfile_write(fd, &number, sizeof number) == 0)
		daemon_retain(k->w->d, "identity", fd);
	if (fd >= 0)
		close(fd);
	str_fmt(buf, size, "%.200s_%016llx", k->instance, (unsigned long long)number);
}

int writing_join(struct k8s *k)
{
	const struct options *o = &k->w->d->options;
	const struct upkeep_place place = { k->ns, k->context.node };
	uint8_t random[GOSSIP_SECRET_BYTES];
	char identity[300];
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return -EIO;
	make_identity(k, identity, sizeof identity);
	map_init(&k->lacking);
	lease_init(&k->lease, k->ns, LEASE_NAME, identity, k->seed);
	service_status_init(&k->service_status, k->seed);
	gossip_secret_init(&k->gossip_secret, k->ns, o->secret_name, random);
	k->events = events_new(NULL, service_exists, k);
	k->status_objects = status_objects_new(&place, NULL, on_announced, k);
	k->controller_state = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	k->speaker_state = upkeep_new(&config_state_kind, &place, NULL, NULL, NULL);
	k->pool_status = upkeep_new(&pool_status_kind, &place, NULL, NULL, NULL);
	k->lease_timer = loop_timer_new(k->w->d->loop, on_lease_timer, k);
	if (!k->events || !k->status_objects || !k->controller_state || !k->speaker_state ||
	    !k->pool_status || !k->lease_timer)
		return -ENOMEM;
	/* Until this controller leads. */
	upkeep_hold(k->controller_state, true);
	upkeep_hold(k->pool_status, true);
	fill_desks(k);
	k->pace = pace_new(k->w->d->loop, k->http, k->desks, k->n_desks, k->w->d->metrics);
	if (!k->pace || status_objects_owner(k->status_objects, o->pod_name, o->pod_uid) < 0 ||
	    upkeep_owner(k->controller_state, o->pod_name, o->pod_uid) < 0 ||
	    upkeep_owner(k->speaker_state, o->pod_name, o->pod_uid) < 0)
		return -ENOMEM;
	writing_held(k);
	return 0;
}

void writing_free(struct k8s *k)
{
	pace_free(k->pace);
	loop_timer_free(k->lease_timer);
	service_status_fini(&k->service_status);
	events_free(k->events);
	status_objects_free(k->status_objects);
	upkeep_free(k->controller_state);
	upkeep_free(k->speaker_state);
	upkeep_free(k->pool_status);
	map_fini(&k->lacking, NULL);
}
