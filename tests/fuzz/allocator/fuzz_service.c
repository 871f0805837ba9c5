/* Whatever the watcher's bytes unpack to as a Service: it is decided twice, adopted, and forgotten; nobody
 * holds an address outside the pools, and nothing stays behind. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/board.h"
#include "lib/base/must.h"
#include "tests/unit/allocator/fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
	bool has_address;
};

static void on_assignment(void *ctx, const char *key, const Ingot__Assignment *a)
{
	struct seen *s = ctx;
	if (strcmp(key, "default/fuzz") != 0)
		return;
	s->has_address = a && a->n_ips > 0;
	must(!a || ingot__assignment__get_packed_size(a) > 0);
	must(!s->has_address || *a->pool);
	must(!s->has_address || !*a->reason);
}

static void run(struct board *b, const struct objects *o)
{
	while (board_run(b, o, (mono_t){ SEC(9) }, 10))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct board_sink sink = { .assignment = on_assignment };
	struct objects o;
	struct board b;
	struct seen seen = { false };
	char key[OBJECT_KEY];
	Ingot__Service *s = ingot__service__unpack(NULL, len, data);
	if (!s)
		return 0;
	objects_init(&o);
	fixture_pool(&o, "p 10.0.0.0/30 fd00::/126 buggy");
	fixture_pool(&o, "q 10.0.1.0/32 ns=default prio=1");
	fixture_service(&o, "other share=k port=tcp/80 ips=10.0.0.1", key);
	struct config *c = fixture_config(&o);
	board_init(&b, "", &sink, &seen);
	must(board_lead(&b, true, &o, (mono_t){ SEC(8) }) == 0);
	must(board_configure(&b, c, NULL, false, &o, (mono_t){ SEC(8) }) == 0);
	run(&b, &o);
	must(objects_put(&o, KIND_SERVICE, "default/fuzz", &s->base) == 0);
	for (unsigned i = 0; i < 2; i++) {
		board_touch(&b, "default/fuzz");
		run(&b, &o);
		bool had = seen.has_address;
		board_touch(&b, "default/fuzz");
		run(&b, &o);
		must(seen.has_address == had);
		must(board_lead(&b, false, &o, (mono_t){ SEC(9) }) == 0);
		run(&b, &o);
		must(board_lead(&b, true, &o, (mono_t){ SEC(9) }) == 0);
		run(&b, &o);
	}
	objects_del(&o, KIND_SERVICE, "default/fuzz");
	board_touch(&b, "default/fuzz");
	run(&b, &o);
	must(!seen.has_address && map_len(&b.alloc.holders) == 1);
	board_fini(&b);
	objects_fini(&o);
	config_free(c);
	return 0;
}
