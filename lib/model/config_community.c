/* Community objects: aliases for community values. A bad alias is left out, the others of its object stay.
 * Pure; part of the configuration compiler. RFC 1997, RFC 8092. */
#include <errno.h>
#include <stdlib.h>

#include "lib/base/strbuf.h"
#include "lib/model/compile.h"

static void add_alias(const struct subject *s, size_t index, const Ingot__CommunityAlias *in)
{
	char field[64], name[QUOTED], value[QUOTED];
	community_t c;
	str_fmt(field, sizeof field, "spec.communities[%zu]", index);
	if (map_get(&s->cc->aliases, in->name)) {
		compile_error(s, field, "duplicate definition of community \"%s\"", quoted(in->name, name));
		return;
	}
	int rc = community_parse(in->value, &c);
	if (rc < 0) {
		compile_error(s, field, "parsing community \"%s\": invalid community %s \"%s\"",
			      quoted(in->name, name), rc == -EDOM ? "format" : "value",
			      quoted(in->value, value));
		return;
	}
	community_t *stored = compile_array(s->cc, 1, sizeof *stored);
	if (!stored)
		return;
	*stored = c;
	if (map_set(&s->cc->aliases, in->name, stored, NULL) < 0) {
		free(stored);
		s->cc->oom = true;
	}
}

void compile_aliases(struct compiler *cc)
{
	struct object_list l = compile_list(cc, KIND_COMMUNITY);
	for (size_t i = 0; i < l.n; i++) {
		struct subject s = { cc, KIND_COMMUNITY, l.v[i].meta };
		const Ingot__Community *in = (const Ingot__Community *)l.v[i].m;
		for (size_t j = 0; j < in->n_communities && !cc->oom; j++)
			add_alias(&s, j, in->communities[j]);
	}
	object_list_fini(&l);
}
