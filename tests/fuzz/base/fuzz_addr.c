/* Address and prefix text: whatever parses prints to a text that parses to the same value, and printing that
 * gives the same text again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/addr.h"
#include "lib/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_addr(const char *text, size_t n)
{
	addr_t a, again;
	char first[ADDR_TEXT], second[ADDR_TEXT];
	if (!addr_parse_n(text, n, &a))
		return;
	addr_text(a, first);
	must(addr_parse(first, &again) && addr_eq(a, again));
	must(strcmp(addr_text(again, second), first) == 0);
	addr_t next = a;
	if (addr_next(&next)) {
		must(addr_cmp(a, next) < 0 && addr_distance(a, next) == 1);
		must(addr_prev(&next) && addr_eq(a, next));
	}
}

static void try_prefix(const char *text)
{
	prefix_t p, again;
	char first[PREFIX_TEXT], second[PREFIX_TEXT];
	if (!prefix_parse(text, &p))
		return;
	prefix_text(p, first);
	must(prefix_parse(first, &again) && prefix_eq(p, again));
	must(strcmp(prefix_text(again, second), first) == 0);
	range_t r = prefix_range(p);
	must(prefix_contains(p, r.first) && prefix_contains(p, r.last) && addr_eq(p.addr, r.first));
	must(addr_next(&r.last) == false || !prefix_contains(p, r.last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	must(text);
	if (len)
		memcpy(text, data, len);
	text[len] = 0;
	/* From the input itself, so that a sanitizer sees a read behind it. */
	try_addr((const char *)data, len);
	try_prefix(text);
	free(text);
	return 0;
}
