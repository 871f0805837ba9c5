"""The standard topology with a real control plane: node stacks in the nodes' namespaces, controllers in namespaces of their
own, as on a Pod network. What `House` does with files, this does with the API server; the rest is inherited.

    api 10.50.0.9 --(seg)-- node1..3, ctl1, ctl2 (10.50.0.2N), routers, lclient
"""
from . import manifests as m
from .house import BGP_V4, BGP_V6, BIRD_ASN, FRR_ASN, L2_V4, L2_V6, NODE_ASN, NODES, House
from .kube import MIDDLE, NAMESPACE, Kube
from .net import LabError, wait_for
from .stack import BIN, Stack

SERVICE_NAME = "kubernetes.io/service-name"


def service(name, family="IPv4", namespace="default", **kw):
    """A Service as people write it: the API server gives the cluster IPs."""
    o = m.service(name, namespace, family, **kw)
    for field in ("clusterIP", "clusterIPs"):
        del o["spec"][field]
    return o


def slices(name, nodes, family="IPv4", namespace="default"):
    """The EndpointSlices of a Service with a Pod on each of these nodes."""
    families = ("IPv4", "IPv6") if family == "dual" else (family,)
    return [m.endpoint_slice(name, *[((f"fd00:70:{n}::2" if f == "IPv6" else f"10.70.{n}.2"), f"node{n}") for n in nodes],
                             namespace=namespace, family=f, suffix=f.lower()) for f in families]


