/* Finds where JSON values begin and end. Pure; run by the watcher. */
#include "watcher/k8s/decode/scan.h"

#include <string.h>

#include "lib/base/strbuf.h"

/* The next byte, left where it is; 0 at the end. */
static uint8_t peek(const struct cur *c)
{
	struct cur ahead = *c;
	return cur_left(c) ? cur_u8(&ahead) : 0;
}

static void skip_blanks(struct cur *c)
{
	while (cur_left(c) && strchr(" \t\r\n", peek(c)) && peek(c))
		cur_skip(c, 1);
}

/* Behind the opening quote. */
static void skip_text(struct cur *c)
{
	for (uint8_t b; cur_left(c) && (b = cur_u8(c)) != '"';)
		if (b == '\\')
			cur_skip(c, 1);
}

/* Numbers, true, false, null: up to what ends them. */
static void skip_word(struct cur *c)
{
	while (cur_left(c) && (!peek(c) || !strchr(",]} \t\r\n", peek(c))))
		cur_skip(c, 1);
}

static void skip_nested(struct cur *c)
{
	size_t depth = 0;
	do {
		switch (cur_u8(c)) {
		case '{':
		case '[': depth++; break;
		case '}':
		case ']': depth--; break;
		case '"': skip_text(c); break;
		default: break;
		}
	} while (depth && !c->bad);
}

static struct cur next_value(struct cur *c)
{
	skip_blanks(c);
	struct cur all = *c;
	uint8_t first = peek(c);
	if (first == '{' || first == '[') {
		skip_nested(c);
	} else if (first == '"') {
		cur_skip(c, 1);
		skip_text(c);
	} else {
		skip_word(c);
	}
	size_t n = cur_left(&all) - cur_left(c);
	if (n == 0)
		c->bad = true;
	return c->bad ? (struct cur){ .bad = true } : cur_sub(&all, n);
}

static bool skip_byte(struct cur *c, char wanted)
{
	skip_blanks(c);
	if (peek(c) != (uint8_t)wanted)
		return false;
	cur_skip(c, 1);
	return true;
}

void scan_enter(struct cur *c, char open)
{
	if (!skip_byte(c, open))
		c->bad = true;
}

/* Behind a value: a comma, or what closes the object or list. */
static void skip_comma(struct cur *c, char close)
{
	if (!skip_byte(c, ',') && peek(c) != (uint8_t)close)
		c->bad = true;
}

bool scan_member(struct cur *c, struct cur *key, struct cur *value)
{
	if (c->bad || skip_byte(c, '}'))
		return false;
	*key = next_value(c);
	if (!skip_byte(c, ':'))
		c->bad = true;
	*value = next_value(c);
	skip_comma(c, '}');
	return !c->bad;
}

bool scan_item(struct cur *c, struct cur *value)
{
	if (c->bad || skip_byte(c, ']'))
		return false;
	*value = next_value(c);
	skip_comma(c, ']');
	return !c->bad;
}

bool scan_is(struct cur key, const char *name)
{
	size_t n = strlen(name);
	if (cur_left(&key) != n + 2)
		return false;
	cur_skip(&key, 1);
	return memcmp(cur_take(&key, n), name, n) == 0;
}

struct cur scan_get(struct cur object, const char *name)
{
	struct cur found = { .bad = true }, key, value;
	scan_enter(&object, '{');
	while (scan_member(&object, &key, &value))
		if (scan_is(key, name))
			found = value;
	return object.bad ? (struct cur){ .bad = true } : found;
}

json_t *scan_parse(struct cur value, json_error_t *why)
{
	size_t n = cur_left(&value);
	const char *text = (const char *)cur_take(&value, n);
	return json_loadb(text ? text : "", n, JSON_DECODE_ANY | JSON_ALLOW_NUL, why);
}

bool scan_text(struct cur value, char *buf, size_t size)
{
	json_t *v = scan_parse(value, NULL);
	size_t n = json_string_length(v);
	bool good = json_is_string(v) && n < size && strlen(json_string_value(v)) == n;
	str_fmt(buf, size, "%s", good ? json_string_value(v) : "");
	json_decref(v);
	return good;
}

bool scan_name(struct cur value, char buf[static SCAN_NAME])
{
	char text[SCAN_NAME];
	if (!scan_text(value, text, sizeof text))
		return false;
	str_escape(text, strlen(text), buf, SCAN_NAME);
	return true;
}
