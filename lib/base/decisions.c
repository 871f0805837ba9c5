/* The ring behind "explain". Pure; every deciding daemon owns one. Running out of memory loses decisions,
 * never a daemon. */
#include "lib/base/decisions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void decisions_fini(struct decisions *d)
{
	if (!d)
		return;
	free(d->v);
	*d = (struct decisions){ 0 };
}

/* Copy what fits; a UTF-8 sequence is not cut in two, because readers print the text as JSON. */
static void copy_cut(char *to, size_t cap, const char *from)
{
	size_t n = strnlen(from, cap);
	if (n == cap) {
		n = cap - 1;
		while (n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, from, n);
	memset(to + n, 0, cap - n);
}

static uint64_t kept(const struct decisions *d)
{
	return d->n < DECISIONS_CAP ? d->n : DECISIONS_CAP;
}

static const struct decision *nth_newest(const struct decisions *d, uint64_t i)
{
	return &d->v[(d->n - 1 - i) % DECISIONS_CAP];
}

void decisions_note(struct decisions *d, int64_t at_ms, const char *subject, const char *fact,
		    const char *reason)
{
	if (!d->v && !(d->v = calloc(DECISIONS_CAP, sizeof *d->v)))
		return;
	struct decision new = { .at_ms = at_ms };
	copy_cut(new.subject, sizeof new.subject, subject);
	copy_cut(new.fact, sizeof new.fact, fact);
	copy_cut(new.reason, sizeof new.reason, reason);
	for (uint64_t i = 0; i < kept(d); i++) {
		const struct decision *old = nth_newest(d, i);
		if (strcmp(old->subject, new.subject) != 0)
			continue;
		if (strcmp(old->fact, new.fact) == 0 && strcmp(old->reason, new.reason) == 0)
			return;
		break;
	}
	d->v[d->n++ % DECISIONS_CAP] = new;
}

size_t decisions_find(const struct decisions *d, const char *subject, const struct decision **ret, size_t max)
{
	/* Noted subjects were cut; cut the question the same way or it never matches. */
	char wanted[DECISION_SUBJECT];
	copy_cut(wanted, sizeof wanted, subject ? subject : "");
	size_t n = 0;
	for (uint64_t i = 0; i < kept(d) && n < max; i++) {
		const struct decision *v = nth_newest(d, i);
		if (!wanted[0] || strcmp(v->subject, wanted) == 0)
			ret[n++] = v;
	}
	return n;
}
