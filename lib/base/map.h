/* Hash map from byte strings to pointers, keyed by SipHash-2-4 so that a remote cannot choose collisions.
 * Keys are copied. Iteration order is insertion order, so output is deterministic whatever the hash key is.
 */
#ifndef INGOT_BASE_MAP_H
#define INGOT_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
	struct map_entry *next, *prev; /* insertion order */
	struct map_entry *chain;
	void *value;
	uint32_t hash;
	uint32_t key_len;
	char key[]; /* NUL-terminated too */
};
struct map {
	struct map_entry **bucket, *head, *tail;
	size_t n, n_buckets;
};

/* Set once per process by the shell from getrandom(); tests leave it zero. */
void map_seed(const uint8_t key[static 16]);
uint64_t siphash24(const uint8_t key[static 16], const void *data, size_t len);
uint32_t map_hash(const void *key, size_t len); /* with that key */

void map_init(struct map *m);
/* Free all entries; free_value (may be NULL) is called for each value. */
void map_fini(struct map *m, void (*free_value)(void *value));

void *map_get(const struct map *m, const char *key); /* NULL when absent */
void *map_get_n(const struct map *m, const void *key, size_t len);
struct map_entry *map_find_n(const struct map *m, const void *key, size_t len);
/* Insert or replace; *old (may be NULL) receives the former value or NULL. -ENOMEM leaves the map as it was.
 */
int map_set(struct map *m, const char *key, void *value, void **old);
int map_set_n(struct map *m, const void *key, size_t len, void *value, void **old);
/* Remove and return the value; NULL when absent. */
void *map_del(struct map *m, const char *key);
void *map_del_n(struct map *m, const void *key, size_t len);
static inline size_t map_len(const struct map *m)
{
	return m->n;
}

/* for each entry e; removing e itself inside the body is allowed. */
#define map_each(m, e)                                                                                       \
	for (struct map_entry *e = (m)->head, *e##_next = e ? e->next : NULL; e;                             \
	     e = e##_next, e##_next = e ? e->next : NULL)

#endif
