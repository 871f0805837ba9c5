"""The main job in a cluster: Services by kubectl, the real kube-proxy, routers and clients; and what is written back."""
import json

import pytest

from lab import manifests as m
from lab.kube import NAMESPACE, NEWEST
from lab.kubehouse import service, slices
from lab.net import wait_for

LABELS = ("metallb.io/node", "metallb.io/service-name", "metallb.io/service-namespace")


@pytest.fixture(scope="module", autouse=True)
def proxies(house):
    """Traffic goes the way that it goes in a cluster."""
    for n in house.nodes:
        house.kube.start_proxy(house.lab.space(f"node{n}"), f"node{n}")


def apply(house, name, pool, family="IPv4"):
    """What a user does."""
    objects = [service(name, family, annotations={"metallb.io/address-pool": pool}), *slices(name, house.nodes, family)]
    house.kube.kubectl("apply", "-f", "-", stdin="---\n".join(map(json.dumps, objects)))


def fetch(house, client, address):
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    return house.lab.space(client).run("curl", "-g", "-s", "--max-time", "1", url, check=False)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_bgp_service_reaches_both_routers_and_answers(house, family):
    name = f"bgp-{family.lower()}"
    apply(house, name, "bgp", family)
    address = house.address_of(name)
    house.wait_routed(address)
    nodes = sorted(f"10.50.0.1{n}" if family == "IPv4" else f"fd00:50::1{n}" for n in house.nodes)
    assert house.hops("bird", address) == nodes
    wait_for(lambda: "pod" in fetch(house, "rclient", address), 15, f"an answer from {address} behind the routers")
    assert house.kube.kubectl("get", "service", name, version=NEWEST).splitlines()[1].split()[3] == address


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_l2_service_answers_from_exactly_one_node(house, family):
    name = f"l2-{family.lower()}"
    apply(house, name, "l2", family)
    address = house.address_of(name)
    owner = wait_for(lambda: house.owner_of(address), 10, f"an owner of {address}")
    wait_for(lambda: "pod" in fetch(house, "lclient", address), 15, f"an answer from {address}")
    assert house.lab.space("lclient").neighbour(address) == house.lab.space(owner).mac("eth0")
    for n in house.nodes:
        wait_for(lambda n=n: house.owner_of(address, n) == owner, 5, f"node{n} to agree that {owner} owns {address}")


def test_dual_stack_service_gets_both_families(house):
    apply(house, "dual", "bgp", "dual")
    addresses = wait_for(lambda: house.ingress("dual"), 10, "addresses")
    assert sorted(":" in a for a in addresses) == [False, True]
    house.wait_routed(*addresses)


def test_service_carries_its_pool(house):
    house.service("carried", "bgp")
    house.address_of("carried")
    notes = house.client.get("Service", "default", "carried")["metadata"]["annotations"]
    assert notes["metallb.io/ip-allocated-from-pool"] == "bgp"


def test_l2_status_object(house):
    house.service("told-l2", "l2")
    address = house.address_of("told-l2")
    found = wait_for(lambda: [o for o in house.statuses("ServiceL2Status", "told-l2") if o.get("status")], 10, "its status")
    assert len(found) == 1
    o, owner = found[0], house.owner_of(address)
    assert o["metadata"]["name"].startswith("l2-") and o["metadata"]["namespace"] == NAMESPACE
    assert [o["metadata"]["labels"][k] for k in LABELS] == [owner, "told-l2", "default"]
    assert [(r["kind"], r["name"], r["uid"]) for r in o["metadata"]["ownerReferences"]] == [
        ("Pod", house.pod[owner].name, house.pod[owner].uid)]
    assert o["status"] == {"node": owner, "serviceName": "told-l2", "serviceNamespace": "default",
                           "interfaces": [{"name": "eth0"}]}


def test_bgp_status_objects(house):
    house.service("told-bgp", "bgp")
    house.address_of("told-bgp")

    def fact():
        found = {o["status"]["node"]: o for o in house.statuses("ServiceBGPStatus", "told-bgp")
                 if len(o.get("status", {}).get("peers", [])) == 2}
        return found if len(found) == 3 else None
    for node, o in wait_for(fact, 10, "a status of each node with both peers").items():
        assert o["metadata"]["name"].startswith("bgp-") and o["metadata"]["namespace"] == NAMESPACE
        assert [o["metadata"]["labels"][k] for k in LABELS] == [node, "told-bgp", "default"]
        assert [r["uid"] for r in o["metadata"]["ownerReferences"]] == [house.pod[node].uid]
        assert o["status"] == {"node": node, "serviceName": "told-bgp", "serviceNamespace": "default", "peers": ["bird", "frr"]}


