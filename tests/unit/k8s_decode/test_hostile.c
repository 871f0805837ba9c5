/* Answers that no API server gives: cut, flipped, nested, blown up, not text. Nothing crashes, nothing is
 * taken for more than it is, and the good objects beside a broken one come through. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/limits.h"
#include "tests/unit/k8s_decode/dump.h"
#include "tests/unit/k8s_decode/sample.h"

static void check_list(enum kind k, enum encoding e, const struct strbuf *data, const char *expected)
{
	struct strbuf out = { 0 };
	dump_list(k, e, data->s, data->len, &out);
	assert_string_equal(strbuf_get(&out), expected);
	strbuf_fini(&out);
}

/* What is not in a whole list counts as deleted, so nothing may look like a list that is none. */
static const struct {
	const char *text, *expected;
} lists[] = {
	{ "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},"
	  "\"items\":null}",
	  "list 0 (version 1, last page)\n" },
	{ "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\","
	  "\"continue\":\"\"},\"items\":[]}",
	  "list 0 (version 1, last page)\n" },
	{ "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"1\",\"continue\":5},"
	  "\"items\":[]}",
	  "list -22 (version , last page)\n"
	  "ERROR Service: the server sent something else: a list with an unusable continue token\n" },
	{ "{\"kind\":\"ServiceList\",\"metadata\":{},\"items\":[]}",
	  "list -22 (version , last page)\n"
	  "ERROR Service: the server sent something else: a list without resourceVersion\n" },
	{ "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"1\"}}",
	  "list -22 (version , last page)\n"
	  "ERROR Service: the server sent something else: "
	  "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":\"1\"}}\n" },
	{ "{\"kind\":\"Service\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}",
	  "list -22 (version , last page)\n"
	  "ERROR Service: the server sent something else: "
	  "{\"kind\":\"Service\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}\n" },
	{ "<html>\n", "list -22 (version , last page)\n"
		      "ERROR Service: the server sent something else: <html>\\x0a\n" },
	{ "", "list -22 (version , last page)\nERROR Service: the server sent something else: \n" },
	{ "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},"
	  "\"items\":[5,{\"a\":}]}",
	  "Service ? broken (name , namespace , uid , version )\n"
	  "Service ? broken (name , namespace , uid , version )\n"
	  "list 0 (version 1, last page)\n"
	  "ERROR Service: metadata: required, but missing\n"
	  "ERROR Service: metadata.name: required, but missing\n"
	  "ERROR Service: metadata.namespace: required, but missing\n"
	  "ERROR Service: unexpected token\n" },
	{ "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},"
	  "\"items\":[{} {}]}",
	  "list -22 (version , last page)\nERROR Service: the server sent something else: a damaged "
	  "list\n" },
	{ "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},"
	  "\"items\":[,]}",
	  "list -22 (version , last page)\nERROR Service: the server sent something else: a damaged "
	  "list\n" },
	{ "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},"
	  "\"items\":[]]}",
	  "list -22 (version , last page)\n"
	  "ERROR Service: the server sent something else: "
	  "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"1\"},"
	  "\"ite\n" },
};

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct strbuf b = { 0 };
		strbuf_add(&b, lists[i].text);
		check_list(KIND_SERVICE, ENCODING_JSON, &b, lists[i].expected);
		strbuf_fini(&b);
	}
	struct strbuf html = { 0 };
	strbuf_add(&html, "<html>");
	check_list(KIND_SERVICE, ENCODING_PROTOBUF, &html,
		   "list -22 (version , last page)\n"
		   "ERROR Service: the server sent something else: not the API's protobuf encoding\n");
	check_list(KIND_N, ENCODING_UNKNOWN, &html,
		   "list -22 (version , last page)\nERROR answer: the server sent something else: <html>\n");
	strbuf_fini(&html);
}

/* One object in its envelope, as text of the outcome. */
static void decode_raw(enum kind k, const char *kind_name, const struct strbuf *raw, struct strbuf *out)
{
	struct strbuf envelope = { 0 }, event = { 0 };
	sample_envelope("v1", kind_name, raw, &envelope);
	sample_event("ADDED", &envelope, &event);
	dump_event(k, ENCODING_PROTOBUF, event.s, event.len, out);
	strbuf_fini(&envelope);
	strbuf_fini(&event);
}

