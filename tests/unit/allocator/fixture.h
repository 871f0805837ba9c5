/* Pools, Services and requests from short texts, for the allocator's tests. */
#ifndef INGOT_TESTS_ALLOCATOR_FIXTURE_H
#define INGOT_TESTS_ALLOCATOR_FIXTURE_H

#include "allocator/board.h"
#include "allocator/wish.h"

#define FIXTURE_NS "metallb-system"

/* "NAME ADDRESS... [buggy] [manual] [prio=N] [ns=NAME]... [nssel=K=V] [sel=K=V]" into the store. */
void fixture_pool(struct objects *o, const char *text);
/* "[NS/]NAME [type=T] [class=C] [cluster=IP,IP] [status=IP,IP] [host=NAME] [lbip=IP] [ips=TEXT] [pool=P]
 * [share=KEY] [policy=Prefer|Require|Single] [families=IPv6,IPv4] [local] [selector=K=V] [port=tcp/80]...
 * [label=K=V] [from=POOL] [uid=U] [born=N] [crash]" into the store; writes the key. Blanks in values are
 * written as "+". */
void fixture_service(struct objects *o, const char *text, char key[static OBJECT_KEY]);
void fixture_namespace(struct objects *o, const char *text); /* "NAME [label=K=V]" */
/* Compile all pools; must succeed without errors. */
struct config *fixture_config(const struct objects *o);

/* "NAME [IP...] [tcp/80]... [key=K] [backend=B] [ns=N] [label=K=V] [v4|v6|dual] [single|prefer|require]
 * [v6first]". */
struct fixture_request {
	struct alloc_request r;
	char text[256];
	uint32_t ports[16];
	addr_t ips[4];
	size_t n_ips;
	Ingot__KeyValue label, *labels;
};
void fixture_request(const char *text, struct fixture_request *ret);

#endif
