/* Every *.yaml and *.json of golden/ gives exactly its *.expected: objects with all fields, diagnostics with
 * their places. A reviewer reads the pairs; INGOT_GOLDEN_WRITE=1 writes them anew. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/manifest/dump.h"

static char folder[2048];

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	struct strbuf b = { 0 };
	char buf[4096];
	for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
		strbuf_add_n(&b, buf, n);
	fclose(f);
	*len = b.len;
	return strbuf_take(&b);
}

static void check(const char *name, const char *stem)
{
	char path[4096], expected_path[4096];
	size_t len = 0, expected_len = 0;
	str_fmt(path, sizeof path, "%s/%s", folder, name);
	str_fmt(expected_path, sizeof expected_path, "%s/%s.expected", folder, stem);
	char *data = read_file(path, &len);
	assert_non_null(data);
	struct strbuf out = { 0 };
	dump_manifest(name, data, len, &out);
	if (getenv("INGOT_GOLDEN_WRITE")) {
		FILE *f = fopen(expected_path, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(strbuf_get(&out), 1, out.len, f), out.len);
		fclose(f);
	}
	char *expected = read_file(expected_path, &expected_len);
	if (!expected)
		fail_msg("%s is missing", expected_path);
	if (strcmp(expected, strbuf_get(&out)) != 0)
		fail_msg("%s: got\n%s\nexpected\n%s", name, strbuf_get(&out), expected);
	free(expected);
	free(data);
	strbuf_fini(&out);
}

static void test_golden(void **state)
{
	(void)state;
	size_t n = 0;
	DIR *d = opendir(folder);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		const char *dot = strrchr(e->d_name, '.');
		char stem[300];
		if (!dot || (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".json") != 0))
			continue;
		str_fmt(stem, sizeof stem, "%.*s", (int)(dot - e->d_name), e->d_name);
		check(e->d_name, stem);
		n++;
	}
	closedir(d);
	assert_true(n >= 12);
}

int main(void)
{
	const char *root = getenv("INGOT_SOURCE_DIR");
	str_fmt(folder, sizeof folder, "%s/tests/unit/manifest/golden", root ? root : ".");
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
