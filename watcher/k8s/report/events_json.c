/* Events in the three flavours of the API. Pure; run by the watcher. */
#include "watcher/k8s/report/events_internal.h"

#include <stdlib.h>
#include <string.h>

#include "watcher/api_text.h"

static char *cut(const char *text, size_t size)
{
	char buf[NOTE_SIZE];
	return strdup(api_text(text, buf, size));
}

struct words *words_new(const struct service_event *ev, const char *note)
{
	struct words *w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	*w = (struct words){ strdup(ev->ns),
			     strdup(ev->service),
			     strdup(ev->uid),
			     cut(ev->reason, WORD_SIZE),
			     cut(note, NOTE_SIZE),
			     strdup(ev->controller),
			     cut(*ev->instance ? ev->instance : ev->controller, WORD_SIZE),
			     ev->warning };
	if (w->ns && w->service && w->uid && w->reason && w->note && w->controller && w->instance)
		return w;
	words_free(w);
	return NULL;
}

void words_free(struct words *w)
{
	if (!w)
		return;
	free(w->ns);
	free(w->service);
	free(w->uid);
	free(w->reason);
	free(w->note);
	free(w->controller);
	free(w->instance);
	free(w);
}

const char *events_path(enum events_api api)
{
	return api == EVENTS_API_V1	   ? "/apis/events.k8s.io/v1"
	       : api == EVENTS_API_V1BETA1 ? "/apis/events.k8s.io/v1beta1"
					   : "/api/v1";
}

static char *print(json_t *root)
{
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

static json_t *service_of(const struct words *w)
{
	json_t *s = json_pack("{s:s, s:s, s:s, s:s}", "kind", "Service", "apiVersion", "v1", "namespace",
			      w->ns, "name", w->service);
	if (s && *w->uid)
		json_object_set_new(s, "uid", json_string(w->uid));
	return s;
}

static json_t *metadata_of(const struct written_event *e)
{
	return json_pack("{s:s, s:s}", "name", e->name, "namespace", e->words->ns);
}

static const char *type_of(const struct words *w)
{
	return w->warning ? "Warning" : "Normal";
}

/* NULL: it happened once. */
static json_t *series_of(const struct written_event *e)
{
	char last[RFC3339_SIZE];
	if (e->count < 2)
		return NULL;
	return json_pack("{s:I, s:s}", "count", (json_int_t)e->count, "lastObservedTime",
			 rfc3339_micro(e->last_ms, last));
}

static char *create_core(const struct written_event *e)
{
	const struct words *w = e->words;
	char first[RFC3339_SIZE], last[RFC3339_SIZE];
	return print(json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:I, s:s, s:s, s:s}",
			       "kind", "Event", "apiVersion", "v1", "metadata", metadata_of(e),
			       "involvedObject", service_of(w), "reason", w->reason, "message", w->note,
			       "source", "component", w->controller, "host", w->instance, "firstTimestamp",
			       rfc3339(e->first_ms, first), "lastTimestamp", rfc3339(e->last_ms, last),
			       "count", (json_int_t)e->count, "type", type_of(w), "reportingComponent",
			       w->controller, "reportingInstance", w->instance));
}

static char *create_events(const char *version, const struct written_event *e)
{
	const struct words *w = e->words;
	char first[RFC3339_SIZE], group[64];
	str_fmt(group, sizeof group, "events.k8s.io/%s", version);
	json_t *root = json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "Event",
				 "apiVersion", group, "metadata", metadata_of(e), "regarding", service_of(w),
				 "eventTime", rfc3339_micro(e->first_ms, first), "reportingController",
				 w->controller, "reportingInstance", w->instance, "action", w->reason,
				 "reason", w->reason, "note", w->note, "type", type_of(w));
	json_t *series = root ? series_of(e) : NULL;
	if (series)
		json_object_set_new(root, "series", series);
	return print(root);
}

char *events_body_create(enum events_api api, const struct written_event *e)
{
	if (api == EVENTS_API_CORE_V1)
		return create_core(e);
	return create_events(api == EVENTS_API_V1 ? "v1" : "v1beta1", e);
}

char *events_body_repeat(enum events_api api, const struct written_event *e)
{
	char last[RFC3339_SIZE];
	if (api == EVENTS_API_CORE_V1)
		return print(json_pack("{s:I, s:s, s:s}", "count", (json_int_t)e->count, "lastTimestamp",
				       rfc3339(e->last_ms, last), "message", e->words->note));
	/* Here the note is not to be changed any more. */
	return print(json_pack("{s:o}", "series", series_of(e)));
}
