"""The main job, as routers, clients and operators see it."""
import subprocess

import pytest

from lab import manifests as m
from lab.net import wait_for

pytestmark = pytest.mark.filterwarnings("ignore")


def hops(house, router, address):
    return getattr(house, router).space.routes(f"{address}/{128 if ':' in address else 32}")


def all_nodes(house, family):
    return sorted(f"10.50.0.1{n}" if family == "IPv4" else f"fd00:50::1{n}" for n in house.nodes)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_bgp_service_reaches_both_routers_from_every_node(house, family):
    name = f"bgp-{family.lower()}"
    house.service(name, "bgp", family)
    address = house.address_of(name)
    for router in ("frr", "bird"):
        wait_for(lambda r=router: len(hops(house, r, address)) == 3, 20, f"three paths to {address} in {router}")
    assert hops(house, "bird", address) == all_nodes(house, family)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_l2_service_answers_from_exactly_one_node(house, family):
    name = f"l2-{family.lower()}"
    house.service(name, "l2", family)
    address = house.address_of(name)
    house.kube_proxy(address)
    owner = wait_for(lambda: house.owner_of(address), 10, f"an owner of {address}")
    client = house.lab.space("lclient")
    wait_for(lambda: "pod" in client.run("curl", "-g", "-s", "--max-time", "1",
                                         f"http://[{address}]/" if ":" in address else f"http://{address}/", check=False),
             10, f"an answer from {address}")
    assert client.neighbour(address) == house.lab.space(owner).mac("eth0")
    for n in house.nodes:
        wait_for(lambda n=n: house.owner_of(address, n) == owner, 5, f"node{n} to agree that {owner} owns {address}")


def test_dual_stack_service_gets_both_families(house):
    house.service("dual", "bgp", "dual")
    address = wait_for(lambda: (lambda a: a if a and len(a) == 2 else None)(
        house.services().get("dual", {}).get("addresses")), 10, "two addresses")
    assert sorted(":" in a for a in address) == [False, True]
    for a in address:
        wait_for(lambda a=a: len(hops(house, "bird", a)) == 3, 10, f"three paths to {a}")


def test_deleting_a_service_withdraws_it_and_frees_the_address(house):
    house.service("short", "bgp")
    address = house.address_of("short")
    wait_for(lambda: len(hops(house, "frr", address)) == 3, 20, "the route")
    (house.folder / "service-short.yaml").unlink()
    for router in ("frr", "bird"):
        wait_for(lambda r=router: not hops(house, r, address), 10, f"{router} to lose {address}")
    wait_for(lambda: "short" not in house.services(), 5, "the Service to be gone from ingotctl")


def test_requested_address_is_honoured(house):
    house.service("asked", "bgp", annotations={"metallb.io/loadBalancerIPs": "192.0.2.77"})
    assert house.address_of("asked") == "192.0.2.77"


def test_endpoints_gone_withdraws_and_coming_back_announces(house):
    house.service("idle", "bgp")
    address = house.address_of("idle")
    wait_for(lambda: len(hops(house, "frr", address)) == 3, 20, "the route")
    house.service("idle", "bgp", nodes=[])
    wait_for(lambda: not hops(house, "frr", address), 10, "withdrawal without endpoints")
    house.service("idle", "bgp")
    wait_for(lambda: len(hops(house, "frr", address)) == 3, 10, "the route again")


def test_traffic_policy_local_announces_only_from_nodes_with_endpoints(house):
    house.service("local", "bgp", nodes=[2], externalTrafficPolicy="Local")
    address = house.address_of("local")
    wait_for(lambda: hops(house, "bird", address) == ["10.50.0.12"], 20, "the route from node2 alone")


def test_addresses_survive_a_restart_of_everything(house):
    before = {n: s.get("addresses") for n, s in house.services().items()}
    assert before
    for s in house.stacks.values():
        s.stop()
    for s in house.stacks.values():
        s.start()
    for s in house.stacks.values():
        s.wait_ready()
    wait_for(lambda: {n: s.get("addresses") for n, s in house.services().items()} == before, 20,
             "the same addresses as before")


