"""What a real server never says, what nobody should have written, and credentials that are no good: said clearly, and the rest
goes on."""
import json
import signal
import subprocess

import pytest

from lab import manifests as m
from lab.kube import NAMESPACE, PORT, UID_BASE, Authority
from lab.kubehouse import service, slices
from lab.net import wait_for
from lab.stack import Stack

HTML_SERVER = """
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"<!DOCTYPE html><html><body>Please log in to the hotel network</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_PATCH = do_POST = do_PUT = do_DELETE = do_GET
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening", flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def odd(house):
    """Makes node stacks with a kubeconfig of one's own, in a namespace beside the nodes."""
    made = []

    def stack(name, **kubeconfig):
        space = house.lab.space(name)
        house.lab.wire(name, "eth0", "seg", f"p-{name}")
        house.lab.space("seg").ip("link", "set", f"p-{name}", "master", "br0")
        space.address("eth0", f"10.50.0.{30 + len(made)}/24")
        made.append(name)
        folder = house.lab.dir / f"odd-{name}"
        folder.mkdir()
        config = house.kube.kubeconfig(folder / "kubeconfig", **kubeconfig)
        return Stack(space, "node1", "k8s", role="node", options=(
            f"--kubeconfig={config}", f"--namespace={NAMESPACE}", f"--uid-base={UID_BASE}",
            f"--state-dir={house.kube.state_dir(name)}"))
    return stack


def readable(house, certificate):
    """Copies of a certificate and its key that the watcher's user can read."""
    return [house.kube.secret_file(house.lab.dir / f"copy-{path.name}", path.read_text()) for path in certificate]


def steady(stack):
    assert stack.status()["watcher"]["restarts"] == 0


