"""Ingot starts before what it needs is there: it says what it waits for, and goes on by itself."""
import pytest

from lab.kube import ADDRESS, PORT
from lab.kubehouse import KubeHouse

RBAC = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


@pytest.fixture
def bare(new_lab):
    """A control plane without anything of ours but the ServiceAccounts; one node, a controller, a router."""
    with new_lab() as lab:
        h = KubeHouse(lab, nodes=(1,), bird=False)
        h.install("ServiceAccount")
        h.routers()
        h.pods()
        yield h


def start_and_wait(house, *words):
    """Everything starts; each says what it waits for, with these words, and nothing dies meanwhile."""
    for s in house.everything():
        s.start()
    for s in house.everything():
        for word in words:
            house.wait_source(s, "waiting", 30, word)
        assert s.status()["watcher"]["restarts"] == 0


def serves(house):
    pids = {s: s.pid("watcher") for s in house.everything()}
    house.base_manifests()
    house.service("web", "bgp")
    house.wait_routed(house.address_of("web", timeout=60))
    house.all_live()
    assert {s: s.pid("watcher") for s in house.everything()} == pids, "it went on by itself"


def test_before_the_server_can_be_reached(bare):
    bare.install()
    bare.kube.stop_server()
    start_and_wait(bare, f"{ADDRESS}:{PORT}")
    bare.kube.start()
    serves(bare)


def test_before_the_crds_exist(bare):
    bare.install(*RBAC)
    start_and_wait(bare, "metallb.io")
    bare.install("CustomResourceDefinition")
    serves(bare)


def test_before_rbac_is_complete_and_when_it_is_taken_away(bare):
    bare.install("CustomResourceDefinition")
    start_and_wait(bare, "forbidden")
    bare.install(*[k for k in RBAC if k.startswith("Cluster")])
    for s in bare.everything():
        bare.wait_source(s, "waiting", 90, "ipaddresspools")
    bare.install(*RBAC)
    serves(bare)
    # Nothing is withdrawn when the server forbids what it allowed before.
    address = bare.ingress("web")[0]
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for o in bare.client.list(kind):
            if o["metadata"]["name"].startswith("ingot"):
                bare.client.delete(kind, o["metadata"].get("namespace"), o["metadata"]["name"])
    bare.kube.restart()  # ends the watches, which the server does not do by itself
    for s in bare.everything():
        bare.wait_source(s, "stale", 60, "services")
    assert bare.hops("frr", address)
    bare.install(*RBAC)
    bare.all_live(90)
    assert bare.hops("frr", address)
