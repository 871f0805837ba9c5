/* Which EndpointSlices are published: those of published Services, whatever comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/k8s/make.h"
#include "watcher/k8s/slices.h"

enum { SERVICES = 8, SLICES = 20, STEPS = 5000 };

struct world {
	struct slices s;
	struct strbuf log; /* "+ns/a-1 -ns/a-1 " */
	bool shown[SLICES];
	char type[SLICES][8];
	uint8_t packed[SLICES][128]; /* what the bus has */
	size_t len[SLICES];
};

static void publish(void *ctx, const char *key, const ProtobufCMessage *message)
{
	struct world *w = ctx;
	const Ingot__EndpointSlice *m = (const Ingot__EndpointSlice *)message;
	unsigned i = (unsigned)atoi(key + 3) % SLICES;
	strbuf_fmt(&w->log, "%c%s ", m ? '+' : '-', key);
	assert_true(m || w->shown[i]); /* what is not there is not taken away */
	w->shown[i] = m != NULL;
	if (!m)
		return;
	str_fmt(w->type[i], sizeof w->type[i], "%s", m->address_type);
	w->len[i] = ingot__endpoint_slice__get_packed_size(m);
	assert_true(w->len[i] <= sizeof w->packed[i]);
	ingot__endpoint_slice__pack(m, w->packed[i]);
}

static const void *published(void *ctx, const char *key, size_t *len)
{
	struct world *w = ctx;
	unsigned i = (unsigned)atoi(key + 3) % SLICES;
	if (!w->shown[i])
		return NULL;
	*len = w->len[i];
	return w->packed[i];
}

static void begin(struct world *w)
{
	static const struct slices_sink sink = { publish, published };
	*w = (struct world){ 0 };
	slices_init(&w->s, &sink, w);
}

static void end(struct world *w)
{
	slices_fini(&w->s);
	strbuf_fini(&w->log);
}

static void put(struct world *w, const char *key, const char *service, const char *type)
{
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__EndpointSlice m = INGOT__ENDPOINT_SLICE__INIT;
	meta.namespace_ = text("ns");
	m.meta = &meta;
	m.service_name = text(service);
	m.address_type = text(type);
	assert_int_equal(slices_put(&w->s, key, &m), 0);
}

static void assert_log(struct world *w, const char *expected)
{
	assert_string_equal(strbuf_get(&w->log), expected);
	strbuf_reset(&w->log);
}

static void the_order_does_not_matter(void **unused)
{
	struct world w;
	(void)unused;
	begin(&w);
	put(&w, "ns/1", "web", "IPv4");
	assert_log(&w, "");
	assert_int_equal(slices_service(&w.s, "ns/web", true), 0);
	assert_log(&w, "+ns/1 ");
	assert_int_equal(slices_service(&w.s, "ns/web", true), 0);
	assert_log(&w, "");
	put(&w, "ns/2", "web", "IPv6");
	assert_log(&w, "+ns/2 ");
	put(&w, "ns/1", "web", "IPv6");
	assert_log(&w, "+ns/1 ");
	put(&w, "ns/3", "other", "IPv4");
	slices_gone(&w.s, "ns/2");
	slices_gone(&w.s, "ns/3");
	slices_gone(&w.s, "ns/nobody");
	assert_log(&w, "-ns/2 ");
	assert_int_equal(slices_service(&w.s, "ns/web", false), 0);
	assert_log(&w, "-ns/1 ");
	slices_gone(&w.s, "ns/1");
	assert_int_equal(slices_service(&w.s, "ns/never", false), 0);
	assert_log(&w, "");
	assert_int_equal(hashtab_len(&w.s.by_key) + hashtab_len(&w.s.by_service), 0);
	end(&w);
}

static void a_slice_may_change_its_service(void **unused)
{
	struct world w;
	(void)unused;
	begin(&w);
	slices_service(&w.s, "ns/a", true);
	slices_service(&w.s, "ns/b", true);
	put(&w, "ns/1", "a", "IPv4");
	put(&w, "ns/1", "b", "IPv4");
	assert_log(&w, "+ns/1 +ns/1 ");
	put(&w, "ns/1", "hidden", "IPv4");
	assert_log(&w, "-ns/1 ");
	put(&w, "ns/1", "", "IPv4"); /* of no Service at all */
	assert_log(&w, "");
	put(&w, "ns/1", "a", "IPv4");
	slices_service(&w.s, "ns/b", false);
	assert_log(&w, "+ns/1 ");
	slices_service(&w.s, "ns/a", false);
	assert_log(&w, "-ns/1 ");
	end(&w);
}

/* Against what is so by definition, in any order. */
static void any_sequence(void **unused)
{
	static const char *const types[] = { "IPv4", "IPv6", "FQDN" };
	int of[SLICES]; /* -1: it does not exist */
	const char *type[SLICES] = { 0 };
	bool published[SERVICES] = { false };
	char key[16], service[16];
	uint64_t dice = 42;
	struct world w;
	(void)unused;
	begin(&w);
	memset(of, -1, sizeof of);
	for (int n = 0; n < STEPS; n++) {
		unsigned i = roll(&dice, SLICES), s = roll(&dice, SERVICES), what = roll(&dice, 10);
		str_fmt(key, sizeof key, "ns/%u", i);
		str_fmt(service, sizeof service, "ns/s%u", s);
		if (what < 5) {
			of[i] = (int)s;
			type[i] = types[roll(&dice, 3)];
			put(&w, key, service + 3, type[i]);
		} else if (what < 7) {
			of[i] = -1;
			slices_gone(&w.s, key);
		} else {
			published[s] = roll(&dice, 2);
			assert_int_equal(slices_service(&w.s, service, published[s]), 0);
		}
		for (unsigned k = 0; k < SLICES; k++) {
			assert_int_equal(w.shown[k], of[k] >= 0 && published[of[k]]);
			if (w.shown[k])
				assert_string_equal(w.type[k], type[k]);
		}
		strbuf_reset(&w.log);
	}
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_does_not_matter),
		cmocka_unit_test(a_slice_may_change_its_service),
		cmocka_unit_test(any_sequence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
