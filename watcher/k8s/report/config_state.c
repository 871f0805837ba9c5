/* The kind ConfigurationState. Pure; run by the watcher. */
#include "watcher/k8s/report/config_state.h"

#include <string.h>

#include "lib/model/limits.h"

const char *config_state_speaker(const char *node, char buf[static OBJECT_KEY])
{
	str_fmt(buf, OBJECT_KEY, "speaker-%s", node);
	return buf;
}

static bool is_ours(const struct upkeep_place *p, const char *name)
{
	char speaker[OBJECT_KEY];
	return strcmp(name, CONFIG_STATE_CONTROLLER) == 0 ||
	       strcmp(name, config_state_speaker(p->node, speaker)) == 0;
}

static bool config_key(const struct upkeep_place *p, const json_t *metadata, char ret[static OBJECT_KEY])
{
	const char *name = json_string_value(json_object_get(metadata, "name"));
	if (!name || !is_ours(p, name))
		return false;
	str_fmt(ret, OBJECT_KEY, "%s", name);
	return true;
}

static json_t *config_labels(const struct upkeep_place *p, const char *key)
{
	if (strcmp(key, CONFIG_STATE_CONTROLLER) == 0)
		return json_pack("{s:s}", "metallb.io/component-type", "controller");
	return json_pack("{s:s, s:s}", "metallb.io/component-type", "speaker", "metallb.io/node-name",
			 p->node);
}

static const char *text(const json_t *condition, const char *field)
{
	const char *s = json_string_value(json_object_get(condition, field));
	return s ? s : "";
}

/* The time of a condition whose status stayed. NULL: there is none. */
static json_t *time_kept(const json_t *conditions, const json_t *wanted)
{
	const json_t *c;
	size_t i;
	json_array_foreach(conditions, i, c) if (strcmp(text(c, "type"), text(wanted, "type")) == 0 &&
						 strcmp(text(c, "status"), text(wanted, "status")) == 0)
	{
		json_t *at = json_object_get(c, "lastTransitionTime");
		return json_is_string(at) ? at : NULL;
	}
	return NULL;
}

static json_t *config_settle(const json_t *wanted, const json_t *seen)
{
	json_t *status = json_deep_copy(wanted), *c;
	size_t i;
	json_array_foreach(json_object_get(status, "conditions"), i, c)
	{
		json_t *at = time_kept(json_object_get(seen, "conditions"), c);
		if (at)
			json_object_set(c, "lastTransitionTime", at);
	}
	return status;
}

const struct upkeep_kind config_state_kind = { .kind = "ConfigurationState",
					       .plural = "configurationstates",
					       .creates = true,
					       .key = config_key,
					       .labels = config_labels,
					       .list = "conditions",
					       .settle = config_settle };
