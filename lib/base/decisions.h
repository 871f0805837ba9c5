/* The decision ring: what a daemon decided, about whom, why and when, in fixed memory. `ingotctl explain`
 * reads it. */
#ifndef INGOT_BASE_DECISIONS_H
#define INGOT_BASE_DECISIONS_H

#include <stddef.h>
#include <stdint.h>

enum { DECISION_SUBJECT = 128, DECISION_FACT = 48, DECISION_REASON = 160, DECISIONS_CAP = 512 };

struct decision {
	int64_t at_ms; /* wall clock, ms */
	char subject[DECISION_SUBJECT];
	char fact[DECISION_FACT];
	char reason[DECISION_REASON];
};
struct decisions {
	struct decision *v; /* DECISIONS_CAP, allocated at the first note */
	uint64_t n;	    /* ever noted */
};

void decisions_fini(struct decisions *d);
/* Note one; over-long text is cut. A decision equal to the newest one about the same subject is not noted
 * again. */
void decisions_note(struct decisions *d, int64_t at_ms, const char *subject, const char *fact,
		    const char *reason);
/* Up to max decisions about subject (NULL or "" = all), newest first; returns how many. Pointers live until
 * the next note. */
size_t decisions_find(const struct decisions *d, const char *subject, const struct decision **ret,
		      size_t max);

#endif