class KubeHouse(House):
    """Made in steps, so that tests can leave one out or change their order: KubeHouse(lab), install(), pods(), start()."""

    def __init__(self, lab, version=MIDDLE, nodes=NODES, bird=True, controllers=(1,), options=()):
        self.lab, self.nodes, self.has_bird = lab, nodes, bird
        self.frr = self.bird = None
        self.wires()
        for c in controllers:
            lab.wire(f"ctl{c}", "eth0", "seg", f"p-ctl{c}")
            lab.space("seg").ip("link", "set", f"p-ctl{c}", "master", "br0")
            lab.space(f"ctl{c}").address("eth0", f"10.50.0.2{c}/24", f"fd00:50::2{c}/64")
        self.kube = Kube(lab, version)
        for n in nodes:
            self.kube.node(f"node{n}", f"10.50.0.1{n}", f"fd00:50::1{n}", labels={"kubernetes.io/hostname": f"node{n}"})
        self.options, self.numbers = options, controllers
        self.pod, self.stacks, self.controllers = {}, {}, {}

    def hurry(self):
        """All stacks begin to stop at once; the lab's end waits for one after the other."""
        for s in self.everything():
            if s.process and s.process.poll() is None:
                s.process.terminate()

    @property
    def client(self):
        """The administrator's."""
        return self.kube.client

    def install(self, *kinds):
        self.kube.install(*kinds)

    def pods(self):
        """Pod objects, tokens and stacks, not started yet. The ServiceAccounts must be there."""
        for n in self.nodes:
            self.stacks[n] = self.stack(f"node{n}", "node", f"node{n}")
        for c in self.numbers:
            self.controllers[c] = self.stack(f"ctl{c}", "controller", f"node{c}")
        self.lab.closers.append(self.hurry)

    def stack(self, space, role, node):
        pod = self.pod[space] = self.kube.pod(f"ingot-{space}", role, node)
        return Stack(self.lab.space(space), node, "k8s", role=role, options=(*pod.options(), *self.options), bin_dir=BIN)

    def everything(self):
        return [*self.stacks.values(), *self.controllers.values()]

    def start(self, timeout=30):
        for s in self.everything():
            s.start()
        for s in self.everything():
            s.wait_ready(timeout)

    def stop(self):
        for s in self.everything():
            s.stop()

    def base_manifests(self):
        """Pools, advertisements and peers."""
        peers = [m.bgp_peer("frr", "10.50.0.1", NODE_ASN, FRR_ASN, dualStackAddressFamily=True, holdTime="9s")]
        if self.has_bird:
            peers.append(m.bgp_peer("bird", "10.50.0.2", NODE_ASN, BIRD_ASN, dualStackAddressFamily=True, holdTime="9s"))
        for o in (m.pool("l2", L2_V4, L2_V6, autoAssign=False), m.pool("bgp", BGP_V4, BGP_V6, autoAssign=False),
                  m.l2_advertisement("l2", "l2", interfaces=["eth0"]), m.bgp_advertisement("bgp", "bgp"), *peers):
            self.client.apply(o)

    # --- Services --------------------------------------------------------------------------------------------------

    def service(self, name, pool, family="IPv4", nodes=None, annotations=None, **spec):
        """Create or change a Service with endpoints on the given nodes (default all)."""
        notes = {"metallb.io/address-pool": pool, **(annotations or {})}
        for o in (service(name, family, annotations=notes, **spec), *slices(name, self.nodes if nodes is None else nodes, family)):
            self.client.apply(o)

    def delete_service(self, name):
        for o in self.client.list("EndpointSlice", "default", f"{SERVICE_NAME}={name}"):
            self.client.delete("EndpointSlice", "default", o["metadata"]["name"])
        self.client.delete("Service", "default", name)

    def ingress(self, name):
        """Addresses in the Service's status."""
        o = self.client.get("Service", "default", name) or {}
        return [i["ip"] for i in o.get("status", {}).get("loadBalancer", {}).get("ingress", [])]

    def addresses(self):
        """name -> addresses of every Service of the namespace default that has some."""
        out = {}
        for o in self.client.list("Service", "default"):
            ips = [i["ip"] for i in o["status"]["loadBalancer"].get("ingress", [])]
            if ips:
                out[o["metadata"]["name"]] = ips
        return out

    def address_of(self, name, n=1, timeout=15):
        return wait_for(lambda: self.ingress(name), timeout, f"an address for Service {name}", 0.05)[0]

    # --- what Ingot writes beside ----------------------------------------------------------------------------------

    def statuses(self, kind, name=None):
        """ServiceL2Status or ServiceBGPStatus objects, of one Service or of all."""
        return self.client.list(kind, NAMESPACE, f"metallb.io/service-name={name}" if name else None)

    def events(self, name):
        """(reason, type, note, controller) of each Event about a Service."""
        return [(e["reason"], e["type"], e["note"], e["reportingController"]) for e in self.client.list("Event", "default")
                if e["regarding"].get("name") == name and e["regarding"].get("kind") == "Service"]

    def source(self, stack):
        """What a stack says about where its objects come from: state (waiting, live, stale, held), text; {} at first."""
        return (stack.json("status") or {}).get("source") or {}

    def wait_source(self, stack, state, timeout=60, word=""):
        """Wait until a stack's source is in this state and its text has this word."""
        def fact():
            s = self.source(stack)
            return s.get("state") == state and word.lower() in s.get("text", "").lower()
        try:
            wait_for(fact, timeout, f"{stack.space.short}: source {state}", 0.1)
        except LabError as e:
            raise LabError(f"{e} with the word {word!r}; it says {self.source(stack)}") from None

    def all_live(self, timeout=60):
        for s in self.everything():
            self.wait_source(s, "live", timeout)

    def holder(self):
        """Name of the Pod that holds the Lease, or None."""
        leases = self.client.list("Lease", NAMESPACE)
        return next((lease["spec"].get("holderIdentity") for lease in leases), None) or None

    # --- the network -----------------------------------------------------------------------------------------------

    def hops(self, router, address):
        """Next hops for an address in a router's kernel."""
        return getattr(self, router).space.routes(f"{address}/{128 if ':' in address else 32}")

    def wait_routed(self, *addresses, routers=("frr", "bird"), timeout=20):
        for router in routers[:2 if self.has_bird else 1]:
            for a in addresses:
                wait_for(lambda r=router, a=a: len(self.hops(r, a)) == len(self.nodes), timeout,
                         f"{len(self.nodes)} paths to {a} in {router}", 0.05)
