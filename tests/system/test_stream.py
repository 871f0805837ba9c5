"""bgpd is killed again and again while thousands of routes come and go: for the routers it is one session, and the stream of
bytes on the wire has no gap. INGOT_TEST_STREAM=KILLS,ROUTES sets the size (the full size is 1000,10000)."""
import os
import random
import signal
import subprocess
import time

import pytest

from lab import bgpcap
from lab import manifests as m
from lab.house import House
from lab.net import LabError, wait_for

KILLS, ROUTES = map(int, os.environ.get("INGOT_TEST_STREAM", "60,2000").split(","))
BATCH = 100  # Services in one file


@pytest.fixture(scope="module")
def one_node(lab):
    """One node with both routers; a pool that is large enough."""
    h = House(lab, nodes=(1,))
    h.base_manifests()
    m.write(h.folder, "many.yaml", m.pool("many", "198.18.0.0/16", autoAssign=False), m.bgp_advertisement("many", "many"))
    h.routers()
    h.start()
    wait_for(lambda: h.frr.established() and h.bird.established(), 30, "sessions with both routers")
    return h


def address(i):
    return f"198.18.{i // 250}.{i % 250 + 1}"


def write_batch(house, b):
    """Services number b*BATCH.. with an address and an endpoint each."""
    objects = []
    for i in range(b * BATCH, (b + 1) * BATCH):
        notes = {"metallb.io/address-pool": "many", "metallb.io/loadBalancerIPs": address(i)}
        objects += [m.service(f"s{i}", annotations=notes), m.endpoint_slice(f"s{i}", ("10.70.1.2", "node1"))]
    m.write(house.folder, f"batch{b}.yaml", *objects)


def churn(house, rng, there):
    b = rng.randrange(ROUTES // BATCH)
    if b in there:
        (house.folder / f"batch{b}.yaml").unlink()
        there.discard(b)
    else:
        write_batch(house, b)
        there.add(b)


def kill_many(house, rng, there):
    """KILLS kills, each at a random moment after a life became ready; every tenth hits a life that is still starting."""
    stack, old = house.stacks[1], 0

    def victim(early):
        d = stack.status().get("bgpd", {})
        return d["pid"] if d.get("pid") not in (None, 0, old) and (early or d.get("state") == "ready") else 0
    for k in range(KILLS):
        if k % 4 == 0:
            churn(house, rng, there)
        pid = wait_for(lambda: victim(k % 10 == 9), 70, f"bgpd's life {k}", 0.002)
        until = time.monotonic() + rng.uniform(0, 0.15)
        wait_for(lambda: time.monotonic() >= until, 1, "a random moment", 0.001)
        os.kill(pid, signal.SIGKILL)
        old = pid
    return KILLS


def test_one_session_and_no_gap(one_node):
    house, rng, there = one_node, random.Random(7), set()
    pcap = house.lab.dir / "stream.pcap"
    p = house.frr.space.popen("tcpdump", "-i", "seg0", "-U", "--immediate-mode", "-B", "65536", "-s", "0", "-w", pcap, "tcp", "port", "179",
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    p.stderr.readline()
    drops, since = house.frr.drops(), house.bird.since()
    for b in range(0, ROUTES // BATCH, 2):
        write_batch(house, b)
        there.add(b)
    done = kill_many(house, rng, there)
    want = {f"{address(i)}/32" for b in there for i in range(b * BATCH, (b + 1) * BATCH)}
    house.stacks[1].wait_ready(70)
    for router, table in ((house.bird, lambda: house.bird.prefixes("master4")), (house.frr, lambda: house.frr.prefixes("ipv4"))):
        try:
            wait_for(lambda: set(table()) == want, 60, "the table to equal the manifests", 0.5)
        except LabError:
            have = set(table())
            pytest.fail(f"{type(router).__name__}: {len(want - have)} routes missing, {len(have - want)} too many")
    assert house.frr.drops() == drops and house.bird.kept(since), "a session was dropped"
    p.terminate()
    p.wait()
    mine = {k: s for k, s in bgpcap.streams(pcap).items() if k[0] == "10.50.0.11"}
    assert len(mine) == 1, f"more than one connection to FRR: {sorted(mine)}"
    (stream,) = mine.values()
    kinds, table = {}, set()
    assert not stream.waiting, "the capture has a gap"
    for _, kind, body in bgpcap.messages(stream):
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == 2:
            gone, come = bgpcap.update(body)
            table = (table - set(gone)) | set(come)
    assert table == want, "the stream, decoded, gives another table"
    print(f"{done} kills, {len(stream.data)} bytes, messages by type {kinds}, {len(want)} routes at the end")
