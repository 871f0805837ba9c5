/* The object store and the table of kinds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/limits.h"
#include "lib/model/objects.h"
#include "lib/model/row.h"
#include "tests/unit/model/build.h"

static void test_kinds(void **state)
{
	(void)state;
	for (int k = 0; k < KIND_N; k++) {
		const ProtobufCMessageDescriptor *d = kind_descriptor((enum kind)k);
		assert_non_null(protobuf_c_message_descriptor_get_field_by_name(d, "meta"));
		assert_string_equal(d->short_name, kind_name((enum kind)k));
	}
	assert_string_equal(kind_name(KIND_POOL), "IPAddressPool");
	assert_true(kind_is_namespaced(KIND_SERVICE));
	assert_false(kind_is_namespaced(KIND_NODE));
	assert_false(kind_is_namespaced(KIND_NAMESPACE));
}

static void test_row(void **state)
{
	static const uint8_t garbage[] = { 0x0a, 0x7f, 'x' };
	char name[] = "web";
	uint8_t value[100];
	Ingot__ObjectMeta meta = INGOT__OBJECT_META__INIT;
	Ingot__Namespace in = INGOT__NAMESPACE__INIT;
	(void)state;
	meta.name = name;
	in.meta = &meta;
	struct row *row = row_new("a/b", value, ingot__namespace__pack(&in, value)),
		   *empty = row_new("", NULL, 0), *bad = row_new("a/b", garbage, sizeof garbage);
	assert_true(row && empty && bad);
	assert_string_equal(row->key, "a/b");
	Ingot__Namespace *out = (Ingot__Namespace *)(void *)row_open(row, in.base.descriptor);
	assert_string_equal(out->meta->name, "web");
	ingot__namespace__free_unpacked(out, NULL);
	out = (Ingot__Namespace *)(void *)row_open(empty, in.base.descriptor);
	assert_non_null(out);
	assert_null(out->meta);
	ingot__namespace__free_unpacked(out, NULL);
	assert_null(row_open(bad, in.base.descriptor));
	free(row);
	free(empty);
	free(bad);
}

static void test_put_get_delete(void **state)
{
	(void)state;
	struct objects o;
	objects_init(&o);
	assert_null(objects_get(&o, KIND_NODE, "n"));
	assert_false(objects_del(&o, KIND_NODE, "n"));
	build_line(&o, "Node n labels=a=1");
	build_line(&o, "Node n labels=a=2");
	assert_int_equal(map_len(&o.by_kind[KIND_NODE]), 1);
	const Ingot__ObjectMeta *meta = object_meta(KIND_NODE, objects_get(&o, KIND_NODE, "n"));
	assert_string_equal(kv_get(meta->labels, meta->n_labels, "a"), "2");
	assert_null(kv_get(meta->labels, meta->n_labels, "b"));
	assert_null(kv_get(NULL, 0, "a"));
	assert_null(objects_get(&o, KIND_POOL, "n"));
	assert_true(objects_del(&o, KIND_NODE, "n"));
	assert_null(objects_get(&o, KIND_NODE, "n"));
	objects_fini(&o);
	objects_fini(NULL);
}

static void test_cap(void **state)
{
	(void)state;
	struct objects o;
	char key[32];
	objects_init(&o);
	for (int i = 0; i < LIMIT_OBJECTS; i++) {
		Ingot__Namespace *m = calloc(1, sizeof *m);
		assert_non_null(m);
		ingot__namespace__init(m);
		str_fmt(key, sizeof key, "%d", i);
		assert_int_equal(objects_put(&o, KIND_NAMESPACE, key, &m->base), 0);
	}
	Ingot__Namespace *one_more = calloc(1, sizeof *one_more), *again = calloc(1, sizeof *again);
	ingot__namespace__init(one_more);
	ingot__namespace__init(again);
	assert_int_equal(objects_put(&o, KIND_NAMESPACE, "new", &one_more->base), -ENOSPC);
	assert_int_equal(objects_put(&o, KIND_NAMESPACE, "7", &again->base), 0);
	assert_ptr_equal(objects_get(&o, KIND_NAMESPACE, "7"), &again->base);
	objects_fini(&o);
}

static void test_keys(void **state)
{
	(void)state;
	char buf[OBJECT_KEY], longest[254];
	memset(longest, 'x', 253);
	longest[253] = '\0';
	assert_string_equal(object_key("ns", "name", buf), "ns/name");
	assert_string_equal(object_key("", "name", buf), "name");
	assert_string_equal(object_key(NULL, "name", buf), "name");
	assert_int_equal(strlen(object_key(longest, longest, buf)), 253 + 1 + 253);
}

static void test_meta_missing(void **state)
{
	(void)state;
	Ingot__Node n;
	ingot__node__init(&n);
	assert_null(object_meta(KIND_NODE, &n.base));
	assert_null(object_meta(KIND_NODE, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),	       cmocka_unit_test(test_row),
		cmocka_unit_test(test_put_get_delete), cmocka_unit_test(test_cap),
		cmocka_unit_test(test_keys),	       cmocka_unit_test(test_meta_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
