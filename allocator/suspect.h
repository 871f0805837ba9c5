/* Which Service was being handled when the process ended, in memory that outlives it. A Service that ended it
 * twice in a row is skipped until it changes; everything else goes on. The memory is read as foreign input.
 */
#ifndef INGOT_ALLOCATOR_SUSPECT_H
#define INGOT_ALLOCATOR_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUSPECT_KEY = 512, SUSPECTS = 64, SUSPECT_LIVES = 2 };

struct suspect_entry {
	char key[SUSPECT_KEY];
	uint64_t fingerprint;
	uint32_t lives; /* that ended while it was handled */
	uint32_t used;
};
struct suspect_file {
	uint32_t magic, busy;
	struct suspect_entry current;
	struct suspect_entry entry[SUSPECTS];
};
struct suspect {
	int fd; /* -1 = none */
	struct suspect_file *file;
	bool any; /* an entry is in use */
};

/* Map the memory of a former life (fd, owned from now on; -1 = none), or fresh memory. What was unfinished is
 * counted. 0 or a negative errno; without memory the functions below do nothing. */
int suspect_open(struct suspect *s, int fd);
void suspect_close(struct suspect *s);
void suspect_begin(struct suspect *s, const char *key, uint64_t fingerprint);
/* It went well. decided: all that can be done with the object was done, so it is no suspect any more; false:
 * it was only looked at (adopted by a follower), which proves nothing. */
void suspect_end(struct suspect *s, bool decided);
/* Calls each for every object that ended this many lives: SUSPECT_LIVES, or 1 when the last life did not even
 * become ready, because after two of those the supervisor drops this memory too. */
void suspect_each(const struct suspect *s, unsigned lives,
		  void (*each)(void *ctx, const char *key, uint64_t fingerprint), void *ctx);

#endif
