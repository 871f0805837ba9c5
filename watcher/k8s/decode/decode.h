/* What the API server sends, as objects: lists, watch events and errors, in the API's protobuf encoding or in
 * JSON. Pure: bytes in, objects out. Foreign input: a broken object is a diagnostic that names it, never the
 * end of the stream. What Ingot does not need is dropped on arrival. Run by the watcher. */
#ifndef INGOT_WATCHER_K8S_DECODE_H
#define INGOT_WATCHER_K8S_DECODE_H

#include <jansson.h>

#include "lib/manifest/manifest.h"
#include "lib/model/diag.h"
#include "lib/model/objects.h"

enum { DECODE_RV = 64, DECODE_UID = 64 };

enum encoding { ENCODING_UNKNOWN, ENCODING_JSON, ENCODING_PROTOBUF };
/* From the header Content-Type of an answer; parameters are passed over. */
enum encoding encoding_of(const char *content_type);

/* One object as the server sent it. Everything is lent for the call, but for message and secrets, which the
 * callee takes. */
struct item {
	char key[OBJECT_KEY + 16]; /* as struct manifest_object's; empty: not even that is known */
	char name[254], ns[254];
	char uid[DECODE_UID], resource_version[DECODE_RV];
	ProtobufCMessage *message; /* NULL: broken (see diagnostics), or a kind that only json shows */
	struct manifest_secrets secrets;
	json_t *json; /* the object without its managedFields, when the encoding was JSON; else NULL. A
		       * BGPPeer's has its password in it */
};
typedef void (*decode_each)(void *ctx, struct item *item);

struct list_meta {
	char resource_version[DECODE_RV];
	char *continue_token; /* heap, caller frees; NULL: this was the last page */
};

/* kind: KIND_N = not one of ours, only json is given. Messages are as from a manifest (lib/manifest), without
 * origin, and stripped: no generation; resource_version only where it tells of a changed password (Secret,
 * BGPPeer with one); no names and node ports of Service ports; of ConfigMaps the keys that Ingot reads; of
 * Secrets the bytes that may be asked for; endpoints that are the same for us are one, with a count
 * (proto/objects.proto). Items that are broken are given too. 0; -EINVAL: not a list, or damaged (error in
 * diags; items before the damage were given, nobody may conclude what is missing); -ENOMEM, likewise. *ret is
 * empty after an error. */
int decode_list(enum kind kind, enum encoding e, const void *data, size_t len, struct diags *diags,
		decode_each each, void *ctx, struct list_meta *ret);

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED, EVENT_BOOKMARK, EVENT_ERROR };
/* metav1.Status, as far as anybody cares. */
struct api_status {
	int code; /* 0: unknown */
	char reason[64], message[512];
	int64_t retry_after_s; /* -1: none */
};
struct event {
	enum event_type type;
	struct item item; /* ADDED, MODIFIED, DELETED. A broken one has key when that much is known */
	char resource_version[DECODE_RV]; /* of the object or bookmark; "" when it is not known */
	bool initial_end; /* BOOKMARK, annotated k8s.io/initial-events-end: the streamed list is whole */
	struct api_status status; /* ERROR */
};
/* One frame of a watch (struct frames). *ret is to be given back with event_fini, whatever the result. 0 (a
 * broken object has its error in diags); -EINVAL: not an event (error in diags); -ENOMEM. */
int decode_event(enum kind kind, enum encoding e, const void *data, size_t len, struct diags *diags,
		 struct event *ret);
void event_fini(struct event *e); /* frees what nobody took */

/* The body of an answer that is no 2xx: a Status, or whatever a proxy says instead (HTML: the message is its
 * first words). Always fills *ret, printable; code is http_status when the body has none. content_type: ""
 * when there was none. */
void decode_status(int http_status, const char *content_type, const void *data, size_t len,
		   struct api_status *ret);

/* Splits a stream into frames: JSON documents by line, protobuf by its 4-byte length. */
enum { FRAME_MAX = 8 << 20 };
struct frames {
	enum encoding encoding;
	uint8_t *data;
	size_t len, cap;
	size_t skip;	  /* bytes of an oversized frame that are still to come */
	size_t too_large; /* frames that were dropped because of their size */
	bool oom;	  /* bytes were lost: the stream is of no use any more */
};
void frames_init(struct frames *f, enum encoding e);
void frames_fini(struct frames *f);
/* Calls each for every whole frame, lent; empty lines are none. False: stop at once (the callee has freed f,
 * say). An oversized frame is dropped and counted. 0; -ENOMEM; 1 when each said stop. */
int frames_add(struct frames *f, const void *data, size_t len,
	       bool (*each)(void *ctx, const void *frame, size_t len), void *ctx);

#endif
