/* Counters of pools and the state of the configuration, as metrics and on the bus. Runs in the allocator;
 * decides nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/room.h"

/* What was published last about a pool. */
struct pool_figures {
	int64_t total[FAM_N], used[FAM_N];
	bool published;
};

int room_metrics_init(struct room *r)
{
	static const char *const by_pool[] = { "pool", NULL };
	static const char *const totals[] = { "metallb_allocator_addresses_total",
					      "metallb_allocator_ipv4_addresses_total",
					      "metallb_allocator_ipv6_addresses_total" };
	static const char *const used[] = { "metallb_allocator_addresses_in_use_total",
					    "metallb_allocator_ipv4_addresses_in_use_total",
					    "metallb_allocator_ipv6_addresses_in_use_total" };
	struct metrics *m = r->d->metrics;
	for (size_t i = 0; i < 3; i++) {
		r->metrics.total[i] = metrics_add(m, totals[i], "Number of usable IP addresses per pool",
						  METRIC_GAUGE, by_pool);
		r->metrics.used[i] =
		    metrics_add(m, used[i], "Number of IP addresses in use per pool", METRIC_GAUGE, by_pool);
		if (!r->metrics.total[i] || !r->metrics.used[i])
			return -ENOMEM;
	}
	metrics_add(m, "metallb_allocator_services_allocated_total",
		    "Registered for compatibility, has no samples", METRIC_GAUGE, by_pool);
	struct metric *decisions = metrics_add(m, "ingot_allocator_decisions_total",
					       "Decisions about Services", METRIC_COUNTER, NULL);
	struct metric *oom = metrics_add(m, "ingot_allocator_out_of_memory_total",
					 "Decisions put off for lack of memory", METRIC_COUNTER, NULL);
	struct metric *quarantined =
	    metrics_add(m, "ingot_allocator_quarantined_total",
			"Services skipped because handling them ended the process", METRIC_COUNTER, NULL);
	struct metric *waiting = metrics_add(m, "ingot_allocator_waiting_services",
					     "Services that wait for an address", METRIC_GAUGE, NULL);
	if (!decisions || !oom || !quarantined || !waiting)
		return -ENOMEM;
	r->metrics.decisions = metric_value(decisions);
	r->metrics.out_of_memory = metric_value(oom);
	r->metrics.quarantined = metric_value(quarantined);
	r->metrics.waiting = metric_value(waiting);
	return r->metrics.decisions && r->metrics.out_of_memory && r->metrics.quarantined &&
		       r->metrics.waiting
		   ? 0
		   : -ENOMEM;
}

static void set_series(struct metric *m, const char *pool, int64_t value)
{
	int64_t *v = metric_series(m, (const char *const[]){ pool });
	if (v)
		*v = value;
}

static void set_metrics(struct room *r, const char *pool, const struct pool_space *ps)
{
	set_series(r->metrics.total[0], pool, saturating_add(ps->total[FAM_V4], ps->total[FAM_V6]));
	set_series(r->metrics.total[1], pool, ps->total[FAM_V4]);
	set_series(r->metrics.total[2], pool, ps->total[FAM_V6]);
	set_series(r->metrics.used[0], pool, saturating_add(ps->used[FAM_V4], ps->used[FAM_V6]));
	set_series(r->metrics.used[1], pool, ps->used[FAM_V4]);
	set_series(r->metrics.used[2], pool, ps->used[FAM_V6]);
}

static void forget_pools(struct room *r)
{
	map_each (&r->published, e) {
		if (config_pool(r->config, e->key))
			continue;
		for (size_t i = 0; i < 3; i++) {
			metric_delete(r->metrics.total[i], (const char *const[]){ e->key });
			metric_delete(r->metrics.used[i], (const char *const[]){ e->key });
		}
		publisher_delete(r->pool_status, e->key);
		free(e->value);
		map_del_n(&r->published, e->key, e->key_len);
	}
}

static struct pool_figures *figures_of(struct room *r, const char *pool)
{
	struct pool_figures *f = map_get(&r->published, pool);
	if (f)
		return f;
	f = calloc(1, sizeof *f);
	if (!f || map_set(&r->published, pool, f, NULL) < 0) {
		free(f);
		return NULL;
	}
	f->total[FAM_V4] = -1;
	return f;
}

static void publish_pool(struct room *r, const struct pool *p, const struct pool_space *ps)
{
	Ingot__PoolStatus out;
	struct pool_figures *f = figures_of(r, p->name);
	bool same = f && memcmp(f->total, ps->total, sizeof f->total) == 0 &&
		    memcmp(f->used, ps->used, sizeof f->used) == 0;
	if (!f || (same && f->published == r->board.leading))
		return;
	memcpy(f->total, ps->total, sizeof f->total);
	memcpy(f->used, ps->used, sizeof f->used);
	set_metrics(r, p->name, ps);
	if (r->board.leading) {
		board_pool_status(&r->board, p, &out);
		publisher_put(r->pool_status, p->name, &out.base);
	} else if (f->published) {
		publisher_delete(r->pool_status, p->name);
	}
	f->published = r->board.leading;
}

void room_publish_pools(struct room *r)
{
	for (size_t i = 0; i < r->config->n_pools; i++)
		publish_pool(r, &r->config->pools[i], &r->board.alloc.space.pools[i]);
	if (map_len(&r->published) > r->config->n_pools)
		forget_pools(r);
}

void room_publish_config(struct room *r, bool stale)
{
	enum { TOLD = 20, TEXT = 600 };
	char text[TOLD][TEXT], digest[20], *errors[TOLD], *warnings[TOLD];
	Ingot__ConfigStatus out = INGOT__CONFIG_STATUS__INIT;
	for (size_t i = 0; i < r->diags.n && i < TOLD; i++) {
		diag_text(&r->diags.v[i], text[i], TEXT);
		if (r->diags.v[i].severity == DIAG_ERROR)
			errors[out.n_errors++] = text[i];
		else
			warnings[out.n_warnings++] = text[i];
		log_line(LOG_WARN, r->diags.v[i].name, "configInvalid", "%s", text[i]);
	}
	out.loaded = r->config != NULL;
	out.stale = stale;
	out.errors = errors;
	out.warnings = warnings;
	str_fmt(digest, sizeof digest, "%016llx", r->config ? (unsigned long long)r->config->digest : 0ULL);
	out.digest = digest;
	if (publisher_put(r->config_status, "allocator", &out.base) == 0)
		publisher_synced(r->config_status);
}
