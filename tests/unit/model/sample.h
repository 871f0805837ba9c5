/* A configuration that uses every kind and field, for tests of the compiler as a whole. */
#ifndef INGOT_TESTS_MODEL_SAMPLE_H
#define INGOT_TESTS_MODEL_SAMPLE_H

static const char *const sample_lines[] = {
	"Node n1 labels=host=n1,rack=a",
	"Node n2 labels=host=n2,rack=a",
	"Node n3 labels=host=n3,rack=b",
	"Namespace red labels=team=red",
	"Namespace blue labels=team=blue",
	"Secret s type=kubernetes.io/basic-auth keys=username,password",
	"Community c1 communities=web=64512:1,mail=64512:2",
	"Community c2 communities=big=large:1:2:3,broken=x",
	"BFDProfile fast receive_interval_ms=10 transmit_interval_ms=10",
	"BFDProfile slow",
	"BGPPeer p1 my_asn=64512 peer_asn=64513 peer_address=10.9.0.1 password_secret=s bfd_profile=fast",
	"BGPPeer p2 my_asn=64512 dynamic_asn=external peer_address=10.9.0.2 hold_time_ns=90000000000",
	"BGPPeer p3 my_asn=64512 peer_asn=64512 interface=eth0 node_selectors=rack=b vrf=red",
	"BGPPeer p4 my_asn=64512 peer_asn=64512 peer_address=10.9.0.1",
	"BGPPeer p5 my_asn=64512 peer_asn=64512 peer_address=10.9.0.5 bfd_profile=missing",
	"IPAddressPool a addresses=10.0.0.0/24,10.0.1.7-10.0.1.99 labels=tier=gold",
	("IPAddressPool b addresses=fd00::/120 service_allocation.namespaces=red "
	 "service_allocation.priority=1"),
	"IPAddressPool c addresses=10.0.0.128/25",
	("IPAddressPool d addresses=10.3.0.0/16,fd00:1::/64 auto_assign=no avoid_buggy_ips=yes "
	 "service_allocation.namespace_selectors=team=blue service_allocation.service_selectors=app:In:x+y"),
	"L2Advertisement l1",
	("L2Advertisement l2 ip_address_pools=a interfaces=eth0 node_selectors=rack=a "
	 "preferred_node_selectors=10/host=n1"),
	"L2Advertisement l3 ip_address_pools=a,nowhere service_selectors=app=web",
	"L2Advertisement l4 ip_address_pools=a,a",
	"BGPAdvertisement b1 communities=web,big local_pref=100 ip_address_pool_selectors=tier=gold",
	"BGPAdvertisement b2 local_pref=200 ip_address_pools=a",
	"BGPAdvertisement b3 aggregation_length=24 aggregation_length_v6=64 peers=p1,p9 ip_address_pools=b,d",
	"BGPAdvertisement b4 communities=unknown",
};

enum { SAMPLE_N = sizeof sample_lines / sizeof sample_lines[0] };

#endif
