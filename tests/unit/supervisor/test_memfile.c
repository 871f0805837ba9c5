/* Snapshots: whole ones are read back, torn and forged ones are not. */
#include "lib/run/memfile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOT ((off_t)1 << 40)
enum { HEADER = 40, MAX = 1 << 20 };

static void expect(int fd, const char *text)
{
	void *data = NULL;
	size_t len = 0;
	assert_int_equal(memfile_read(fd, MAX, &data, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
	free(data);
}

static void expect_error(int fd, size_t max, int error)
{
	char untouched;
	void *data = &untouched;
	size_t len = 99;
	assert_int_equal(memfile_read(fd, max, &data, &len), error);
	assert_ptr_equal(data, &untouched);
	assert_int_equal(len, 99);
}

static void test_newest_is_read(void **state)
{
	(void)state;
	int fd = memfile_new("test");
	assert_true(fd >= 0);
	expect_error(fd, MAX, -ENODATA);
	static const char *const texts[] = { "one", "", "three, and longer than the others", "4" };
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(memfile_write(fd, texts[i], strlen(texts[i])), 0);
			expect(fd, texts[i]);
		}
	close(fd);
}

static void test_too_long_for_the_reader(void **state)
{
	(void)state;
	int fd = memfile_new("test");
	assert_int_equal(memfile_write(fd, "12345", 5), 0);
	expect_error(fd, 4, -EFBIG);
	expect(fd, "12345");
	close(fd);
}

/* The writer dies after any number of bytes of the second write: the first one is what is read. */
static void test_torn_writes(void **state)
{
	(void)state;
	static const char first[] = "first snapshot", second[] = "the second";
	char bytes[HEADER + sizeof second] = { 0 };
	size_t len = HEADER + sizeof second - 1;
	int whole = memfile_new("whole");
	assert_int_equal(memfile_write(whole, first, sizeof first - 1), 0);
	assert_int_equal(memfile_write(whole, second, sizeof second - 1), 0);
	/* The first write goes to slot 1, the second to slot 0. */
	assert_int_equal(pread(whole, bytes, len, 0), (ssize_t)len);
	close(whole);
	for (size_t header = 0; header <= HEADER; header++)
		for (size_t body = header ? len - HEADER : 0; body <= len - HEADER; body++) {
			int fd = memfile_new("torn");
			assert_int_equal(memfile_write(fd, first, sizeof first - 1), 0);
			assert_int_equal(pwrite(fd, bytes + HEADER, body, HEADER), (ssize_t)body);
			assert_int_equal(pwrite(fd, bytes, header, 0), (ssize_t)header);
			/* The last header bytes are a checksum: whatever is short of them does not count. */
			expect(fd, header == HEADER ? second : first);
			close(fd);
		}
}

static void test_flipped_bits(void **state)
{
	(void)state;
	static const char text[] = "precious";
	for (size_t bit = 0; bit < (HEADER + sizeof text - 1) * 8; bit++) {
		int fd = memfile_new("flip");
		uint8_t byte;
		assert_int_equal(memfile_write(fd, text, sizeof text - 1), 0);
		assert_int_equal(pread(fd, &byte, 1, SLOT + (off_t)bit / 8), 1);
		byte ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(pwrite(fd, &byte, 1, SLOT + (off_t)bit / 8), 1);
		expect_error(fd, MAX, -EBADMSG);
		/* And it can be used again. */
		assert_int_equal(memfile_write(fd, "new", 3), 0);
		expect(fd, "new");
		close(fd);
	}
}

static void test_cut_file(void **state)
{
	(void)state;
	int fd = memfile_new("cut");
	assert_int_equal(memfile_write(fd, "123456", 6), 0);
	assert_int_equal(ftruncate(fd, SLOT + HEADER + 5), 0);
	expect_error(fd, MAX, -EBADMSG);
	assert_int_equal(ftruncate(fd, 0), 0);
	expect_error(fd, MAX, -ENODATA);
	close(fd);
	expect_error(-1, MAX, -EBADF);
	assert_int_equal(memfile_write(-1, "", 0), -EBADF);
}

/* Only one snapshot's memory is held between writes. */
static void test_memory_is_given_back(void **state)
{
	(void)state;
	enum { BIG = 1 << 20 };
	char *big = calloc(1, BIG);
	struct stat st;
	int fd = memfile_new("big");
	assert_non_null(big);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(memfile_write(fd, big, BIG), 0);
	assert_int_equal(memfile_write(fd, big, 10), 0);
	fstat(fd, &st);
	assert_true(st.st_blocks * 512 < BIG / 2);
	free(big);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_newest_is_read), cmocka_unit_test(test_too_long_for_the_reader),
		cmocka_unit_test(test_torn_writes),    cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_cut_file),       cmocka_unit_test(test_memory_is_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
