"""Ingot with very many Services: cold start, memory, restarts, a pool that is added; and with nothing to do. Part of
kube.py."""
import collections
import shutil
import sys
import time

from lab import manifests as m
from lab.demo import settle
from lab.house import BIRD_ASN, NODE_ASN
from lab.kubehouse import KubeHouse, service
from lab.net import wait_for
from lab.routers import Bird

from kube_tools import BIRD, Capture, cpu, memory, metric, moment, table, writes

IN_FLIGHT = 64  # of the bare client; the controller has as many
PATIENCE = 1200  # seconds, for anything


def say(text):
    print(f"  {time.strftime('%T')} {text}", file=sys.stderr, flush=True)


class Table(Bird):
    """BIRD that keeps its routes to itself: what a kernel does with them is not measured here."""

    def config(self, *args):
        return "\n".join(line for line in super().config(*args).splitlines() if not line.startswith("protocol kernel")) + "\n"

    def count(self):
        return int(self.ctl("show", "route", "count").splitlines()[1].split()[0])


class Crowd(KubeHouse):
    """One node, one controller, BIRD; nothing of Ingot runs yet."""

    def __init__(self, lab):
        super().__init__(lab, nodes=(1,))
        self.install()
        for o in (m.l2_advertisement("l2", "many", interfaces=["eth0"]), m.bgp_advertisement("bgp", "many"),
                  m.bgp_peer("bird", BIRD, NODE_ASN, BIRD_ASN, holdTime="90s")):
            self.client.apply(o)
        self.bird = Table(lab.space("bird"), BIRD, BIRD_ASN, [("node1", "10.50.0.11", BIRD, NODE_ASN)], 90)
        self.pods()
        self.node, self.controller = self.stacks[1], self.controllers[1]

    def pool(self):
        self.client.apply(m.pool("many", "172.16.0.0/16"))

    def create(self, n, prefix="s", per_service=1):
        """n Services with some EndpointSlices each, of four endpoints, one on our node. There are fewer node ports."""
        def make(i):
            self.client.create(service(f"{prefix}{i}", allocateLoadBalancerNodePorts=False))
            for k in range(per_service):
                self.client.create(endpoints(f"{prefix}{i}", k))
        began = time.monotonic()
        self.client.many(make, range(n))
        say(f"{n} Services and {n * per_service} EndpointSlices created in {time.monotonic() - began:.1f} s")

    def bare(self, verb, prefix, n):
        """Seconds that the bare client takes, with the controller's rights."""
        program = self.node.bin.parent / "tests/kube_bare"
        took = float(self.lab.space("ctl1").run(program, self.pod["ctl1"].kubeconfig, verb, prefix, n, IN_FLIGHT,
                                                timeout=PATIENCE))
        say(f"bare client: {verb} of {n} took {took:.1f} s")
        return took

    def wait_addresses(self, n):
        """The writes are counted first: to list everything again and again would be load."""
        wait_for(lambda: metric(self.controller, "ingot_kube_writes_total", 'object="service"') >= n, PATIENCE,
                 f"{n} writes of addresses", 0.25)
        wait_for(lambda: len(self.addresses()) >= n, PATIENCE, f"{n} Services with addresses", 1)

    def quiet(self, *stacks, seconds=3):
        """Wait until these have written nothing for a while, the Lease apart."""
        last = {}

        def fact():
            now = [metric(s, "ingot_kube_writes_total") - metric(s, "ingot_kube_writes_total", 'object="lease"') for s in stacks]
            if now != last.get("now"):
                last.update(now=now, at=time.monotonic())
            return time.monotonic() - last["at"] > seconds
        wait_for(fact, PATIENCE, "an end of the writing", 0.5)


def endpoints(name, k, ready=True):
    return m.endpoint_slice(name, (f"10.70.1.{k + 2}", "node1"), *((f"10.70.{j}.{k + 2}", f"node{j}", ready) for j in (2, 3, 4)),
                            suffix=f"e{k}")


def statuses(house, since):
    """(seconds from then to the first status asked for, to the last one answered)."""
    events = writes(house, since, "ingot-controller")["services", "status"]
    return min(moment(e, "requestReceivedTimestamp") for e in events) - since, max(moment(e) for e in events) - since


