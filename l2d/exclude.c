/* The exclude list of interfaces: a few lines of YAML with regular expressions. Pure; runs in l2d. It may not
 * look at interfaces itself. Repetition counts are bounded before an expression is compiled, because a nest
 * of them costs memory without limit. */
#include "l2d/exclude.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "l2d/pattern.h"
#include "lib/base/strbuf.h"

struct exclude {
	size_t n;
	struct pattern *v[EXCLUDE_MAX_PATTERNS];
};

void exclude_free(struct exclude *e)
{
	for (size_t i = 0; e && i < e->n; i++)
		pattern_free(e->v[i]);
	free(e);
}

bool exclude_matches(const struct exclude *e, const char *interface)
{
	for (size_t i = 0; e && i < e->n; i++)
		if (pattern_search(e->v[i], interface))
			return true;
	return false;
}

static int add_pattern(struct exclude *e, const char *text, size_t len, char *error, size_t error_size)
{
	char pattern[EXCLUDE_MAX_PATTERN + 1], shown[64], why[64] = "";
	str_escape(text, len, shown, sizeof shown);
	if (e->n == EXCLUDE_MAX_PATTERNS) {
		str_fmt(error, error_size, "more than %d expressions", EXCLUDE_MAX_PATTERNS);
		return -EINVAL;
	}
	if (len == 0 || len > EXCLUDE_MAX_PATTERN || memchr(text, 0, len)) {
		str_fmt(error, error_size, "expression %zu is empty, too long or has a NUL", e->n + 1);
		return -EINVAL;
	}
	memcpy(pattern, text, len);
	pattern[len] = 0;
	int r = pattern_compile(pattern, &e->v[e->n], why, sizeof why);
	if (r == -EINVAL)
		str_fmt(error, error_size, "expression \"%s\" %s", shown, why);
	if (r < 0)
		return r;
	e->n++;
	return 0;
}

static int add_list(struct exclude *e, yaml_document_t *doc, const yaml_node_t *list, char *error,
		    size_t error_size)
{
	if (list->type != YAML_SEQUENCE_NODE) {
		str_fmt(error, error_size, "announcedInterfacesToExclude is not a list");
		return -EINVAL;
	}
	int r = 0;
	for (yaml_node_item_t *i = list->data.sequence.items.start;
	     r == 0 && i < list->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(doc, *i);
		if (!item || item->type != YAML_SCALAR_NODE) {
			str_fmt(error, error_size,
				"announcedInterfacesToExclude has an entry that is not a text");
			return -EINVAL;
		}
		r = add_pattern(e, (const char *)item->data.scalar.value, item->data.scalar.length, error,
				error_size);
	}
	return r;
}

static int add_document(struct exclude *e, yaml_document_t *doc, char *error, size_t error_size)
{
	static const char wanted[] = "announcedInterfacesToExclude";
	const yaml_node_t *root = yaml_document_get_root_node(doc);
	if (!root || root->type != YAML_MAPPING_NODE) {
		str_fmt(error, error_size, "not a mapping");
		return -EINVAL;
	}
	int r = 0;
	for (yaml_node_pair_t *p = root->data.mapping.pairs.start; r == 0 && p < root->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *key = yaml_document_get_node(doc, p->key);
		const yaml_node_t *value = yaml_document_get_node(doc, p->value);
		if (key && value && key->type == YAML_SCALAR_NODE &&
		    key->data.scalar.length == sizeof wanted - 1 &&
		    memcmp(key->data.scalar.value, wanted, sizeof wanted - 1) == 0)
			r = add_list(e, doc, value, error, error_size);
	}
	return r;
}

static int parse(struct exclude *e, yaml_parser_t *parser, const char *yaml, size_t len, char *error,
		 size_t error_size)
{
	yaml_document_t doc;
	yaml_parser_set_input_string(parser, (const unsigned char *)yaml, len);
	if (!yaml_parser_load(parser, &doc)) {
		if (parser->error == YAML_MEMORY_ERROR)
			return -ENOMEM;
		str_fmt(error, error_size, "line %zu: %s", parser->problem_mark.line + 1,
			parser->problem ? parser->problem : "not YAML");
		return -EINVAL;
	}
	int r = add_document(e, &doc, error, error_size);
	yaml_document_delete(&doc);
	return r;
}

int exclude_parse(const char *yaml, size_t len, struct exclude **ret, char *error, size_t error_size)
{
	yaml_parser_t parser;
	if (len > EXCLUDE_MAX_TEXT) {
		str_fmt(error, error_size, "longer than %d bytes", EXCLUDE_MAX_TEXT);
		return -EINVAL;
	}
	struct exclude *e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	int r = -ENOMEM;
	if (yaml_parser_initialize(&parser)) {
		r = parse(e, &parser, yaml, len, error, error_size);
		yaml_parser_delete(&parser);
	}
	if (r < 0)
		exclude_free(e);
	else
		*ret = e;
	return r;
}
