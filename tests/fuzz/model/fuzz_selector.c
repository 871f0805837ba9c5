/* Selectors of an encoded L2Advertisement: compile, match against its own labels, compile again. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/must.h"
#include "lib/model/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try(Ingot__LabelSelector *const *v, size_t n, const Ingot__ObjectMeta *meta)
{
	struct selectors a, b;
	char *error;
	if (selectors_compile(v, n, &a, &error) < 0) {
		must(error != NULL);
		free(error);
		return;
	}
	must(a.n == n);
	selectors_match(&a, meta ? meta->labels : NULL, meta ? meta->n_labels : 0);
	must(selectors_compile(v, n, &b, &error) == 0);
	must(selectors_equal(&a, &b));
	selectors_fini(&a);
	selectors_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	Ingot__L2Advertisement *ad = ingot__l2_advertisement__unpack(NULL, len, data);
	if (!ad)
		return 0;
	try(ad->node_selectors, ad->n_node_selectors, ad->meta);
	try(ad->service_selectors, ad->n_service_selectors, ad->meta);
	try(ad->ip_address_pool_selectors, ad->n_ip_address_pool_selectors, ad->meta);
	ingot__l2_advertisement__free_unpacked(ad, NULL);
	return 0;
}
