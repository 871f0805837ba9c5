"""The main job, shorter, with the oldest and the newest API server."""
import pytest

from lab.kube import NAMESPACE, NEWEST, OLDEST
from lab.net import wait_for


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def version(request):
    return request.param


@pytest.mark.parametrize("pool, family", [("l2", "IPv4"), ("bgp", "IPv4"), ("bgp", "IPv6"), ("bgp", "dual")])
def test_service_is_served(house, version, pool, family):
    name = f"{pool}-{family.lower()}"
    house.service(name, pool, family)
    address = house.address_of(name)
    kind = "ServiceL2Status" if pool == "l2" else "ServiceBGPStatus"
    if pool == "l2":
        wait_for(lambda: house.owner_of(address), 10, f"an owner of {address}")
    else:
        house.wait_routed(*house.ingress(name))
    want = 1 if pool == "l2" else 3
    wait_for(lambda: sum("serviceName" in o.get("status", {}) for o in house.statuses(kind, name)) == want, 10,
             "its status objects")
    wait_for(lambda: {"IPAllocated", "nodeAssigned"} <= {e[0] for e in house.events(name)}, 10, "its events")
    house.delete_service(name)
    wait_for(lambda: not house.statuses(kind, name), 10, "its status objects to go")


def test_configuration_is_valid_and_counted(house, version):
    assert version in house.kube.kubectl("version")
    wait_for(lambda: {o["metadata"]["name"]: o.get("status", {}).get("result")
                      for o in house.client.list("ConfigurationState", NAMESPACE)} ==
             {n: "Valid" for n in ("controller", "speaker-node1", "speaker-node2", "speaker-node3")}, 10, "all to be Valid")
    wait_for(lambda: "availableIPv4" in house.client.get("IPAddressPool", NAMESPACE, "bgp").get("status", {}), 10,
             "the pool's counters")
