/* Two kinds of upkeep and the sweep after take-overs, as one desk. Pure; run by the watcher. */
#include "watcher/k8s/report/status_objects.h"

#include <stdlib.h>
#include <string.h>

#include "lib/model/limits.h"
#include "watcher/k8s/report/sweep.h"

/* Their desks; an id of ours is theirs times this, plus the number. */
enum { PART_SWEEP = STATUS_KIND_N, PART_N };

struct side {
	struct status_objects *all;
	enum status_kind kind;
	struct upkeep *upkeep;
};
struct status_objects {
	struct side side[STATUS_KIND_N];
	struct sweep *sweep;
	void (*created)(void *ctx, enum status_kind k, const char *key);
	void *ctx;
};

static const char *label(const json_t *metadata, const char *name)
{
	return json_string_value(json_object_get(json_object_get(metadata, "labels"), name));
}

static bool service_key(const struct upkeep_place *p, const json_t *metadata, char ret[static OBJECT_KEY])
{
	const char *node = label(metadata, "metallb.io/node");
	const char *name = label(metadata, "metallb.io/service-name");
	const char *ns = label(metadata, "metallb.io/service-namespace");
	if (!node || !name || !ns || !*name || !*ns || strcmp(node, p->node) != 0 ||
	    strlen(name) > LIMIT_NAME || strlen(ns) > LIMIT_NAME || strchr(ns, '/'))
		return false;
	object_key(ns, name, ret);
	return true;
}

static json_t *service_labels(const struct upkeep_place *p, const char *key)
{
	const char *slash = strchr(key, '/');
	if (!slash)
		return NULL;
	return json_pack("{s:s, s:s, s:s%}", "metallb.io/node", p->node, "metallb.io/service-name", slash + 1,
			 "metallb.io/service-namespace", key, (size_t)(slash - key));
}

static json_t *service_implied(const struct upkeep_place *p, const char *key)
{
	const char *slash = strchr(key, '/');
	if (!slash)
		return NULL;
	return json_pack("{s:s, s:s, s:s%}", "node", p->node, "serviceName", slash + 1, "serviceNamespace",
			 key, (size_t)(slash - key));
}

/* A field that cannot change names something else. */
static bool differs(const json_t *status, const char *field, const char *want, size_t len)
{
	const json_t *v = json_object_get(status, field);
	return v && (!json_is_string(v) || json_string_length(v) != len ||
		     memcmp(json_string_value(v), want, len) != 0);
}

static bool service_foreign(const struct upkeep_place *p, const char *key, const json_t *status)
{
	size_t ns = strcspn(key, "/");
	const char *name = key[ns] ? key + ns + 1 : "";
	return differs(status, "node", p->node, strlen(p->node)) ||
	       differs(status, "serviceName", name, strlen(name)) ||
	       differs(status, "serviceNamespace", key, ns);
}

static const struct upkeep_kind kinds[STATUS_KIND_N] = {
	[STATUS_L2] = { .kind = "ServiceL2Status",
			.plural = "servicel2statuses",
			.generate = "l2-",
			.creates = true,
			.removes = true,
			.key = service_key,
			.labels = service_labels,
			.foreign = service_foreign,
			.implied = service_implied,
			.list = "interfaces" },
	[STATUS_BGP] = { .kind = "ServiceBGPStatus",
			 .plural = "servicebgpstatuses",
			 .generate = "bgp-",
			 .creates = true,
			 .removes = true,
			 .key = service_key,
			 .labels = service_labels,
			 .foreign = service_foreign,
			 .implied = service_implied,
			 .list = "peers" },
};

static void on_created(void *ctx, const char *key)
{
	struct side *side = ctx;
	struct status_objects *s = side->all;
	if (side->kind == STATUS_L2)
		sweep_took(s->sweep);
	if (s->created)
		s->created(s->ctx, side->kind, key);
}

static bool announces(void *ctx, const char *key)
{
	const struct status_objects *s = ctx;
	return upkeep_has(s->side[STATUS_L2].upkeep, key);
}

