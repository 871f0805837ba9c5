"""From an event on the wire to what it leads to on the wire: one Service at a time, by packet captures with the kernel's
timestamps. Part of kube.py."""
import pathlib
import re
import subprocess
import time

from lab import bgpcap
from lab import manifests as m
from lab.demo import settle
from lab.kube import ADDRESS, PORT
from lab.kubehouse import KubeHouse, service, slices
from lab.net import sh, wait_for

from kube_tools import Capture, daemons

HERE = pathlib.Path(__file__).resolve().parent
PLAIN_PORT = 8080
BARE_CLASS, BARE_LABEL, BARE_ADDRESS = "bench/bare", "bench", "203.0.113.1"
EVENT = re.compile(rb"(ADDED|MODIFIED|DELETED).{0,64}?Service(?![A-Za-z]).{0,128}?((?:l2|bgp|bare)x\d+)(?!\d)", re.S)
PATCH = re.compile(rb"PATCH /api/v1/namespaces/default/services/([a-z0-9]+)/status ")


class Plain:
    """A house whose stacks talk to the API server in plain HTTP/1.1, over a relay on the server's side."""

    def __init__(self, lab, nodes, plain=True):
        self.house = h = KubeHouse(lab, nodes=tuple(range(1, nodes + 1)), bird=False)
        self.plain = plain
        lab.wire("bare", "eth0", "seg", "p-bare")
        lab.space("seg").ip("link", "set", "p-bare", "master", "br0")
        lab.space("bare").address("eth0", "10.50.0.31/24")
        h.install()
        h.base_manifests()
        h.client.apply(m.pool("l2", "10.50.1.0/24", autoAssign=False))
        h.routers()
        h.pods()
        if plain:
            self.relay = h.kube.space.popen("/usr/bin/python3", HERE / "kube_relay.py", ADDRESS, PLAIN_PORT, PORT,
                                            h.kube.server_ca, stdout=subprocess.PIPE, text=True)
            self.relay.stdout.readline()
            for pod in h.pod.values():
                self.config(pod)
        h.start(60)
        wait_for(lambda: len(h.frr.established()) == nodes, 30, "the sessions")
        self.start_bare()

    def config(self, pod):
        """Rewrites the Pod's kubeconfig for the plain way."""
        return pod.kube.kubeconfig(pod.kubeconfig, token=pod.folder / "token", ca=pod.folder / "ca.crt",
                                   server=f"http://{ADDRESS}:{PLAIN_PORT}")

    def start_bare(self):
        """The bare client acts with the rights of a controller."""
        pod = self.house.kube.pod("bare", "controller", "node1")
        if self.plain:
            self.config(pod)
        program = self.house.stacks[1].bin.parent / "tests/kube_bare"
        self.bare = self.house.lab.space("bare").popen(program, pod.kubeconfig, "watch", f"{BARE_LABEL}%3Dbare", BARE_ADDRESS)

    def first(self, on):
        """What is measured comes before whatever else this machine does, and the controller before the nodes, as if each were
        alone on its machine; or no more so: it could not be ended then."""
        pids = {pid: 1 for s in self.house.stacks.values() for pid in daemons(s).values()}
        pids.update({pid: 2 for pid in (self.bare.pid, *daemons(self.house.controllers[1]).values())})
        for pid, priority in pids.items():
            sh("chrt", "--all-tasks", "--fifo" if on else "--other", "--pid", priority if on else 0, pid)


def one(house, kind, name):
    """Create a Service and wait for its address; (moment of sending, seconds of the POST alone, address)."""
    if kind == "bare":
        o = service(name, labels={BARE_LABEL: "bare"}, loadBalancerClass=BARE_CLASS)
    else:
        o = service(name, annotations={"metallb.io/address-pool": kind})
        for s in slices(name, house.nodes):
            house.client.create(s)
    settle(0.15)
    began = time.time()
    house.client.create(o)
    took = time.time() - began
    settle(0.1)
    return began, took, house.address_of(name, timeout=10)


def remove(house, kind, name):
    house.client.delete("Service", "default", name)
    settle(0.1)
    if kind != "bare":
        house.client.delete("EndpointSlice", "default", f"{name}-ipv4")


