/* Shared by the desks of the source k8s. Pure; run by the watcher. */
#include "watcher/k8s/write.h"

#include <stdlib.h>

#include "lib/base/must.h"

void write_fini(struct write *w)
{
	free(w->path);
	free(w->body);
	w->path = w->body = NULL;
}

void backoff_init(struct backoff *b, int64_t first_us, int64_t most_us, uint64_t seed)
{
	must(first_us > 0 && first_us <= most_us && most_us <= UINT32_MAX);
	*b = (struct backoff){ seed | 1, (uint32_t)first_us, (uint32_t)most_us, (uint32_t)first_us };
}

int64_t backoff_next(struct backoff *b)
{
	uint32_t wait = b->next_us;
	b->next_us = wait < b->most_us / 2 ? wait * 2 : b->most_us;
	/* xorshift64: only to keep many clients from coming back at once. */
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return (int64_t)wait - wait / 4 + (int64_t)(b->seed % (wait / 2 + 1));
}

void backoff_reset(struct backoff *b)
{
	b->next_us = b->first_us;
}
