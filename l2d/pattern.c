/* Regular expressions as a small program that is run on all alternatives at once (Thompson's construction).
 * Pure; runs in l2d. The C library's regcomp() is not used because a short text such as `a++++++` makes it
 * take memory without limit. A counted repetition compiles its atom again for each time, so code and work
 * have caps. */
#include "l2d/pattern.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"

enum op { OP_SET, OP_SPLIT, OP_JUMP, OP_START, OP_END, OP_MATCH };
enum { MAX_DEPTH = 32, MAX_WORK = 8192, MAX_REPEAT = 1000, NO_LIMIT = -1 };

struct inst {
	uint8_t op;
	int16_t x, y; /* where to go, relative: SPLIT both, JUMP x */
	uint8_t set[32];
};
struct pattern {
	int n;
	struct inst code[PATTERN_MAX_CODE];
};

struct compiler {
	struct pattern *p;
	const char *at;
	int depth, work;
	struct inst nowhere; /* what is written after a fault */
	const char *fault;   /* the first one; compiling goes on without effect */
};

static void fail(struct compiler *c, const char *why)
{
	if (!c->fault)
		c->fault = why;
}

/* Room for one instruction at position `at`, the rest moves up. Jumps are relative and never cross `at`. */
static struct inst *insert(struct compiler *c, int at, enum op op)
{
	if (c->p->n >= PATTERN_MAX_CODE)
		fail(c, "is too large");
	if (c->fault)
		return &c->nowhere;
	memmove(&c->p->code[at + 1], &c->p->code[at], (size_t)(c->p->n - at) * sizeof c->p->code[0]);
	c->p->n++;
	c->p->code[at] = (struct inst){ .op = (uint8_t)op };
	return &c->p->code[at];
}

static void set_range(uint8_t set[static 32], unsigned from, unsigned to)
{
	for (unsigned b = from; b <= to; b++)
		set[b / 8] |= (uint8_t)(1u << b % 8);
}

static bool in_set(const uint8_t set[static 32], unsigned char b)
{
	return set[b / 8] & (1u << b % 8);
}

/* \d and so on into set; false when it is not a class but one character. */
static bool add_class(uint8_t set[static 32], char letter)
{
	uint8_t class[32] = { 0 };
	switch (letter | 0x20) {
	case 'd': set_range(class, '0', '9'); break;
	case 'w':
		set_range(class, '0', '9');
		set_range(class, 'a', 'z');
		set_range(class, 'A', 'Z');
		set_range(class, '_', '_');
		break;
	case 's':
		set_range(class, '\t', '\n');
		set_range(class, '\f', '\r');
		set_range(class, ' ', ' ');
		break;
	default: return false;
	}
	for (int i = 0; i < 32; i++)
		set[i] |= letter & 0x20 ? class[i] : (uint8_t) ~class[i];
	return true;
}