struct status_objects *status_objects_new(const struct upkeep_place *p, const struct desk_tell *tell,
					  void (*created)(void *ctx, enum status_kind k, const char *key),
					  void *ctx)
{
	struct status_objects *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->created = created;
	s->ctx = ctx;
	s->sweep = sweep_new(&kinds[STATUS_L2], p, tell, announces, s);
	bool whole = s->sweep != NULL;
	for (unsigned k = 0; k < STATUS_KIND_N; k++) {
		struct side *side = &s->side[k];
		*side = (struct side){ .all = s, .kind = (enum status_kind)k };
		side->upkeep = upkeep_new(&kinds[k], p, tell, on_created, side);
		whole = whole && side->upkeep;
	}
	if (whole)
		return s;
	status_objects_free(s);
	return NULL;
}

void status_objects_free(struct status_objects *s)
{
	if (!s)
		return;
	for (unsigned k = 0; k < STATUS_KIND_N; k++)
		upkeep_free(s->side[k].upkeep);
	sweep_free(s->sweep);
	free(s);
}

int status_objects_owner(struct status_objects *s, const char *pod, const char *uid)
{
	int rc = 0;
	for (unsigned k = 0; k < STATUS_KIND_N && rc == 0; k++)
		rc = upkeep_owner(s->side[k].upkeep, pod, uid);
	return rc;
}

int status_objects_want(struct status_objects *s, enum status_kind k, const char *key, const json_t *status)
{
	return upkeep_want(s->side[k].upkeep, key, status);
}

void status_objects_whole(struct status_objects *s, enum status_kind k)
{
	upkeep_whole(s->side[k].upkeep);
}

int status_objects_see(struct status_objects *s, enum status_kind k, const json_t *object)
{
	return upkeep_see(s->side[k].upkeep, object);
}

void status_objects_unsee(struct status_objects *s, enum status_kind k, const char *name)
{
	upkeep_unsee(s->side[k].upkeep, name);
}

void status_objects_synced(struct status_objects *s, enum status_kind k, mono_t now)
{
	upkeep_synced(s->side[k].upkeep, now);
}

static const struct desk_ops *part(const struct status_objects *s, unsigned i, void **ret)
{
	*ret = i == PART_SWEEP ? (void *)s->sweep : (void *)s->side[i].upkeep;
	return i == PART_SWEEP ? &sweep_desk : &upkeep_desk;
}

static bool status_objects_next(void *desk, mono_t now, struct write *ret)
{
	for (unsigned i = 0; i < PART_N; i++) {
		void *inner;
		if (part(desk, i, &inner)->next(inner, now, ret)) {
			ret->id = ret->id * PART_N + i;
			return true;
		}
	}
	return false;
}

static void status_objects_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	void *inner;
	const struct desk_ops *ops = part(desk, (unsigned)(id % PART_N), &inner);
	ops->done(inner, id / PART_N, o, now);
}

static mono_t status_objects_wake(const void *desk)
{
	mono_t at = MONO_NEVER;
	for (unsigned i = 0; i < PART_N; i++) {
		void *inner;
		const struct desk_ops *ops = part(desk, i, &inner);
		at = mono_min(at, ops->wake(inner));
	}
	return at;
}

struct status_objects_counts status_objects_counts(const struct status_objects *s)
{
	struct status_objects_counts sum = { .ignored = sweep_postponed(s->sweep) };
	const struct desk_counts *parts[PART_N] = { [PART_SWEEP] = sweep_counts(s->sweep) };
	for (unsigned k = 0; k < STATUS_KIND_N; k++) {
		parts[k] = upkeep_counts(s->side[k].upkeep);
		sum.ignored += upkeep_ignored(s->side[k].upkeep);
	}
	for (unsigned i = 0; i < PART_N; i++) {
		sum.desk.writes += parts[i]->writes;
		sum.desk.written += parts[i]->written;
		sum.desk.refused += parts[i]->refused;
		sum.desk.failures += parts[i]->failures;
		sum.desk.untold += parts[i]->untold;
	}
	return sum;
}

const struct desk_ops status_objects_desk = { status_objects_next, status_objects_done, status_objects_wake };
