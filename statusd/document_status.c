/* The document `status`: what each daemon thinks of the configuration, and which topics are complete. Pure.
 */
#include <stdbool.h>
#include <string.h>

#include "statusd/documents.h"

static const enum topic config_topics[] = { TOPIC_WATCHER_CONFIG, TOPIC_ALLOCATOR_CONFIG,
					    TOPIC_GOSSIPD_CONFIG, TOPIC_BGPD_CONFIG };

struct config_summary config_summary(const struct state *s)
{
	struct config_summary sum = { false, false };
	for (size_t i = 0; i < sizeof config_topics / sizeof *config_topics; i++) {
		map_each (&s->table[config_topics[i]], e) {
			const Ingot__ConfigStatus *c = e->value;
			sum.loaded |= c->loaded && config_topics[i] != TOPIC_WATCHER_CONFIG;
			sum.stale |= c->stale;
		}
	}
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

json_t *document_status(const struct state *s)
{
	json_t *errors = json_array(), *warnings = json_array(), *topics = json_object();
	struct config_summary sum = config_summary(s);

	for (size_t i = 0; i < sizeof config_topics / sizeof *config_topics; i++) {
		map_each (&s->table[config_topics[i]], e) {
			const Ingot__ConfigStatus *c = e->value;
			add_unique(errors, c->errors, c->n_errors);
			add_unique(warnings, c->warnings, c->n_warnings);
		}
	}
	for (int t = 0; t < TOPIC_N; t++)
		json_object_set_new(topics, topic_name((enum topic)t),
				    json_pack("{s:b, s:I}", "synced", (int)s->synced[t], "entries",
					      (json_int_t)map_len(&s->table[t])));
	const Ingot__Leader *leader = state_get(s, TOPIC_LEADER, "leader");
	return json_pack("{s:{s:b, s:s}, s:{s:b, s:b, s:o, s:o}, s:o}", "leader", "leading",
			 (int)(leader && leader->leading), "holder", leader ? leader->holder : "", "config",
			 "loaded", (int)sum.loaded, "stale", (int)sum.stale, "errors", errors, "warnings",
			 warnings, "topics", topics);
}
