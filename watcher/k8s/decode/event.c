/* Takes the events of a watch apart. Pure; run by the watcher. */
#include <errno.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "proto/kubernetes.pb-c.h"
#include "watcher/k8s/decode/item.h"
#include "watcher/k8s/decode/room.h"
#include "watcher/k8s/decode/scan.h"

/* Numbers of proto/kubernetes.proto. */
enum { EVENT_TYPE = 1, EVENT_OBJECT, RAW_EXTENSION_RAW = 1, OBJECT_METADATA = 1 };

static const char end_annotation[] = "k8s.io/initial-events-end";

static bool type_of(const char *text, enum event_type *ret)
{
	static const char *const names[] = {
		[EVENT_ADDED] = "ADDED",       [EVENT_MODIFIED] = "MODIFIED", [EVENT_DELETED] = "DELETED",
		[EVENT_BOOKMARK] = "BOOKMARK", [EVENT_ERROR] = "ERROR",
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum event_type)i;
			return true;
		}
	}
	return false;
}

static void bookmark_json(struct cur object, struct event *ret)
{
	char text[8];
	struct cur meta = scan_get(object, "metadata");
	scan_text(scan_get(meta, "resourceVersion"), ret->resource_version, sizeof ret->resource_version);
	scan_text(scan_get(scan_get(meta, "annotations"), end_annotation), text, sizeof text);
	ret->initial_end = strcmp(text, "true") == 0;
}

static bool is_text(ProtobufCBinaryData b, const char *text)
{
	return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static int bookmark_proto(struct cur object, struct event *ret)
{
	struct cur meta = wire_get(object, OBJECT_METADATA);
	struct room r;
	if (meta.bad)
		return 0;
	room_init(&r);
	K8s__ObjectMeta *m = k8s__object_meta__unpack(&r.allocator, cur_left(&meta), meta.p);
	for (size_t i = 0; m && i < m->n_annotations; i++)
		if (is_text(m->annotations[i]->key, end_annotation) &&
		    is_text(m->annotations[i]->value, "true"))
			ret->initial_end = true;
	if (m)
		wire_text(cur_of(m->resourceversion.data, m->resourceversion.len), ret->resource_version,
			  sizeof ret->resource_version);
	room_fini(&r);
	return r.oom ? -ENOMEM : 0;
}

static int event_json(struct item_type *t, const void *data, size_t len, struct event *ret)
{
	char type[16], shown[80];
	struct cur event = cur_of(data, len);
	struct cur object = scan_get(event, "object");
	scan_text(scan_get(event, "type"), type, sizeof type);
	if (object.bad || !type_of(type, &ret->type))
		return answer_error(t->diags, t->kind, str_escape(data, len, shown, sizeof shown));
	if (ret->type == EVENT_BOOKMARK)
		bookmark_json(object, ret);
	else if (ret->type == EVENT_ERROR)
		status_of_json(object, &ret->status);
	else
		return item_of_json(t, object, &ret->item);
	return 0;
}

static int event_proto(struct item_type *t, const void *data, size_t len, struct event *ret)
{
	char type[16];
	struct wire_object o;
	struct cur event = cur_of(data, len);
	struct cur object = wire_get(wire_get(event, EVENT_OBJECT), RAW_EXTENSION_RAW);
	wire_text(wire_get(event, EVENT_TYPE), type, sizeof type);
	if (!wire_is_whole(event) || object.bad || !type_of(type, &ret->type))
		return answer_error(t->diags, t->kind, "no event");
	const char *defect = wire_open(object.p, cur_left(&object), &o);
	if (defect)
		return answer_error(t->diags, t->kind, defect);
	memcpy(t->api_version, o.api_version, sizeof o.api_version);
	memcpy(t->kind_name, o.kind, sizeof o.kind);
	if (ret->type == EVENT_BOOKMARK)
		return bookmark_proto(o.raw, ret);
	if (ret->type != EVENT_ERROR)
		return item_of_proto(t, o.raw, &ret->item);
	status_of_proto(o.raw, &ret->status);
	return 0;
}

int decode_event(enum kind kind, enum encoding e, const void *data, size_t len, struct diags *diags,
		 struct event *ret)
{
	struct item_type t = { .kind = kind, .diags = diags };
	*ret = (struct event){ 0 };
	status_init(&ret->status);
	int rc = e == ENCODING_JSON	  ? event_json(&t, data, len, ret)
		 : e == ENCODING_PROTOBUF ? event_proto(&t, data, len, ret)
					  : answer_error(diags, kind, "neither JSON nor protobuf");
	if (rc < 0)
		item_fini(&ret->item);
	else if (*ret->item.resource_version)
		memcpy(ret->resource_version, ret->item.resource_version, sizeof ret->resource_version);
	return rc;
}

void event_fini(struct event *e)
{
	item_fini(&e->item);
}
