/* Any bytes as the memory of a former life of gossipd. */
#include <stdlib.h>
#include <string.h>

#include "gossipd/snapshot.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	mono_t now = { SEC(10) };
	struct swim_config c = {
		.name = "node-a", .incarnation = 3, .seed = 1, .timing = swim_timing_default()
	};
	struct owner_config oc = { .own_node = "node-a" };
	struct snapshot_head h;
	struct objects objects;
	if (snapshot_read_head(data, len, &h) == 0)
		c.former = &h.self;
	struct swim *s = swim_new(&c, now);
	must(s);
	objects_init(&objects);
	struct owner *o = owner_new(&oc, &objects);
	must(o);
	(void)snapshot_read_members(data, len, now, s);
	(void)snapshot_read_owners(data, len, o);
	size_t n;
	uint8_t *again = snapshot_members(&(struct snapshot_head){ .session = 1 }, s, &n);
	must(again && snapshot_read_head(again, n, &h) == 0);
	free(again);
	owner_free(o);
	objects_fini(&objects);
	swim_free(s);
	return 0;
}
