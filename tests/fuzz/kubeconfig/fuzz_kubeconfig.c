/* Any bytes as a kubeconfig: no crash, no leak; a good one names a server and no header can be split, a bad
 * one has a sentence that names the file. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/kube/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_data(enum kube_field f)
{
	return f == KUBE_CA_DATA || f == KUBE_CERT_DATA || f == KUBE_KEY_DATA;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kubeconfig k = { 0 };
	char error[256] = "";
	int rc = kubeconfig_parse("dir/config", data, len, "", &k, error, sizeof error);
	if (rc < 0) {
		must(rc == -ENOMEM || str_starts(error, "dir/config:"));
		must(!k.field[KUBE_SERVER].s);
		return 0;
	}
	must(str_starts(k.field[KUBE_SERVER].s, "http"));
	for (int f = 0; f < KUBE_FIELDS; f++) {
		const struct kube_text *t = &k.field[f];
		must(!t->s || t->s[t->n] == 0);
		must(!t->s || is_data((enum kube_field)f) || !strpbrk(t->s, "\r\n"));
	}
	must(!k.field[KUBE_CA_FILE].s || !k.field[KUBE_CA_DATA].s);
	kubeconfig_fini(&k);
	return 0;
}