static bool is_letter_or_digit(char b)
{
	return (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
}

/* After a backslash: a class, or a character that stands for itself. */
static void escape(struct compiler *c, uint8_t set[static 32])
{
	char b = *c->at;
	if (b && add_class(set, b))
		c->at++;
	else if (!b || is_letter_or_digit(b))
		fail(c, "has an unknown escape");
	else
		set_range(set, (unsigned char)*c->at++, (unsigned char)b);
}

static void bracket_item(struct compiler *c, uint8_t set[static 32])
{
	unsigned char from = (unsigned char)*c->at++;
	if (from == '\\') {
		escape(c, set);
		return;
	}
	if (from == '[' && *c->at == ':') {
		fail(c, "has a named class, which is not supported");
		return;
	}
	unsigned char to = from;
	if (*c->at == '-' && c->at[1] && c->at[1] != ']') {
		to = (unsigned char)c->at[1];
		c->at += 2;
	}
	if (to < from || to == '\\')
		fail(c, "has a range that goes backwards");
	else
		set_range(set, from, to);
}

static void bracket(struct compiler *c)
{
	uint8_t set[32] = { 0 };
	bool negated = *c->at == '^';
	c->at += negated;
	bool first = true;
	while (*c->at && (first || *c->at != ']') && !c->fault) {
		bracket_item(c, set);
		first = false;
	}
	if (*c->at != ']')
		fail(c, "has [ without ]");
	else
		c->at++;
	for (int i = 0; negated && i < 32; i++)
		set[i] = (uint8_t)~set[i];
	memcpy(insert(c, c->p->n, OP_SET)->set, set, sizeof set);
}

static void alternatives(struct compiler *c);

static void group(struct compiler *c)
{
	if (c->at[0] == '?' && c->at[1] == ':')
		c->at += 2;
	else if (c->at[0] == '?')
		fail(c, "has a (? group, which is not supported");
	if (++c->depth > MAX_DEPTH)
		fail(c, "is nested too deep");
	else
		alternatives(c);
	c->depth--;
	if (*c->at != ')')
		fail(c, "has ( without )");
	else
		c->at++;
}

static void atom(struct compiler *c)
{
	uint8_t set[32] = { 0 };
	if (++c->work > MAX_WORK)
		fail(c, "repeats too much");
	if (c->fault)
		return;
	char b = *c->at++;
	switch (b) {
	case '(': group(c); return;
	case '[': bracket(c); return;
	case '^': insert(c, c->p->n, OP_START); return;
	case '$': insert(c, c->p->n, OP_END); return;
	case '*':
	case '+':
	case '?': fail(c, "repeats nothing"); return;
	case '\\': escape(c, set); break;
	case '.': set_range(set, 1, 255); break;
	default: set_range(set, (unsigned char)b, (unsigned char)b); break;
	}
	memcpy(insert(c, c->p->n, OP_SET)->set, set, sizeof set);
}

static void star(struct compiler *c, int start)
{
	int len = c->p->n - start;
	struct inst *i = insert(c, start, OP_SPLIT);
	i->x = 1;
	i->y = (int16_t)(len + 2);
	insert(c, c->p->n, OP_JUMP)->x = (int16_t) - (len + 1);
}

static void plus(struct compiler *c, int start)
{
	int len = c->p->n - start;
	struct inst *i = insert(c, c->p->n, OP_SPLIT);
	i->x = (int16_t)-len;
	i->y = 1;
}

static void maybe(struct compiler *c, int start)
{
	int len = c->p->n - start;
	struct inst *i = insert(c, start, OP_SPLIT);
	i->x = 1;
	i->y = (int16_t)(len + 1);
}

/* {m}, {m,}, {m,n} at p; the length of it, 0 when it is just text. */
static size_t read_count(const char *p, int *min, int *max)
{
	const char *q = p + 1;
	unsigned long v[2] = { 0, 0 };
	size_t digits = strspn(q, "0123456789");
	if (digits == 0 || digits > 4)
		return 0;
	v[0] = v[1] = strtoul(q, NULL, 10);
	q += digits;
	*max = 0;
	if (*q == ',') {
		digits = strspn(++q, "0123456789");
		if (digits > 4)
			return 0;
		v[1] = strtoul(q, NULL, 10);
		*max = digits ? 0 : NO_LIMIT;
		q += digits;
	}
	if (*q != '}')
		return 0;
	*min = (int)v[0];
	if (*max != NO_LIMIT)
		*max = (int)v[1];
	return (size_t)(q + 1 - p);
}

/* The atom between from and c->at was compiled once at start: do so as often as {min,max} says. */
static void counted(struct compiler *c, const char *from, int start, int min, int max)
{
	const char *end = c->at;
	if (min > MAX_REPEAT || max > MAX_REPEAT || (max != NO_LIMIT && max < min)) {
		fail(c, "has a bad repeat count");
		return;
	}
	c->p->n = start;
	for (int i = 0; i < min && !c->fault; i++) {
		c->at = from;
		atom(c);
	}
	for (int i = min; i < max && !c->fault; i++) {
		int here = c->p->n;
		c->at = from;
		atom(c);
		maybe(c, here);
	}
	if (max == NO_LIMIT && !c->fault) {
		int here = c->p->n;
		c->at = from;
		atom(c);
		star(c, here);
	}
	c->at = end;
}

static void repeated(struct compiler *c)
{
	const char *from = c->at;
	int start = c->p->n, min = 0, max = 0;
	size_t len;
	atom(c);
	if (c->fault)
		return;
	if (*c->at == '{' && (len = read_count(c->at, &min, &max)) > 0) {
		counted(c, from, start, min, max);
		c->at += len;
	} else if (*c->at == '*') {
		star(c, start);
		c->at++;
	} else if (*c->at == '+') {
		plus(c, start);
		c->at++;
	} else if (*c->at == '?') {
		maybe(c, start);
		c->at++;
	} else {
		return;
	}
	/* Whether it prefers more or less does not matter where only yes or no is asked. */
	if (*c->at == '?')
		c->at++;
	if (*c->at == '*' || *c->at == '+' || *c->at == '?')
		fail(c, "repeats a repetition");
}

static void alternatives(struct compiler *c)
{
	int start = c->p->n;
	while (*c->at && *c->at != '|' && *c->at != ')' && !c->fault)
		repeated(c);
	if (*c->at != '|' || c->fault)
		return;
	c->at++;
	if (++c->work > MAX_WORK || ++c->depth > MAX_DEPTH * 8) {
		fail(c, "has too many alternatives");
		return;
	}
	int len = c->p->n - start;
	struct inst *i = insert(c, start, OP_SPLIT);
	i->x = 1;
	i->y = (int16_t)(len + 2);
	int jump = c->p->n;
	insert(c, jump, OP_JUMP);
	alternatives(c);
	c->depth--;
	if (!c->fault)
		c->p->code[jump].x = (int16_t)(c->p->n - jump);
}

int pattern_compile(const char *text, struct pattern **ret, char *error, size_t error_size)
{
	struct pattern *p = calloc(1, sizeof *p), *fitted;
	if (!p)
		return -ENOMEM;
	struct compiler c = { .p = p, .at = text };
	alternatives(&c);
	if (*c.at && !c.fault)
		c.fault = "has ) without (";
	insert(&c, p->n, OP_MATCH);
	if (c.fault) {
		str_fmt(error, error_size, "%s", c.fault);
		free(p);
		return -EINVAL;
	}
	fitted = realloc(p, offsetof(struct pattern, code) + (size_t)p->n * sizeof p->code[0]);
	*ret = fitted ? fitted : p;
	return 0;
}

void pattern_free(struct pattern *p)
{
	free(p);
}

struct threads {
	int n;
	int16_t v[PATTERN_MAX_CODE];
	bool has[PATTERN_MAX_CODE];
};

/* Follow everything that reads no character; true when the match is reached. Each instruction is visited
 * once. */
static bool follow(const struct pattern *p, struct threads *t, int pc, bool at_start, bool at_end)
{
	int16_t stack[2 * PATTERN_MAX_CODE];
	int n = 0;
	stack[n++] = (int16_t)pc;
	while (n > 0) {
		pc = stack[--n];
		must(pc >= 0 && pc < p->n);
		if (t->has[pc])
			continue;
		t->has[pc] = true;
		const struct inst *i = &p->code[pc];
		switch ((enum op)i->op) {
		case OP_MATCH: return true;
		case OP_SET: t->v[t->n++] = (int16_t)pc; break;
		case OP_JUMP: stack[n++] = (int16_t)(pc + i->x); break;
		case OP_SPLIT:
			stack[n++] = (int16_t)(pc + i->x);
			stack[n++] = (int16_t)(pc + i->y);
			break;
		case OP_START:
		case OP_END:
			if (i->op == OP_START ? at_start : at_end)
				stack[n++] = (int16_t)(pc + 1);
			break;
		}
	}
	return false;
}

bool pattern_search(const struct pattern *p, const char *s)
{
	struct threads now = { 0 }, next;
	for (const char *at = s;; at++) {
		if (follow(p, &now, 0, at == s, !*at))
			return true;
		if (!*at)
			return false;
		memset(&next, 0, sizeof next);
		for (int i = 0; i < now.n; i++)
			if (in_set(p->code[now.v[i]].set, (unsigned char)*at) &&
			    follow(p, &next, now.v[i] + 1, false, !at[1]))
				return true;
		now = next;
	}
}
