/* The document tree: caps on depth, size, anchors and what aliases expand to; texts that are not YAML;
 * merging. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/manifest/tree.h"
#include "lib/model/limits.h"
#include "tests/unit/manifest/dump.h"

/* The first error of a text, "" when there is none. */
static void first_error(const char *text, size_t len, char *buf, size_t size)
{
	struct tree_reader *r = tree_reader_new(text, len);
	const struct node *n;
	struct tree_error e = { 0 };
	int rc;
	assert_non_null(r);
	while ((rc = tree_next(r, &n, &e)) == 1)
		assert_true(n == NULL || n->weight > 0);
	assert_true(rc == 0 || rc == -EINVAL);
	if (rc == 0)
		str_fmt(buf, size, "%s", "");
	else
		str_fmt(buf, size, "%u:%u %s", e.line, e.column, e.text);
	assert_int_equal(tree_next(r, &n, &e), 0);
	tree_reader_free(r);
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "" },
		{ "a: 1\n---\nb: 2\n...\n", "" },
		{ "{\"a\": [1, 2, {\"b\": null}]}", "" },
		{ "a: [1, 2",
		  "2:1 did not find expected ',' or ']' (while parsing a flow sequence at line 1)" },
		{ "a: 1\n b: 2\n", "2:3 mapping values are not allowed in this context" },
		{ "a: 1\nb: 2\na: 3\n", "3:1 duplicate key a" },
		{ "a: *x\n", "1:4 unknown alias x" },
		{ "a: &x [1, *x]\n", "1:11 an alias inside its own anchor: x" },
		{ "a: !foo 1\n", "1:4 unsupported tag !foo" },
		{ "[1, 2]: 3\n", "1:1 a key must be a text" },
		{ "a: \"x\\0y\"\n", "1:4 a text contains a NUL byte" },
		{ "a: &x {b: 1}\nc: {<<: *x, d: 2}\n", "" },
		{ "c: {<<: 5}\n", "1:9 << wants a map or a list of maps" },
		{ "a: !!str 5\nb: !!int 5\n", "" },
		{ "\ta: 1\n", "1:1 found character that cannot start any token (while scanning for the next "
			      "token at line 1)" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char got[256];
		first_error(cases[i].text, strlen(cases[i].text), got, sizeof got);
		assert_string_equal(got, cases[i].error);
	}
}

static void repeat(struct strbuf *b, const char *text, int n)
{
	for (int i = 0; i < n; i++)
		strbuf_add(b, text);
}

static void test_depth(void **state)
{
	(void)state;
	char got[256];
	struct strbuf b = { 0 };
	repeat(&b, "[", TREE_MAX_DEPTH);
	repeat(&b, "]", TREE_MAX_DEPTH);
	first_error(strbuf_get(&b), b.len, got, sizeof got);
	assert_string_equal(got, "");
	strbuf_reset(&b);
	repeat(&b, "[", TREE_MAX_DEPTH + 1);
	repeat(&b, "]", TREE_MAX_DEPTH + 1);
	first_error(strbuf_get(&b), b.len, got, sizeof got);
	assert_string_equal(got, "1:65 nested too deeply");
	strbuf_fini(&b);
}

/* Nine levels of nine aliases each: 387 million texts if they were expanded. */
static void test_laughs(void **state)
{
	(void)state;
	char got[256];
	struct strbuf b = { 0 };
	strbuf_add(&b, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
	for (int i = 1; i < 9; i++) {
		strbuf_fmt(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			strbuf_fmt(&b, "%s*a%d", k ? ", " : "", i - 1);
		strbuf_add(&b, "]\n");
	}
	first_error(strbuf_get(&b), b.len, got, sizeof got);
	assert_non_null(strstr(got, "aliases expand to too much"));
	strbuf_fini(&b);
}

/* Fewer laughs: the document is accepted, the object in it is not. */
static void test_object_size(void **state)
{
	(void)state;
	struct strbuf b = { 0 }, out = { 0 };
	strbuf_add(&b, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  a: &a \"");
	repeat(&b, "0123456789abcdef", LIMIT_OBJECT_BYTES / 64);
	strbuf_add(&b, "\"\n");
	for (int i = 0; i < 20; i++)
		strbuf_fmt(&b, "  k%d: *a\n", i);
	dump_manifest("f", strbuf_get(&b), b.len, &out);
	assert_string_equal(strbuf_get(&out),
			    "broken ConfigMap default/big\n"
			    "ERROR f:1:1: ConfigMap default/big: larger than 1048576 bytes\n"
			    "result 0: 0 objects, 1 broken, 0 ignored\n");
	strbuf_fini(&b);
	strbuf_fini(&out);
}

static void test_anchors(void **state)
{
	(void)state;
	char got[256];
	struct strbuf b = { 0 };
	for (int i = 0; i <= TREE_MAX_ANCHORS; i++)
		strbuf_fmt(&b, "- &a%d x\n", i);
	first_error(strbuf_get(&b), b.len, got, sizeof got);
	assert_string_equal(got, "1025:3 too many anchors");
	strbuf_fini(&b);
}

static void test_merge(void **state)
{
	(void)state;
	static const char text[] =
	    "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nall: {x: 9, <<: [*b, *m]}\n";
	struct tree_reader *r = tree_reader_new(text, strlen(text));
	const struct node *n;
	struct tree_error e;
	assert_int_equal(tree_next(r, &n, &e), 1);
	const struct node *all = node_get(n, "all");
	assert_int_equal(all->n, 3);
	assert_int_equal(node_get(all, "x")->integer, 9);
	assert_int_equal(node_get(all, "y")->integer, 2);
	assert_int_equal(node_get(all, "z")->integer, 4);
	assert_null(node_get(all, "<<"));
	assert_null(node_get(node_get(all, "x"), "x"));
	tree_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),	cmocka_unit_test(test_depth),
		cmocka_unit_test(test_laughs),	cmocka_unit_test(test_object_size),
		cmocka_unit_test(test_anchors), cmocka_unit_test(test_merge)
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
