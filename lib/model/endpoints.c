/* The endpoints of a Service, pooled over its slices. Pure; run by gossipd and bgpd. */
#include <errno.h>
#include <stdlib.h>

#include "lib/model/name_set.h"
#include "lib/model/service.h"

bool endpoint_can_serve(const Ingot__Endpoint *e)
{
	if (e->ready == INGOT__TRISTATE__NO)
		return e->serving == INGOT__TRISTATE__YES;
	return true;
}

/* Node names, borrowed, of endpoints that can serve. */
struct nodes {
	size_t n;
	const char **v;
};

static void gather(const Ingot__EndpointSlice *slice, struct endpoints *e, struct nodes *all,
		   struct nodes *with_address)
{
	for (size_t i = 0; i < slice->n_endpoints; i++) {
		const Ingot__Endpoint *p = slice->endpoints[i];
		if (!endpoint_can_serve(p))
			continue;
		e->any_serving = true;
		if (*p->node_name)
			all->v[all->n++] = p->node_name;
		if (p->n_addresses == 0)
			continue;
		e->any_serving_address = true;
		if (*p->node_name)
			with_address->v[with_address->n++] = p->node_name;
	}
}

int endpoints_collect(const Ingot__EndpointSlice *const *slices, size_t n, struct endpoints *ret)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += slices[i]->n_endpoints;
	struct endpoints e = { 0 };
	struct nodes all = { .v = calloc(total + 1, sizeof *all.v) };
	struct nodes with_address = { .v = calloc(total + 1, sizeof *with_address.v) };
	int rc = all.v && with_address.v ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < n; i++)
		gather(slices[i], &e, &all, &with_address);
	if (rc == 0)
		rc = name_set_build(all.v, all.n, &e.serving_nodes, NULL);
	if (rc == 0)
		rc = name_set_build(with_address.v, with_address.n, &e.serving_address_nodes, NULL);
	free(all.v);
	free(with_address.v);
	if (rc < 0)
		endpoints_fini(&e);
	else
		*ret = e;
	return rc;
}

void endpoints_fini(struct endpoints *e)
{
	if (!e)
		return;
	name_set_fini(&e->serving_nodes);
	name_set_fini(&e->serving_address_nodes);
}
