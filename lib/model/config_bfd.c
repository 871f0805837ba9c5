/* BFDProfiles: ranges and defaults. Pure; part of the configuration compiler. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/model/compile.h"

struct value {
	const char *field;
	const Ingot__OptInt *in;
	int64_t least, most;
	uint32_t unset;
	uint32_t *out;
};

static bool fill(const struct subject *s, const struct value *v)
{
	char field[64];
	*v->out = v->unset;
	if (!v->in)
		return true;
	if (v->in->value < v->least || v->in->value > v->most) {
		str_fmt(field, sizeof field, "spec.%s", v->field);
		compile_error(s, field,
			      "invalid value %" PRId64 " for %s, must be in %" PRId64 "-%" PRId64 " range",
			      v->in->value, v->field, v->least, v->most);
		return false;
	}
	*v->out = (uint32_t)v->in->value;
	return true;
}

static bool compile_profile(const struct subject *s, const Ingot__BFDProfile *in, struct bfd_profile *p)
{
	const struct value values[] = {
		{ "receiveInterval", in->receive_interval_ms, 10, 60000, 300, &p->receive_ms },
		{ "transmitInterval", in->transmit_interval_ms, 10, 60000, 300, &p->transmit_ms },
		{ "detectMultiplier", in->detect_multiplier, 2, 255, 3, &p->multiplier },
		{ "echoInterval", in->echo_interval_ms, 10, 60000, 50, &p->echo_ms },
		{ "minimumTtl", in->minimum_ttl, 1, 254, 254, &p->minimum_ttl },
	};
	p->echo_mode = in->echo_mode == INGOT__TRISTATE__YES;
	p->passive_mode = in->passive_mode == INGOT__TRISTATE__YES;
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (!fill(s, &values[i]))
			return false;
	p->name = compile_copy(s->cc, s->meta->name);
	return p->name != NULL;
}

static int cmp_profiles(const void *a, const void *b)
{
	return strcmp(((const struct bfd_profile *)a)->name, ((const struct bfd_profile *)b)->name);
}

void compile_bfd_profiles(struct compiler *cc)
{
	struct config *c = cc->c;
	struct object_list l = compile_list(cc, KIND_BFD_PROFILE);
	c->bfd_profiles = compile_array(cc, l.n, sizeof *c->bfd_profiles);
	if (!c->bfd_profiles) {
		object_list_fini(&l);
		return;
	}
	for (size_t i = 0; i < l.n && !cc->oom; i++) {
		struct subject s = { cc, KIND_BFD_PROFILE, l.v[i].meta };
		if (compile_profile(&s, (const Ingot__BFDProfile *)l.v[i].m,
				    &c->bfd_profiles[c->n_bfd_profiles]))
			c->n_bfd_profiles++;
	}
	qsort(c->bfd_profiles, c->n_bfd_profiles, sizeof *c->bfd_profiles, cmp_profiles);
	object_list_fini(&l);
}

const struct bfd_profile *config_bfd_profile(const struct config *c, const char *name)
{
	for (size_t low = 0, high = c->n_bfd_profiles; low < high;) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(name, c->bfd_profiles[mid].name);
		if (order == 0)
			return &c->bfd_profiles[mid];
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
