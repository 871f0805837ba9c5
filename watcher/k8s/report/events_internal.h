/* Private to events*.c. */
#ifndef INGOT_WATCHER_K8S_REPORT_EVENTS_INTERNAL_H
#define INGOT_WATCHER_K8S_REPORT_EVENTS_INTERNAL_H

#include "watcher/k8s/report/cache.h"
#include "watcher/k8s/report/events.h"

/* What the API takes. */
enum { NOTE_SIZE = 1024 + 1, WORD_SIZE = 128 + 1 };

/* events_rules.c: combining and cutting short. */
struct rules {
	struct cache similar, sources;
};
void rules_init(struct rules *r);
void rules_fini(struct rules *r);
/* 1: it is to be combined with others; 0: it stands by itself; -ENOMEM. */
int rules_combine(struct rules *r, const struct service_event *ev);
/* 1: its source may have another one written about the Service; 0: not now; -ENOMEM. */
int rules_admit(struct rules *r, const struct service_event *ev);
/* Keys, into b: all but the note, and all. NULL on OOM, else valid until b changes. */
const char *rules_key_similar(const struct service_event *ev, struct strbuf *b);
const char *rules_key_event(const struct service_event *ev, struct strbuf *b);

/* What is needed to write an event; texts fit the API. */
struct words {
	char *ns, *service, *uid, *reason, *note, *controller, *instance;
	bool warning;
};
/* note: instead of ev's. NULL on OOM. */
struct words *words_new(const struct service_event *ev, const char *note);
void words_free(struct words *w);

/* An event as it is to be in the API. */
struct written_event {
	const struct words *words;
	const char *name;
	uint64_t count;
	int64_t first_ms, last_ms;
};
/* events_json.c. Heap, NULL on OOM. */
char *events_body_create(enum events_api api, const struct written_event *e);
char *events_body_repeat(enum events_api api, const struct written_event *e);
const char *events_path(enum events_api api); /* of group and version */

#endif
