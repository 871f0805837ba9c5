/* Memory that runs out: every allocation of a decoding fails once; the answer is -ENOMEM or whole, and
 * nothing leaks. Linked with --wrap for malloc, calloc, realloc, strdup; jansson's own allocations do not
 * fail here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/k8s_decode/sample.h"
#include "watcher/k8s/decode/decode.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static long countdown = -1; /* the allocation that fails; -1 = none */

static int fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

static void on_item(void *ctx, struct item *i)
{
	size_t *n = ctx;
	assert_non_null(i->message);
	++*n;
	protobuf_c_message_free_unpacked(i->message, NULL);
	manifest_secrets_fini(&i->secrets);
}

static const struct {
	const char *name;
	enum kind kind;
	size_t n;
} lists[] = {
	{ "services.list.pb", KIND_SERVICE, 4 },	 { "services.page.json", KIND_SERVICE, 2 },
	{ "endpointslices.list.pb", KIND_ENDPOINTS, 3 }, { "secrets.list.json", KIND_SECRET, 3 },
	{ "configmaps.list.pb", KIND_CONFIG_MAP, 2 },	 { "bgppeers.list.json", KIND_BGP_PEER, 2 },
};

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		char path[512];
		struct strbuf data = { 0 };
		size_t failed = 0;
		enum encoding e = strstr(lists[i].name, ".json") ? ENCODING_JSON : ENCODING_PROTOBUF;
		str_fmt(path, sizeof path, "tests/unit/k8s_decode/recorded/%s", lists[i].name);
		assert_true(sample_read(path, &data));
		bool done = false;
		for (long n = 0; !done; n++) {
			struct list_meta meta;
			size_t seen = 0;
			countdown = n;
			int rc = decode_list(lists[i].kind, e, data.s, data.len, NULL, on_item, &seen, &meta);
			done = countdown >= 0;
			countdown = -1;
			assert_true(rc == -ENOMEM || (rc == 0 && seen == lists[i].n));
			failed += rc == -ENOMEM;
			free(meta.continue_token);
		}
		assert_true(failed > 20);
		strbuf_fini(&data);
	}
}

static bool on_frame(void *ctx, const void *frame, size_t len)
{
	struct event e;
	int *worst = ctx;
	int rc = decode_event(KIND_SERVICE, ENCODING_PROTOBUF, frame, len, NULL, &e);
	event_fini(&e);
	*worst = rc < *worst ? rc : *worst;
	return rc == 0;
}

static void test_stream(void **state)
{
	(void)state;
	struct strbuf data = { 0 };
	assert_true(sample_read("tests/unit/k8s_decode/recorded/services.watch.pb", &data));
	bool done = false;
	size_t failed = 0;
	for (long n = 0; !done; n++) {
		struct frames f;
		int worst = 0;
		frames_init(&f, ENCODING_PROTOBUF);
		countdown = n;
		int rc = frames_add(&f, data.s, data.len, on_frame, &worst);
		done = countdown >= 0;
		countdown = -1;
		assert_true(done ? rc == 0 : rc == -ENOMEM || (rc == 1 && worst == -ENOMEM));
		assert_int_equal(f.oom, rc == -ENOMEM);
		/* What is lost is lost: the rest of such a stream would be nonsense. */
		if (f.oom)
			assert_int_equal(frames_add(&f, data.s, data.len, on_frame, &worst), -ENOMEM);
		frames_fini(&f);
		failed++;
	}
	assert_true(failed > 100);
	strbuf_fini(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lists), cmocka_unit_test(test_stream) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
