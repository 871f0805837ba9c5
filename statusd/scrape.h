/* Joins the metrics texts of several daemons into one valid exposition: one HELP and TYPE per name, the
 * samples of one name together. Pure. */
#ifndef INGOT_STATUSD_SCRAPE_H
#define INGOT_STATUSD_SCRAPE_H

#include "lib/base/map.h"
#include "lib/base/strbuf.h"

struct scrape {
	struct map families; /* metric name -> struct family * */
};

void scrape_init(struct scrape *s);
void scrape_fini(struct scrape *s);
/* Add one daemon's text. Lines that are no exposition format are dropped and counted; returns how many. */
size_t scrape_add(struct scrape *s, const char *text);
void scrape_print(const struct scrape *s, struct strbuf *out);

#endif
