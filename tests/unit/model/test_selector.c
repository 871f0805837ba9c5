/* Label selectors: canonical text, hygiene, matching, label syntax. The selectors come from node selectors
 * that the builder reads, so each row is one line of text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/model/label.h"
#include "lib/model/selector.h"
#include "tests/unit/model/build.h"

struct fixture {
	struct objects objects;
	const Ingot__L2Advertisement *ad;
};

static void build(struct fixture *f, const char *selectors)
{
	char line[512];
	objects_init(&f->objects);
	str_fmt(line, sizeof line, "L2Advertisement a node_selectors=%s", selectors);
	build_line(&f->objects, line);
	f->ad = (const Ingot__L2Advertisement *)objects_get(&f->objects, KIND_L2_ADVERTISEMENT,
							    BUILD_NAMESPACE "/a");
	assert_non_null(f->ad);
}

static int compile(const struct fixture *f, struct selectors *ret, char **error)
{
	return selectors_compile(f->ad->node_selectors, f->ad->n_node_selectors, ret, error);
}

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *texts; /* joined by ; */
	} table[] = {
		{ "{}", "" },
		{ "foo=bar", "foo=bar" },
		{ "foo=", "foo=" },
		{ "foo=bar&bar:In:quux", "bar in (quux),foo=bar" },
		{ "a:NotIn:z+x+y", "a notin (x,y,z)" },
		{ "b:Exists:&a:DoesNotExist:", "!a,b" },
		{ "z=1,a=1", "a=1;z=1" },
		{ "k=x&k:In:x", "k=x,k in (x)" },
		{ "example.com/key=v", "example.com/key=v" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct fixture f;
		struct selectors s;
		struct strbuf got = { 0 };
		char *error;
		build(&f, table[i].in);
		assert_int_equal(compile(&f, &s, &error), 0);
		for (size_t j = 0; j < s.n; j++) {
			strbuf_add(&got, j ? ";" : "");
			strbuf_add(&got, s.v[j].text);
		}
		assert_string_equal(strbuf_get(&got), table[i].texts);
		strbuf_fini(&got);
		selectors_fini(&s);
		objects_fini(&f.objects);
	}
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *in, *error;
	} table[] = {
		{ "k:In:", "values are missing" },
		{ "k:NotIn:", "values are missing" },
		{ "k:Exists:v", "values must be empty" },
		{ "k:DoesNotExist:v", "values must be empty" },
		{ "k:surrounds:v", "not a valid label selector operator: \"surrounds\"" },
		{ "k::v", "not a valid label selector operator: \"\"" },
		{ ":In:v", "missing key" },
		{ "k:In:quux+quux", "duplicate definition of value \"quux\"" },
		{ "k:In:b+a&k:In:a+b", "duplicate definition of expression on key \"k\"" },
		{ "k:Exists:&k:Exists:", "duplicate definition of expression" },
		{ "a=b&c=d,c=d&a=b", "duplicate definition of selector \"a=b,c=d\"" },
		{ "{},{}", "duplicate definition of selector \"\"" },
		{ "k:In:-v", "invalid label value \"-v\"" },
		{ "a//b=v", "invalid label key" },
		{ "k\x01=v", "invalid label key \"k\\x01\"" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct fixture f;
		struct selectors s = { .n = 77 };
		char *error;
		build(&f, table[i].in);
		assert_int_equal(compile(&f, &s, &error), -EINVAL);
		assert_non_null(error);
		if (!strstr(error, table[i].error))
			print_error("%s: %s\n", table[i].in, error);
		assert_non_null(strstr(error, table[i].error));
		assert_int_equal(s.n, 77);
		free(error);
		objects_fini(&f.objects);
	}
}

