/* One object as the server sent it, in either encoding; and the Status that comes in its place. Pure; private
 * to decode. */
#ifndef INGOT_WATCHER_K8S_ITEM_H
#define INGOT_WATCHER_K8S_ITEM_H

#include "lib/base/cur.h"
#include "watcher/k8s/decode/decode.h"
#include "watcher/k8s/decode/wire.h"

/* What is known about an object from around it. */
struct item_type {
	enum kind kind;		     /* that was asked for; KIND_N: none of ours */
	char api_version[WIRE_NAME]; /* printable, as is the next */
	char kind_name[WIRE_NAME];   /* "Service" */
	struct diags *diags;
};

/* Fill *ret, which is to be given back with item_fini. A broken object is a diagnostic. 0; -ENOMEM. text is
 * JSON, and what it says about its type counts; raw is the message without envelope. */
int item_of_json(const struct item_type *t, struct cur text, struct item *ret);
int item_of_proto(const struct item_type *t, struct cur raw, struct item *ret);
void item_fini(struct item *i); /* frees what nobody took */

/* Fill *ret from a Status, or from something that should be one; what is missing stays. */
void status_of_json(struct cur text, struct api_status *ret);
void status_of_proto(struct cur raw, struct api_status *ret);
void status_init(struct api_status *s);

/* An error about an answer as a whole: which kind was asked for, and what came. -EINVAL. */
int answer_error(struct diags *d, enum kind k, const char *what);

#endif
