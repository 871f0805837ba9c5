/* The log of the mirror as bytes: what is printed is read, and nothing else is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "tests/unit/k8s_keep/make.h"
#include "watcher/k8s/keep/image.h"

enum { ROOM = 4 << 20 };

/* What a reader told, as text: "+Service a/b 12;-Node n;". */
struct told {
	struct strbuf text;
	size_t n, messages;
};

static void on_entry(void *ctx, const struct image_entry *e, uint64_t at)
{
	struct told *t = ctx;
	ProtobufCMessage *m = e->what == IMAGE_PUT ? image_message(e) : NULL;
	(void)at;
	strbuf_fmt(&t->text, "%c%s %s %zu;", e->what == IMAGE_PUT ? '+' : '-', kind_name(e->kind), e->key,
		   e->len);
	t->n++;
	t->messages += m != NULL;
	protobuf_c_message_free_unpacked(m, NULL);
}

static struct image_reader read_image(const struct wbuf *w, size_t len, const char *identity,
				      struct told *ret)
{
	struct image_reader r;
	*ret = (struct told){ 0 };
	image_reader_init(&r, identity);
	image_read_end(&r, len - image_read(&r, w->data, len, on_entry, ret));
	return r;
}

static struct wbuf begin(const char *identity)
{
	struct wbuf w = wbuf_of(malloc(ROOM), ROOM);
	assert_true(image_print_header(identity, &w));
	return w;
}

static void put(struct wbuf *w, enum kind k, const char *key, const void *data, size_t len)
{
	struct image_entry e = { IMAGE_PUT, k, key, data, len };
	assert_true(image_print(&e, w));
}

static void mark(struct wbuf *w, enum image_what what, enum kind k, const char *key)
{
	struct image_entry e = { .what = what, .kind = k, .key = key };
	assert_true(image_print(&e, w));
}

/* Two objects, one of them deleted, whole. */
static struct wbuf sample(void)
{
	struct packed a = pack_service("default", "web", "192.0.2.1");
	struct wbuf w = begin("https://10.0.0.1:6443 node");
	put(&w, KIND_SERVICE, "default/web", a.data, a.len);
	put(&w, KIND_NODE, "n1", "", 0);
	mark(&w, IMAGE_GONE, KIND_NODE, "n1");
	mark(&w, IMAGE_WHOLE, KIND_N, NULL);
	free(a.data);
	return w;
}

static void what_is_printed_is_read(void **unused)
{
	struct told t;
	struct wbuf w = sample();
	(void)unused;
	struct image_reader r = read_image(&w, w.len, "https://10.0.0.1:6443 node", &t);
	assert_int_equal(r.fault, IMAGE_FINE);
	assert_true(r.whole);
	assert_int_equal(r.at, w.len);
	assert_non_null(strstr(strbuf_get(&t.text), "+Service default/web "));
	assert_non_null(strstr(strbuf_get(&t.text), "-Node n1 0;"));
	assert_int_equal(t.messages, 1);
	strbuf_fini(&t.text);
	free(w.data);
}

static void another_identity_is_not_ours(void **unused)
{
	static const char *const others[] = { "", "https://10.0.0.1:6443 nod", "https://10.0.0.1:6443 node2",
					      "https://10.0.0.2:6443 node" };
	struct told t;
	struct wbuf w = sample();
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct image_reader r = read_image(&w, w.len, others[i], &t);
		assert_int_equal(r.fault, IMAGE_OF_OTHER);
		assert_int_equal(t.n, 0);
	}
	free(w.data);
}

static void every_prefix_loses_its_end_only(void **unused)
{
	struct told t;
	struct wbuf w = sample();
	size_t last = 0;
	(void)unused;
	for (size_t n = 0; n <= w.len; n++) {
		struct image_reader r = read_image(&w, n, "https://10.0.0.1:6443 node", &t);
		assert_true(t.n >= last && t.n <= last + 1);
		assert_true(r.at <= n);
		assert_int_equal(r.whole, n == w.len);
		if (r.begun)
			assert_int_equal(r.fault, r.at == n ? IMAGE_FINE : IMAGE_TORN);
		else
			assert_int_equal(r.fault, IMAGE_FOREIGN);
		last = t.n;
		strbuf_fini(&t.text);
	}
	assert_int_equal(last, 3);
	free(w.data);
}

static void every_flipped_bit_is_noticed(void **unused)
{
	struct told t;
	struct wbuf w = sample();
	(void)unused;
	for (size_t bit = 0; bit < w.len * 8; bit++) {
		w.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		struct image_reader r = read_image(&w, w.len, "https://10.0.0.1:6443 node", &t);
		assert_int_not_equal(r.fault, IMAGE_FINE);
		assert_false(r.whole);
		w.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		strbuf_fini(&t.text);
	}
	free(w.data);
}

