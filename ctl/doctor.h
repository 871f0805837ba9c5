/* What is wrong, out of the documents of supervisor and statusd. Pure: documents in, findings out. */
#ifndef INGOT_CTL_DOCTOR_H
#define INGOT_CTL_DOCTOR_H

#include <jansson.h>

/* NULL: that document could not be had; what it would have shown is not judged. */
struct doctor_input {
	const json_t *status; /* the supervisor's with statusd's joined in; never NULL */
	const json_t *services, *peers, *owners, *members;
};

/* {"healthy": BOOL, "findings": [{"severity": "error"|"warning", "subject", "message", "hint"}]}, errors
 * first. Healthy: no errors. A new reference, NULL on out of memory. */
json_t *doctor_judge(const struct doctor_input *in);

#endif
