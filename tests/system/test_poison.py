"""A manifest, a frame and a retained table, each made to end its daemon at will (a build with test hooks): the daemon comes
back without the poison, and everything else is kept. The BGP side of this is tests/system/bgp_stream/poison.c."""
import json
import os
import pathlib

import pytest

from lab import manifests as m
from lab.house import House
from lab.net import wait_for
from lab.stack import ROOT, Stack

HOOKED = pathlib.Path(os.environ.get("INGOT_HOOKED_BIN", ROOT / "build/debug/bin"))
ARPWHO = pathlib.Path(__file__).resolve().parent.parent / "lab" / "arpwho.py"
FRAME = """
import socket, struct, sys
interface, address, padding = sys.argv[1:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x806))
s.bind((interface, 0x806))
mac = s.getsockname()[4]
s.send(b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + mac + b"\\0" * 4 + b"\\0" * 6
       + socket.inet_aton(address) + padding.encode().ljust(18, b"\\0"))
"""


@pytest.fixture(scope="module")
def hooked(lab):
    if not (HOOKED / "ingotd").exists():
        pytest.skip(f"no build with test hooks in {HOOKED}")
    h = House(lab, nodes=(1, 2), bird=False, bin_dir=HOOKED)
    h.base_manifests()
    h.routers()
    h.start()
    wait_for(lambda: len(h.frr.established()) == 2, 30, "sessions")
    h.service("steady", "bgp", annotations={"metallb.io/loadBalancerIPs": "192.0.2.1"})
    h.service("still", "l2", annotations={"metallb.io/loadBalancerIPs": "10.50.0.101"})
    wait_for(lambda: len(h.frr.prefixes("ipv4").get("192.0.2.1/32", [])) == 2, 20, "the steady route")
    wait_for(lambda: h.owner_of("10.50.0.101"), 20, "an owner of the steady address")
    return h


def restarts(house, n, daemon):
    return house.stacks[n].status().get(daemon, {}).get("restarts", 0)


def settled(house, timeout=60):
    for s in house.stacks.values():
        s.wait_ready(timeout)


def kept(house, drops):
    """Whatever was announced before is still announced, and no session was dropped."""
    assert house.frr.drops() == drops
    assert house.frr.prefixes("ipv4").get("192.0.2.1/32") == ["10.50.0.11", "10.50.0.12"]
    out = house.lab.space("lclient").run("/usr/bin/python3", ARPWHO, "eth0", "0.6", "10.50.0.101")
    assert len(json.loads(out)["10.50.0.101"]) == 1


@pytest.mark.parametrize("daemon", ["watcher", "allocator"])
def test_poisoned_manifest(hooked, daemon):
    drops = hooked.frr.drops()
    before = {n: restarts(hooked, n, daemon) for n in hooked.nodes}
    hooked.service(f"poison-{daemon}", "bgp", annotations={"ingot.dev/test-crash": daemon})
    victim = hooked.leader() if daemon == "allocator" else 1
    wait_for(lambda: restarts(hooked, victim, daemon) >= before[victim] + 2, 60, f"{daemon} to be ended twice")
    settled(hooked)
    hooked.service(f"after-{daemon}", "bgp")
    address = hooked.address_of(f"after-{daemon}", 1, 30)
    wait_for(lambda: len(hooked.frr.prefixes("ipv4").get(f"{address}/32", [])) == 2, 20, "a new Service to be announced")
    calm = {n: restarts(hooked, n, daemon) for n in hooked.nodes}
    kept(hooked, drops)
    hooked.service(f"poison-{daemon}", "bgp")  # the poison is taken out: the object is as good as any
    hooked.address_of(f"poison-{daemon}", 1, 30)
    assert {n: restarts(hooked, n, daemon) for n in hooked.nodes} == calm
    for name in (f"poison-{daemon}", f"after-{daemon}"):
        (hooked.folder / f"service-{name}.yaml").unlink()


def test_poison_that_is_there_from_the_start(lab):
    """No life was ever ready: the poison is found before the supervisor drops what the lives noted."""
    folder = lab.dir / "cold"
    folder.mkdir()
    m.write(folder, "pool.yaml", m.pool("one", "192.0.2.0/24"))
    m.write(folder, "good.yaml", m.service("good"))
    for daemon in ("watcher", "allocator"):
        m.write(folder, f"poison-{daemon}.yaml", m.service(f"poison-{daemon}", annotations={"ingot.dev/test-crash": daemon}))
    s = Stack(lab.space("cold"), "cold", folder, bin_dir=HOOKED).start()
    wait_for(lambda: any(x["name"] == "good" and x["addresses"] for x in (s.json("services") or {}).get("services", [])), 40,
             "an address for the good Service", 0.1)
    s.wait_ready(20)
    s.stop()


def test_poisoned_frame(hooked):
    drops = hooked.frr.drops()
    before = {n: restarts(hooked, n, "l2d") for n in hooked.nodes}
    hooked.lab.space("lclient").run("/usr/bin/python3", "-c", FRAME, "eth0", "10.50.0.101", "ingot: crash")
    for n in hooked.nodes:
        wait_for(lambda n=n: restarts(hooked, n, "l2d") > before[n], 20, f"l2d of node{n} to be ended by the frame")
    settled(hooked)
    kept(hooked, drops)
    assert {n: restarts(hooked, n, "l2d") - before[n] for n in hooked.nodes} == {n: 1 for n in hooked.nodes}


def test_poisoned_retained_table(hooked):
    drops = hooked.frr.drops()
    m.write(hooked.folder, "poison-table.yaml", m.pool("poison", "203.0.113.66/32", autoAssign=False),
            m.l2_advertisement("poison", "poison"))
    hooked.service("poison-table", "poison")
    assert hooked.address_of("poison-table", 1, 20) == "203.0.113.66"
    owner = int(wait_for(lambda: hooked.owner_of("203.0.113.66"), 20, "an owner").removeprefix("node"))
    stack = hooked.stacks[owner]
    wait_for(lambda: any(o["announcing"] for o in (stack.json("owners") or {}).get("owners", [])
                         if o["address"] == "203.0.113.66"), 20, "the table to hold the address")
    before = restarts(hooked, owner, "l2d")
    pid = stack.kill("l2d")
    wait_for(lambda: restarts(hooked, owner, "l2d") >= before + 2, 30, "the retained table to end the next life as well")
    stack.wait_restarted("l2d", pid, 30)
    settled(hooked)
    kept(hooked, drops)
    for name in ("service-poison-table.yaml", "poison-table.yaml"):
        (hooked.folder / name).unlink()
