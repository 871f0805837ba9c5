"""Any daemon can be killed at any moment, and neither routers nor clients notice."""
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import time

from lab import bgpcap
from lab.net import wait_for
from lab.stack import DAEMONS

KILLS = int(os.environ.get("INGOT_TEST_KILLS", "100"))
ARPWHO = pathlib.Path(__file__).resolve().parent.parent / "lab" / "arpwho.py"
REST = 2.5  # s between two kills of one daemon on one node: long enough to have been ready for a while


class Churn:
    """Services that come and go. Each has an address of its own, so that a route tells its Service."""

    def __init__(self, house, rng, n=24):
        self.house, self.rng = house, rng
        self.address = {f"churn{i}": (f"192.0.2.{100 + i}" if i % 3 else f"10.50.0.{120 + i}") for i in range(n)}
        self.there, self.deletions = set(), collections.Counter()
        self.history = collections.defaultdict(list)  # address -> [(time, what happened to its manifest)]

    def step(self):
        name = self.rng.choice(sorted(self.address))
        self.history[self.address[name]].append((time.time(), "deleted" if name in self.there else "written"))
        if name in self.there:
            (self.house.folder / f"service-{name}.yaml").unlink()
            self.there.discard(name)
            self.deletions[self.address[name]] += 1
        else:
            a = self.address[name]
            self.house.service(name, "bgp" if a.startswith("192") else "l2",
                               annotations={"metallb.io/loadBalancerIPs": a})
            self.there.add(name)


def kill_all(house, churn, rng):
    """KILLS kills of each daemon, spread over the nodes, while Services change."""
    left = {d: KILLS for d in DAEMONS}
    ready_at = {(n, d): 0.0 for n in house.nodes for d in DAEMONS}
    while left:
        churn.step()
        now = time.monotonic()
        able = [k for k, at in ready_at.items() if at <= now and k[1] in left]
        if not able:
            soonest = min(at for k, at in ready_at.items() if k[1] in left)
            wait_for(lambda: time.monotonic() >= soonest, 10, "a daemon to have been ready for a while")
            continue
        n, daemon = rng.choice(able)
        os.kill(wait_for(lambda: house.stacks[n].pid(daemon), 20, f"{daemon} on node{n} to be there"), signal.SIGKILL)
        ready_at[n, daemon] = now + REST
        left[daemon] -= 1
        if not left[daemon]:
            del left[daemon]


def expected_routes(churn, steady):
    return {f"{a}/32" for a in [*steady, *(churn.address[n] for n in churn.there)] if a.startswith("192")}


def arp_answers(house, addresses):
    out = house.lab.space("lclient").run("/usr/bin/python3", ARPWHO, "eth0", "0.6", *addresses)
    return json.loads(out)


def start_capture(house, path):
    p = house.frr.space.popen("tcpdump", "-i", "seg0", "-U", "--immediate-mode", "-s", "0", "-w", path, "tcp", "port", "179",
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    p.stderr.readline()  # "listening on ..."
    return p


def withdrawals(pcap, nodes):
    """(node, router, prefix) -> how often that node took back a prefix that it had announced, and what it said about each
    prefix when. Decodes every byte of every stream of the nodes. A killed bgpd may withdraw again what is withdrawn already:
    that changes nothing and is not counted."""
    count, seen, said = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    for (src, _, dst, _), stream in bgpcap.streams(pcap).items():
        if src not in nodes:
            continue
        announced = set()
        for when, kind, body in bgpcap.messages(stream):
            seen[src, kind] += 1
            if kind == 2:
                gone, come = bgpcap.update(body)
                for what, prefixes in (("withdrawn", gone), ("announced", come)):
                    for prefix in prefixes:
                        said[src, dst, prefix].append((when, what))
                for prefix in gone:
                    count[src, dst, prefix] += prefix in announced
                announced -= set(gone)
                announced |= set(come)
    return count, seen, said


def test_every_daemon_killed_at_random_while_services_change(house):
    rng = random.Random(int(os.environ.get("INGOT_TEST_SEED", "20")))
    pcap = house.lab.dir / "routers.pcap"
    capture = start_capture(house, pcap)  # before the sessions move on: the streams are decoded from here
    for i in range(4):
        house.service(f"steady{i}", "bgp", annotations={"metallb.io/loadBalancerIPs": f"192.0.2.{10 + i}"})
        house.service(f"still{i}", "l2", annotations={"metallb.io/loadBalancerIPs": f"10.50.0.{101 + i}"})
    steady = [f"192.0.2.{10 + i}" for i in range(4)]
    still = [f"10.50.0.{101 + i}" for i in range(4)]
    wait_for(lambda: set(house.bird.prefixes("master4")) >= {f"{a}/32" for a in steady}, 20, "the steady routes")
    for n in house.nodes:
        wait_for(lambda n=n: len(house.frr.established()) == 3, 20, "three sessions")
    drops, since = house.frr.drops(), house.bird.since()
    churn = Churn(house, rng)
    kill_all(house, churn, rng)

    for s in house.stacks.values():
        s.wait_ready(30)
    want = expected_routes(churn, steady)
    hops = sorted(f"10.50.0.1{n}" for n in house.nodes)
    wait_for(lambda: house.bird.prefixes("master4") == {p: hops for p in want}, 20,
             f"BIRD's table to equal the manifests, {sorted(want)}")
    wait_for(lambda: house.frr.prefixes("ipv4") == {p: hops for p in want}, 20, "FRR's table to equal the manifests")
    layer2 = still + [churn.address[n] for n in churn.there if churn.address[n].startswith("10.")]
    macs = {house.lab.space(f"node{n}").mac("eth0") for n in house.nodes}

    def one_answer_each():
        answers = arp_answers(house, layer2)
        return all(len(answers[a]) == 1 and answers[a][0] in macs for a in layer2)
    wait_for(one_answer_each, 10, "exactly one node to answer for each L2 address")
    gone = [a for n, a in churn.address.items() if n not in churn.there and a.startswith("10.")]
    assert not any(arp_answers(house, gone).values()) if gone else True
    for n in house.nodes:
        status = {s["name"]: s["addresses"] for s in house.services(n).values()}
        assert {x: churn.address[x] for x in churn.there} == {x: status[x][0] for x in churn.there}
        assert not set(churn.address) - churn.there & set(status)

    assert house.frr.drops() == drops, "FRR counted dropped sessions"
    assert house.bird.kept(since), "BIRD saw a session change its state"
    capture.terminate()
    capture.wait()
    count, seen, said = withdrawals(pcap, hops)
    assert not [k for k in seen if k[1] == 3], f"NOTIFICATIONs were sent: {seen}"
    unexplained = {k: n for k, n in count.items() if n > churn.deletions[k[2].split("/")[0]]}
    for key in unexplained:
        for when, what in sorted(said[key] + churn.history[key[2].split("/")[0]]):
            print(f"{key[0]} {key[2]} {when:.3f} {what}")
    assert not unexplained, f"withdrawals that no manifest explains: {unexplained}"
    assert not [k for k, n in count.items() if n and k[2].split("/")[0] in steady]
    assert seen[hops[0], 2], "the capture saw no UPDATE: the test would prove nothing"