class Talk:
    """What one namespace's link said: to and from the API server, BGP, ARP."""

    def __init__(self, space, path):
        self.capture = Capture(space, path, f"arp or tcp port 179 or tcp port {PLAIN_PORT} or tcp port {PORT}")

    def read(self):
        self.announced, self.withdrawn = self.capture.updates()
        self.gratuitous = self.capture.gratuitous()
        self.events, self.patches = {}, {}

        def note(out, key, when):
            out[key] = min(when, out.get(key, when))
        for (source, _, _, _), stream in bgpcap.streams(self.capture.path, PLAIN_PORT).items():
            data = bytes(stream.data)
            if source != ADDRESS:
                for x in PATCH.finditer(data):
                    note(self.patches, x[1].decode(), stream.time_at(x.start()))
                continue
            for x in EVENT.finditer(data):
                note(self.events, (x[1].decode(), x[2].decode()), stream.time_at(x.end() - 1))


def controllers(done, ctl, bare, nodes, rows):
    """ADDED -> PATCH, and from end to end, of Ingot and of the bare client."""
    for who, where, names in (("Ingot", ctl, [n for n in done if done[n][0] != "bare"]),
                              ("bare client", bare, [n for n in done if done[n][0] == "bare"])):
        rows.add("ADDED arrives -> PATCH leaves", who,
                 [where.patches[n] - where.events["ADDED", n] for n in names
                  if n in where.patches and ("ADDED", n) in where.events])
        rows.add("POST sent -> address at a node", who,
                 [nodes[0].events["MODIFIED", n] - done[n][1] for n in names if ("MODIFIED", n) in nodes[0].events])
    rows.add("POST alone", "both", [d[2] for d in done.values()])


def announcers(done, nodes, rows):
    """What the nodes do with an address, and with its end."""
    out = {"UPDATE": [], "ARP": [], "gone": []}
    for name, (kind, _, _, address) in done.items():
        for n in nodes:
            at, end = n.events.get(("MODIFIED", name)), n.events.get(("DELETED", name))
            if kind == "bgp" and at and address in n.announced:
                out["UPDATE"].append(n.announced[address] - at)
            if kind == "bgp" and end and address in n.withdrawn:
                out["gone"].append(n.withdrawn[address] - end)
            if kind == "l2" and at and address in n.gratuitous:
                out["ARP"].append(n.gratuitous[address] - at)
    rows.add("address arrives -> UPDATE leaves", "node", out["UPDATE"])
    rows.add("address arrives -> gratuitous ARP leaves", "node", out["ARP"])
    rows.add("DELETED arrives -> withdrawal leaves", "node", out["gone"])


def packets(path, port):
    """(time, from the server?, bytes of payload) of each packet with some."""
    for frame, meta in bgpcap.RawPcapReader(str(path)):
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        ip = frame[14:]
        tcp = ip[(ip[0] & 15) * 4:int.from_bytes(ip[2:4], "big")]
        ports = int.from_bytes(tcp[:2], "big"), int.from_bytes(tcp[2:4], "big")
        size = len(tcp) - (tcp[12] >> 4) * 4
        if port in ports and size:
            yield meta.sec + meta.usec / 1e6, ports[0] == port, size


def encrypted(done, ctl, bare, rows):
    """Over TLS and HTTP/2 by sizes: the first large packet in after the POST was sent, the next large one out. The Lease's
    packets can be mistaken for them, a few times in a hundred."""
    for who, where, mine in (("Ingot", ctl, lambda k: k != "bare"), ("bare client", bare, lambda k: k == "bare")):
        seen = list(packets(where.capture.path, PORT))
        took = []
        for kind, began, _, _ in done.values():
            if not mine(kind):
                continue
            come = next((t for t, inward, size in seen if inward and size > 500 and t > began), None)
            left = next((t for t, inward, size in seen if not inward and size > 150 and come and t > come), None)
            if left:
                took.append(left - come)
        rows.add("ADDED arrives -> PATCH leaves, TLS", who, took)


def latency(lab, runs, nodes, plain, first, rows):
    p = Plain(lab, nodes, plain)
    h = p.house
    where = ["ctl1", "bare", *(f"node{n}" for n in h.nodes)]
    settle(5)  # all that a start leads to is written
    for kind in ("l2", "bgp", "bare"):
        one(h, kind, f"warm-{kind}")
    if first:
        lab.closers.append(lambda: p.first(False))
        p.first(True)
    talks = [Talk(lab.space(w), lab.dir / f"{w}.pcap") for w in where]
    done = {}
    for i in range(runs):
        for kind in ("l2", "bgp", "bare"):
            name = f"{kind}x{i}"
            done[name] = (kind, *one(h, kind, name))
    for name, (kind, *_) in done.items():
        remove(h, kind, name)
    for t in talks:
        t.capture.stop()
    ctl, bare, *others = talks
    if not plain:
        encrypted(done, ctl, bare, rows)
        return
    for t in talks:
        t.read()
    controllers(done, ctl, bare, others, rows)
    announcers(done, others, rows)
