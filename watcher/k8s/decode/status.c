/* What an answer that is no success says. Pure; run by the watcher. Anybody between us and the API server may
 * have written it. */
#include <stdint.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "proto/kubernetes.pb-c.h"
#include "watcher/k8s/decode/item.h"
#include "watcher/k8s/decode/room.h"
#include "watcher/k8s/decode/scan.h"

void status_init(struct api_status *s)
{
	*s = (struct api_status){ .retry_after_s = -1 };
}

static void take(struct api_status *s, int64_t code, int64_t retry_after_s)
{
	if (code >= 100 && code <= 999)
		s->code = (int)code;
	if (retry_after_s > 0 && retry_after_s <= INT32_MAX)
		s->retry_after_s = retry_after_s;
}

void status_of_json(struct cur text, struct api_status *ret)
{
	json_t *v = scan_parse(text, NULL);
	json_t *message = json_object_get(v, "message"), *reason = json_object_get(v, "reason");
	json_t *retry = json_object_get(json_object_get(v, "details"), "retryAfterSeconds");
	if (json_is_string(message))
		str_escape(json_string_value(message), json_string_length(message), ret->message,
			   sizeof ret->message);
	if (json_is_string(reason))
		str_escape(json_string_value(reason), json_string_length(reason), ret->reason,
			   sizeof ret->reason);
	take(ret, json_integer_value(json_object_get(v, "code")), json_integer_value(retry));
	json_decref(v);
}

void status_of_proto(struct cur raw, struct api_status *ret)
{
	struct room r;
	room_init(&r);
	const K8s__Status *s = k8s__status__unpack(&r.allocator, cur_left(&raw), raw.p);
	if (s) {
		str_escape(s->message.data, s->message.len, ret->message, sizeof ret->message);
		str_escape(s->reason.data, s->reason.len, ret->reason, sizeof ret->reason);
		take(ret, s->code, s->details ? s->details->retryafterseconds : 0);
	}
	room_fini(&r);
}

/* The words of a text for people: without tags, one blank between them. */
static void first_words(struct cur text, char *buf, size_t size)
{
	char words[512];
	struct wbuf w = wbuf_of(words, sizeof words);
	bool tag = false, gap = false;
	while (cur_left(&text) && wbuf_left(&w) > 1) {
		uint8_t b = cur_u8(&text);
		bool blank = b == '<' || b == '>' || strchr(" \t\r\n", b) != NULL;
		tag = b == '<' || (tag && b != '>');
		gap |= blank;
		/* The bracket that ends a tag is a blank, so nothing of it is left here. */
		if (tag || (blank && b))
			continue;
		if (gap && w.len)
			wbuf_u8(&w, ' ');
		gap = false;
		wbuf_u8(&w, b);
	}
	str_escape(words, w.len, buf, size);
}

static void status_of_text(const void *data, size_t len, struct api_status *ret)
{
	char words[256];
	first_words(cur_of(data, len), words, sizeof words);
	str_fmt(ret->message, sizeof ret->message, *words ? "not from an API server: %s" : "%sno message",
		words);
}

void decode_status(int http_status, const char *content_type, const void *data, size_t len,
		   struct api_status *ret)
{
	struct wire_object o;
	status_init(ret);
	if (encoding_of(content_type) == ENCODING_JSON)
		status_of_json(cur_of(data, len), ret);
	else if (encoding_of(content_type) == ENCODING_PROTOBUF && !wire_open(data, len, &o))
		status_of_proto(o.raw, ret);
	if (!*ret->message && !*ret->reason)
		status_of_text(data, len, ret);
	if (!ret->code)
		ret->code = http_status;
}
