/* Diagnostics of all manifests as one message. Private to the room. */
#ifndef INGOT_WATCHER_FINDINGS_H
#define INGOT_WATCHER_FINDINGS_H

#include "watcher/mirror.h"
#include "watcher/watcher.h"

/* Publish what is wrong now (at most 200 errors and 200 warnings); nothing is sent when nothing changed. */
void findings_publish(struct watcher *w, const struct mirror *m);

#endif
