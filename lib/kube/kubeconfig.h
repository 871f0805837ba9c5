/* What one context of a kubeconfig says: the server, and as whom. Pure: it reads bytes in memory. Run by the
 * watcher and ingotctl. */
#ifndef INGOT_KUBE_KUBECONFIG_H
#define INGOT_KUBE_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

enum { KUBECONFIG_MAX = 4 << 20 }; /* bytes of a file */

enum kube_field {
	KUBE_SERVER, /* "https://host:port/path", without a slash at the end */
	KUBE_CA_FILE,
	KUBE_CA_DATA, /* PEM, decoded, as the two below */
	KUBE_SERVER_NAME,
	KUBE_PROXY,
	KUBE_CERT_FILE,
	KUBE_CERT_DATA,
	KUBE_KEY_FILE,
	KUBE_KEY_DATA,
	KUBE_TOKEN,
	KUBE_TOKEN_FILE,
	KUBE_USERNAME,
	KUBE_PASSWORD,
	KUBE_NAMESPACE,
	KUBE_FIELDS,
};

struct kube_text {
	char *s; /* NULL when absent; NUL-terminated */
	size_t n;
};
struct kubeconfig {
	struct kube_text field[KUBE_FIELDS];
	bool insecure; /* insecure-skip-tls-verify */
};

/* file names it in errors, and relative paths are relative to its folder. context "" means current-context.
 * Where data and a file are both given, the data counts, and only the one is set. 0; -EINVAL with a sentence
 * in error that names file, line and field; -ENOMEM. */
int kubeconfig_parse(const char *file, const void *data, size_t len, const char *context,
		     struct kubeconfig *ret, char *error, size_t error_size);
void kubeconfig_fini(struct kubeconfig *k); /* wipes */
void kube_text_fini(struct kube_text *t);   /* wipes; absent afterwards */

#endif
