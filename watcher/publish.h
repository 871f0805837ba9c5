/* The watcher's side of the bus: its topics out, the other daemons' words in. Private to the room. */
#ifndef INGOT_WATCHER_PUBLISH_H
#define INGOT_WATCHER_PUBLISH_H

#include "watcher/watcher.h"

struct publish *publish_new(struct watcher *w); /* NULL with errno on failure */
void publish_free(struct publish *p);
void publish_put(struct publish *p, enum kind k, const char *key, const ProtobufCMessage *m);
void publish_gone(struct publish *p, enum kind k, const char *key);
const void *publish_packed(const struct publish *p, enum kind k, const char *key, size_t *len);
void publish_synced(struct publish *p);
void publish_leader(struct publish *p, bool leading, const char *holder);
void publish_findings(struct publish *p, const Ingot__ConfigStatus *s);
void publish_source(struct publish *p, Ingot__SourceState state, const char *server, const char *text);
/* Every assignment that is known is judged again: leadership was gained. */
void publish_reassign(struct publish *p);

/* secrets.c: answers the request `secret`. */
int secrets_serve(struct watcher *w);

#endif
