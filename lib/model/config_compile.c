/* The configuration compiler: the frame around its parts, and what they share. Pure; run by allocator,
 * gossipd, bgpd, statusd and ingotctl. Objects are visited oldest first, so the same objects give the same
 * result in any order of arrival, and a newcomer that contradicts an object in use is the one that is
 * refused. */
#include "lib/model/compile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "lib/model/name_set.h"

/* Names come from strangers, too: nothing unprintable and nothing endless leaves here. */
enum { DIAG_MESSAGE = 1024 };

static void report(const struct subject *s, enum diag_severity severity, bool transient, const char *field,
		   const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));

static void report(const struct subject *s, enum diag_severity severity, bool transient, const char *field,
		   const char *fmt, va_list ap)
{
	struct diags *d = s->cc->diags;
	if (!d)
		return;
	char key[OBJECT_KEY], name[2 * OBJECT_KEY], clean[DIAG_MESSAGE];
	struct strbuf text = { 0 };
	strbuf_vfmt(&text, fmt, ap);
	object_key(s->meta->namespace_, s->meta->name, key);
	size_t before = d->n;
	diags_add(d, severity, kind_name(s->kind), str_escape(key, strlen(key), name, sizeof name), field,
		  s->meta->origin, "%s", str_escape(strbuf_get(&text), text.len, clean, sizeof clean));
	if (d->n > before)
		d->v[before].transient = transient;
	strbuf_fini(&text);
}

void compile_error(const struct subject *s, const char *field, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(s, DIAG_ERROR, false, field, fmt, ap);
	va_end(ap);
}

void compile_transient(const struct subject *s, const char *field, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(s, DIAG_ERROR, true, field, fmt, ap);
	va_end(ap);
}

void compile_warning(const struct subject *s, const char *field, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(s, DIAG_WARNING, false, field, fmt, ap);
	va_end(ap);
}

const char *quoted(const char *text, char buf[static QUOTED])
{
	return str_escape(text, strlen(text), buf, QUOTED);
}

char *compile_copy(struct compiler *cc, const char *text)
{
	char *s = text ? strdup(text) : NULL;
	if (text && !s)
		cc->oom = true;
	return s;
}

void *compile_array(struct compiler *cc, size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);
	if (!p)
		cc->oom = true;
	return p;
}

/* "duplicate definition of value ..." names the field first, so that the phrase reads as operators know it.
 */
static const char *without_duplicate(const char *error)
{
	static const char prefix[] = "duplicate definition of ";
	return str_starts(error, prefix) ? error + sizeof prefix - 1 : NULL;
}

bool compile_names(const struct subject *s, char *const *v, size_t n, const char *field, const char *phrase,
		   struct name_set *ret)
{
	const char *duplicate;
	char text[QUOTED];
	if (name_set_of(v, n, ret, &duplicate) < 0) {
		s->cc->oom = true;
		return false;
	}
	if (!duplicate)
		return true;
	compile_error(s, field, "%s \"%s\"", phrase, quoted(duplicate, text));
	name_set_fini(ret);
	return false;
}

bool compile_selectors(const struct subject *s, Ingot__LabelSelector *const *v, size_t n, const char *field,
		       struct selectors *ret)
{
	char *error, path[64];
	if (selectors_compile(v, n, ret, &error) == 0)
		return true;
	if (!error) {
		s->cc->oom = true;
		return false;
	}
	str_fmt(path, sizeof path, "spec.%s", field);
	const char *leaf = strrchr(field, '.'), *what = without_duplicate(error);
	leaf = leaf ? leaf + 1 : field;
	if (what)
		compile_error(s, path, "duplicate definition of %s: %s", leaf, what);
	else
		compile_error(s, path, "invalid %s: %s", leaf, error);
	free(error);
	return false;
}

static bool collect_nodes(struct compiler *cc, const struct selectors *selectors, struct name_set *ret)
{
	const struct map *nodes = &cc->objects->by_kind[KIND_NODE];
	const char **names = compile_array(cc, map_len(nodes), sizeof *names);
	size_t n = 0;
	if (!names)
		return false;
	map_each (nodes, e) {
		const Ingot__ObjectMeta *meta = object_meta(KIND_NODE, e->value);
		if (meta && *meta->name && selectors_match(selectors, meta->labels, meta->n_labels))
			names[n++] = meta->name;
	}
	if (name_set_build(names, n, ret, NULL) < 0)
		cc->oom = true;
	free(names);
	return !cc->oom;
}

bool compile_nodes(const struct subject *s, Ingot__LabelSelector *const *v, size_t n, struct node_set *ret)
{
	struct selectors selectors;
	*ret = (struct node_set){ .all = n == 0 };
	if (n == 0)
		return true;
	if (!compile_selectors(s, v, n, "nodeSelectors", &selectors))
		return false;
	bool ok = collect_nodes(s->cc, &selectors, &ret->names);
	selectors_fini(&selectors);
	return ok;
}

void ad_target_fini(struct ad_target *t)
{
	name_set_fini(&t->names);
	selectors_fini(&t->selectors);
}

static void compile_all(struct compiler *cc)
{
	static void (*const parts[])(
	    struct compiler *) = { compile_bfd_profiles, compile_peers,	  compile_aliases, compile_pools,
				   compile_l2_ads,	 compile_bgp_ads, compile_attach };
	for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !cc->oom; i++)
		parts[i](cc);
	if (!cc->oom)
		cc->c->digest = config_digest(cc->c, &cc->oom);
}

static void compiler_fini(struct compiler *cc)
{
	for (size_t i = 0; cc->l2_items && i < cc->c->n_l2_ads; i++)
		ad_target_fini(&cc->l2_items[i].target);
	for (size_t i = 0; cc->bgp_items && i < cc->c->n_bgp_ads; i++)
		ad_target_fini(&cc->bgp_items[i].target);
	free(cc->l2_items);
	free(cc->bgp_items);
	free(cc->pool_meta);
	map_fini(&cc->aliases, free);
}

int config_compile(const struct config_input *in, struct diags *diags, struct config **ret)
{
	struct compiler cc = { .objects = in->objects,
			       .ns = in->ns ? in->ns : "",
			       .want_secrets = in->want_secrets,
			       .diags = diags };
	cc.c = calloc(1, sizeof *cc.c);
	if (!cc.c)
		return -ENOMEM;
	map_init(&cc.aliases);
	compile_all(&cc);
	compiler_fini(&cc);
	if (cc.oom) {
		config_free(cc.c);
		return -ENOMEM;
	}
	*ret = cc.c;
	return 0;
}