def coldstart(lab, n):
    """Services wait, then the controller starts; before and after, on the same objects, the bare client."""
    h = Crowd(lab)
    h.pool()
    h.create(n, per_service=0)
    bare = [h.bare("patch", "s", n)]
    h.bare("clear", "s", n)
    since = time.time()
    h.controller.start()
    h.wait_addresses(n)
    first, last = statuses(h, since)
    h.quiet(h.controller)
    done = writes(h, since, "ingot-controller")
    end = max(moment(e) for events in done.values() for e in events) - since
    used = cpu(h.controller)
    h.controller.stop()
    h.bare("clear", "s", n)
    bare.append(h.bare("patch", "s", n))
    mean = sum(bare) / 2
    table(["seconds", "per second", "ratio to bare"], {
        "bare client, before": (bare[0], n / bare[0], bare[0] / mean),
        "Ingot: start -> last address": (last, n / last, last / mean),
        "Ingot: first PATCH -> last address": (last - first, n / (last - first), (last - first) / mean),
        "bare client, after": (bare[1], n / bare[1], bare[1] / mean)})
    print(f"everything else was written {end:.1f} s after the start: "
          + ", ".join(f"{'/'.join(filter(None, k))} {len(v)}" for k, v in sorted(done.items())))
    print("CPU of the controller: " + ", ".join(f"{d} {s:.2f} s" for d, s in used.items()))


