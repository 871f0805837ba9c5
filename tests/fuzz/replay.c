/* Replays corpus folders through a fuzz target without libFuzzer, so that every corpus is a test in every
 * build. Besides each file it tries every prefix of small files and each single-bit flip. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { SMALL = 512, BIGGEST = 1 << 22 };

/* A copy of exactly len bytes on the heap, so that a sanitizer sees the first byte that is read too far. */
static void try_one(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy)
		exit(1);
	if (len)
		memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void mutate(uint8_t *data, size_t len)
{
	for (size_t n = 0; n < len; n++)
		try_one(data, n);
	for (size_t bit = 0; bit < len * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		try_one(data, len);
		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return 1;
	}
	uint8_t *data = malloc(BIGGEST);
	size_t len = data ? fread(data, 1, BIGGEST, f) : 0;
	fclose(f);
	try_one(data, len);
	if (len <= SMALL)
		mutate(data, len);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int bad = 0, n = 0;
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		if (!d) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *e; (e = readdir(d));) {
			char path[4096];
			struct stat st;
			snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
			if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
				bad |= replay_file(path);
				n++;
			}
		}
		closedir(d);
	}
	printf("%d corpus files replayed\n", n);
	return bad || n == 0;
}
