/* How to reach the API server, and as whom: in-cluster (service account) or a kubeconfig file. Credentials
 * are read again when their files change. Used by the watcher and ingotctl. */
#ifndef INGOT_KUBE_ACCESS_H
#define INGOT_KUBE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

struct access;

struct access_where {
	const char *kubeconfig; /* path; "" = in-cluster: the service account's folder and
				   KUBERNETES_SERVICE_HOST/PORT */
	const char *context;	/* of the kubeconfig; NULL or "" = its current-context */
};

/* Reads everything once. On failure NULL, and error has a sentence that names the file and the field. Call it
 * before the sandbox: inline certificates of a kubeconfig are put into memfds. */
struct access *access_new(const struct access_where *w, char *error, size_t error_size);
void access_free(struct access *a); /* wipes */

const char *access_server(const struct access *a); /* "https://10.0.0.1:6443", without a slash at the end */
const char *access_namespace(const struct access *a); /* of the service account or context; "" when unknown */
/* The files that must stay readable in a sandbox, by index; NULL past the end. Those of the service account
 * are not among them: their folder is always the same. */
const char *access_file(const struct access *a, size_t index);

/* For http.c. Lent until the next call of access_token. */
/* The bearer token now; NULL: none is used. Files that changed (looked at most once a second) are read again
 * first: the token's, and a kubeconfig with its inline token, password and certificates; all of them when
 * force (the server said 401). What cannot be read stays as it was, with a warning. The server itself and the
 * names of files are read only once. */
const char *access_token(struct access *a, bool force);
const char *access_ca_path(const struct access *a);   /* NULL: the system's own store */
const char *access_cert_path(const struct access *a); /* NULL: no client certificate */
const char *access_key_path(const struct access *a);
const char *access_server_name(const struct access *a); /* tls-server-name, NULL = the server's own */
const char *access_proxy(const struct access *a);	/* proxy-url, NULL = the environment's */
const char *access_basic(const struct access *a);	/* "user:password", NULL = none */
bool access_insecure(const struct access *a);		/* insecure-skip-tls-verify, only from a kubeconfig */

#endif
