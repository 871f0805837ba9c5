/* For tests: decodes and prints. Every message must survive the wire form of the bus. */
#include "tests/unit/k8s_decode/dump.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/model/limits.h"
#include "tests/unit/manifest/dump.h"

static void dump_item(struct strbuf *out, enum kind k, struct item *i)
{
	char shown[256];
	strbuf_fmt(out, "%s %s%s (name %s, namespace %s, uid %s, version %s)\n",
		   k == KIND_N ? "other" : kind_name(k), *i->key ? i->key : "?",
		   i->message || k == KIND_N ? "" : " broken", i->name, i->ns, i->uid, i->resource_version);
	if (i->message) {
		must(i->message->descriptor == kind_descriptor(k));
		ProtobufCMessage *copy = message_copy(i->message);
		must(copy != NULL);
		dump_message(copy, 2, out);
		protobuf_c_message_free_unpacked(copy, NULL);
	}
	for (size_t s = 0; s < i->secrets.n; s++)
		strbuf_fmt(out, "  (secret %s: %s)\n", i->secrets.v[s].key,
			   str_escape(i->secrets.v[s].value, i->secrets.v[s].len, shown, sizeof shown));
}

static void dump_diags(struct diags *d, struct strbuf *out)
{
	char text[2048];
	for (size_t i = 0; i < d->n; i++)
		strbuf_fmt(out, "%s %s\n", d->v[i].severity == DIAG_ERROR ? "ERROR" : "WARNING",
			   diag_text(&d->v[i], text, sizeof text));
	diags_fini(d);
}

struct dump {
	enum kind kind;
	enum encoding encoding;
	struct strbuf *out;
};

static void on_item(void *ctx, struct item *i)
{
	const struct dump *d = ctx;
	dump_item(d->out, d->kind, i);
	if (i->message)
		protobuf_c_message_free_unpacked(i->message, NULL);
	manifest_secrets_fini(&i->secrets);
}

void dump_list(enum kind k, enum encoding e, const void *data, size_t len, struct strbuf *out)
{
	struct dump d = { k, e, out };
	struct diags diags = { 0 };
	struct list_meta meta;
	int rc = decode_list(k, e, data, len, &diags, on_item, &d, &meta);
	strbuf_fmt(out, "list %d (version %s, %s)\n", rc, meta.resource_version,
		   meta.continue_token ? meta.continue_token : "last page");
	free(meta.continue_token);
	dump_diags(&diags, out);
}

void dump_status(const struct api_status *s, struct strbuf *out)
{
	strbuf_fmt(out, "status %d, reason %s, retry %lld: %s\n", s->code, s->reason,
		   (long long)s->retry_after_s, s->message);
}

void dump_event(enum kind k, enum encoding e, const void *data, size_t len, struct strbuf *out)
{
	static const char *const types[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" };
	struct diags diags = { 0 };
	struct event ev;
	int rc = decode_event(k, e, data, len, &diags, &ev);
	if (rc < 0)
		strbuf_fmt(out, "no event (%d)\n", rc);
	else
		strbuf_fmt(out, "%s at %s%s\n", types[ev.type], ev.resource_version,
			   ev.initial_end ? ", the list is whole" : "");
	if (rc == 0 && ev.type == EVENT_ERROR)
		dump_status(&ev.status, out);
	else if (rc == 0 && ev.type != EVENT_BOOKMARK)
		dump_item(out, k, &ev.item);
	event_fini(&ev);
	dump_diags(&diags, out);
}

static bool on_frame(void *ctx, const void *frame, size_t len)
{
	const struct dump *d = ctx;
	dump_event(d->kind, d->encoding, frame, len, d->out);
	return true;
}

void dump_stream(enum kind k, enum encoding e, const void *data, size_t len, struct strbuf *out)
{
	struct dump d = { k, e, out };
	struct frames f;
	frames_init(&f, e);
	int rc = frames_add(&f, data, len, on_frame, &d);
	strbuf_fmt(out, "stream %d, %zu bytes left\n", rc, f.len);
	frames_fini(&f);
}
