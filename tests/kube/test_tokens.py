"""Tokens and certificates change under way; nobody has to be restarted for it."""
import time

import pytest

from lab.kube import ADDRESS, NAMESPACE, PORT, Authority
from lab.kubehouse import KubeHouse
from lab.net import wait_for


@pytest.fixture(scope="module")
def house(lab):
    h = KubeHouse(lab, nodes=(1,), bird=False)
    h.install()
    h.base_manifests()
    h.routers()
    h.pods()
    h.start()
    return h


def served(house, name, timeout=15):
    """A new Service gets its address, its route and its status: both accounts can read and write."""
    house.service(name, "bgp")
    house.wait_routed(house.address_of(name, timeout=timeout), timeout=timeout)
    wait_for(lambda: [o for o in house.statuses("ServiceBGPStatus", name) if o.get("status")], timeout, "its status")


def refused(house, source, since):
    """How many requests from there were answered 401."""
    return sum(e.get("responseStatus", {}).get("code") == 401 for e in house.kube.requests(since, source=source, stage=None))


def test_rotated_tokens_are_read(house):
    served(house, "first")
    since = time.time()
    for pod in house.pod.values():
        house.client.delete("ServiceAccount", NAMESPACE, pod.account)
        house.client.create({"apiVersion": "v1", "kind": "ServiceAccount",
                             "metadata": {"name": pod.account, "namespace": NAMESPACE}})
        old = house.kube.client_of(token=(pod.folder / "token").read_text())
        pod.rotate()
        wait_for(lambda c=old: c.raw("GET", "/api")[0] == 401, 30, "the old token to be worth nothing", 0.2)
    served(house, "second")
    assert refused(house, "10.50.0.11", since) < 10 and refused(house, "10.50.0.21", since) < 10


def test_an_expired_token_is_noticed_and_a_new_one_helps(house):
    controller, node = house.pod["ctl1"], house.pod["node1"]
    since = time.time()
    for pod in (controller, node):
        pod.rotate(house.kube.signed_token(pod.account, 2))
    served(house, "third")  # with the short-lived tokens
    wait_for(lambda: all(house.kube.client_of(token=(p.folder / "token").read_text()).raw("GET", "/api")[0] == 401
                         for p in (controller, node)), 30, "both tokens to expire", 0.2)
    house.service("fourth", "bgp")
    wait_for(lambda: refused(house, "10.50.0.21", since), 30, "the controller to be refused", 0.2)
    assert not house.ingress("fourth")
    assert house.hops("frr", house.ingress("third")[0]), "what was announced stays announced"
    controller.rotate()
    house.wait_routed(house.address_of("fourth", timeout=30))
    wait_for(lambda: refused(house, "10.50.0.11", since), 30, "the node to be refused when it writes the status", 0.2)
    assert not house.statuses("ServiceBGPStatus", "fourth")
    node.rotate()
    wait_for(lambda: house.statuses("ServiceBGPStatus", "fourth"), 30, "the status")
    served(house, "fifth")


def test_a_new_certificate_authority_is_read(house):
    kube = house.kube
    served(house, "sixth")
    other = Authority(house.lab.dir / "other-pki", "other")
    kube.stop_server()
    kube.serve_as(other)
    kube.start()
    for pod in house.pod.values():
        pod.rotate()
    served(house, "seventh", 60)


def test_configuration_of_a_pod(house):
    """Without a kubeconfig: environment and files as the kubelet gives them, in a mount namespace that looks like a Pod."""
    for s in house.everything():
        s.stop()
        folder = house.pod[s.space.short].folder
        own = [a for a in map(str, s.argv) if not a.startswith(("--kubeconfig", "--namespace"))]
        inside = ("mount -t tmpfs -o mode=755 none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && "
                  f"mount --bind {folder} /run/secrets/kubernetes.io/serviceaccount && exec " + " ".join(own))
        s.argv = ["env", f"KUBERNETES_SERVICE_HOST={ADDRESS}", f"KUBERNETES_SERVICE_PORT={PORT}", "sh", "-c", inside]
        s.start()
    served(house, "eighth", 30)
