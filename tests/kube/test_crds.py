"""The CRDs against a real API server: what it takes, what it refuses and in which words, what it fills in. The cases are
data: tests/conformance/crds."""
import pytest
import yaml

from lab.kube import NAMESPACE, NEWEST, Kube, program
from lab.kubeclient import MERGE, KubeError
from lab.stack import ROOT

FILES = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "tests/conformance/crds").glob("*.yaml"))]
CASES = [(f, case) for f in FILES for case in f["cases"]]
CRDS = ROOT / "charts/ingot/crds"


@pytest.fixture(scope="module")
def kube(lab):
    lab.bridge("seg")
    k = Kube(lab)
    k.kubectl("apply", "--server-side", "-f", CRDS)
    k.kubectl("wait", "--for=condition=Established", "--timeout=20s", "crd", "--all")
    return k


def url(f, name="", sub="", **query):
    text = f"/apis/metallb.io/{f['version']}/namespaces/{NAMESPACE}/{f['plural']}"
    return text + (f"/{name}" if name else "") + (f"/{sub}" if sub else "") + "".join(f"?{k}={v}" for k, v in query.items())


def made(f, case, name="case"):
    return {"apiVersion": f"metallb.io/{f['version']}", "kind": f["kind"], "metadata": {"name": name},
            **{k: case[k] for k in ("spec", "status") if k in case}}


def expect(refused, do):
    """do() is refused with this text, or succeeds when there is none."""
    if refused is None:
        return do()
    with pytest.raises(KubeError) as e:
        do()
    assert refused in str(e.value) and e.value.status == 422
    return None


@pytest.mark.parametrize("f, case", CASES, ids=[f"{f['plural']}-{f['version']}-{c['name']}" for f, c in CASES])
def test_case(kube, f, case):
    stays = "then" in case
    answer = expect(case.get("refused"),
                    lambda: kube.client.call("POST", url(f, **({} if stays else {"dryRun": "All"})), made(f, case)))
    if "becomes" in case:
        assert answer["spec"] == case["becomes"]
    for step in case.get("then", []):
        body = {k: step[k] for k in ("spec", "status") if k in step}
        sub = "status" if "status" in step else ""
        after = expect(step.get("refused"), lambda: kube.client.call("PATCH", url(f, "case", sub), body, content=MERGE))
        assert after is None or all(after[part].get(k) == v for part in body for k, v in body[part].items())
    if stays:
        kube.client.call("DELETE", url(f, "case"))


@pytest.mark.parametrize("writes, reads", [("v1beta1", "v1beta2"), ("v1beta2", "v1beta1")])
def test_a_peer_is_the_same_in_both_versions(kube, writes, reads):
    """Nothing is converted, so timers that are absent stay absent."""
    spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", "peerPort": 179, "keepaliveTime": "3s",
            "nodeSelectors": [{"matchLabels": {"a": "b"}}], "password": "x", "bfdProfile": "quick", "ebgpMultiHop": True}
    f = {"kind": "BGPPeer", "plural": "bgppeers", "version": writes}
    kube.client.call("POST", url(f), made(f, {"spec": spec}, "both"))
    seen = kube.client.call("GET", url({**f, "version": reads}, "both"))
    kube.client.call("DELETE", url(f, "both"))
    assert seen["apiVersion"] == f"metallb.io/{reads}" and "holdTime" not in seen["spec"]
    assert {**seen["spec"], **spec} == seen["spec"]


def test_the_old_version_of_a_peer_warns(kube):
    text = kube.space.run("sh", "-c", f"{program('kubectl', NEWEST)} --kubeconfig={kube.admin_kubeconfig} "
                          "get bgppeers.v1beta1.metallb.io -A 2>&1")
    assert "Warning: metallb.io/v1beta1 BGPPeer is deprecated; use metallb.io/v1beta2 BGPPeer" in text
