"""The API server away, in every way that it can be: what is announced stays, nodes fail over among themselves, and when it is
back everything is put right without anything being withdrawn."""
import os
import subprocess
import time

import pytest

from lab import bgpcap
from lab import manifests as m
from lab.demo import Fetcher, settle
from lab.net import wait_for

OUTAGE = float(os.environ.get("INGOT_TEST_OUTAGE", "6"))  # seconds; 600 for the ten minutes


@pytest.fixture(scope="module")
def options(lab):
    """The gossip key is a mounted file, as it has to be for L2 to work after a cold start without the API server."""
    key = lab.dir / "gossip.key"
    key.write_text("the lab's own shared secret\n")
    return (f"--gossip-key-file={key}",)


@pytest.fixture(scope="module", autouse=True)
def served(house):
    """Two Services under load, and one that only node2 may answer for."""
    house.client.apply(m.pool("pinned", "10.50.0.160/32", autoAssign=False))
    house.client.apply(m.l2_advertisement("pinned", "pinned", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "node2"}}]))
    for name, pool in (("web-l2", "l2"), ("web-bgp", "bgp"), ("pinned", "pinned")):
        house.service(name, pool)
    addresses = [house.address_of(n) for n in ("web-l2", "web-bgp", "pinned")]
    house.l2_address = addresses[0]
    house.kube_proxy(*addresses)
    house.wait_routed(addresses[1])
    for a in (addresses[0], addresses[2]):
        wait_for(lambda a=a: house.owner_of(a), 10, f"an owner of {a}")


