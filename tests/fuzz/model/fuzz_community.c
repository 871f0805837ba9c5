/* Community text from anywhere: parse, print, parse again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/community.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), shown[COMMUNITY_TEXT], again[COMMUNITY_TEXT + 8];
	community_t c, d;
	if (!text)
		return 0;
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	if (community_parse(text, &c) == 0) {
		str_fmt(again, sizeof again, "%s%s", c.large ? "large:" : "", community_text(c, shown));
		must(community_parse(again, &d) == 0);
		must(community_cmp(c, d) == 0);
	}
	free(text);
	return 0;
}