@pytest.mark.parametrize("kind, pool", [("ServiceL2Status", "l2"), ("ServiceBGPStatus", "bgp")])
def test_status_objects_heal(house, kind, pool):
    name = f"healed-{pool}"
    house.service(name, pool)
    house.address_of(name)

    def whole():
        found = [o for o in house.statuses(kind, name) if o.get("status", {}).get("serviceName")]
        return found if len(found) == (1 if pool == "l2" else 3) else None
    before = wait_for(whole, 10, "its statuses")
    victim = before[0]
    house.client.delete(kind, NAMESPACE, victim["metadata"]["name"])
    after = wait_for(lambda: (lambda now: now and victim["metadata"]["uid"] not in [o["metadata"]["uid"] for o in now] and now)(
        whole()), 10, "a new status instead of the deleted one")
    assert sorted(map(str, (o["status"] for o in before))) == sorted(map(str, (o["status"] for o in after)))
    field, wrong = ("interfaces", [{"name": "wrong"}]) if pool == "l2" else ("peers", ["wrong"])
    edited = after[0]
    house.client.patch(kind, NAMESPACE, edited["metadata"]["name"], {"status": {field: wrong}}, "status")
    wait_for(lambda: house.client.get(kind, NAMESPACE, edited["metadata"]["name"])["status"] == edited["status"], 10,
             "the edit to be reverted")


def test_events(house):
    house.service("spoken", "bgp")
    address = house.address_of("spoken")

    def fact():
        seen = house.events("spoken")
        return seen if sum(e[0] == "nodeAssigned" for e in seen) == 3 else None
    events = wait_for(fact, 10, "three nodeAssigned events")
    allocated = [e for e in events if e[0] == "IPAllocated"]
    assert len(allocated) == 1 and allocated[0][1] == "Normal" and address in allocated[0][2]
    assert allocated[0][3] == "metallb-controller"
    assert sorted(e[1:] for e in events if e[0] == "nodeAssigned") == [
        ("Normal", f'announcing from node "node{n}" with protocol "bgp"', "metallb-speaker") for n in house.nodes]
    house.service("unlucky", "missing")
    e = wait_for(lambda: [e for e in house.events("unlucky") if e[0] == "AllocationFailed"], 10, "a warning")[0]
    assert e[1] == "Warning" and "missing" in e[2]


def states(house):
    return {o["metadata"]["name"]: o for o in house.client.list("ConfigurationState", NAMESPACE)}


def result(o):
    return (o or {}).get("status", {}).get("result")


def test_configuration_states(house):
    names = {"controller", *(f"speaker-node{n}" for n in house.nodes)}
    found = wait_for(lambda: (lambda s: s if set(s) == names and all(result(o) == "Valid" for o in s.values()) else None)(
        states(house)), 10, f"{names}, all Valid")
    for name, o in found.items():
        component = "controller" if name == "controller" else "speaker"
        labels = {"metallb.io/component-type": component}
        if component == "speaker":
            labels["metallb.io/node-name"] = name.removeprefix("speaker-")
        pod = house.pod["ctl1" if component == "controller" else labels["metallb.io/node-name"]]
        assert o["metadata"]["labels"] == labels
        assert [r["uid"] for r in o["metadata"]["ownerReferences"]] == [pod.uid]
        kind = "poolReconcilerValid" if component == "controller" else "configReconcilerValid"
        assert [(c["type"], c["status"], c["reason"]) for c in o["status"]["conditions"]] == [(kind, "True", "Reconciled")]
        assert not o["status"].get("errorSummary")


def test_a_broken_pool_is_named_and_disturbs_nothing(house):
    house.service("steady", "bgp")
    address = house.address_of("steady")
    house.wait_routed(address)
    house.client.apply(m.pool("broken", "192.0.2.300/24"))
    for name in ("controller", "speaker-node1"):
        o = wait_for(lambda n=name: (lambda o: o if result(o) == "Invalid" else None)(states(house).get(n)), 10,
                     f"{name} to be Invalid")
        assert "broken" in o["status"]["errorSummary"] and "configuration error" in o["status"]["conditions"][0]["message"]
        assert [(c["status"], c["reason"]) for c in o["status"]["conditions"]] == [("False", "ConfigurationError")]
    house.service("meanwhile", "bgp")
    house.wait_routed(address, house.address_of("meanwhile"))
    house.client.delete("IPAddressPool", NAMESPACE, "broken")
    wait_for(lambda: all(result(o) == "Valid" for o in states(house).values()), 10, "all Valid again")


