"""BGP sessions of every kind that operators have, each with a real peer: iBGP with GoBGP, IPv6 and MD5 with FRR, silence,
refresh and wrong configuration with BIRD."""
import base64
import os
import pathlib
import signal

import pytest

from lab import manifests as m
from lab.net import wait_for
from lab.routers import Bird, Frr, GoBgp
from lab.stack import Stack

V4, V6 = "192.0.2.10", "2001:db8:1::10"


class Row:
    """One node and three routers on one segment."""

    def __init__(self, lab):
        self.lab, self.folder = lab, lab.dir / "manifests"
        self.folder.mkdir()
        lab.bridge("seg", *[(name, "eth0") for name in ("node1", "frr", "bird", "gobgp")])
        for name, i in (("frr", 1), ("bird", 2), ("gobgp", 3), ("node1", 11)):
            lab.space(name).address("eth0", f"10.50.0.{i}/24", f"fd00:50::{i}/64")
        self.frr = Frr(lab.space("frr"), "10.50.0.1", 64513, [("fd00:50::11", 64512, ["password correct-horse"])])
        self.bird = Bird(lab.space("bird"), "10.50.0.2", 64514, [("node1", "10.50.0.11", "10.50.0.2", 64512)], hold=3)
        self.gobgp = GoBgp(lab.space("gobgp"), "10.50.0.3", 64512, [("10.50.0.11", 64512)])
        m.write(self.folder, "base.yaml", m.node("node1", "10.50.0.11"),
                m.pool("v4", "192.0.2.0/24", autoAssign=False), m.pool("v6", "2001:db8:1::/120", autoAssign=False),
                m.bgp_advertisement("v4", "v4", communities=["64512:7", "large:64512:1:2"], localPref=333),
                m.bgp_advertisement("v6", "v6"))
        self.secret("correct-horse")
        self.peers()
        for name, family, address in (("four", "IPv4", V4), ("six", "IPv6", V6)):
            m.write(self.folder, f"{name}.yaml",
                    m.service(name, family=family, annotations={"metallb.io/loadBalancerIPs": address}),
                    m.endpoint_slice(name, ("fd00:70:1::2" if family == "IPv6" else "10.70.1.2", "node1"), family=family))
        self.stack = Stack(lab.space("node1"), "node1", self.folder, bind="10.50.0.11").start()
        self.stack.wait_ready()

    def secret(self, password):
        m.write(self.folder, "secret.yaml",
                {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
                 "metadata": {"name": "tor", "namespace": "metallb-system"},
                 "data": {"password": base64.b64encode(password.encode()).decode()}})

    def peers(self, bird_asn=64514, with_bird=True):
        peers = [
            m.bgp_peer("frr", "fd00:50::1", 64512, 64513, passwordSecret={"name": "tor"}, holdTime="9s",
                       dualStackAddressFamily=True),
            m.bgp_peer("gobgp", "10.50.0.3", 64512, 64512, holdTime="9s", dualStackAddressFamily=True),
        ]
        if with_bird:
            peers.append(m.bgp_peer("bird", "10.50.0.2", 64512, bird_asn, holdTime="3s", dualStackAddressFamily=True))
        m.write(self.folder, "peers.yaml", *peers)

    def peer(self, name):
        return next((p for p in (self.stack.json("peers") or {}).get("peers", []) if p["name"] == name), {})

    def wait_state(self, name, state, timeout=30):
        return wait_for(lambda: (lambda p: p if p.get("state") == state else None)(self.peer(name)), timeout,
                        f"peer {name} to be {state}", 0.05)


@pytest.fixture(scope="module")
def row(lab):
    return Row(lab)


def test_ibgp_with_gobgp(row):
    row.wait_state("gobgp", "Established")
    attrs = wait_for(lambda: row.gobgp.attributes(f"{V4}/32"), 20, "the IPv4 route in GoBGP")
    assert attrs[1]["value"] == 0, "ORIGIN IGP"
    assert not attrs[2].get("as_paths"), "AS_PATH is empty on iBGP"
    assert attrs[3]["nexthop"] == "10.50.0.11"
    assert attrs[5]["value"] == 333, "LOCAL_PREF of the advertisement"
    assert attrs[8]["communities"] == [64512 << 16 | 7]
    assert attrs[32]["value"] == [{"ASN": 64512, "LocalData1": 1, "LocalData2": 2}]
    six = wait_for(lambda: row.gobgp.attributes(f"{V6}/128"), 20, "the IPv6 route over the IPv4 session")
    assert six[14]["nexthop"] == "fd00:50::11"
    assert six[5]["value"] == 100, "LOCAL_PREF when none is set"