static void garbage_is_foreign(void **unused)
{
	uint8_t noise[4096];
	struct told t;
	uint64_t x = 88172645463325252u;
	(void)unused;
	for (size_t i = 0; i < sizeof noise; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		noise[i] = (uint8_t)x;
	}
	struct wbuf w = wbuf_of(noise, sizeof noise);
	assert_int_equal(read_image(&w, sizeof noise, "x", &t).fault, IMAGE_FOREIGN);
	assert_int_equal(read_image(&w, 0, "x", &t).fault, IMAGE_FOREIGN);
}

/* Of a later release, which knows a kind that this one does not, or of a hostile former life. */
static void unknown_kinds_and_bad_keys_are_passed_over(void **unused)
{
	struct told t;
	struct wbuf w = begin("x");
	(void)unused;
	put(&w, KIND_COMMUNITY, "a/b", "", 0); /* becomes a kind that nobody knows */
	put(&w, KIND_COMMUNITY, "a/\xff", "", 0);
	put(&w, KIND_COMMUNITY, "", "", 0);
	put(&w, KIND_SERVICE, "default/web", "", 0);
	mark(&w, IMAGE_WHOLE, KIND_N, NULL);
	uint8_t *name = memmem(w.data, w.len, "Community", 9);
	memcpy(name, "Symmunity", 9);
	uint8_t *record = name - IMAGE_RECORD_HEAD;
	static const uint8_t key[16] = "mirror's record";
	uint64_t sum = siphash24(key, record + 8, image_record_len(record) - 8);
	struct wbuf s = wbuf_of(record, 8);
	wbuf_u64(&s, sum);
	struct image_reader r = read_image(&w, w.len, "x", &t);
	assert_int_equal(r.fault, IMAGE_FINE);
	assert_true(r.whole);
	assert_int_equal(r.passed_over, 3);
	assert_string_equal(strbuf_get(&t.text), "+Service default/web 0;");
	strbuf_fini(&t.text);
	free(w.data);
}

static void what_is_too_long_or_secret_is_not_printed(void **unused)
{
	char *big = calloc(1, LIMIT_OBJECT_BYTES + 1);
	struct wbuf w = begin("x");
	size_t before = w.len;
	char key[IMAGE_KEY + 1];
	(void)unused;
	memset(key, 'k', sizeof key - 1);
	key[IMAGE_KEY] = 0;
	struct image_entry e = { IMAGE_PUT, KIND_SERVICE, "a/b", big, LIMIT_OBJECT_BYTES + 1 };
	assert_false(image_print(&e, &w));
	e = (struct image_entry){ IMAGE_PUT, KIND_SERVICE, key, big, 1 };
	assert_false(image_print(&e, &w));
	e = (struct image_entry){ IMAGE_PUT, KIND_SECRET, "a/b", big, 1 };
	assert_false(image_print(&e, &w));
	assert_int_equal(w.len, before);
	e = (struct image_entry){ IMAGE_PUT, KIND_SERVICE, key + 1, big, LIMIT_OBJECT_BYTES };
	assert_true(image_print(&e, &w)); /* the longest of all */
	assert_true(w.len - before <= IMAGE_RECORD);
	struct told t;
	assert_int_equal(read_image(&w, w.len, "x", &t).fault, IMAGE_FINE);
	assert_int_equal(t.n, 1);
	strbuf_fini(&t.text);
	char identity[IMAGE_IDENTITY + 2];
	memset(identity, 'i', sizeof identity - 1);
	identity[IMAGE_IDENTITY + 1] = 0;
	assert_false(image_print_header(identity, &w));
	free(w.data);
	free(big);
}

static void a_message_has_to_be_what_its_record_says(void **unused)
{
	struct packed p = pack_service("default", "web", "192.0.2.1");
	struct packed s = pack_slice("default", "web-abc", "web");
	struct image_entry good = { IMAGE_PUT, KIND_SERVICE, "default/web", p.data, p.len };
	struct image_entry bad[] = {
		{ IMAGE_PUT, KIND_SERVICE, "default/api", p.data, p.len },
		{ IMAGE_PUT, KIND_SERVICE, "default/web", "\xff\xff\xff", 3 },
		{ IMAGE_PUT, KIND_SERVICE, "default/web", "", 0 },
		{ IMAGE_PUT, KIND_ENDPOINTS, "default/else", s.data, s.len },
	};
	struct image_entry slice = { IMAGE_PUT, KIND_ENDPOINTS, "default/web-abc", s.data, s.len };
	(void)unused;
	ProtobufCMessage *m = image_message(&good);
	assert_non_null(m);
	protobuf_c_message_free_unpacked(m, NULL);
	m = image_message(&slice);
	assert_non_null(m);
	protobuf_c_message_free_unpacked(m, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(image_message(&bad[i]));
	free(p.data);
	free(s.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_read),
		cmocka_unit_test(another_identity_is_not_ours),
		cmocka_unit_test(every_prefix_loses_its_end_only),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(garbage_is_foreign),
		cmocka_unit_test(unknown_kinds_and_bad_keys_are_passed_over),
		cmocka_unit_test(what_is_too_long_or_secret_is_not_printed),
		cmocka_unit_test(a_message_has_to_be_what_its_record_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
