"""The chart with the real helm and a real API server: it is valid, takes MetalLB's values, gives each account what it needs
and no more, and meets a release of MetalLB without harm."""
import json
import re

import pytest
import yaml

from lab import manifests as m
from lab.kube import HELM, NAMESPACE, UID_BASE, Kube, program
from lab.net import LabError, sh, wait_for
from lab.stack import BIN, ROOT

CHART = ROOT / "charts/ingot"
METALLB_VALUES = {"frrk8s": {"enabled": True}, "crds": {"enabled": True}, "prometheus": {"podMonitor": {"enabled": True}},
                  "controller": {"image": {"repository": "other/controller"}, "webhookMode": "enabled"},
                  "speaker": {"frr": {"enabled": False}, "image": {"tag": "v1"}, "memberlist": {"mlBindPort": 7000}}}


@pytest.fixture(scope="module")
def kube(lab):
    lab.bridge("seg")
    k = Kube(lab)
    k.install()
    return k


def helm(*args, space=None, **kw):
    return (space.run if space else sh)(program("helm", HELM), *args, **kw)


def render(*options, release="ingot", namespace=NAMESPACE):
    return [o for o in yaml.safe_load_all(helm("template", release, CHART, "--namespace", namespace, *options)) if o]


def one(objects, kind, component=None):
    found = [o for o in objects if o["kind"] == kind and
             component in (None, o["metadata"].get("labels", {}).get("app.kubernetes.io/component"))]
    assert len(found) == 1, (kind, component)
    return found[0]


def container(objects, kind):
    return one(objects, kind)["spec"]["template"]["spec"]["containers"][0]


def test_lint():
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


def test_the_plain_manifests_are_what_the_chart_renders():
    sh("env", f"HELM={program('helm', HELM)}", ROOT / "tools/render-manifests", "--check")


def test_the_plain_manifests_are_valid(kube):
    kube.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", ROOT / "manifests/ingot.yaml")


@pytest.mark.parametrize("options", [
    (), ("--set=controller.podDisruptionBudget.enabled=true,coexist=true,loadBalancerClass=a.b/c"),
    ("--set=speaker.memberlist.mountSecret=true,speaker.bgpListen=0.0.0.0:179,image.pullPolicy=Always"),
    ("--set=rbac.create=false,speaker.enabled=false,controller.serviceAccount.create=false"),
])
def test_the_server_takes_what_is_rendered(kube, options):
    text = helm("template", "other", CHART, "--namespace", "default", *([options] if options else []))
    kube.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=text)


def test_values_of_metallb_are_taken(lab):
    file = lab.dir / "values.json"
    file.write_text(json.dumps(METALLB_VALUES))
    objects = render("-f", file)
    assert container(objects, "DaemonSet")["image"] == container(objects, "Deployment")["image"]
    assert "other" not in container(objects, "Deployment")["image"]
    assert "--gossip-port=7000" in container(objects, "DaemonSet")["args"]


@pytest.mark.parametrize("value, word", [
    ("speaker.logLevel=loud", "speaker/logLevel"), ("prometheus.metricsPort=none", "prometheus/metricsPort"),
    ("speaker.labels.app=metallb", "would be taken for MetalLB"), ("speaker.bgpListen=179", "speaker/bgpListen"),
])
def test_wrong_values_are_named(value, word):
    with pytest.raises(LabError) as e:
        render(f"--set={value}")
    assert word in str(e.value)


def test_values_reach_the_pods():
    objects = render("--set=speaker.bgpListen=[::]:179,speaker.memberlist.mountSecret=true,speaker.secretName=key,coexist=true",
                     "--set=controller.livenessProbe.port=18000,prometheus.metricsPort=0,loadBalancerClass=a.b/c",
                     "--set=fullnameOverride=lb,speaker.tolerateMaster=false,speaker.ignoreExcludeLB=true")
    node, controller = container(objects, "DaemonSet"), container(objects, "Deployment")
    assert {"--bgp-listen=[::]:179", "--gossip-key-file=/etc/ml_secret_key/secretkey", "--ml-secret-name=key", "--coexist=true",
            "--lb-class=a.b/c", "--ignore-exclude-lb=true", "--metrics=:0"} <= set(node["args"])
    assert "NET_BIND_SERVICE" in node["securityContext"]["capabilities"]["add"]
    assert "--health=:18000" in controller["args"] and "ports" not in controller
    pod = one(objects, "DaemonSet")["spec"]["template"]["spec"]
    assert {"name": "memberlist", "secret": {"secretName": "key", "optional": True}} in pod["volumes"] and "tolerations" not in pod
    assert {o["metadata"]["name"] for o in objects if o["kind"] == "ServiceAccount"} == {"lb-node", "lb-controller"}
    assert one(objects, "Role", "controller")["rules"][-1]["resourceNames"] == ["key"]


def test_pods_are_looked_for_where_metallb_usually_is():
    """In its own namespace a Role suffices; from another one the rule has to be the cluster's."""
    for namespace, there in (("metallb-system", False), ("lb", True)):
        for component in ("node", "controller"):
            role = one(render(namespace=namespace), "ClusterRole", component)
            assert ({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]} in role["rules"]) is there


