"""Very many Services at once, restarts among them, and more pools. How many: INGOT_TEST_SERVICES."""
import os
import time

import pytest

from lab import manifests as m
from lab.kubehouse import KubeHouse, service, slices
from lab.net import wait_for

N = int(os.environ.get("INGOT_TEST_SERVICES", "500"))
PATIENCE = 60 + N / 20  # seconds
PAUSE = 0.3 + N / 4000  # between two looks at everything, which cost the server much


@pytest.fixture(scope="module")
def house(lab):
    h = KubeHouse(lab, nodes=(1,), bird=False)
    h.install()
    h.base_manifests()
    h.client.apply(m.pool("many", "172.16.0.0/16", autoAssign=False))
    h.client.apply(m.bgp_advertisement("many", "many"))
    h.routers()
    h.pods()
    h.start()
    return h


def names():
    return [f"bulk{i}" for i in range(N)]


def routes(house):
    return len([p for p in house.frr.prefixes("ipv4") if p.startswith("172.16.")])


def quiet(house, seconds=3):
    """Wait until Ingot has written nothing but its Lease for a while."""
    last = {}

    def fact():
        n = len(written(house, 0))
        if last.get("n") != n:
            last.update(n=n, at=time.monotonic())
        return time.monotonic() - last["at"] > seconds
    wait_for(fact, PATIENCE, "Ingot to have nothing left to write", PAUSE)


def written(house, since):
    """Writes of both accounts, the Lease apart."""
    return [(e["verb"], e["objectRef"]["resource"], e["objectRef"].get("subresource"), e["objectRef"].get("name"))
            for account in ("ingot-controller", "ingot-node") for e in house.kube.requests(since, account)
            if e["verb"] not in ("get", "list", "watch") and e["objectRef"]["resource"] != "leases"]


def test_all_get_addresses_and_are_announced(house):
    def create(name):
        wanted = service(name, annotations={"metallb.io/address-pool": "many"}, allocateLoadBalancerNodePorts=False)
        for o in (wanted, *slices(name, [1])):
            house.client.create(o)
    began = time.monotonic()
    house.client.many(create, names())
    created = time.monotonic()
    wait_for(lambda: len(house.addresses()) == N, PATIENCE, f"{N} Services with addresses", PAUSE)
    addressed = time.monotonic()
    wait_for(lambda: routes(house) == N, PATIENCE, f"{N} routes in FRR", 0.5)
    print(f"{N} Services: created in {created - began:.1f} s, the last address {addressed - created:.1f} s later, the last "
          f"route {time.monotonic() - addressed:.1f} s after that")
    ips = [ip for v in house.addresses().values() for ip in v]
    assert len(set(ips)) == N and all(ip.startswith("172.16.") for ip in ips)
    quiet(house)
    assert len(house.statuses("ServiceBGPStatus")) == N


def test_a_restarted_controller_adopts_all_without_writing(house):
    before = house.addresses()
    stack = house.controllers[1]
    stack.stop()
    since = time.time()
    began = time.monotonic()
    stack.start().wait_ready(PATIENCE)
    house.service("probe", "bgp")
    house.address_of("probe", timeout=PATIENCE)
    print(f"{N} adopted, and the next one served, {time.monotonic() - began:.1f} s after the start")
    quiet(house)
    assert {w[1:4] for w in written(house, since) if w[1] == "services"} == {("services", "status", "probe")}
    now = house.addresses()
    assert {n: now[n] for n in before} == before


def test_a_restarted_node_announces_all_without_writing(house):
    stack = house.stacks[1]
    stack.stop()
    wait_for(lambda: routes(house) == 0, 20, "FRR to lose the node")
    quiet(house)
    since = time.time()
    began = time.monotonic()
    stack.start()
    wait_for(lambda: routes(house) == N, PATIENCE, f"{N} routes in FRR", 0.2)
    print(f"{N} routes {time.monotonic() - began:.1f} s after the node was started")
    quiet(house)
    assert not [w for w in written(house, since) if w[1] != "events"]


def test_one_more_pool_moves_nobody(house):
    before = house.addresses()
    since = time.time()
    began = time.monotonic()
    house.client.apply(m.pool("more", "172.17.0.0/24", autoAssign=False))
    house.client.apply(m.bgp_advertisement("more", "more"))
    house.service("in-more", "more")
    assert house.address_of("in-more", timeout=PATIENCE).startswith("172.17.")
    house.wait_routed(house.ingress("in-more")[0])
    print(f"a pool added at {N} Services, and used, after {time.monotonic() - began:.2f} s")
    quiet(house)
    now = house.addresses()
    assert {n: now[n] for n in before} == before
    assert {w[3] for w in written(house, since) if w[1] == "services"} == {"in-more"}


def test_all_deleted_again(house):
    def delete(name):
        house.client.delete("Service", "default", name)
        house.client.delete("EndpointSlice", "default", f"{name}-ipv4")
    house.client.many(delete, names())
    wait_for(lambda: routes(house) == 0, PATIENCE, "FRR to lose all of them", 0.5)
    wait_for(lambda: {o["status"]["serviceName"] for o in house.statuses("ServiceBGPStatus")} == {"probe", "in-more"},
             PATIENCE, "their statuses to go", PAUSE)
