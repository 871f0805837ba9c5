#!/usr/bin/python3
"""The chart, the definitions and the plain manifests as files: no helm, no API server. usage: test_chart.py INGOTCTL

What helm and an API server say about them is asked in tests/kube."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "charts/ingot"
INGOTCTL = sys.argv[1] if len(sys.argv) > 1 else None
CONFIG_KINDS = {"IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community"}
STATUS_KINDS = {"ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"}

MANIFEST = list(yaml.safe_load_all((ROOT / "manifests/ingot.yaml").read_text()))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
CRDS = [yaml.safe_load(path.read_text()) for path in sorted((CHART / "crds").glob("*.yaml"))]


def of_kind(*kinds):
    return [o for o in MANIFEST if o["kind"] in kinds]


def pods():
    """(component, Pod template) of both workloads."""
    return [(o["metadata"]["labels"]["app.kubernetes.io/component"], o["spec"]["template"])
            for o in of_kind("DaemonSet", "Deployment")]


class Definitions(unittest.TestCase):
    def test_all_kinds_are_there(self):
        self.assertEqual({c["spec"]["names"]["kind"] for c in CRDS}, CONFIG_KINDS | STATUS_KINDS)

    def test_names_scopes_and_status(self):
        for crd in CRDS:
            spec, kind = crd["spec"], crd["spec"]["names"]["kind"]
            with self.subTest(kind):
                self.assertEqual(crd["metadata"], {"name": f"{spec['names']['plural']}.metallb.io"})
                self.assertEqual(spec["names"], {"kind": kind, "listKind": f"{kind}List", "singular": kind.lower(),
                                                 "plural": spec["names"]["plural"]})
                self.assertEqual((spec["group"], spec["scope"]), ("metallb.io", "Namespaced"))
                versions = ["v1beta1", "v1beta2"] if kind == "BGPPeer" else ["v1beta1"]
                self.assertEqual([v["name"] for v in spec["versions"]], versions)
                self.assertEqual([v["storage"] for v in spec["versions"]], [v == versions[-1] for v in versions])
                for v in spec["versions"]:
                    self.assertEqual((v["served"], v["subresources"]), (True, {"status": {}}))
                    required = v["schema"]["openAPIV3Schema"].get("required")
                    self.assertEqual(required, ["spec"] if kind == "IPAddressPool" else None)

    def test_every_field_of_an_old_peer_is_one_of_a_new_peer(self):
        """Because nothing converts them."""
        peer = next(c for c in CRDS if c["spec"]["names"]["kind"] == "BGPPeer")
        self.assertEqual(peer["spec"]["conversion"], {"strategy": "None"})
        old, new = (v["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] for v in peer["spec"]["versions"])
        for name, field in old.items():
            self.assertEqual(field["type"], new[name]["type"], name)

    def test_definitions_for_old_servers_agree(self):
        p = subprocess.run([ROOT / "tools/crds-v1beta1", "--check"], capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stderr)

    def test_old_servers_refuse_nothing_in_them(self):
        text = (ROOT / "manifests/crds-v1beta1.yaml").read_text()
        self.assertNotRegex(text, r"x-kubernetes-|\bdefault:|preserveUnknownFields|deprecated: true")

    @unittest.skipIf(INGOTCTL is None, "needs ingotctl")
    def test_what_the_server_refuses_is_refused_offline_too(self):
        """Servers without CEL, or with the definitions for old servers, leave it to the watcher, which reads as ingotctl."""
        for path in sorted((ROOT / "tests/conformance/crds").glob("*.yaml")):
            data = yaml.safe_load(path.read_text())
            for case in data["cases"] if data["kind"] in CONFIG_KINDS else []:
                with self.subTest(f"{path.name}: {case['name']}"), tempfile.TemporaryDirectory() as folder:
                    body = {"apiVersion": f"metallb.io/{data['version']}", "kind": data["kind"],
                            "metadata": {"name": "case", "namespace": "metallb-system"}}
                    body.update({k: case[k] for k in ("spec",) if k in case})
                    file = pathlib.Path(folder) / "case.yaml"
                    file.write_text(json.dumps(body))
                    p = subprocess.run([INGOTCTL, "validate", file], capture_output=True, text=True)
                    if "refused" in case:
                        self.assertEqual(p.returncode, 1, p.stdout + p.stderr)
                    self.assertIn(p.returncode, (0, 1), p.stderr)


class Permissions(unittest.TestCase):
    def rules(self):
        for role in of_kind("Role", "ClusterRole"):
            for rule in role["rules"]:
                yield role, rule

    def test_nothing_is_a_wildcard(self):
        for role, rule in self.rules():
            self.assertNotIn("*", rule["verbs"] + rule["resources"] + rule["apiGroups"], role["metadata"]["name"])

    def test_only_its_own_namespace_is_written_but_for_status_and_events(self):
        written = {(r, v) for role, rule in self.rules() if role["kind"] == "ClusterRole"
                   for r in rule["resources"] for v in rule["verbs"] if v not in ("get", "list", "watch")}
        self.assertEqual(written, {("services/status", "patch"), ("events", "create"), ("events", "patch")})

    def test_who_reads_secrets(self):
        def secrets(role, rule):
            return (role["metadata"]["name"], tuple(rule["verbs"]), tuple(rule.get("resourceNames", [])))
        found = {secrets(role, rule) for role, rule in self.rules() if "secrets" in rule["resources"]}
        self.assertEqual(found, {("ingot-node", ("list", "watch"), ()), ("ingot-controller", ("create",), ()),
                                 ("ingot-controller", ("list", "watch"), ("memberlist",))})

    def test_pods_of_other_namespaces_are_not_read(self):
        for role, rule in self.rules():
            self.assertFalse(role["kind"] == "ClusterRole" and "pods" in rule["resources"])


class Workloads(unittest.TestCase):
    def test_no_pod_looks_like_metallb(self):
        for component, pod in pods():
            labels = pod["metadata"]["labels"]
            self.assertEqual((labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]), ("ingot", component))
            self.assertNotIn("app", labels)
        self.assertEqual([c for c, _ in pods()], ["node", "controller"])

    def test_no_secret_is_templated(self):
        self.assertEqual(of_kind("Secret"), [])

    def test_names(self):
        self.assertEqual({o["metadata"]["name"] for o in of_kind("ServiceAccount")}, {"ingot-node", "ingot-controller"})
        self.assertEqual([o["metadata"]["name"] for o in of_kind("ConfigMap")], ["metallb-excludel2"])
        self.assertEqual({p["spec"]["serviceAccountName"] for _, p in pods()}, {"ingot-node", "ingot-controller"})
        self.assertEqual({o["metadata"].get("namespace", "metallb-system") for o in MANIFEST}, {"metallb-system"})

    def test_containers_are_locked(self):
        for component, pod in pods():
            container, = pod["spec"]["containers"]
            raw = ["NET_RAW"] if component == "node" else []
            self.assertEqual(container["securityContext"], {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"], "add": sorted(["CHOWN", "KILL", "SETGID", "SETPCAP", "SETUID", *raw])}})
            self.assertNotIn("limits", container.get("resources", {}))
            self.assertFalse(any("hostPort" in p for p in container.get("ports", [])))

    def test_a_node_pod_declares_no_port(self):
        """On the host's network it would be a host port, and two Pods could never share a node."""
        self.assertNotIn("ports", dict(pods())["node"]["spec"]["containers"][0])

    def test_options_exist(self):
        text = (ROOT / "lib/run/options.h").read_text()
        known = re.findall(r'X\(\w+, "([a-z0-9-]+)", "(INGOT_\w+)"', text)
        self.assertGreater(len(known), 15)
        flags, variables = ({k[i] for k in known} for i in (0, 1))
        for _, pod in pods():
            container, = pod["spec"]["containers"]
            self.assertEqual({a.split("=")[0].removeprefix("--") for a in container["args"]} - flags, set())
            self.assertEqual({e["name"] for e in container["env"]} - variables, set())
        templates = "".join(p.read_text() for p in (CHART / "templates").iterdir())
        self.assertEqual(set(re.findall(r"^ *- --([a-z0-9-]+)=", templates, flags=re.M)) - flags, set())


class Values(unittest.TestCase):
    def test_schema_knows_every_value(self):
        schema = json.loads((CHART / "values.schema.json").read_text())

        def check(values, node, path):
            fields = (schema["$defs"]["probe"] if "$ref" in node else node).get("properties")
            for key, value in values.items() if fields else []:
                self.assertIn(key, fields, path)
                if isinstance(value, dict):
                    check(value, fields[key], f"{path}.{key}")
        check(VALUES, schema, "values")

    def test_notes_know_every_value(self):
        helpers = (CHART / "templates/_helpers.tpl").read_text()
        known = yaml.safe_load(re.search(r'define "ingot.knownValues" -}}\n(.*?)\{\{- end', helpers, flags=re.S)[1])
        self.assertEqual(known, {"chart": sorted([*VALUES, "global"]), "controller": sorted(VALUES["controller"]),
                                 "speaker": sorted(VALUES["speaker"])})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
