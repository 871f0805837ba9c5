/* Diagnostics: what is wrong with which object, in which field, and why. */
#ifndef INGOT_MODEL_DIAG_H
#define INGOT_MODEL_DIAG_H

#include <stdbool.h>
#include <stddef.h>

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag {
	enum diag_severity severity;
	bool transient;	   /* the missing object may still come (Secret, BFDProfile, Community) */
	char *kind, *name; /* "BGPPeer", "metallb-system/tor1" */
	char *field;	   /* "spec.addresses[0]", may be empty */
	char *message;	   /* the phrase of the API's reference behaviour, then details */
	char *origin;	   /* "file:line", or empty */
};
struct diags {
	struct diag *v;
	size_t n, cap;
	size_t n_errors;
	size_t n_dropped; /* over DIAGS_CAP */
};
enum { DIAGS_CAP = 1000 };

void diags_fini(struct diags *d);
void diags_add(struct diags *d, enum diag_severity severity, const char *kind, const char *name,
	       const char *field, const char *origin, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));
/* One line: "[origin: ]Kind name: field: message". buf receives it; returns buf. */
const char *diag_text(const struct diag *d, char *buf, size_t size);

#endif
