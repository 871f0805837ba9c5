/* Joining of metrics texts. Pure. The texts come from our own daemons and are still checked line by line:
 * what does not look like a sample or a comment of the text format 0.0.4 is left out and counted. */
#include "statusd/scrape.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILIES_MAX = 4096 };

struct family {
	struct strbuf head, samples; /* HELP and TYPE lines; sample lines */
};

void scrape_init(struct scrape *s)
{
	map_init(&s->families);
}

static void family_free(void *p)
{
	struct family *f = p;
	if (f) {
		strbuf_fini(&f->head);
		strbuf_fini(&f->samples);
		free(f);
	}
}

void scrape_fini(struct scrape *s)
{
	map_fini(&s->families, family_free);
}

static size_t name_length(const char *line, size_t len)
{
	size_t n = 0;
	while (n < len && (isalnum((unsigned char)line[n]) || line[n] == '_' || line[n] == ':'))
		n++;
	return n > 0 && !isdigit((unsigned char)line[0]) ? n : 0;
}

static struct family *family_of(struct scrape *s, const char *name, size_t n)
{
	struct family *f = map_get_n(&s->families, name, n);
	if (f || map_len(&s->families) >= FAMILIES_MAX)
		return f;
	f = calloc(1, sizeof *f);
	if (f && map_set_n(&s->families, name, n, f, NULL) < 0) {
		free(f);
		f = NULL;
	}
	return f;
}

static bool add_comment(struct scrape *s, const char *line, size_t len)
{
	static const char *const words[] = { "# HELP ", "# TYPE " };
	for (size_t i = 0; i < 2; i++) {
		size_t skip = strlen(words[i]);
		if (len <= skip || strncmp(line, words[i], skip) != 0)
			continue;
		size_t n = name_length(line + skip, len - skip);
		struct family *f = n ? family_of(s, line + skip, n) : NULL;
		if (!f)
			return false;
		/* The first daemon's HELP and TYPE stand for all. */
		if (!f->head.s || !strstr(f->head.s, words[i])) {
			strbuf_add_n(&f->head, line, len);
			strbuf_char(&f->head, '\n');
		}
		return true;
	}
	return len > 0 && line[0] == '#';
}

static bool add_line(struct scrape *s, const char *line, size_t len)
{
	if (len == 0)
		return true;
	if (line[0] == '#')
		return add_comment(s, line, len);
	size_t n = name_length(line, len);
	if (n == 0 || n == len || (line[n] != '{' && line[n] != ' '))
		return false;
	struct family *f = family_of(s, line, n);
	if (!f)
		return false;
	strbuf_add_n(&f->samples, line, len);
	strbuf_char(&f->samples, '\n');
	return true;
}

size_t scrape_add(struct scrape *s, const char *text)
{
	size_t dropped = 0;
	while (*text) {
		const char *end = strchr(text, '\n');
		size_t len = end ? (size_t)(end - text) : strlen(text);
		dropped += !add_line(s, text, len);
		text += len + (end != NULL);
	}
	return dropped;
}

void scrape_print(const struct scrape *s, struct strbuf *out)
{
	map_each (&s->families, e) {
		const struct family *f = e->value;
		strbuf_add(out, strbuf_get(&f->head));
		strbuf_add(out, strbuf_get(&f->samples));
	}
}