static void check_raw(enum kind k, const char *kind_name, const struct strbuf *raw, const char *expected)
{
	struct strbuf out = { 0 };
	decode_raw(k, kind_name, raw, &out);
	assert_string_equal(strbuf_get(&out), expected);
	strbuf_fini(&out);
}

static void entry(struct strbuf *out, unsigned number, const char *key, size_t key_len, const char *value,
		  size_t value_len)
{
	struct strbuf b = { 0 };
	sample_field(&b, 1, key, key_len);
	sample_field(&b, 2, value, value_len);
	sample_field(out, number, b.s, b.len);
	strbuf_fini(&b);
}

/* A message n/x of version 7, with what is in `meta` besides, and then `rest`. */
static void object(struct strbuf *out, const struct strbuf *meta, const struct strbuf *rest)
{
	struct strbuf b = { 0 };
	sample_field(&b, 1, "x", 1);
	sample_field(&b, 3, "n", 1);
	sample_field(&b, 6, "7", 1);
	strbuf_add_n(&b, strbuf_get(meta), meta->len);
	sample_field(out, 1, b.s, b.len);
	strbuf_add_n(out, strbuf_get(rest), rest->len);
	strbuf_fini(&b);
}

#define BROKEN(kind) "ADDED at 7\n" kind " n/x broken (name x, namespace n, uid , version 7)\n"

