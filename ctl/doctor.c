/* The rules of `ingotctl doctor`: each looks at one document and says what an operator should look at. Pure.
 * An error is what keeps traffic or changes away; a warning is what may do so one day. */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

struct report {
	json_t *errors, *warnings;
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static bool is(const json_t *o, const char *key, const char *value)
{
	return strcmp(text_of(o, key), value) == 0;
}

static void find(struct report *r, bool error, const char *subject, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void find(struct report *r, bool error, const char *subject, const char *hint, const char *fmt, ...)
{
	struct strbuf message = { 0 };
	va_list ap;

	va_start(ap, fmt);
	strbuf_vfmt(&message, fmt, ap);
	va_end(ap);
	json_array_append_new(error ? r->errors : r->warnings,
			      json_pack("{s:s, s:s, s:s, s:s}", "severity", error ? "error" : "warning",
					"subject", subject, "message", strbuf_get(&message), "hint", hint));
	strbuf_fini(&message);
}

static void judge_daemons(struct report *r, const json_t *status)
{
	const json_t *d;
	size_t i;

	json_array_foreach(json_object_get(status, "daemons"), i, d)
	{
		const char *last = text_of(d, "last_exit");
		if (is(d, "state", "missing"))
			find(r, false, text_of(d, "name"), "", "its program is not installed");
		else if (!is(d, "state", "ready"))
			find(r, true, text_of(d, "name"), "look at its log lines", "it is in state %s%s%s",
			     text_of(d, "state"), *last ? ", last exit: " : "", last);
	}
	if (*text_of(status, "statusd_error"))
		find(r, true, "statusd", "without it only the daemons' states are known", "%s",
		     text_of(status, "statusd_error"));
}

static void judge_source(struct report *r, const json_t *status)
{
	static const struct {
		const char *state, *meaning, *hint;
	} bad[] = {
		{ "unknown", "the watcher has not said how it is", "look at the log lines of watcher" },
		{ "waiting", "nothing is known yet", "" },
		{ "stale", "what was known last is in force, changes are not seen", "" },
		{ "held", "nothing is written or announced", "" },
	};
	const json_t *source = json_object_get(status, "source");
	const char *text = text_of(source, "text");

	for (size_t i = 0; source && i < ARRAY_LEN(bad); i++)
		if (is(source, "state", bad[i].state))
			find(r, true, "source", bad[i].hint, "%s: %s", bad[i].state,
			     *text ? text : bad[i].meaning);
}

static void judge_configuration(struct report *r, const json_t *status)
{
	const json_t *config = json_object_get(status, "config"), *line;
	size_t i;

	if (!config)
		return;
	if (!json_is_true(json_object_get(config, "loaded")))
		find(r, true, "configuration", "", "none was loaded yet");
	if (json_is_true(json_object_get(config, "stale")))
		find(r, true, "configuration", "correct what is said below",
		     "the newest one is not in force, the one before it is");
	json_array_foreach(json_object_get(config, "errors"), i, line)
	    find(r, true, "configuration", "", "%s", json_string_value(line));
	json_array_foreach(json_object_get(config, "warnings"), i, line)
	    find(r, false, "configuration", "", "%s", json_string_value(line));
}

static void judge_peers(struct report *r, const json_t *peers)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(peers, "peers"), i, p)
	{
		const char *reason = text_of(p, "reason");
		if (!is(p, "state", "Established"))
			find(r, true, text_of(p, "name"), "ingotctl peers",
			     "BGP session with %s is in state %s%s%s", text_of(p, "address"),
			     text_of(p, "state"), *reason ? ": " : "", reason);
	}
}

static void judge_owners(struct report *r, const json_t *owners)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(owners, "owners"), i, o)
	{
		if (*text_of(o, "conflict_mac"))
			find(r, true, text_of(o, "address"), "find the host with this MAC address",
			     "%s answers for it too", text_of(o, "conflict_mac"));
		if (!*text_of(o, "owner"))
			find(r, false, text_of(o, "address"), "ingotctl owners", "no node answers for it%s%s",
			     *text_of(o, "why") ? ": " : "", text_of(o, "why"));
	}
}

static void judge_members(struct report *r, const json_t *members)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(members, "members"), i,
			   m) if (!is(m, "state", "alive") && !is(m, "state", "left"))
	    find(r, false, text_of(m, "name"), "ingotctl members", "gossip finds this node %s",
		 text_of(m, "state"));
}

/* Without a reason it is another node's to say, or somebody else's Service. */
static void judge_services(struct report *r, const json_t *services)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(services, "services"), i, s)
	{
		struct strbuf subject = { 0 };
		const char *message = text_of(s, "message");
		if (json_array_size(json_object_get(s, "addresses")) > 0 || is(s, "reason", ""))
			continue;
		strbuf_fmt(&subject, "%s/%s", text_of(s, "namespace"), text_of(s, "name"));
		find(r, true, strbuf_get(&subject), "ingotctl explain", "it has no address%s%s",
		     *message ? ": " : "", message);
		strbuf_fini(&subject);
	}
}

json_t *doctor_judge(const struct doctor_input *in)
{
	struct report r = { json_array(), json_array() };

	if (!r.errors || !r.warnings) {
		json_decref(r.errors);
		json_decref(r.warnings);
		return NULL;
	}
	judge_daemons(&r, in->status);
	judge_source(&r, in->status);
	judge_configuration(&r, in->status);
	judge_peers(&r, in->peers);
	judge_owners(&r, in->owners);
	judge_members(&r, in->members);
	judge_services(&r, in->services);
	bool healthy = json_array_size(r.errors) == 0;
	json_array_extend(r.errors, r.warnings);
	json_decref(r.warnings);
	return json_pack("{s:b, s:o}", "healthy", (int)healthy, "findings", r.errors);
}