def test_a_broken_manifest_is_named_and_disturbs_nothing_else(house):
    house.service("steady", "bgp")
    address = house.address_of("steady")
    wait_for(lambda: len(hops(house, "frr", address)) == 3, 20, "the route")
    (house.folder / "broken.yaml").write_text("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata:\n"
                                              "  name: broken\n  namespace: metallb-system\nspec:\n"
                                              "  addresses: [192.0.2.300/24]\n---\nkind: [\n")
    errors = wait_for(lambda: house.stacks[1].json("status")["config"].get("errors"), 10, "an error in the status")
    assert any("broken" in e for e in errors), errors
    assert len(hops(house, "frr", address)) == 3
    (house.folder / "broken.yaml").unlink()
    wait_for(lambda: not house.stacks[1].json("status")["config"].get("errors"), 10, "the error to go")


def test_metrics_and_health(house):
    s = house.stacks[1]
    text = wait_for(lambda: s.space.run("curl", "-s", "http://127.0.0.1:9120/metrics", check=False), 5, "metrics")
    assert 'metallb_bgp_session_up{peer="10.50.0.1:179"' in text
    assert "metallb_speaker_announced" in text
    assert "metallb_allocator_addresses_in_use_total" in text
    over_v6 = s.space.run("curl", "-gs", "http://[fd00:50::11]:9120/metrics")
    assert "metallb_speaker_announced" in over_v6
    for path in ("healthz", "readyz"):
        code = s.space.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:17472/{path}")
        assert code == "200", path


def explain(house, subject, n=1):
    return house.stacks[n].json("explain", subject)


def why(house, subject, n=1):
    answer = explain(house, subject, n) or {}
    return (answer.get("summary", "") + " " + " ".join(f"{f.get('what')} {f.get('why')}" for f in answer.get("facts", [])))


def test_explain_says_why(house):
    m.write(house.folder, "tiny.yaml", m.pool("tiny", "198.51.100.1/32", autoAssign=False),
            m.pool("pinned", "198.51.100.16/28", autoAssign=False,
                   serviceAllocation={"priority": 1, "serviceSelectors": [{"matchLabels": {"team": "red"}}]}))
    house.service("first", "tiny")
    house.address_of("first")
    cases = {
        "nopool": (dict(pool="missing"), "missing"),
        "full": (dict(pool="tiny"), "tiny"),
        "wrongfamily": (dict(pool="tiny", family="IPv6"), "famil"),
        "excluded": (dict(pool="pinned"), "pinned"),
        "noendpoints": (dict(pool="bgp", nodes=[]), "endpoint"),
    }
    for name, (spec, _) in cases.items():
        house.service(name, **spec)
    n = house.leader()
    for name, (_, word) in cases.items():
        wait_for(lambda: word in why(house, f"default/{name}", n).lower(), 10, f"explain {name} to mention {word}")
    follower = next(k for k in house.nodes if k != n)
    wait_for(lambda: f"node{n} allocates" in why(house, "default/nopool", follower), 5, "a follower to name who allocates")
    # One node is not the owner of an L2 address, and says who is.
    house.service("owned", "l2")
    address = house.address_of("owned")
    owner = wait_for(lambda: house.owner_of(address), 10, "an owner")
    other = next(n for n in house.nodes if f"node{n}" != owner)
    wait_for(lambda: owner in why(house, "default/owned", other), 10, "explain to name the owner")
    # A peer that is down.
    m.write(house.folder, "dead-peer.yaml", m.bgp_peer("dead", "10.50.0.99", 64512, 64999))
    house.service("told", "bgp")
    house.address_of("told")
    wait_for(lambda: "dead" in why(house, "default/told"), 10, "explain to name the peer that is down")
    for f in ("dead-peer.yaml", "tiny.yaml"):
        (house.folder / f).unlink()
    # An unknown Service.
    s = house.stacks[1]
    p = subprocess.run(["ip", "netns", "exec", s.space.name, s.bin / "ingotctl", f"--run-dir={s.run_dir}", "explain",
                        "default/nothing"], capture_output=True, text=True)
    assert p.returncode == 1 and "default/nothing" in p.stderr