def test_html_instead_of_an_api(house, odd):
    space = house.lab.space("hotel")
    house.lab.wire("hotel", "eth0", "seg", "p-hotel")
    house.lab.space("seg").ip("link", "set", "p-hotel", "master", "br0")
    space.address("eth0", "10.50.0.29/24")
    certificate = house.kube.ca.issue("hotel", "/CN=hotel", "IP:10.50.0.29")
    p = space.popen("/usr/bin/python3", "-c", HTML_SERVER, PORT, *certificate, stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "listening\n"
    s = odd("html", token=house.pod["node1"].folder / "token", server=f"https://10.50.0.29:{PORT}").start()
    house.wait_source(s, "waiting", 20, "html")
    steady(s)
    s.stop()
    p.send_signal(signal.SIGTERM)
    p.wait(5)


def test_foreign_authority_is_refused_until_the_right_one_is_there(house, odd):
    foreign = Authority(house.lab.dir / "foreign-pki", "foreign")
    ca = house.kube.secret_file(house.lab.dir / "foreign-ca.crt", foreign.cert.read_text())
    s = odd("foreign", token=house.pod["node1"].folder / "token", ca=ca).start()
    house.wait_source(s, "waiting", 20, "certificate")
    steady(s)
    house.kube.secret_file(ca, house.kube.server_ca.read_text())
    house.wait_source(s, "live", 60)
    s.stop()


def test_expired_client_certificate(house, odd):
    expired = readable(house, house.kube.ca.issue("late", "/O=system:masters/CN=late", end="-1 minute"))
    s = odd("expired", certificate=expired).start()
    house.wait_source(s, "waiting", 20, "401")
    steady(s)
    s.stop()


def test_client_certificate_of_an_administrator_works(house, odd):
    s = odd("admin", certificate=readable(house, house.kube.admin)).start()
    house.wait_source(s, "live", 20)
    s.stop()


def test_secrets_are_not_in_logs(house):
    secret = house.client.get("Secret", NAMESPACE, "memberlist")["data"]["secretkey"]
    tokens = [(pod.folder / "token").read_text() for pod in house.pod.values()]
    for s in house.everything():
        assert not [t for t in (secret, *tokens) if t in s.log()]


def goes_on(house, name):
    """The rest is served as ever."""
    house.service(name, "bgp")
    house.wait_routed(house.address_of(name))


def test_a_huge_pool_is_refused_by_name(house):
    addresses = [f"172.{16 + i // 65536}.{i // 256 % 256}.{i % 256}/32" for i in range(70000)]
    house.client.create(m.pool("huge", *addresses, autoAssign=False))
    n = house.stacks[1]
    wait_for(lambda: "huge" in json.dumps(n.json("status")["config"]) or "huge" in n.log(), 20, "the huge pool to be named")
    goes_on(house, "beside-huge")
    house.client.delete("IPAddressPool", NAMESPACE, "huge")


def test_a_service_with_much_in_it(house):
    o = service("stuffed", annotations={"metallb.io/address-pool": "bgp", "blob": "x" * 250000}, allocateLoadBalancerNodePorts=False)
    o["spec"]["ports"] = [{"name": f"p{i}", "port": 1000 + i, "protocol": "TCP"} for i in range(1000)]
    for x in (o, *slices("stuffed", house.nodes)):
        house.client.create(x)
    house.wait_routed(house.address_of("stuffed"))


def test_a_service_with_too_much_in_it_is_refused_by_name(house):
    o = service("bursting", annotations={"metallb.io/address-pool": "bgp"}, allocateLoadBalancerNodePorts=False)
    o["spec"]["ports"] = [{"name": f"p{i}", "port": 1000 + i, "protocol": "TCP"} for i in range(2000)]
    house.client.create(o)
    wait_for(lambda: "default/bursting: spec.ports" in house.controllers[1].log(), 10, "the controller to name it")
    goes_on(house, "beside-bursting")
    assert not house.ingress("bursting")


@pytest.mark.parametrize("name, notes, spec, reason, word", [
    ("bad-ip", {"metallb.io/loadBalancerIPs": "192.0.2.999"}, {}, "AllocationFailed", "192.0.2.999"),
    ("bad-pool", {"metallb.io/address-pool": "\u00fcber"}, {}, "AllocationFailed", "ber"),
    ("bad-family", {"metallb.io/loadBalancerIPs": "2001:db8:1::5"}, {}, "AllocationFailed", "famil"),
])
def test_bad_wishes_are_answered_with_an_event(house, name, notes, spec, reason, word):
    house.client.create(service(name, annotations=notes, **spec))
    wait_for(lambda: [e for e in house.events(name) if e[0] == reason and e[1] == "Warning" and word in e[2]], 10,
             f"the event {reason}")
    assert not house.ingress(name)


@pytest.mark.parametrize("o, word", [
    (m.pool("backwards", "192.0.2.9-192.0.2.1"), "backwards"),
    (m.pool("twice", "192.0.2.0/25"), "twice"),
    (m.bgp_peer("nobody", "300.1.1.1", 1, 2), "nobody"),
    (m.bgp_advertisement("loud", "bgp", communities=["nonsense"]), "loud"),
    (m.l2_advertisement("odd", "l2", nodeSelectors=[{"matchExpressions": [{"key": "a", "operator": "Perhaps"}]}]), "odd"),
])
def test_bad_configuration_is_named_and_the_last_good_one_stays(house, o, word):
    house.client.create(o)
    speaker = wait_for(lambda: (lambda s: s if s.get("status", {}).get("result") == "Invalid" else None)(
        house.client.get("ConfigurationState", NAMESPACE, "speaker-node1")), 10, "the node to say Invalid")
    assert word in speaker["status"]["errorSummary"]
    goes_on(house, f"beside-{word}")
    house.client.delete(o["kind"], NAMESPACE, o["metadata"]["name"])
    wait_for(lambda: house.client.get("ConfigurationState", NAMESPACE, "speaker-node1")["status"]["result"] == "Valid", 10,
             "the node to be Valid again")