static void test_no_text(void **state)
{
	(void)state;
	enum { LABELS = 11, ANNOTATIONS = 12, DATA = 2 };
	static const struct {
		enum kind kind;
		const char *kind_name;
		unsigned meta, rest; /* field of the entry */
		const char *key, *value;
		const char *expected;
	} cases[] = {
		{ KIND_SERVICE, "Service", LABELS, 0, "a", "\xff",
		  BROKEN("Service") "ERROR Service n/x: metadata.labels.a: expected a text, found bytes that "
				    "are no text\n" },
		{ KIND_SERVICE, "Service", LABELS, 0, "\xff", "a",
		  BROKEN("Service") "ERROR Service n/x: metadata.labels.\xff: \"\\xff\" is not a label key\n"
				    "ERROR Service n/x: metadata.labels: a key is no text\n" },
		{ KIND_SERVICE, "Service", ANNOTATIONS, 0, "metallb.io/\xc3", "a",
		  BROKEN("Service") "ERROR Service n/x: metadata.annotations: a key is no text\n" },
		{ KIND_SERVICE, "Service", ANNOTATIONS, 0, "metallb.io/a", "\xc0\x80",
		  BROKEN("Service") "ERROR Service n/x: metadata.annotations.metallb.io/a: expected a text, "
				    "found bytes that are no text\n" },
		{ KIND_NAMESPACE, "Namespace", ANNOTATIONS, 0, "other\xff", "\xff",
		  "ADDED at 7\nNamespace x (name x, namespace n, uid , version 7)\n  meta: \n    name: "
		  "\"x\"\n"
		  "    labels: \n      key: \"kubernetes.io/metadata.name\"\n      value: \"x\"\n" },
		{ KIND_CONFIG_MAP, "ConfigMap", 0, DATA, "config.json", "\xed\xa0\x80",
		  BROKEN("ConfigMap") "ERROR ConfigMap n/x: data.config.json: expected a text, found another "
				      "type (put it in quotes)\n" },
		{ KIND_SECRET, "Secret", 0, DATA, "pass\xff", "a",
		  BROKEN("Secret") "ERROR Secret n/x: data: a key is no text\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf meta = { 0 }, rest = { 0 }, raw = { 0 };
		entry(cases[i].meta ? &meta : &rest, cases[i].meta + cases[i].rest, cases[i].key,
		      strlen(cases[i].key), cases[i].value, strlen(cases[i].value));
		object(&raw, &meta, &rest);
		check_raw(cases[i].kind, cases[i].kind_name, &raw, cases[i].expected);
		strbuf_fini(&meta);
		strbuf_fini(&rest);
		strbuf_fini(&raw);
	}
}

/* Of two entries with one key the last counts; the order of the others is no matter. */
static void test_entries(void **state)
{
	(void)state;
	struct strbuf meta = { 0 }, rest = { 0 }, raw = { 0 };
	entry(&meta, 11, "b", 1, "1", 1);
	entry(&meta, 11, "a", 1, "2", 1);
	entry(&meta, 11, "b", 1, "3", 1);
	object(&raw, &meta, &rest);
	check_raw(KIND_CONFIG_MAP, "ConfigMap", &raw,
		  "ADDED at 7\nConfigMap n/x (name x, namespace n, uid , version 7)\n  meta: \n    "
		  "namespace: \"n\"\n"
		  "    name: \"x\"\n    labels: \n      key: \"a\"\n      value: \"2\"\n    labels: \n      "
		  "key: \"b\"\n"
		  "      value: \"3\"\n");
	strbuf_fini(&meta);
	strbuf_fini(&rest);
	strbuf_fini(&raw);
}

/* Millions of empty fields, and one large text: named, refused, and cheap. */
static void test_blown_up(void **state)
{
	(void)state;
	struct strbuf nothing = { 0 }, rest = { 0 }, raw = { 0 }, text = { 0 };
	for (size_t i = 0; i < LIMIT_OBJECT_BYTES / 2 + LIMIT_OBJECT_BYTES / 4; i++)
		strbuf_add_n(&rest, "\x12\x00", 2);
	object(&raw, &nothing, &rest);
	check_raw(KIND_CONFIG_MAP, "ConfigMap", &raw,
		  BROKEN("ConfigMap") "ERROR ConfigMap n/x: needs too much memory to be read\n");
	strbuf_reset(&rest);
	strbuf_reset(&raw);
	for (size_t i = 0; i < 2 * LIMIT_OBJECT_BYTES; i++)
		strbuf_char(&text, 'x');
	entry(&rest, 2, "extras", 6, text.s, text.len);
	object(&raw, &nothing, &rest);
	check_raw(KIND_CONFIG_MAP, "ConfigMap", &raw,
		  BROKEN("ConfigMap") "ERROR ConfigMap n/x: too large to be read\n");
	strbuf_reset(&rest);
	strbuf_reset(&raw);
	entry(&rest, 2, "extras", 6, text.s, LIMIT_OBJECT_BYTES);
	object(&raw, &nothing, &rest);
	check_raw(KIND_CONFIG_MAP, "ConfigMap", &raw,
		  BROKEN("ConfigMap") "ERROR ConfigMap n/x: larger than 1048576 bytes\n");
	strbuf_fini(&rest);
	strbuf_fini(&raw);
	strbuf_fini(&text);
}

static void repeat(struct strbuf *b, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_add(b, text);
}

static void check_nested(size_t depth, const char *expected)
{
	struct strbuf b = { 0 }, out = { 0 };
	strbuf_add(&b, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"IPAddressPool\",\"apiVersion\":\"metallb."
		       "io/v1beta1\","
		       "\"metadata\":{\"name\":\"x\",\"namespace\":\"n\",\"resourceVersion\":\"7\"},\"spec\":"
		       "{\"addresses\":[],"
		       "\"deep\":");
	repeat(&b, "[", depth);
	repeat(&b, "]", depth);
	strbuf_add(&b, "}}}");
	dump_event(KIND_POOL, ENCODING_JSON, b.s, b.len, &out);
	assert_string_equal(strbuf_get(&out), expected);
	strbuf_fini(&b);
	strbuf_fini(&out);
}

static void test_nested(void **state)
{
	(void)state;
	check_nested(62, "ADDED at 7\nIPAddressPool n/x (name x, namespace n, uid , version 7)\n"
			 "  meta: \n    namespace: \"n\"\n    name: \"x\"\n");
	check_nested(63, BROKEN("IPAddressPool") "ERROR IPAddressPool n/x: nested too deeply\n");
	check_nested(1000, BROKEN("IPAddressPool") "ERROR IPAddressPool n/x: nested too deeply\n");
	check_nested(1000000,
		     BROKEN("IPAddressPool") "ERROR IPAddressPool n/x: maximum parsing depth reached\n");
}

static void test_no_events(void **state)
{
	(void)state;
	static const char *const texts[] = { "",
					     "{}",
					     "[]",
					     "null",
					     "{\"type\":\"ADDED\"}",
					     "{\"type\":\"added\",\"object\":{}}",
					     "{\"type\":5,\"object\":{}}",
					     "{\"object\":{}}",
					     "{\"type\":\"ADDED\",\"object\":{}",
					     "{\"type\":\"ADDED\" \"object\":{}}",
					     "<html>",
					     "\xff\xfe" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (enum encoding e = ENCODING_UNKNOWN; e <= ENCODING_PROTOBUF; e++) {
			struct strbuf out = { 0 };
			dump_event(KIND_POOL, e, texts[i], strlen(texts[i]), &out);
			assert_true(str_starts(strbuf_get(&out), "no event (-22)\nERROR IPAddressPool: "));
			strbuf_fini(&out);
		}
	}
}

/* A bookmark at the end of a streamed list, in both encodings. */
static void test_bookmark(void **state)
{
	(void)state;
	static const char json[] =
	    "{\"metadata\":{\"resourceVersion\":\"12\",\"annotations\":{\"k8s.io/initial-events-end\":"
	    "\"true\",\"a\":\"b\"}}}";
	struct strbuf out = { 0 }, event = { 0 }, raw = { 0 }, envelope = { 0 };
	strbuf_fmt(&event, "{\"type\":\"BOOKMARK\",\"object\":%s}", json);
	dump_event(KIND_NODE, ENCODING_JSON, event.s, event.len, &out);
	strbuf_reset(&event);
	sample_message(json, "Node", &raw);
	sample_envelope("v1", "Node", &raw, &envelope);
	sample_event("BOOKMARK", &envelope, &event);
	dump_event(KIND_NODE, ENCODING_PROTOBUF, event.s, event.len, &out);
	assert_string_equal(strbuf_get(&out),
			    "BOOKMARK at 12, the list is whole\nBOOKMARK at 12, the list is whole\n");
	strbuf_fini(&out);
	strbuf_fini(&event);
	strbuf_fini(&raw);
	strbuf_fini(&envelope);
}

/* A copy of its own, so that a sanitizer sees the first byte that is read too far. */
static void run(void (*decode)(enum kind, enum encoding, const void *, size_t, struct strbuf *), enum kind k,
		enum encoding e, const uint8_t *data, size_t len)
{
	struct strbuf out = { 0 };
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	decode(k, e, copy, len, &out);
	assert_true(out.len > 0);
	free(copy);
	strbuf_fini(&out);
}

static const struct {
	const char *name;
	enum kind kind;
	void (*decode)(enum kind, enum encoding, const void *, size_t, struct strbuf *);
} recorded[] = {
	{ "services.page.pb", KIND_SERVICE, dump_list },
	{ "endpoints.list.pb", KIND_ENDPOINTS, dump_list },
	{ "secrets.watch.pb", KIND_SECRET, dump_stream },
	{ "namespaces.watch.pb", KIND_NAMESPACE, dump_stream },
	{ "too-old.watch.pb", KIND_SERVICE, dump_stream },
	{ "endpoints.watch.json", KIND_ENDPOINTS, dump_stream },
	{ "communities.list.json", KIND_COMMUNITY, dump_list },
	{ "too-old.watch.json", KIND_SERVICE, dump_stream },
};

/* Every prefix, and every bit flipped; of a longer recording, those of its first bytes. */
static void test_damaged(void **state)
{
	(void)state;
	enum { FLIPPED = 768 };
	for (size_t i = 0; i < ARRAY_LEN(recorded); i++) {
		char path[512];
		struct strbuf data = { 0 };
		enum encoding e = strstr(recorded[i].name, ".json") ? ENCODING_JSON : ENCODING_PROTOBUF;
		str_fmt(path, sizeof path, "tests/unit/k8s_decode/recorded/%s", recorded[i].name);
		assert_true(sample_read(path, &data));
		uint8_t *bytes = (uint8_t *)data.s;
		for (size_t n = 0; n < data.len; n++)
			run(recorded[i].decode, recorded[i].kind, e, bytes, n);
		for (size_t bit = 0; bit < data.len * 8 && bit < FLIPPED * 8; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			run(recorded[i].decode, recorded[i].kind, e, bytes, data.len);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		strbuf_fini(&data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),	 cmocka_unit_test(test_no_text),
		cmocka_unit_test(test_entries),	 cmocka_unit_test(test_blown_up),
		cmocka_unit_test(test_nested),	 cmocka_unit_test(test_no_events),
		cmocka_unit_test(test_bookmark), cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
