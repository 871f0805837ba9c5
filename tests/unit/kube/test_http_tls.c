/* Whom the client trusts, who it says it is, and proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static void assert_has(const char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("\"%s\" is not in: %s", piece, text);
}

static void expect(struct house *h, enum http_failure failure)
{
	struct outcome o = { 0 };
	house_get(h, &o, "/echo");
	if (o.answer.failure != failure)
		fail_msg("failure %d, not %d: %s", o.answer.failure, failure, o.error);
	assert_int_equal(o.answer.status, failure == HTTP_OK ? 200 : 0);
	if (failure != HTTP_OK)
		assert_has(o.error, "https://127.0.0.1:");
	outcome_fini(&o);
}

static void test_trust(void **state)
{
	struct house *h = *state;
	static const struct {
		enum listener listener;
		const char *cluster;
		enum http_failure failure;
	} cases[] = {
		{ TLS, "certificate-authority: ca.pem", HTTP_OK },
		{ TLS, "certificate-authority: foreign.pem", HTTP_TLS },
		{ TLS, "", HTTP_TLS },
		{ OTHER, "certificate-authority: ca.pem", HTTP_TLS },
		{ OTHER, "certificate-authority: foreign.pem", HTTP_OK },
		{ OTHER, "insecure-skip-tls-verify: true", HTTP_OK },
		{ EXPIRED, "certificate-authority: ca.pem", HTTP_TLS },
		{ EXPIRED, "certificate-authority: ca.pem, insecure-skip-tls-verify: true", HTTP_OK },
		{ NAMED, "certificate-authority: ca.pem", HTTP_TLS },
		{ NAMED, "certificate-authority: ca.pem, tls-server-name: api.cluster.example", HTTP_OK },
		{ NAMED, "certificate-authority: ca.pem, tls-server-name: other.cluster.example", HTTP_TLS },
		{ TLS, "certificate-authority: ca.pem, tls-server-name: api.cluster.example", HTTP_TLS },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		house_client(h, "https", h->port[cases[i].listener], cases[i].cluster, "");
		expect(h, cases[i].failure);
		assert_int_equal(house_metric(h, "ingot_kube_failures_total{reason=\"tls\"}"),
				 cases[i].failure == HTTP_TLS ? 1 : -1);
	}
}

static void test_a_path_before_all_others(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	h->base = "/k8s/clusters/one/";
	house_client(h, "https", h->port[TLS], "certificate-authority: ca.pem", "");
	house_get(h, &o, "/echo");
	assert_has(o.body, "\"target\": \"/k8s/clusters/one/echo\"");
	outcome_fini(&o);
	house_client(h, "https", h->port[NAMED],
		     "certificate-authority: ca.pem, tls-server-name: api.cluster.example", "");
	house_get(h, &o, "/echo");
	assert_has(o.body, "\"target\": \"/k8s/clusters/one/echo\"");
	outcome_fini(&o);
}

static void test_client_certificates(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	char ca[8192], cert[8192], key[8192], cluster[8300], user[16500];
	house_client(h, "https", h->port[MUTUAL], "certificate-authority: ca.pem",
		     "client-certificate: client.pem, client-key: client.key");
	expect(h, HTTP_OK);
	house_client_to(h, MUTUAL);
	house_get(h, &o, "/echo");
	assert_int_not_equal(o.answer.failure, HTTP_OK);
	outcome_fini(&o);
	house_read(h, "ca.pem.b64", ca, sizeof ca);
	house_read(h, "client.pem.b64", cert, sizeof cert);
	house_read(h, "client.key.b64", key, sizeof key);
	snprintf(cluster, sizeof cluster, "certificate-authority-data: %s", ca);
	snprintf(user, sizeof user, "client-certificate-data: %s, client-key-data: %s", cert, key);
	house_client(h, "https", h->port[MUTUAL], cluster, user);
	assert_non_null(strstr(access_ca_path(h->access), "/proc/self/fd/"));
	assert_non_null(strstr(access_key_path(h->access), "/proc/self/fd/"));
	expect(h, HTTP_OK);
}

/* Whoever makes new connections reads the file as it is now, and no TLS session outlives the change. */
static void test_an_authority_that_changes(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	house_copy(h, "ca.pem", "now.pem");
	house_client(h, "https", h->port[TLS], "certificate-authority: now.pem", "");
	expect(h, HTTP_OK);
	house_copy(h, "foreign.pem", "now.pem");
	house_stop(h);
	house_start(h);
	house_get(h, &o, "/echo");
	assert_int_equal(o.answer.failure, HTTP_TLS);
	outcome_fini(&o);
	house_copy(h, "ca.pem", "now.pem");
	expect(h, HTTP_OK);
}

static void test_proxies(void **state)
{
	struct house *h = *state;
	char cluster[256], address[64];
	house_client_to(h, PLAIN);
	long before = house_count(h, "proxied");
	snprintf(address, sizeof address, "http://127.0.0.1:%d", h->port[PROXY]);
	snprintf(cluster, sizeof cluster, "certificate-authority: ca.pem, proxy-url: '%s'", address);
	house_client(h, "https", h->port[TLS], cluster, "");
	expect(h, HTTP_OK);
	assert_int_equal(house_count(h, "proxied") - before, 1);
	/* A proxy of the environment, and the way round it. */
	setenv("HTTPS_PROXY", address, 1);
	house_client_to(h, TLS);
	expect(h, HTTP_OK);
	assert_int_equal(house_count(h, "proxied") - before, 2);
	setenv("NO_PROXY", "10.0.0.0/8,127.0.0.0/8", 1);
	house_client_to(h, TLS);
	expect(h, HTTP_OK);
	assert_int_equal(house_count(h, "proxied") - before, 2);
	/* What the kubeconfig says counts before that. */
	house_client(h, "https", h->port[TLS], cluster, "");
	expect(h, HTTP_OK);
	assert_int_equal(house_count(h, "proxied") - before, 3);
	unsetenv("HTTPS_PROXY");
	unsetenv("NO_PROXY");
}

static void test_a_proxy_that_refuses(void **state)
{
	struct house *h = *state;
	struct outcome o = { 0 };
	char cluster[256];
	/* Not a proxy: it knows no such thing as CONNECT. */
	snprintf(cluster, sizeof cluster, "proxy-url: 'http://127.0.0.1:%d'", h->port[PLAIN]);
	house_client(h, "https", h->port[TLS], cluster, "");
	house_get(h, &o, "/echo");
	assert_int_not_equal(o.answer.failure, HTTP_OK);
	assert_int_equal(o.answer.status, 0);
	assert_has(o.error, "404");
	outcome_fini(&o);
	snprintf(cluster, sizeof cluster, "proxy-url: 'http://127.0.0.1:1'");
	house_client(h, "https", h->port[TLS], cluster, "");
	house_get(h, &o, "/echo");
	assert_int_equal(o.answer.failure, HTTP_NO_ROUTE);
	outcome_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_trust, house_clear),
		cmocka_unit_test_teardown(test_a_path_before_all_others, house_clear),
		cmocka_unit_test_teardown(test_client_certificates, house_clear),
		cmocka_unit_test_teardown(test_an_authority_that_changes, house_clear),
		cmocka_unit_test_teardown(test_proxies, house_clear),
		cmocka_unit_test_teardown(test_a_proxy_that_refuses, house_clear),
	};
	static const char *const variables[] = { "HTTPS_PROXY", "https_proxy", "ALL_PROXY",
						 "all_proxy",	"NO_PROXY",    "no_proxy" };
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		unsetenv(variables[i]);
	return cmocka_run_group_tests(tests, house_open, house_close);
}