def memory_bench(lab, n, n_slices, burst=5000):
    """Each daemon's memory with nothing, and with very many objects; CPU of a burst of changed endpoints."""
    h = Crowd(lab)
    h.pool()
    h.start(60)
    wait_for(h.bird.established, 30, "the session")
    settle(5)
    both = {"node": h.node, "controller": h.controller}
    idle = {k: memory(s) for k, s in both.items()}
    h.stop()
    h.create(n, per_service=n_slices // n)
    h.bare("patch", "s", n)
    h.start(60)
    wait_for(lambda: h.bird.count() == n, PATIENCE, f"{n} routes", 0.5)
    say(f"{n} routes")
    h.quiet(*both.values())
    settle(5)
    full = {k: memory(s) for k, s in both.items()}
    for k, s in both.items():
        rows = {d: (idle[k].get(d, 0), mb) for d, mb in full[k].items()}
        rows["all"] = tuple(sum(r[i] for r in rows.values()) for i in (0, 1))
        print(f"{k}: PSS in MB, idle and with {n} Services and {n_slices} EndpointSlices of four endpoints")
        table(["idle", "full"], rows)
    changed = min(burst, n)
    before, events = {k: cpu(s) for k, s in both.items()}, metric(h.node, "metallb_k8s_client_updates_total")
    began = time.monotonic()
    h.client.many(lambda i: h.client.apply(endpoints(f"s{i}", 0, ready=False)), range(changed))
    wait_for(lambda: metric(h.node, "metallb_k8s_client_updates_total") - events >= changed, 60, "the events to arrive", 0.5)
    h.quiet(*both.values())
    print(f"{changed} changed EndpointSlices in {time.monotonic() - began:.1f} s: CPU seconds, and microseconds for each")
    for k, s in both.items():
        now = cpu(s)
        table(["CPU s", "us/event"], {f"{k} {d}": (t - before[k][d], (t - before[k][d]) / changed * 1e6) for d, t in now.items()})


def node_start(h, n, what):
    """Seconds from the start of the node to the last of n UPDATEs, and to the last of n gratuitous ARPs."""
    c = Capture(h.lab.space("node1"), h.lab.dir / f"{what}.pcap", "arp or tcp port 179")
    began = time.time()
    h.node.start()
    wait_for(lambda: h.bird.count() == n, PATIENCE, f"{n} routes", 0.02)
    routed = time.time() - began
    wait_for(lambda: metric(h.node, "ingot_gossip_addresses_owned") == n, PATIENCE, f"{n} addresses to be owned", 0.5)
    settle(1)
    c.stop()
    announced, _ = c.updates(BIRD)
    said = c.gratuitous()
    say(f"{what}: {n} routes in BIRD after {routed:.2f} s; {len(announced)} UPDATEs, {len(said)} addresses by ARP")
    return [max(x.values()) - began if len(x) == n else float("nan") for x in (announced, said)]


def stop_node(h):
    h.node.stop()
    wait_for(lambda: h.bird.count() == 0, 60, "BIRD to lose the node", 0.1)
    h.bird.ctl("restart", "node1")  # or else it refuses the node for some seconds after a session that was closed


def controller_restart(h, n):
    """(seconds from the start to the Lease, until all addresses are adopted, how many writes)."""
    h.controller.stop()
    since = time.time()
    h.controller.start()
    wait_for(lambda: h.holder() == h.pod["ctl1"].name or (h.holder() or "").startswith(h.pod["ctl1"].name), 60, "the Lease", 0.05)
    leads = time.time() - since
    wait_for(lambda: metric(h.controller, "metallb_allocator_addresses_in_use_total") >= n, PATIENCE, "all adopted", 0.05)
    adopted = time.time() - since
    h.quiet(h.controller)
    done = writes(h, since, "ingot-controller")
    if done:
        say(f"the restarted controller wrote: { {'/'.join(k): len(v) for k, v in done.items()} }")
    return leads, adopted, sum(map(len, done.values()))


def scale_point(lab, n):
    """One column of the curve."""
    h = Crowd(lab)
    h.controller.start().wait_ready(60)
    h.create(n)
    h.quiet(h.controller)
    since = time.time()
    h.pool()
    h.wait_addresses(n)
    first, last = statuses(h, since)
    h.quiet(h.controller)
    out = [last, node_start(h, n, "first")]
    h.quiet(h.node, h.controller)
    stop_node(h)
    out.append(node_start(h, n, "kept"))
    h.quiet(h.node)
    stop_node(h)
    shutil.rmtree(h.kube.state_dir("ingot-node1"))
    h.kube.state_dir("ingot-node1")
    out.append(node_start(h, n, "lost"))
    h.quiet(h.node)
    out += controller_restart(h, n)
    return [out[0], *out[1], *out[2], *out[3], *out[4:]]


def scale(new_lab, sizes):
    columns = []
    for n in sizes:
        say(f"{n} Services")
        with new_lab() as lab:
            columns.append(scale_point(lab, n))
    names = ("pool added at n waiting -> last address",
             "first start of a node -> last UPDATE", "first start of a node -> last ARP",
             "restart with its state file -> last UPDATE", "restart with its state file -> last ARP",
             "restart without -> last UPDATE", "restart without -> last ARP",
             "controller restarted -> leads", "controller restarted -> all adopted", "writes of the restarted controller")
    print("seconds")
    table([f"n = {n}" for n in sizes], {name: [c[i] for c in columns] for i, name in enumerate(names)})


def idle(lab, seconds):
    """Three nodes and a controller with twenty Services are left alone."""
    h = KubeHouse(lab, bird=False)
    h.install()
    h.base_manifests()
    h.routers()
    h.pods()
    h.start(60)
    for i in range(10):
        h.service(f"l2-{i}", "l2")
        h.service(f"bgp-{i}", "bgp")
    for i in range(10):
        h.address_of(f"l2-{i}")
        h.wait_routed(h.address_of(f"bgp-{i}"))
    settle(15)
    everything = {"controller": h.controllers[1], **{f"node{n}": s for n, s in h.stacks.items()}}
    since, before = time.time(), {k: cpu(s) for k, s in everything.items()}
    settle(seconds)
    after, long = {k: cpu(s) for k, s in everything.items()}, time.time() - since
    asked = collections.Counter()
    for account in ("ingot-controller", "ingot-node"):
        for stage in ("ResponseStarted", "ResponseComplete"):
            for e in h.kube.requests(since, account, stage=stage):
                if (e["verb"] == "watch") == (stage == "ResponseStarted"):
                    asked[f"{account} {e['verb']} {e.get('objectRef', {}).get('resource', '')}"] += 1
    print(f"requests in {long:.0f} s")
    table(["requests", "per minute"], {k: (c, c / long * 60) for k, c in sorted(asked.items())} or {"none": (0, 0)})
    print("CPU, percent of a core")
    names = sorted({d for v in after.values() for d in v})
    rows = {d: [(after[k].get(d, 0) - before[k].get(d, 0)) / long * 100 for k in everything] for d in names}
    rows["all"] = [sum(r[i] for r in rows.values()) for i in range(len(everything))]
    table(list(everything), rows)
