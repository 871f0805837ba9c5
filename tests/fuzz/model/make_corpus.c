/* Writes the encoded seeds of fuzz_config and fuzz_selector: make_corpus FOLDER (tests/fuzz/corpus). Each
 * seed is a list of lines as tests/unit/model/build.h reads them. Run by hand when a message changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/must.h"
#include "tests/unit/model/build.h"
#include "tests/unit/model/sample.h"

static void put_record(FILE *f, enum kind k, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *data = malloc(n + 1);
	must(data && n <= UINT16_MAX);
	protobuf_c_message_pack(m, data);
	const uint8_t head[] = { (uint8_t)k, (uint8_t)(n >> 8), (uint8_t)n };
	fwrite(head, 1, sizeof head, f);
	fwrite(data, 1, n, f);
	free(data);
}

static FILE *open_seed(const char *dir, const char *corpus, const char *name)
{
	char path[1024];
	str_fmt(path, sizeof path, "%s/%s/%s", dir, corpus, name);
	FILE *f = fopen(path, "wb");
	if (!f) {
		perror(path);
		exit(1);
	}
	return f;
}

static void write_config(const char *dir, const char *name, const char *const *lines, size_t n)
{
	struct objects o;
	FILE *f = open_seed(dir, "config", name);
	objects_init(&o);
	for (size_t i = 0; i < n; i++)
		build_line(&o, lines[i]);
	for (int k = 0; k < KIND_N; k++)
		map_each (&o.by_kind[k], e)
			put_record(f, (enum kind)k, e->value);
	fclose(f);
	objects_fini(&o);
}

static void write_selector(const char *dir, const char *name, const char *line)
{
	struct objects o;
	FILE *f = open_seed(dir, "selector", name);
	objects_init(&o);
	build_line(&o, line);
	const ProtobufCMessage *m = o.by_kind[KIND_L2_ADVERTISEMENT].head->value;
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *data = malloc(n + 1);
	must(data);
	protobuf_c_message_pack(m, data);
	fwrite(data, 1, n, f);
	free(data);
	fclose(f);
	objects_fini(&o);
}

static const char *const pools[] = {
	"IPAddressPool a addresses=10.0.0.0/24,10.0.1.7-10.0.1.99",
	"IPAddressPool b addresses=fd00::/120 service_allocation.namespaces=red "
	"service_allocation.priority=1",
	"IPAddressPool c addresses=10.0.0.128/25",
	"Namespace red labels=team=red",
	"IPAddressPool d addresses=1.2.3.4-1000:: service_allocation.namespace_selectors=team:In:red",
};
static const char *const peers[] = {
	"BGPPeer p1 my_asn=1 peer_asn=2 peer_address=10.9.0.1 password_secret=s bfd_profile=f",
	"BGPPeer p2 my_asn=1 dynamic_asn=external interface=eth0 hold_time_ns=90000000000 vrf=red",
	"BFDProfile f receive_interval_ms=10 echo_mode=yes",
	"Secret s type=kubernetes.io/basic-auth keys=password",
};
static const char *const announced[] = {
	"Node n1 labels=r=a",
	"Node n2",
	"IPAddressPool a addresses=10.0.0.0/24",
	"L2Advertisement l interfaces=eth0 node_selectors=r=a preferred_node_selectors=10/r=a",
	"BGPAdvertisement b communities=web local_pref=100 aggregation_length=28",
	"Community c communities=web=64512:1",
	"Service s ingress=10.0.0.7 labels=app=web",
	"EndpointSlice s service_name=s endpoints=n1@1.1.1.1,n2@1.1.1.2/ready=no",
};

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	write_config(argv[1], "pools", pools, ARRAY_LEN(pools));
	write_config(argv[1], "peers", peers, ARRAY_LEN(peers));
	write_config(argv[1], "announced", announced, ARRAY_LEN(announced));
	write_config(argv[1], "everything", sample_lines, SAMPLE_N);
	write_selector(argv[1], "labels", "L2Advertisement a labels=a=b,c=d node_selectors=a=b&c=d,{}");
	write_selector(
	    argv[1], "expressions",
	    "L2Advertisement a labels=k=v node_selectors=k:In:v+w,k:NotIn:x,k:Exists:,k:DoesNotExist:");
	write_selector(argv[1], "broken",
		       "L2Advertisement a service_selectors=k:Near:v ip_address_pool_selectors=k:In:v+v "
		       "node_selectors=a=b,a=b");
	return 0;
}