def test_pool_status_follows_and_edits_are_reverted(house):
    house.client.apply(m.pool("counted", "198.51.100.0/29", "2001:db8:9::/126", autoAssign=False))

    def counts(*want):
        fields = ("assignedIPv4", "assignedIPv6", "availableIPv4", "availableIPv6")
        status = (house.client.get("IPAddressPool", NAMESPACE, "counted") or {}).get("status", {})
        return tuple(status.get(f) for f in fields) == want
    wait_for(lambda: counts(0, 0, 8, 4), 10, "the counts of an unused pool")
    house.service("counts", "counted", "dual")
    wait_for(lambda: counts(1, 1, 7, 3), 10, "one address of each family assigned")
    house.client.patch("IPAddressPool", NAMESPACE, "counted", {"status": {"assignedIPv4": 77}}, "status")
    wait_for(lambda: counts(1, 1, 7, 3), 10, "the edit to be reverted")
    house.delete_service("counts")
    wait_for(lambda: counts(0, 0, 8, 4), 10, "the addresses to be free")


def test_traffic_policy_and_endpoints_decide_who_announces(house):
    house.service("local", "bgp", nodes=[2], externalTrafficPolicy="Local")
    address = house.address_of("local")
    wait_for(lambda: house.hops("bird", address) == ["10.50.0.12"], 20, "the route from node2 alone")
    house.service("local", "bgp", nodes=[], externalTrafficPolicy="Local")
    wait_for(lambda: not house.hops("bird", address), 10, "withdrawal without endpoints")


def test_deleting_a_service_withdraws_it_and_its_statuses(house):
    house.service("short", "bgp")
    house.wait_routed(house.address_of("short"))
    address = house.ingress("short")[0]
    wait_for(lambda: len(house.statuses("ServiceBGPStatus", "short")) == 3, 10, "its statuses")
    house.delete_service("short")
    for router in ("frr", "bird"):
        wait_for(lambda r=router: not house.hops(r, address), 10, f"{router} to lose {address}")
    wait_for(lambda: not house.statuses("ServiceBGPStatus", "short"), 10, "its statuses to go")


def test_type_change_takes_the_address_back(house):
    house.service("changed", "bgp")
    address = house.address_of("changed")
    house.wait_routed(address)
    house.kube.kubectl("patch", "service", "changed", "--type=merge", "-p", '{"spec":{"type":"ClusterIP"}}')
    wait_for(lambda: not house.ingress("changed"), 10, "the address to be taken from the status")
    wait_for(lambda: not house.hops("bird", address), 10, "the route to go")
    wait_for(lambda: "metallb.io/ip-allocated-from-pool" not in house.client.get(
        "Service", "default", "changed")["metadata"]["annotations"], 10, "the pool's name to be taken off")


def test_gossip_secret_is_made_once_and_not_touched(house):
    secret = house.client.get("Secret", NAMESPACE, "memberlist")
    assert list(secret["data"]) == ["secretkey"]
    old = house.controllers[1]
    old.stop()
    old.start().wait_ready()
    house.service("after-restart", "bgp")
    house.address_of("after-restart")
    assert house.client.get("Secret", NAMESPACE, "memberlist")["metadata"]["resourceVersion"] == (
        secret["metadata"]["resourceVersion"])


def test_statuses_go_with_the_pod(house):
    """Owner references are right if the garbage collector acts on them."""
    house.service("orphaned", "bgp")
    house.wait_routed(house.address_of("orphaned"))
    wait_for(lambda: len(house.statuses("ServiceBGPStatus", "orphaned")) == 3, 10, "its statuses")
    house.kube.start_controller_manager()
    house.stacks[3].power_off()
    house.client.delete("Pod", NAMESPACE, house.pod["node3"].name)
    wait_for(lambda: {o["status"]["node"] for o in house.statuses("ServiceBGPStatus")} == {"node1", "node2"}, 40,
             "the statuses of node3 to be collected")
