"""What kubectl prints for each kind: an old one and a current one say the same, in MetalLB's columns."""
import re

import pytest

from lab import manifests as m
from lab.kube import NAMESPACE, NEWEST, OLD_KUBECTL, Kube
from lab.stack import ROOT

STATUS = {"node": "node1", "serviceName": "web", "serviceNamespace": "default"}


def bare(kind, name):
    return {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}


# plural -> (object, its status, headings, cells); "wide" columns come with -o wide alone.
CASES = {
    "ipaddresspools": (m.pool("p", "192.0.2.0/24", "2001:db8::/120"), None, "NAME|AUTO ASSIGN|AVOID BUGGY IPS|ADDRESSES",
                       'p|true|false|["192.0.2.0/24","2001:db8::/120"]'),
    "l2advertisements": (m.l2_advertisement("l", "p", interfaces=["eth0"], ipAddressPoolSelectors=[{"matchLabels": {"a": "b"}}]),
                         None, "NAME|IPADDRESSPOOLS|IPADDRESSPOOL SELECTORS|INTERFACES",
                         'l|["p"]|[{"matchLabels":{"a":"b"}}]|["eth0"]'),
    "bgpadvertisements": (m.bgp_advertisement("b", "p", peers=["r1"]), None,
                          "NAME|IPADDRESSPOOLS|IPADDRESSPOOL SELECTORS|PEERS", 'b|["p"]||["r1"]'),
    "bgppeers": (m.bgp_peer("r1", "10.50.0.1", 64512, 64513, ebgpMultiHop=True, bfdProfile="quick"), None,
                 "NAME|ADDRESS|ASN|BFD PROFILE|MULTI HOPS", "r1|10.50.0.1|64513|quick|true"),
    "bfdprofiles": (m.metallb("BFDProfile", "quick", {"receiveInterval": 100, "transmitInterval": 200, "detectMultiplier": 4,
                                                      "passiveMode": True}), None,
                    "NAME|PASSIVE MODE|TRANSMIT INTERVAL|RECEIVE INTERVAL|MULTIPLIER", "quick|true|200|100|4"),
    "communities": (m.metallb("Community", "c", {"communities": [{"name": "x", "value": "1:2"}]}), None, "NAME|AGE", "c|AGE"),
    "servicel2statuses": (bare("ServiceL2Status", "l2-x"), STATUS, "NAME|ALLOCATED NODE|SERVICE NAME|SERVICE NAMESPACE",
                          "l2-x|node1|web|default"),
    "servicebgpstatuses": (bare("ServiceBGPStatus", "bgp-x"), STATUS, "NAME|NODE|SERVICE NAME|SERVICE NAMESPACE",
                           "bgp-x|node1|web|default"),
    "configurationstates": (bare("ConfigurationState", "controller"), {"result": "Invalid", "errorSummary": "no"},
                            "NAME|RESULT|ERRORSUMMARY|AGE", "controller|Invalid|no|AGE"),
}


@pytest.fixture(scope="module")
def kube(lab):
    lab.bridge("seg")
    k = Kube(lab)
    k.kubectl("apply", "--server-side", "-f", ROOT / "charts/ingot/crds")
    k.kubectl("wait", "--for=condition=Established", "--timeout=20s", "crd", "--all")
    for o, status, _, _ in CASES.values():
        k.client.create(o)
        if status:
            k.client.patch(o["kind"], NAMESPACE, o["metadata"]["name"], {"status": status}, "status")
    return k


def table(text):
    """Headings and cells of kubectl's output, split where its headings begin. Ages vary, so they all read AGE."""
    head, row = text.rstrip("\n").splitlines()
    starts = [at.start() for at in re.finditer(r"\S+( \S+)*", head)]
    cuts = list(zip(starts, starts[1:] + [None]))
    cells = [row[a:b].strip() for a, b in cuts]
    return "|".join(head[a:b].strip() for a, b in cuts), "|".join("AGE" if re.fullmatch(r"\d+m?s", c) else c for c in cells)


@pytest.mark.parametrize("plural", CASES)
def test_columns(kube, plural):
    old, new = (kube.kubectl("get", plural, "-n", NAMESPACE, version=v) for v in (OLD_KUBECTL, NEWEST))
    assert table(old) == table(new) == CASES[plural][2:]


@pytest.mark.parametrize("plural", ["l2advertisements", "bgpadvertisements"])
def test_node_selectors_are_shown_when_asked_for(kube, plural):
    for version in (OLD_KUBECTL, NEWEST):
        assert "NODE SELECTORS" in kube.kubectl("get", plural, "-n", NAMESPACE, "-o", "wide", version=version).splitlines()[0]


def test_both_versions_of_a_peer_print_the_same(kube):
    old, new = (kube.kubectl("get", f"bgppeers.{v}.metallb.io", "-n", NAMESPACE) for v in ("v1beta1", "v1beta2"))
    assert old == new and "10.50.0.1" in new