def test_ipv6_session_with_md5_from_a_secret(row):
    row.wait_state("frr", "Established")
    wait_for(lambda: f"{V6}/128" in row.frr.prefixes("ipv6"), 20, "the IPv6 route")
    row.secret("battery-staple")
    wait_for(lambda: row.peer("frr").get("state") != "Established", 20, "the session to end with the old password")
    row.secret("correct-horse")
    row.wait_state("frr", "Established", 60)
    assert "correct-horse" not in row.stack.log() and "battery-staple" not in row.stack.log()


def test_route_refresh_sends_everything_again(row):
    before = row.wait_state("bird", "Established")["updates_sent"]
    row.bird.ctl("reload", "in", "node1")
    wait_for(lambda: row.peer("bird")["updates_sent"] > before, 10, "UPDATEs after the refresh")
    assert f"{V4}/32" in row.bird.prefixes("master4")


def test_silent_peer_runs_into_the_hold_timer_and_comes_back(row):
    row.wait_state("bird", "Established")
    drops = row.peer("bird")["drops"]
    pid = int(pathlib.Path(row.bird.dir / "bird.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        p = wait_for(lambda: (lambda p: p if p.get("state") != "Established" else None)(row.peer("bird")), 20,
                     "the hold timer")
        assert "hold" in (p["reason"] + p["last_error"]).lower()
    finally:
        os.kill(pid, signal.SIGCONT)
    row.wait_state("bird", "Established", 60)
    assert row.peer("bird")["drops"] == drops + 1
    assert row.peer("gobgp")["drops"] == 0


def test_wrong_as_number_is_named(row):
    row.peers(bird_asn=64999)
    p = wait_for(lambda: (lambda p: p if "AS" in p.get("reason", "") + p.get("last_error", "") else None)(row.peer("bird")), 30,
                 "a reason that names the AS number", 0.05)
    assert p["state"] != "Established"
    row.peers()
    row.wait_state("bird", "Established", 60)


def test_removed_peer_hears_cease_and_loses_the_routes(row):
    row.wait_state("bird", "Established")
    row.peers(with_bird=False)
    wait_for(lambda: not row.bird.prefixes("master4"), 10, "BIRD to lose the routes")
    wait_for(lambda: "Received: " in (row.bird.dir / "bird.log").read_text(errors="replace"), 10, "a NOTIFICATION in BIRD's log")
    assert not row.peer("bird")
    assert row.peer("gobgp")["state"] == "Established" and row.peer("gobgp")["drops"] == 0
    row.peers()
    row.wait_state("bird", "Established", 60)


def test_aggregated_prefix_covers_its_services(row):
    m.write(row.folder, "aggregate.yaml", m.pool("wide", "198.51.100.0/24", autoAssign=False),
            m.bgp_advertisement("wide", "wide", aggregationLength=26))
    for i, a in enumerate(("198.51.100.65", "198.51.100.70", "198.51.100.130")):
        m.write(row.folder, f"wide{i}.yaml", m.service(f"wide{i}", annotations={"metallb.io/loadBalancerIPs": a}),
                m.endpoint_slice(f"wide{i}", ("10.70.1.2", "node1")))
    want = {"198.51.100.64/26", "198.51.100.128/26"}
    wait_for(lambda: want <= set(row.bird.prefixes("master4")), 20, "two aggregates")
    (row.folder / "wide0.yaml").unlink()
    (row.folder / "wide2.yaml").unlink()
    wait_for(lambda: "198.51.100.128/26" not in row.bird.prefixes("master4"), 10, "the aggregate without a Service to go")
    assert "198.51.100.64/26" in row.bird.prefixes("master4")


def test_orderly_stop_withdraws_before_it_closes(row):
    row.wait_state("bird", "Established")
    row.stack.stop()
    wait_for(lambda: not row.bird.prefixes("master4"), 10, "no route in BIRD")
    assert "Cease" in (row.bird.dir / "bird.log").read_text(errors="replace") or "shutdown" in (
        row.bird.dir / "bird.log").read_text(errors="replace").lower()
