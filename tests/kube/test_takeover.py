"""MetalLB goes, Ingot comes: no object is lost, no address changes, and while MetalLB's Pods are there Ingot keeps still."""
import json
import pathlib
import time

import pytest

from lab.demo import Fetcher, settle
from lab.house import FRR_ASN, NODE_ASN
from lab.kube import NAMESPACE
from lab.kubehouse import KubeHouse, service, slices
from lab.net import wait_for
from lab.routers import GoBgp

ARPWHO = pathlib.Path(__file__).resolve().parent.parent / "lab" / "arpwho.py"
N = 50
LOADED, ROUTED = "10.50.0.100", "192.0.2.101"  # the addresses of svc0 and svc1


def metallb(house):
    """Its Pods; their names. The labels are those of its manifests (the controller) and of its chart (the speakers)."""
    pods = {"metallb-controller-1": ("node1", {"app": "metallb", "component": "controller"})}
    for n in house.nodes:
        pods[f"metallb-speaker-{n}"] = (f"node{n}", {"app.kubernetes.io/name": "metallb",
                                                     "app.kubernetes.io/component": "speaker"})
    for name, (node, labels) in pods.items():
        house.kube.create_pod(name, "default", node, labels)
    return list(pods)


class StandIn:
    """What MetalLB's speaker on node1 would do: answer for one address, and announce another to the router."""

    def __init__(self, house):
        self.space = house.lab.space("node1")
        self.space.ip("addr", "add", f"{LOADED}/32", "dev", "eth0")
        self.speaker = GoBgp(self.space, "10.50.0.11", NODE_ASN, [("10.50.0.1", FRR_ASN)])
        wait_for(self.speaker.established, 30, "the stand-in's session", 0.1)
        self.space.run("gobgp", "global", "rib", "add", f"{ROUTED}/32", "nexthop", "10.50.0.11", "origin", "igp")

    def stop(self):
        self.space.ip("addr", "del", f"{LOADED}/32", "dev", "eth0")
        self.speaker.process.terminate()


def objects(house):
    """Everything that must not change: Services and the configuration, without what the server counts."""
    out = {}
    for kind in ("Service", "IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer"):
        for o in house.client.list(kind):
            meta = o["metadata"]
            status = o["status"] if kind == "Service" else None
            out[kind, meta["namespace"], meta["name"]] = (meta["uid"], meta.get("annotations"), o["spec"], status)
    return out


@pytest.fixture(scope="module")
def house(lab):
    """A cluster in which MetalLB has given 50 Services their addresses, half of them L2, half of them BGP."""
    h = KubeHouse(lab)
    h.install()
    h.base_manifests()
    h.endpoints()
    h.routers()
    h.metallb = metallb(h)
    for i in range(N):
        pool, address = ("l2", f"10.50.0.{100 + i // 2}") if i % 2 == 0 else ("bgp", f"192.0.2.{100 + i}")
        notes = {"metallb.io/ip-allocated-from-pool": pool, "metallb.io/address-pool": pool}
        for o in (service(f"svc{i}", annotations=notes), *slices(f"svc{i}", h.nodes)):
            h.client.create(o)
        h.client.patch("Service", "default", f"svc{i}", {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}, "status")
    h.kube_proxy(LOADED, ROUTED)
    h.stand_in = StandIn(h)
    wait_for(lambda: h.hops("frr", ROUTED), 10, "the stand-in's route", 0.1)
    h.pods()
    h.before = objects(h)
    return h


def writes(house):
    return [(e["verb"], e["objectRef"]["resource"], e["objectRef"].get("name"))
            for account in ("ingot-controller", "ingot-node") for e in house.kube.requests(account=account)
            if e["verb"] not in ("get", "list", "watch")]


def answering(house):
    """MACs that answer for the loaded address."""
    return json.loads(house.lab.space("lclient").run("/usr/bin/python3", ARPWHO, "eth0", "0.5", LOADED))[LOADED]


def load(house):
    return {LOADED: Fetcher(house.lab.space("lclient"), LOADED, 2), ROUTED: Fetcher(house.lab.space("rclient"), ROUTED, 2)}


def test_ingot_keeps_still_while_metallb_is_there(house):
    clients, drops = load(house), house.frr.drops()
    for s in house.everything():
        s.start()
    for s in house.everything():
        house.wait_source(s, "held", 30, "metallb")
    settle(5)
    assert {w[1] for w in writes(house)} <= {"leases"}
    assert house.frr.prefixes("ipv4") == {f"{ROUTED}/32": ["10.50.0.11"]}
    assert house.frr.drops()["10.50.0.11"] == drops["10.50.0.11"], "MetalLB's session was disturbed"
    assert house.frr.established() == ["10.50.0.11"]
    assert answering(house) == [house.lab.space("node1").mac("eth0")]
    assert objects(house) == house.before
    for address, client in clients.items():
        report = client.stop()
        assert report["lost"] == 0 and report["requests"] > 50, (address, report)


def test_when_its_last_pod_is_gone_ingot_takes_over(house):
    clients = load(house)
    settle(0.5)
    began = time.monotonic()
    house.stand_in.stop()
    for name in house.metallb:
        house.client.delete("Pod", NAMESPACE, name)
    house.all_live()
    house.wait_routed(*[f"192.0.2.{100 + i}" for i in range(1, N, 2)])
    owner = wait_for(lambda: house.owner_of(LOADED), 20, "an owner")
    print(f"all {N} announced {time.monotonic() - began:.2f} s after MetalLB stopped")
    wait_for(lambda: answering(house) == [house.lab.space(owner).mac("eth0")], 10, "the owner to answer, alone")
    for address, client in clients.items():
        report = client.stop()
        print(f"outage of {address}: {report['longest_ms']} ms, {report['lost']} of {report['requests']} requests lost")
        assert report["requests"] > 50 and report["longest_ms"] < 5000
    wait_for(lambda: len(house.statuses("ServiceBGPStatus")) == 3 * N // 2, 20, "the statuses of the BGP Services")
    assert objects(house) == house.before
    assert not [w for w in writes(house) if w[1] == "services"], "Services that were right were written to"


def test_coexist_overrides(house):
    house.stop()
    house.metallb = metallb(house)
    for s in house.everything():
        s.argv.append("--coexist")
        s.start()
    for s in house.everything():
        s.wait_ready(30)
    house.service("beside", "bgp")
    house.wait_routed(house.address_of("beside"))
    for name in house.metallb:
        house.client.delete("Pod", NAMESPACE, name)
