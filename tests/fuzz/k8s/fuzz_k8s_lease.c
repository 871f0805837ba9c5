/* Leases as anybody may have written them, one JSON text a line, by turns from the watch and as answers. What
 * we write is always a Lease that a server takes, and we lead only what is ours. */
#include <stdint.h>
#include <string.h>

#include "lib/base/must.h"
#include "watcher/k8s/lease.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_write(const struct write *w)
{
	must(w->path && (w->body != NULL) == (w->method != WRITE_GET));
	if (!w->body)
		return;
	json_t *root = json_loads(w->body, 0, NULL), *spec = json_object_get(root, "spec");
	const char *holder = json_string_value(json_object_get(spec, "holderIdentity"));
	json_int_t n = json_integer_value(json_object_get(spec, "leaseTransitions"));
	must(holder && (strcmp(holder, "me") == 0 || *holder == 0));
	must(n >= 0 && n <= INT32_MAX);
	json_decref(root);
}

static void step(struct lease *l, const json_t *object, unsigned turn, mono_t now)
{
	struct write w;
	if (turn % 3 == 0)
		lease_saw(l, object, now);
	if (lease_next(l, now, &w)) {
		struct write_outcome o = { .status = turn % 5 ? 200 : 409, .retry_after_us = -1 };
		o.object = o.status == 200 ? object : NULL;
		check_write(&w);
		write_fini(&w);
		lease_done(l, w.id, &o, now);
	}
	must(!lease_leads(l, now) || strcmp(lease_holder(l), "me") == 0);
	must(lease_wake(l).us < INT64_MAX || turn > 40);
	if (turn == 40)
		lease_release(l, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lease l;
	mono_t now = { SEC(100) };
	lease_init(&l, "ns", "name", "me", 1);
	lease_clock(&l, "2026-01-01T00:00:00.000000Z");
	lease_api(&l, "coordination.k8s.io/v1");
	for (unsigned turn = 0; len > 0 && turn < 50; turn++) {
		const uint8_t *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		json_t *object = json_loadb((const char *)data, n, JSON_DECODE_ANY, NULL);
		now = mono_add(now, SEC(turn % 9));
		step(&l, object, turn, now);
		json_decref(object);
		data += n + (end != NULL);
		len -= n + (end != NULL);
	}
	return 0;
}