static void test_match(void **state)
{
	(void)state;
	static const struct {
		const char *selectors, *labels;
		bool want;
	} table[] = {
		{ "", "a=b", true },
		{ "{}", "", true },
		{ "a=b", "", false },
		{ "a=b", "a=b", true },
		{ "a=b", "a=c", false },
		{ "a=b&c=d", "a=b", false },
		{ "a=b&c=d", "a=b,c=d,e=f", true },
		{ "a=b,c=d", "c=d", true },
		{ "a:In:x+y", "a=y", true },
		{ "a:In:x+y", "a=z", false },
		{ "a:In:x+y", "b=x", false },
		{ "a:NotIn:x+y", "a=y", false },
		{ "a:NotIn:x+y", "a=z", true },
		{ "a:NotIn:x+y", "b=x", true },
		{ "a:Exists:", "a=", true },
		{ "a:Exists:", "b=", false },
		{ "a:DoesNotExist:", "a=", false },
		{ "a:DoesNotExist:", "b=", true },
		{ "a:In:x+y&a:NotIn:y", "a=y", false },
		{ "a:In:x+y&a:NotIn:y", "a=x", true },
		{ "a=", "a=", true },
		{ "a=", "a=b", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct fixture f;
		struct selectors s;
		char *error, line[256];
		build(&f, table[i].selectors);
		assert_int_equal(compile(&f, &s, &error), 0);
		str_fmt(line, sizeof line, "Node n labels=%s", table[i].labels);
		build_line(&f.objects, line);
		const ProtobufCMessage *node = objects_get(&f.objects, KIND_NODE, "n");
		const Ingot__ObjectMeta *meta = object_meta(KIND_NODE, node);
		assert_int_equal(selectors_match(&s, meta->labels, meta->n_labels), table[i].want);
		selectors_fini(&s);
		objects_fini(&f.objects);
	}
}

static void test_equal(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool want;
	} table[] = {
		{ "", "", true },	 { "a=b", "", false },		 { "a=b", "a=b", true },
		{ "a=b", "a=c", false }, { "a=b,c=d", "c=d,a=b", true }, { "k=x", "k:In:x", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct fixture f, g;
		struct selectors a, b;
		char *error;
		build(&f, table[i].a);
		build(&g, table[i].b);
		assert_int_equal(compile(&f, &a, &error), 0);
		assert_int_equal(compile(&g, &b, &error), 0);
		assert_int_equal(selectors_equal(&a, &b), table[i].want);
		selectors_fini(&a);
		selectors_fini(&b);
		objects_fini(&f.objects);
		objects_fini(&g.objects);
	}
	selectors_fini(NULL);
}

/* The order of values in an object that others read, too, is not ours to change. */
static void test_input_untouched(void **state)
{
	(void)state;
	struct fixture f;
	struct selectors s;
	char *error;
	build(&f, "k:In:c+a+b");
	assert_int_equal(compile(&f, &s, &error), 0);
	assert_string_equal(f.ad->node_selectors[0]->match_expressions[0]->values[0], "c");
	assert_string_equal(s.v[0].terms[0].values[0], "a");
	selectors_fini(&s);
	objects_fini(&f.objects);
}

static void test_labels(void **state)
{
	(void)state;
	char long_name[65];
	memset(long_name, 'a', 64);
	long_name[64] = '\0';
	assert_false(label_value_is_valid(long_name));
	assert_false(label_key_is_valid(long_name));
	long_name[63] = '\0';
	assert_true(label_value_is_valid(long_name));
	assert_true(label_key_is_valid(long_name));
	static const struct {
		const char *text;
		bool key, value;
	} table[] = {
		{ "", false, true },	      { "a", true, true },	  { "A.b_c-9", true, true },
		{ "-a", false, false },	      { "a-", false, false },	  { "a b", false, false },
		{ "x/y", true, false },	      { "/y", false, false },	  { "x/", false, false },
		{ "x/y/z", false, false },    { "X/y", false, false },	  { "a.b/c", true, false },
		{ "a..b/c", false, false },   { ".a/c", false, false },	  { "a./c", false, false },
		{ "a-.b/c", false, false },   { "a.-b/c", false, false }, { "a_b/c", false, false },
		{ "\xc3\xa4", false, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(label_key_is_valid(table[i].text), table[i].key);
		assert_int_equal(label_value_is_valid(table[i].text), table[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_input_untouched),
		cmocka_unit_test(test_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
