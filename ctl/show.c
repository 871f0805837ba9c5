/* The commands that show state: ask, then print JSON as it came, or a table. */
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/doctor.h"
#include "ctl/table.h"
#include "lib/base/must.h"
#include "lib/base/strbuf.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static const char *or_dash(const char *s)
{
	return *s ? s : "-";
}

static long long number_of(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* "a,b,c" of an array of texts, "-" when empty. */
static void cell_list(struct table *t, const json_t *array)
{
	struct strbuf b = { 0 };
	size_t i;
	json_t *v;

	json_array_foreach(array, i, v)
	{
		if (i)
			strbuf_char(&b, ',');
		strbuf_add(&b, json_string_value(v) ? json_string_value(v) : "?");
	}
	table_cell(t, CELL_PLAIN, b.len ? strbuf_get(&b) : "-");
	strbuf_fini(&b);
}

static int fail(int status, char *error)
{
	fprintf(stderr, "ingotctl: %s\n", error ? error : "no answer");
	free(error);
	return status;
}

static int print_json(json_t *document)
{
	int bad = json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	return bad ? CTL_ERROR : CTL_OK;
}

static void print_table(const struct ctl *c, struct table *t)
{
	struct strbuf out = { 0 };

	table_print(t, c->colours, &out);
	fputs(strbuf_get(&out), stdout);
	strbuf_fini(&out);
	table_free(t);
}

/* Ask statusd for `what`, print its array `list` with one row(t, item) each, or the JSON. */
static int show_list(const struct ctl *c, const char *what, const char *const *headers,
		     void (*row)(struct table *t, const json_t *item))
{
	json_t *document = NULL, *item;
	char *error = NULL;
	size_t i;
	int status = ctl_ask_statusd(c, what, "", &document, &error);

	if (status != CTL_OK)
		return fail(status, error);
	if (c->json) {
		status = print_json(document);
	} else {
		struct table *t = table_new(headers);
		json_array_foreach(json_object_get(document, what), i, item) row(t, item);
		if (table_rows(t) == 0)
			fprintf(stderr, "no %s\n", what);
		print_table(c, t);
	}
	json_decref(document);
	return status;
}

static void service_row(struct table *t, const json_t *s)
{
	const json_t *l2 = json_object_get(s, "l2"), *bgp = json_object_get(s, "bgp");
	bool has = json_array_size(json_object_get(s, "addresses")) > 0;

	table_cell_fmt(t, CELL_PLAIN, "%s/%s", text_of(s, "namespace"), text_of(s, "name"));
	cell_list(t, json_object_get(s, "addresses"));
	table_cell(t, CELL_PLAIN, or_dash(text_of(s, "pool")));
	table_cell(t, CELL_PLAIN, or_dash(text_of(l2, "owner")));
	cell_list(t, json_object_get(bgp, "established"));
	table_cell(t, has ? CELL_PLAIN : CELL_BAD, has ? "-" : or_dash(text_of(s, "message")));
}

int ctl_services(const struct ctl *c)
{
	static const char *const headers[] = { "SERVICE",   "ADDRESSES", "POOL", "L2 OWNER",
					       "BGP PEERS", "WHY NONE",	 NULL };
	return show_list(c, "services", headers, service_row);
}

static void cell_count(struct table *t, const json_t *p, const char *assigned, const char *available)
{
	long long used = number_of(p, assigned), left = number_of(p, available);
	table_cell_fmt(t, left == 0 && used > 0 ? CELL_BAD : CELL_PLAIN, "%lld used, %lld free", used, left);
}

static void pool_row(struct table *t, const json_t *p)
{
	table_cell(t, CELL_PLAIN, text_of(p, "name"));
	table_cell(t, CELL_PLAIN, json_is_true(json_object_get(p, "auto_assign")) ? "yes" : "no");
	cell_count(t, p, "assigned_v4", "available_v4");
	cell_count(t, p, "assigned_v6", "available_v6");
	cell_list(t, json_object_get(p, "addresses"));
}

int ctl_pools(const struct ctl *c)
{
	static const char *const headers[] = { "POOL", "AUTO", "IPV4", "IPV6", "ADDRESSES", NULL };
	return show_list(c, "pools", headers, pool_row);
}

static void peer_row(struct table *t, const json_t *p)
{
	bool up = strcmp(text_of(p, "state"), "Established") == 0;

	table_cell(t, CELL_PLAIN, text_of(p, "name"));
	table_cell(t, CELL_PLAIN, text_of(p, "address"));
	table_cell_fmt(t, CELL_PLAIN, "%lld", number_of(p, "remote_as"));
	table_cell(t, up ? CELL_GOOD : CELL_BAD, text_of(p, "state"));
	table_cell_fmt(t, CELL_PLAIN, "%lld/%lld", number_of(p, "prefixes_sent"),
		       number_of(p, "prefixes_wanted"));
	cell_list(t, json_object_get(p, "families"));
	table_cell_fmt(t, CELL_PLAIN, "%lld", number_of(p, "drops"));
	table_cell(t, CELL_PLAIN, up ? "-" : or_dash(text_of(p, "reason")));
}

int ctl_peers(const struct ctl *c)
{
	static const char *const headers[] = { "PEER",	   "ADDRESS", "ASN", "STATE", "SENT/WANTED",
					       "FAMILIES", "DROPS",   "WHY", NULL };
	return show_list(c, "peers", headers, peer_row);
}

static void member_row(struct table *t, const json_t *m)
{
	bool alive = strcmp(text_of(m, "state"), "alive") == 0;
	struct strbuf links = { 0 };
	json_t *link;
	size_t i;

	json_array_foreach(json_object_get(m, "links"), i, link)
	{
		strbuf_fmt(&links, "%s%s%s", i ? "," : "", text_of(link, "name"),
			   json_is_true(json_object_get(link, "up")) ? "" : "(down)");
	}
	table_cell_fmt(t, CELL_PLAIN, "%s%s", text_of(m, "name"),
		       json_is_true(json_object_get(m, "self")) ? " *" : "");
	table_cell(t, alive ? CELL_GOOD : CELL_BAD, text_of(m, "state"));
	table_cell(t, CELL_PLAIN, or_dash(text_of(m, "address")));
	table_cell_fmt(t, CELL_PLAIN, "%lld", number_of(m, "incarnation"));
	table_cell(t, CELL_PLAIN, or_dash(strbuf_get(&links)));
	strbuf_fini(&links);
}

int ctl_members(const struct ctl *c)
{
	static const char *const headers[] = { "NODE", "STATE", "ADDRESS", "INCARNATION", "LINKS", NULL };
	return show_list(c, "members", headers, member_row);
}

static void owner_row(struct table *t, const json_t *o)
{
	const char *conflict = text_of(o, "conflict_mac");

	table_cell(t, CELL_PLAIN, text_of(o, "address"));
	table_cell_fmt(t, CELL_PLAIN, "%s%s", or_dash(text_of(o, "owner")),
		       json_is_true(json_object_get(o, "mine")) ? " *" : "");
	table_cell(t, CELL_PLAIN, or_dash(text_of(o, "successor")));
	cell_list(t, json_object_get(o, "services"));
	table_cell(t, *conflict ? CELL_BAD : CELL_PLAIN, or_dash(conflict));
	table_cell(t, CELL_PLAIN, or_dash(text_of(o, "why")));
}

int ctl_owners(const struct ctl *c)
{
	static const char *const headers[] = { "ADDRESS",  "OWNER", "SUCCESSOR", "SERVICES",
					       "CONFLICT", "WHY",   NULL };
	return show_list(c, "owners", headers, owner_row);
}

static void print_explanation(const struct ctl *c, const json_t *document)
{
	const json_t *fact, *decision;
	size_t i;

	printf("%s: %s\n", text_of(document, "service"), text_of(document, "summary"));
	json_array_foreach(json_object_get(document, "facts"), i, fact)
	{
		bool ok = json_is_true(json_object_get(fact, "ok"));
		const char *colour = !c->colours ? "" : ok ? "\033[32m" : "\033[31m";
		printf("  %s%s%s %s%s%s\n", colour, ok ? "ok " : "NO ", c->colours ? "\033[0m" : "",
		       text_of(fact, "what"), *text_of(fact, "why") ? ": " : "", text_of(fact, "why"));
		if (!ok && *text_of(fact, "hint"))
			printf("      try: %s\n", text_of(fact, "hint"));
	}
	if (json_array_size(json_object_get(document, "decisions")))
		puts("what happened, newest first:");
	json_array_foreach(json_object_get(document, "decisions"), i, decision)
	{
		printf("  %s %s: %s%s%s\n", text_of(decision, "at"), text_of(decision, "daemon"),
		       text_of(decision, "fact"), *text_of(decision, "reason") ? ": " : "",
		       text_of(decision, "reason"));
	}
}

int ctl_explain(const struct ctl *c)
{
	json_t *document = NULL;
	char *error = NULL;
	int status = ctl_ask_statusd(c, "explain", c->argv[0], &document, &error);

	if (status != CTL_OK)
		return fail(status, error);
	if (c->json)
		status = print_json(document);
	else
		print_explanation(c, document);
	json_decref(document);
	return status;
}

/* Supervisor's document with statusd's joined in. NULL when the supervisor cannot be asked (status and error
 * set). */
static json_t *whole_status(const struct ctl *c, int *status, char **error)
{
	char *text = NULL;
	*status = ctl_ask_supervisor(c, "status", &text, error);
	if (*status != CTL_OK)
		return NULL;
	json_t *document = json_loads(text, 0, NULL), *more = NULL;
	free(text);
	if (!document) {
		*status = CTL_ERROR;
		*error = strdup("the supervisor's answer is not JSON");
		return NULL;
	}
	char *why = NULL;
	if (ctl_ask_statusd(c, "status", "", &more, &why) == CTL_OK)
		json_object_update_missing(document, more);
	else
		json_object_set_new(document, "statusd_error", json_string(why ? why : "no answer"));
	json_decref(more);
	free(why);
	return document;
}

static void print_status(const struct ctl *c, const json_t *document)
{
	static const char *const headers[] = { "DAEMON",    "STATE",	"PID", "RESTARTS",
					       "LAST EXIT", "RETAINED", NULL };
	struct table *t = table_new(headers);
	const json_t *d, *config = json_object_get(document, "config"), *line;
	const json_t *source = json_object_get(document, "source");
	size_t i;

	printf("node %s, role %s, version %s\n\n", text_of(document, "node"), text_of(document, "role"),
	       text_of(document, "version"));
	json_array_foreach(json_object_get(document, "daemons"), i, d)
	{
		table_cell(t, CELL_PLAIN, text_of(d, "name"));
		table_cell(t, strcmp(text_of(d, "state"), "ready") == 0 ? CELL_GOOD : CELL_BAD,
			   text_of(d, "state"));
		table_cell_fmt(t, CELL_PLAIN, "%lld", number_of(d, "pid"));
		table_cell_fmt(t, CELL_PLAIN, "%lld", number_of(d, "restarts"));
		table_cell(t, CELL_PLAIN, or_dash(text_of(d, "last_exit")));
		table_cell_fmt(t, CELL_PLAIN, "%lld", number_of(d, "retained"));
	}
	print_table(c, t);
	if (*text_of(document, "statusd_error"))
		printf("\nstatusd: %s\n", text_of(document, "statusd_error"));
	else
		printf("\nsource: %s%s%s\nconfiguration: %s%s\n", text_of(source, "state"),
		       *text_of(source, "text") ? ", " : "", text_of(source, "text"),
		       json_is_true(json_object_get(config, "loaded")) ? "loaded" : "not loaded yet",
		       json_is_true(json_object_get(config, "stale")) ? ", the newest one is not in force"
								      : "");
	json_array_foreach(json_object_get(config, "errors"), i, line)
	    printf("  error: %s\n", json_string_value(line));
	json_array_foreach(json_object_get(config, "warnings"), i, line)
	    printf("  warning: %s\n", json_string_value(line));
}

int ctl_status(const struct ctl *c)
{
	char *error = NULL;
	int status = CTL_OK;
	json_t *document = whole_status(c, &status, &error);

	if (!document)
		return fail(status, error);
	if (c->json)
		status = print_json(document);
	else
		print_status(c, document);
	json_decref(document);
	return status;
}

static void print_findings(const json_t *document)
{
	const json_t *finding;
	size_t i, n = json_array_size(json_object_get(document, "findings"));

	json_array_foreach(json_object_get(document, "findings"), i, finding)
	{
		char subject[512], message[2048];
		const char *s = text_of(finding, "subject"), *m = text_of(finding, "message");
		printf("%s: %s: %s\n", text_of(finding, "severity"),
		       str_escape(s, strlen(s), subject, sizeof subject),
		       str_escape(m, strlen(m), message, sizeof message));
		if (*text_of(finding, "hint"))
			printf("  try: %s\n", text_of(finding, "hint"));
	}
	if (n == 0)
		puts("nothing is wrong with daemons, source, configuration, BGP sessions, L2 addresses, "
		     "members "
		     "and Services");
}

/* A document that may be missing: then what it would show is not judged. */
static json_t *ask_document(const struct ctl *c, const char *what)
{
	json_t *document = NULL;
	char *error = NULL;
	if (ctl_ask_statusd(c, what, "", &document, &error) != CTL_OK)
		fprintf(stderr, "ingotctl: %s cannot be asked for: %s\n", what, error ? error : "no answer");
	free(error);
	return document;
}

int ctl_doctor(const struct ctl *c)
{
	static const char *const names[] = { "services", "peers", "owners", "members" };
	json_t *documents[ARRAY_LEN(names)] = { NULL };
	char *error = NULL;
	int status = CTL_OK;
	json_t *own = whole_status(c, &status, &error);

	if (!own)
		return fail(status, error);
	for (size_t i = 0; i < ARRAY_LEN(names) && !*text_of(own, "statusd_error"); i++)
		documents[i] = ask_document(c, names[i]);
	struct doctor_input in = { own, documents[0], documents[1], documents[2], documents[3] };
	json_t *document = doctor_judge(&in);
	if (c->json)
		status = print_json(document);
	else
		print_findings(document);
	if (!json_is_true(json_object_get(document, "healthy")))
		status = CTL_ERROR;
	json_decref(document);
	json_decref(own);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_decref(documents[i]);
	return status;
}

int ctl_restart(const struct ctl *c)
{
	struct strbuf line = { 0 };
	char *answer = NULL, *error = NULL;

	strbuf_fmt(&line, "restart %s", c->argv[0]);
	int status = ctl_ask_supervisor(c, strbuf_get(&line), &answer, &error);
	strbuf_fini(&line);
	if (status != CTL_OK)
		return fail(status, error);
	if (c->json)
		printf("{\"restarted\": \"%s\"}\n", c->argv[0]);
	else
		printf("%s is restarting\n", c->argv[0]);
	free(answer);
	return CTL_OK;
}
