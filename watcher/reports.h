/* What this node knows about itself, in the shape of MetalLB's status objects: ServiceL2Status,
 * ServiceBGPStatus, ConfigurationState; and events. Private to the room. */
#ifndef INGOT_WATCHER_REPORTS_H
#define INGOT_WATCHER_REPORTS_H

#include "watcher/watcher.h"

struct reports *reports_new(struct watcher *w); /* subscribes; NULL with errno on failure */
void reports_free(struct reports *r);
void reports_event(struct reports *r, const char *key, const Ingot__ServiceEvent *e);

#endif