class Frames:
    """What goes over one wire."""

    def __init__(self, space, interface, *what):
        self.pcap = space.lab.dir / f"frames-{time.monotonic_ns()}.pcap"
        self.capture = space.popen("tcpdump", "-i", interface, "-U", "--immediate-mode", "-s", "0", "-w", self.pcap, *what,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.capture.stderr.readline()  # "listening on ..."

    def stop(self):
        self.capture.terminate()
        self.capture.wait()

    def first(self):
        """When the first frame came, or None."""
        return next((meta.sec + meta.usec / 1e6 for _, meta in bgpcap.RawPcapReader(str(self.pcap))), None)

    def updates(self, *sources):
        """(time, withdrawn, announced) of each BGP UPDATE from these addresses."""
        return [(when, *bgpcap.update(body)) for (src, *_), stream in bgpcap.streams(self.pcap).items() if src in sources
                for when, kind, body in bgpcap.messages(stream) if kind == 2]


def term(house):
    """Counts the owners that web-l2 has had."""
    owners = (house.stacks[1].json("owners") or {}).get("owners", [])
    return next((o["owner"], o["term"]) for o in owners if o["address"] == house.l2_address)


class Witness:
    """Client load on both Services, a capture of what the nodes tell the router, and who owns the L2 address."""

    def __init__(self, house):
        self.house, self.term = house, term(house)
        self.bgp = Frames(house.frr.space, "seg0", "tcp", "port", "179")
        self.load = {"web-l2": Fetcher(house.lab.space("lclient"), house.ingress("web-l2")[0]),
                     "web-bgp": Fetcher(house.lab.space("rclient"), house.ingress("web-bgp")[0])}

    def stop(self):
        """Ends it: (name -> the client's report, prefixes that a node took back)."""
        reports = {name: f.stop() for name, f in self.load.items()}
        self.bgp.stop()
        nodes = [f"10.50.0.1{n}" for n in self.house.nodes]
        return reports, {prefix for _, gone, _ in self.bgp.updates(*nodes) for prefix in gone}

    def assert_untouched(self, *expected_gone):
        now = term(self.house)
        reports, gone = self.stop()
        assert gone == set(expected_gone) and now == self.term
        for name, r in reports.items():  # on a busy machine an endpoint may now and then be too slow for its client
            assert r["requests"] > 50 and r["lost"] <= r["requests"] / 200, (name, r)


def powered(house, n):
    """Bring a node back that was powered off."""
    space = house.lab.space(f"node{n}")
    for link in ("eth0", "pod0"):
        space.ip("link", "set", link, "up")
    space.ip("-6", "addr", "replace", f"fd00:50::1{n}/64", "dev", "eth0", "nodad")
    space.ip("-6", "addr", "replace", f"fd00:70:{n}::1/64", "dev", "pod0", "nodad")
    space.ip("route", "replace", "default", "via", "10.50.0.1")
    space.ip("-6", "route", "replace", "default", "via", "fd00:50::1")
    house.stacks[n].process.wait(5)
    house.stacks[n].start()


@pytest.mark.parametrize("how", ["frozen", "cut", "killed"])
def test_nodes_fail_over_while_the_server_is_away(house, how):
    witness, address = Witness(house), house.l2_address
    away, back = {"frozen": (house.kube.freeze, house.kube.thaw), "cut": (house.kube.cut, house.kube.heal),
                  "killed": (house.kube.stop_server, house.kube.start)}[how]
    since = time.time()
    away()
    settle(OUTAGE / 2)
    witness.assert_untouched()
    owner = int(house.owner_of(address).removeprefix("node"))
    other = next(n for n in house.nodes if n != owner)
    house.stacks[owner].power_off()
    began = time.monotonic()
    new = wait_for(lambda: (lambda o: o if o not in (None, f"node{owner}") else None)(house.owner_of(address, other)), 10,
                   "another owner")
    print(f"{how}: {new} took over {(time.monotonic() - began) * 1e3:.0f} ms after the power went")
    settle(OUTAGE / 2)
    assert house.owner_of(address, other) == new
    back()
    powered(house, owner)
    house.all_live()
    owner_now = wait_for(lambda: len({house.owner_of(address, n) for n in house.nodes}) == 1 and house.owner_of(address), 20,
                         "all nodes to agree")
    wait_for(lambda: [o["status"]["node"] for o in house.statuses("ServiceL2Status", "web-l2") if o.get("status")] == [owner_now],
             20, "its status to name the owner")
    house.wait_routed(house.ingress("web-bgp")[0])
    assert not [e for e in house.kube.requests(since, "ingot-controller") if e["verb"] == "patch"
                and e["objectRef"]["resource"] == "services"]


def test_restarts_of_the_server_in_mid_stream(house):
    witness = Witness(house)
    for i in range(3):
        house.service(f"before{i}", "bgp")
        house.kube.restart()
        house.service(f"after{i}", "bgp")
        for name in (f"before{i}", f"after{i}"):
            house.address_of(name, timeout=60)
    house.wait_routed(*(house.ingress(f"{w}{i}")[0] for w in ("before", "after") for i in range(3)))
    witness.assert_untouched()


def test_compaction_forces_a_relist_and_nothing_is_withdrawn(house):
    for name in ("stays", "goes"):
        house.service(name, "bgp")
        house.wait_routed(house.address_of(name))
    gone = house.ingress("goes")[0]
    house.all_live()
    witness = Witness(house)
    since = time.time()
    house.kube.cut()
    house.delete_service("goes")
    for i in range(300):
        house.client.patch("Service", "default", "stays", {"metadata": {"annotations": {"turn": str(i)}}})
    house.service("comes", "bgp")
    house.kube.compact()
    house.kube.restart()
    house.kube.heal()
    house.address_of("comes", timeout=90)
    house.wait_routed(house.ingress("comes")[0])
    for router in ("frr", "bird"):
        wait_for(lambda r=router: not house.hops(r, gone), 20, f"{router} to lose the Service that was deleted meanwhile")
    house.all_live()
    assert relisted(house, since) == {f"10.50.0.1{n}" for n in house.nodes}, "the outage forced nobody to list anew"
    witness.assert_untouched(f"{gone}/32")


def test_watcher_killed_while_a_service_goes(house):
    """What a former life published, and the server does not have any more, is withdrawn."""
    for name in ("killed-stays", "killed-goes"):
        house.service(name, "bgp")
        house.wait_routed(house.address_of(name))
    stays, goes = (house.ingress(name)[0] for name in ("killed-stays", "killed-goes"))
    house.all_live()
    stack = house.stacks[2]
    house.kube.cut()
    house.delete_service("killed-goes")
    stack.wait_restarted("watcher", stack.kill("watcher"))
    house.wait_source(stack, "stale", 10)
    assert len(house.hops("frr", goes)) == len(house.nodes)
    house.kube.heal()
    house.all_live()
    wait_for(lambda: not house.hops("frr", goes), 20, "the Service that was deleted meanwhile to be withdrawn by every node")
    house.wait_routed(stays)
    house.delete_service("killed-stays")


def relisted(house, since):
    """Nodes that asked for all Services since then, as a list or as a watch that begins with one."""
    return {e["sourceIPs"][0] for e in house.kube.requests(since, "ingot-node", stage=None)
            if e["objectRef"].get("resource") == "services"
            and (e["verb"] == "list" or "sendInitialEvents=true" in e["requestURI"])}


def test_node_restarted_while_the_server_is_away(house):
    stack, pinned, routed = house.stacks[2], house.ingress("pinned")[0], house.ingress("web-bgp")[0]
    assert house.owner_of(pinned) == "node2"
    house.all_live()
    settle(4)  # the state file is written some time after the last change
    house.kube.stop_server()
    stack.stop()
    arp = Frames(house.lab.space("lclient"), "eth0", "arp", "and", "ether", "src", stack.space.mac("eth0"), "and", "host", pinned)
    bgp = Frames(house.frr.space, "seg0", "tcp", "port", "179", "and", "host", "10.50.0.12")
    began = time.time()
    stack.start()

    def told():
        return next((when for when, _, come in bgp.updates("10.50.0.12") if f"{routed}/32" in come), None)
    over_l2 = wait_for(arp.first, 20, f"node2 to announce {pinned}") - began
    over_bgp = wait_for(told, 20, f"node2 to tell FRR of {routed}") - began
    print(f"after ingotd was started, the ARP announcement came in {over_l2 * 1e3:.0f} ms, the UPDATE in {over_bgp * 1e3:.0f} ms")
    assert over_l2 < 1 and over_bgp < 1
    house.wait_source(stack, "stale", 5)
    assert "ingot_source_stale 1" in stack.space.run("curl", "-s", "http://127.0.0.1:9120/metrics")
    for f in (arp, bgp):
        f.stop()
    house.kube.start()
    house.service("late", "bgp")
    house.client.delete("Service", "default", "pinned")
    house.all_live()
    house.wait_routed(house.address_of("late"))
    wait_for(lambda: house.owner_of(pinned, 2) is None, 10, "the Service deleted meanwhile to be let go")
    assert "ingot_source_stale 0" in stack.space.run("curl", "-s", "http://127.0.0.1:9120/metrics")
