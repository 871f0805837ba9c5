/* Descriptors kept for a daemon's next life. Runs in the supervisor, which never looks into them. A map value
 * is the descriptor plus one, so that none is NULL. */
#include "supervisor/fdstore.h"

#include <stdint.h>
#include <unistd.h>

#include "lib/run/supwire.h"

static void close_value(void *value)
{
	close((int)((intptr_t)value - 1));
}

void fdstore_init(struct fdstore *s)
{
	map_init(&s->by_name);
	s->refused = 0;
}

void fdstore_fini(struct fdstore *s)
{
	map_fini(&s->by_name, close_value);
}

void fdstore_clear(struct fdstore *s)
{
	map_fini(&s->by_name, close_value);
	map_init(&s->by_name);
}

bool fdstore_put(struct fdstore *s, const char *name, int fd)
{
	void *old = NULL;
	bool is_new = map_get(&s->by_name, name) == NULL;
	if ((is_new && map_len(&s->by_name) >= SUP_MAX_RETAINED) ||
	    map_set(&s->by_name, name, (void *)((intptr_t)fd + 1), &old) < 0) {
		close(fd);
		s->refused++;
		return false;
	}
	if (old)
		close_value(old);
	return true;
}

void fdstore_drop(struct fdstore *s, const char *name)
{
	void *value = map_del(&s->by_name, name);
	if (value)
		close_value(value);
}

size_t fdstore_count(const struct fdstore *s)
{
	return map_len(&s->by_name);
}

const struct map_entry *fdstore_next(const struct fdstore *s, const struct map_entry *at)
{
	return at ? at->next : s->by_name.head;
}

int fdstore_fd(const struct map_entry *e)
{
	return (int)((intptr_t)e->value - 1);
}
