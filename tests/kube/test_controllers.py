"""Two controllers: one leads, the other takes over, and no two ever write."""
import os
import signal
import time

import pytest

from lab.kubehouse import KubeHouse
from lab.net import wait_for

CONTROLLERS = (1, 2)


@pytest.fixture(scope="module")
def house(lab):
    h = KubeHouse(lab, nodes=(1,), bird=False, controllers=CONTROLLERS)
    h.install()
    h.base_manifests()
    h.pods()
    h.start()
    for i in range(20):
        h.service(f"old{i}", "bgp")
    for i in range(20):
        h.address_of(f"old{i}")
    return h


@pytest.fixture
def thawed(house):
    yield
    for s in house.controllers.values():
        for pid in s.space.pids():
            os.kill(pid, signal.SIGCONT)


def leader(house):
    """Number of the controller that holds the Lease."""
    def fact():
        holder = house.holder() or ""
        return next((c for c in CONTROLLERS if holder.startswith(house.pod[f"ctl{c}"].name)), None)
    return wait_for(fact, 15, "a controller to hold the Lease", 0.05)


def new_service(house, name, timeout=20):
    """Create a Service; seconds until it has an address."""
    began = time.monotonic()
    house.service(name, "bgp")
    house.address_of(name, timeout=timeout)
    return time.monotonic() - began


def versions(house):
    return {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in house.client.list("Service", "default")}


def writes(house, c, since):
    """What controller c wrote to Services, and got through."""
    return [e for e in house.kube.requests(since, "ingot-controller", f"10.50.0.2{c}")
            if e["verb"] in ("patch", "update") and e["objectRef"]["resource"] == "services"
            and e["responseStatus"]["code"] == 200]


def test_standby_takes_over_when_the_leader_is_killed(house):
    old, before, unchanged = leader(house), house.addresses(), versions(house)
    stack = house.controllers[old]
    os.kill(stack.supervisor_pid(), signal.SIGKILL)
    took = new_service(house, "after-kill")
    assert leader(house) == 3 - old
    print(f"an address {took:.2f} s after the leader was killed")
    assert took < 10
    now = versions(house)
    assert {n: now[n] for n in unchanged} == unchanged, "the new leader wrote to Services that were right"
    assert {n: house.addresses()[n] for n in before} == before
    stack.process.wait(5)
    stack.start().wait_ready()
    new_service(house, "both-there", 5)
    assert leader(house) == 3 - old


def test_a_leader_that_stops_lets_go_at_once(house):
    old = leader(house)
    house.controllers[old].stop()
    took = new_service(house, "after-stop")
    print(f"an address {took:.2f} s after the leader stopped")
    assert took < 2 and leader(house) == 3 - old
    house.controllers[old].start().wait_ready()


def test_a_deposed_leader_does_not_write(house, thawed):
    old = leader(house)
    stack = house.controllers[old]
    pids = [stack.supervisor_pid(), stack.pid("watcher"), stack.pid("allocator")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    new_service(house, "while-frozen")
    assert leader(house) == 3 - old
    house.delete_service("old0")
    since = time.time()
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)
    stack.wait_ready()
    for i in range(5):
        new_service(house, f"after-thaw{i}", 5)
    assert writes(house, old, since) == []
    assert len(writes(house, 3 - old, since)) == 5
    assert len({a for ips in house.addresses().values() for a in ips}) == len(house.addresses())


def test_a_leader_that_is_cut_off_stops_leading_and_the_other_goes_on(house):
    old = leader(house)
    segment = house.lab.space("seg")
    segment.ip("link", "set", f"p-ctl{old}", "down")
    took = new_service(house, "while-cut")
    print(f"an address {took:.2f} s after the leader was cut off")
    assert took < 15 and leader(house) == 3 - old
    wait_for(lambda: not house.controllers[old].json("status")["leader"]["leading"], 15, "the old one to know it")
    segment.ip("link", "set", f"p-ctl{old}", "up")
    house.lab.space(f"ctl{old}").ip("-6", "addr", "replace", f"fd00:50::2{old}/64", "dev", "eth0", "nodad")
    house.wait_source(house.controllers[old], "live", 90)
    new_service(house, "after-cut", 5)
    assert leader(house) == 3 - old
