/* The document `status`: how well the source is known, what each daemon thinks of the configuration, and
 * which topics are complete. Pure. */
#include <stdbool.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "statusd/documents.h"

static const enum topic config_topics[] = { TOPIC_WATCHER_CONFIG, TOPIC_ALLOCATOR_CONFIG,
					    TOPIC_GOSSIPD_CONFIG, TOPIC_BGPD_CONFIG };

struct config_summary config_summary(const struct state *s)
{
	struct config_summary sum = { false, false };
	struct look l;
	look_begin(&l, s);
	for (size_t i = 0; i < sizeof config_topics / sizeof *config_topics; i++) {
		hashtab_each (s->table[config_topics[i]], node) {
			const Ingot__ConfigStatus *c =
			    look_into(&l, config_topics[i], (const struct row *)node);
			sum.loaded |= c && c->loaded && config_topics[i] != TOPIC_WATCHER_CONFIG;
			sum.stale |= c && c->stale;
		}
	}
	look_end(&l);
	return sum;
}

/* Several daemons compile the same objects, so most findings come more than once: say each once. */
static void add_unique(json_t *array, char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t k;
		json_t *have;
		bool known = false;
		json_array_foreach(array, k, have) known |= strcmp(json_string_value(have), texts[i]) == 0;
		if (!known)
			json_array_append_new(array, json_string(texts[i]));
	}
}

bool source_is_stale(const struct state *s)
{
	struct look l;
	look_begin(&l, s);
	const Ingot__SourceStatus *m = look_at(&l, TOPIC_SOURCE, "source");
	bool stale = m && m->state == INGOT__SOURCE_STATE__SOURCE_STALE;
	look_end(&l);
	return stale;
}

/* What a server or a path said may be no UTF-8. */
static json_t *foreign_text(const char *text)
{
	char safe[4096];
	return json_string(str_escape(text, strlen(text), safe, sizeof safe));
}

static json_t *source_part(struct look *l)
{
	static const char *const states[] = { "waiting", "live", "stale", "held" };
	const Ingot__SourceStatus *m = look_at(l, TOPIC_SOURCE, "source");
	const char *state = !m ? "unknown" : (unsigned)m->state < 4 ? states[m->state] : "unknown";
	return json_pack("{s:s, s:b, s:o, s:o, s:I}", "state", state, "stale", (int)source_is_stale(l->state),
			 "text", foreign_text(m ? m->text : ""), "server", foreign_text(m ? m->server : ""),
			 "since_ms", (json_int_t)(m ? m->since_ms : 0));
}

json_t *document_status(const struct state *s)
{
	json_t *errors = json_array(), *warnings = json_array(), *topics = json_object();
	struct config_summary sum = config_summary(s);
	struct look l;

	look_begin(&l, s);
	for (size_t i = 0; i < sizeof config_topics / sizeof *config_topics; i++) {
		hashtab_each (s->table[config_topics[i]], node) {
			const Ingot__ConfigStatus *c =
			    look_into(&l, config_topics[i], (const struct row *)node);
			if (!c)
				continue;
			add_unique(errors, c->errors, c->n_errors);
			add_unique(warnings, c->warnings, c->n_warnings);
		}
	}
	for (int t = 0; t < TOPIC_N; t++)
		json_object_set_new(topics, topic_name((enum topic)t),
				    json_pack("{s:b, s:I}", "synced", (int)s->synced[t], "entries",
					      (json_int_t)hashtab_len(s->table[t])));
	const Ingot__Leader *leader = look_at(&l, TOPIC_LEADER, "leader");
	json_t *document =
	    json_pack("{s:{s:b, s:s}, s:o, s:{s:b, s:b, s:o, s:o}, s:o}", "leader", "leading",
		      (int)(leader && leader->leading), "holder", leader ? leader->holder : "", "source",
		      source_part(&l), "config", "loaded", (int)sum.loaded, "stale", (int)sum.stale, "errors",
		      errors, "warnings", warnings, "topics", topics);
	look_end(&l);
	return document;
}
