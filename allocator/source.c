/* Pools as objects, with the last good version of each. Run by the allocator; may not touch the world. */
#include "allocator/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/model/name_set.h"

static void free_message(void *m)
{
	protobuf_c_message_free_unpacked(m, NULL);
}

void source_init(struct source *s)
{
	map_init(&s->good);
}

void source_fini(struct source *s)
{
	map_fini(&s->good, free_message);
}

static bool is_pool_here(const Ingot__IPAddressPool *p, const char *ns)
{
	return p->meta && *p->meta->name && strcmp(p->meta->namespace_, ns) == 0;
}

/* Objects of one kind, copied. */
static int copy_kind(struct objects *to, const struct objects *from, enum kind k)
{
	map_each (&from->by_kind[k], e) {
		ProtobufCMessage *m = message_copy(e->value);
		int rc = m ? objects_put(to, k, e->key, m) : -ENOMEM;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What allocation reads, with good pools in place of broken ones. */
static int patched_objects(const struct source *s, const struct objects *objects, const char *ns,
			   const struct config *c, struct objects *ret)
{
	static const enum kind kinds[] = { KIND_NAMESPACE, KIND_COMMUNITY, KIND_POOL };
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		int rc = copy_kind(ret, objects, kinds[i]);
		if (rc < 0)
			return rc;
	}
	map_each (&objects->by_kind[KIND_POOL], e) {
		const Ingot__IPAddressPool *p = e->value;
		const ProtobufCMessage *good = map_get(&s->good, e->key);
		if (!good || !is_pool_here(p, ns) || config_pool(c, p->meta->name))
			continue;
		ProtobufCMessage *m = message_copy(good);
		int rc = m ? objects_put(ret, KIND_POOL, e->key, m) : -ENOMEM;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Pools that exist and are missing in the configuration. */
static int missing_pools(const struct objects *objects, const char *ns, const struct config *c,
			 struct name_set *ret)
{
	const struct map *m = &objects->by_kind[KIND_POOL];
	const char **names = calloc(map_len(m) + 1, sizeof *names);
	size_t n = 0;
	if (!names)
		return -ENOMEM;
	map_each (m, e) {
		const Ingot__IPAddressPool *p = e->value;
		if (is_pool_here(p, ns) && !config_pool(c, p->meta->name))
			names[n++] = p->meta->name;
	}
	int rc = name_set_build(names, n, ret, NULL);
	free(names);
	return rc;
}

static bool any_good(const struct source *s, const struct objects *objects, const char *ns,
		     const struct config *c)
{
	map_each (&objects->by_kind[KIND_POOL], e) {
		const Ingot__IPAddressPool *p = e->value;
		if (is_pool_here(p, ns) && !config_pool(c, p->meta->name) && map_get(&s->good, e->key))
			return true;
	}
	return false;
}

/* Remember the pools that are right now, forget those that are gone. Out of memory only costs the memory of
 * one. */
static void remember(struct source *s, const struct objects *objects, const char *ns, const struct config *c)
{
	map_each (&s->good, e) {
		if (objects_get(objects, KIND_POOL, e->key))
			continue;
		void *gone = e->value;
		map_del_n(&s->good, e->key, e->key_len);
		free_message(gone);
	}
	map_each (&objects->by_kind[KIND_POOL], o) {
		const Ingot__IPAddressPool *p = o->value;
		void *old = NULL;
		if (!is_pool_here(p, ns) || !config_pool(c, p->meta->name))
			continue;
		ProtobufCMessage *m = message_copy(&p->base);
		if (m && map_set(&s->good, o->key, m, &old) < 0)
			free_message(m);
		free_message(old);
	}
}

static int compile_patched(struct source *s, const struct objects *objects, const char *ns, struct config **c)
{
	struct objects patched;
	struct config *better;
	objects_init(&patched);
	int rc = patched_objects(s, objects, ns, *c, &patched);
	if (rc == 0)
		rc = config_compile(&(struct config_input){ .objects = &patched, .ns = ns }, NULL, &better);
	objects_fini(&patched);
	if (rc == 0) {
		config_free(*c);
		*c = better;
	}
	return rc;
}

int source_compile(struct source *s, const struct objects *objects, const char *ns, struct diags *diags,
		   struct config **ret, struct name_set *broken, bool *stale)
{
	struct config *c = NULL;
	diags_fini(diags);
	int rc = config_compile(&(struct config_input){ .objects = objects, .ns = ns }, diags, &c);
	if (rc < 0)
		return rc;
	bool patch = any_good(s, objects, ns, c);
	remember(s, objects, ns, c);
	if (patch)
		rc = compile_patched(s, objects, ns, &c);
	if (rc == 0)
		rc = missing_pools(objects, ns, c, broken);
	if (rc < 0) {
		config_free(c);
		return rc;
	}
	*ret = c;
	*stale = patch;
	return 0;
}