# account, verb, resource, namespace, allowed
ACCESS = [
    ("controller", "watch", "services", "default", True), ("controller", "get", "services/web", "default", True),
    ("controller", "patch", "services/status", "default", True),
    ("controller", "patch", "services", "default", False), ("controller", "list", "nodes", "", False),
    ("controller", "create", "events.events.k8s.io", "default", True), ("controller", "patch", "events", "default", True),
    ("controller", "update", "leases.coordination.k8s.io/ingot-controller", NAMESPACE, True),
    ("controller", "update", "leases.coordination.k8s.io/other", NAMESPACE, False),
    ("controller", "create", "leases.coordination.k8s.io", NAMESPACE, True),
    ("controller", "create", "leases.coordination.k8s.io", "kube-system", False),
    ("controller", "create", "secrets", NAMESPACE, True), ("controller", "list", "secrets", NAMESPACE, False),
    ("controller", "watch", "secrets/memberlist", NAMESPACE, True), ("controller", "get", "secrets/bgp", NAMESPACE, False),
    ("controller", "patch", "ipaddresspools.metallb.io/one", NAMESPACE, False),
    ("controller", "create", "servicel2statuses.metallb.io", NAMESPACE, False),
    ("node", "watch", "services", "default", True), ("node", "watch", "nodes", "", True),
    ("node", "patch", "services/status", "default", False), ("node", "create", "leases.coordination.k8s.io", NAMESPACE, False),
    ("node", "list", "secrets", NAMESPACE, True), ("node", "list", "secrets", "default", False),
    ("node", "list", "configmaps", NAMESPACE, True), ("node", "list", "configmaps", "default", False),
    ("node", "delete", "servicel2statuses.metallb.io", NAMESPACE, True), ("node", "list", "pods", NAMESPACE, True),
    ("node", "list", "pods", "default", False), ("node", "create", "secrets", NAMESPACE, False),
    ("node", "patch", "configurationstates.metallb.io/speaker-n", NAMESPACE, True),
    ("node", "patch", "bgppeers.metallb.io", NAMESPACE, False), ("node", "create", "pods", NAMESPACE, False),
]


@pytest.mark.parametrize("account, verb, resource, namespace, allowed", ACCESS)
def test_access(kube, account, verb, resource, namespace, allowed):
    kind, _, name = resource.partition("/")
    resource, _, group = kind.partition(".")
    sub = {"subresource": name} if name == "status" else {"name": name} if name else {}
    who = f"system:serviceaccount:{NAMESPACE}:ingot-{account}"
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
        "user": who, "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "namespace": namespace, **sub}}}
    answer = kube.client.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert answer["status"]["allowed"] is allowed


def test_a_list_of_interfaces_that_metallb_owns_is_left_alone(kube):
    """Both releases may be there while one takes over from the other."""
    owner = {"meta.helm.sh/release-name": "metallb", "meta.helm.sh/release-namespace": "beside"}
    kube.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "beside"}})
    kube.client.create({"apiVersion": "v1", "kind": "ConfigMap", "data": {"excludel2.yaml": "theirs"}, "metadata": {
        "name": "metallb-excludel2", "namespace": "beside", "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": owner}})

    def install():
        helm("upgrade", "--install", "beside", CHART, "--namespace", "beside", "--set=fullnameOverride=beside",
             f"--kubeconfig={kube.admin_kubeconfig}", space=kube.space)
        return kube.client.get("ConfigMap", "beside", "metallb-excludel2")["data"]["excludel2.yaml"]
    assert install() == "theirs"
    kube.client.delete("ConfigMap", "beside", "metallb-excludel2")
    assert "^veth.*" in install() and "^veth.*" in install()
    helm("uninstall", "beside", "--namespace", "beside", f"--kubeconfig={kube.admin_kubeconfig}", space=kube.space)
    assert kube.client.get("ConfigMap", "beside", "metallb-excludel2") is None
    assert len(kube.client.list("CustomResourceDefinition")) == 9


def test_definitions_replace_those_with_a_conversion_webhook(kube):
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.metallb.io"
    webhook = {"conversionReviewVersions": ["v1beta1"], "clientConfig": {"service": {"name": "x", "namespace": "y", "path": "/convert"}}}
    kube.client.patch("CustomResourceDefinition", None, "bgppeers.metallb.io",
                      {"spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}}})
    kube.kubectl("replace", "-f", CHART / "crds")
    assert kube.client.call("GET", path)["spec"]["conversion"] == {"strategy": "None"}


def test_the_capabilities_of_the_chart_suffice(lab):
    """Also for a second start in the same Pod. The folder is as a Pod's volume is: everybody may write to it."""
    capabilities = container(render(), "DaemonSet")["securityContext"]["capabilities"]["add"]
    bounding = ",".join(["-all", *(f"+{c.lower()}" for c in capabilities)])
    volume, folder = lab.dir / "volume", lab.dir / "one-node"
    volume.mkdir()
    volume.chmod(0o2777)
    folder.mkdir()
    m.write(folder, "node.yaml", m.node("solo", "127.0.0.1"))
    space = lab.space("capabilities")
    argv = ["setpriv", "--groups", str(UID_BASE + 1), "--no-new-privs", "--inh-caps=-all", f"--bounding-set={bounding}",
            BIN / "ingotd", "--role=node", f"--source=dir:{folder}", "--node=solo", f"--run-dir={volume}/node"]
    for life in (1, 2):
        log = lab.dir / f"capabilities{life}.log"
        with open(log, "wb") as out:
            p = space.popen(*argv, stdout=out, stderr=out)

        def ready():
            return len(re.findall(r"daemon=ingotd subject=\w+ event=ready", log.read_text())) == 5
        wait_for(ready, 20, f"all daemons to be ready, see {log}")
        assert "CAP_NET_RAW is missing" not in log.read_text()
        p.terminate()
        assert p.wait(20) == 0
