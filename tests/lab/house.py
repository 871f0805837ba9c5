"""The standard topology: three nodes with Ingot, a FRR and a BIRD router, clients on both sides, real HTTP endpoints.

    rclient --(up: 10.60.0.0/24, fd00:60::/64)-- frr, bird --(seg: 10.50.0.0/24, fd00:50::/64)-- node1..3, lclient
    nodeN --(10.70.N.0/24, fd00:70:N::/64)-- podN
"""
import pathlib
import subprocess

from . import manifests as m
from .net import LabError, wait_for
from .routers import Bird, Frr
from .stack import BIN, Stack

NODES = (1, 2, 3)
NODE_ASN, FRR_ASN, BIRD_ASN = 64512, 64513, 64514
L2_V4, L2_V6 = "10.50.0.100-10.50.0.150", "fd00:50::1:0/120"
BGP_V4, BGP_V6 = "192.0.2.0/24", "2001:db8:1::/120"
ENDPOINT = pathlib.Path(__file__).parent / "endpoint.py"


class House:
    def __init__(self, lab, nodes=NODES, bird=True, options=(), bin_dir=BIN):
        self.lab, self.nodes, self.has_bird = lab, nodes, bird
        self.folder = lab.dir / "manifests"
        self.folder.mkdir()
        self.key = lab.dir / "gossip.key"
        self.key.write_text("the lab's own shared secret\n")
        self.wires()
        self.stacks = {
            n: Stack(lab.space(f"node{n}"), f"node{n}", self.folder, bind=f"10.50.0.1{n}", key_file=self.key,
                     options=("--uid-base=64100", *options), bin_dir=bin_dir)
            for n in nodes
        }
        self.frr = self.bird = None

    def wires(self):
        lab = self.lab
        ports = [(f"node{n}", "eth0") for n in self.nodes] + [("frr", "seg0"), ("lclient", "eth0")]
        ups = [("frr", "up0"), ("rclient", "eth0")]
        if self.has_bird:
            ports.append(("bird", "seg0"))
            ups.append(("bird", "up0"))
        lab.bridge("seg", *ports)
        lab.bridge("up", *ups)
        for n in self.nodes:
            self.wire_node(n)
        for i, router in enumerate(["frr"] + (["bird"] if self.has_bird else []), 1):
            s = lab.space(router)
            s.address("seg0", f"10.50.0.{i}/24", f"fd00:50::{i}/64")
            s.address("up0", f"10.60.0.{i}/24", f"fd00:60::{i}/64")
            s.forward()
        lab.space("lclient").address("eth0", "10.50.0.50/24", "fd00:50::50/64")
        client = lab.space("rclient")
        client.address("eth0", "10.60.0.50/24", "fd00:60::50/64")
        self.via("10.60.0.1", "fd00:60::1")

    def wire_node(self, n):
        s, pod = self.lab.space(f"node{n}"), self.lab.space(f"pod{n}")
        s.address("eth0", f"10.50.0.1{n}/24", f"fd00:50::1{n}/64")
        self.lab.wire(f"node{n}", "pod0", f"pod{n}", "eth0")
        s.address("pod0", f"10.70.{n}.1/24", f"fd00:70:{n}::1/64")
        pod.address("eth0", f"10.70.{n}.2/24", f"fd00:70:{n}::2/64")
        pod.ip("route", "add", "default", "via", f"10.70.{n}.1")
        pod.ip("-6", "route", "add", "default", "via", f"fd00:70:{n}::1")
        s.ip("route", "add", "default", "via", "10.50.0.1")
        s.ip("-6", "route", "add", "default", "via", "fd00:50::1")
        s.forward()

    def via(self, gateway4, gateway6):
        """Send the client behind the routers over this router."""
        client = self.lab.space("rclient")
        client.ip("route", "replace", "default", "via", gateway4)
        client.ip("-6", "route", "replace", "default", "via", gateway6)

    def endpoints(self):
        """One HTTP server a pod; it answers with the pod's name."""
        started = [self.lab.space(f"pod{n}").popen("/usr/bin/python3", ENDPOINT, f"pod{n}", "8080", text=True,
                                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for n in self.nodes]
        for p in started:
            if p.stdout.readline() != "listening\n":
                raise LabError("an endpoint did not start")

    def kube_proxy(self, *addresses):
        """Stand-in for kube-proxy: on every node, port 80 of these addresses goes to the node's own pod."""
        for n in self.nodes:
            rules = {"ip": [], "ip6": []}
            for a in addresses:
                if ":" in a:
                    rules["ip6"].append(f"ip6 daddr {a} tcp dport 80 dnat to [fd00:70:{n}::2]:8080")
                else:
                    rules["ip"].append(f"ip daddr {a} tcp dport 80 dnat to 10.70.{n}.2:8080")
            text = ""
            for family, lines in rules.items():
                table = f"table {family} kubeproxy"
                body = "\n".join(lines)
                text += (f"{table}\ndelete {table}\n{table} {{\nchain pre {{\n"
                         f"type nat hook prerouting priority dstnat; policy accept;\n{body}\n}}\n}}\n")
            self.lab.space(f"node{n}").run("nft", "-f", "-", stdin=text)

    def routers(self, hold=9):
        peers = [(f"10.50.0.1{n}", NODE_ASN, []) for n in self.nodes]
        self.frr = Frr(self.lab.space("frr"), "10.50.0.1", FRR_ASN, peers, hold)
        if self.has_bird:
            self.bird = Bird(self.lab.space("bird"), "10.50.0.2", BIRD_ASN,
                             [(f"node{n}", f"10.50.0.1{n}", "10.50.0.2", NODE_ASN) for n in self.nodes], hold)

    def base_manifests(self):
        """Nodes, pools, advertisements and peers."""
        m.write(self.folder, "nodes.yaml", *[m.node(f"node{n}", f"10.50.0.1{n}") for n in self.nodes])
        peers = [m.bgp_peer("frr", "10.50.0.1", NODE_ASN, FRR_ASN, dualStackAddressFamily=True, holdTime="9s")]
        if self.has_bird:
            peers.append(m.bgp_peer("bird", "10.50.0.2", NODE_ASN, BIRD_ASN, dualStackAddressFamily=True, holdTime="9s"))
        m.write(self.folder, "config.yaml",
                m.pool("l2", L2_V4, L2_V6, autoAssign=False), m.pool("bgp", BGP_V4, BGP_V6, autoAssign=False),
                m.l2_advertisement("l2", "l2", interfaces=["eth0"]), m.bgp_advertisement("bgp", "bgp"), *peers)

    def service(self, name, pool, family="IPv4", nodes=None, annotations=None, **spec):
        """Write a Service with endpoints on the given nodes (default all)."""
        nodes = self.nodes if nodes is None else nodes
        address = "fd00:70:{}::2" if family == "IPv6" else "10.70.{}.2"
        slices = m.endpoint_slice(name, *[(address.format(n), f"node{n}") for n in nodes],
                                  family="IPv6" if family == "IPv6" else "IPv4")
        notes = {"metallb.io/address-pool": pool, **(annotations or {})}
        m.write(self.folder, f"service-{name}.yaml", m.service(name, family=family, annotations=notes, **spec), slices)

    def start(self, timeout=30):
        for s in self.stacks.values():
            s.start()
        for s in self.stacks.values():
            s.wait_ready(timeout)

    def services(self, n=1):
        """name -> ingotctl's record of each Service, as node n sees it."""
        state = self.stacks[n].json("services") or {}
        return {s["name"]: s for s in state.get("services", [])}

    def address_of(self, name, n=1, timeout=10):
        def fact():
            s = self.services(n).get(name, {})
            return s.get("addresses")
        return wait_for(fact, timeout, f"an address for Service {name}", 0.05)[0]

    def leader(self):
        """Number of the node that allocates."""
        def fact():
            return next((n for n, s in self.stacks.items() if ((s.json("status") or {}).get("leader") or {}).get("leading")), None)
        return wait_for(fact, 10, "a node that allocates", 0.05)

    def owner_of(self, address, n=1):
        state = self.stacks[n].json("owners") or {}
        for o in state.get("owners", []):
            if o["address"] == address:
                return o.get("owner") or None
        return None
