"""A real Kubernetes control plane in a namespace of its own: etcd and kube-apiserver, with RBAC and an audit log, reached
over the bridge as a node reaches it in a cluster; the controller manager and kube-proxy on request. No kubelet: Nodes and
Pods are objects only."""
import base64
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from .kubeclient import Client, connect
from .net import LabError, sh, wait_for
from .stack import ROOT

OLDEST, MIDDLE, NEWEST = "v1.24.17", "v1.34.4", "v1.37.2"
OLD_KUBECTL, HELM = "v1.20.2", "v3.22.0"
PROGRAMS = [("kube-apiserver", MIDDLE), ("kube-controller-manager", MIDDLE), ("kube-proxy", MIDDLE), ("kubectl", OLD_KUBECTL),
            ("kubectl", NEWEST), ("helm", HELM), ("kube-apiserver", OLDEST), ("kube-apiserver", NEWEST)]
CACHE = pathlib.Path(os.environ.get("INGOT_KUBE_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "ingot-kube")
ADDRESS, ADDRESS6, PORT = "10.50.0.9", "fd00:50::9", 6443
NAMESPACE = "metallb-system"
UID_BASE = 64100
WATCHER_UID = UID_BASE + 1
WORKLOADS = ("DaemonSet", "Deployment")
ISSUER = "https://kubernetes.default.svc"
AUDIT_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""


def program(name, version):
    return CACHE / version / name


def missing(programs=None):
    """Which of the programs are not in the cache."""
    return [p for p in programs or PROGRAMS if not program(*p).exists()]


def chart():
    """The rendered chart as (kind, text) of each object, CRDs first."""
    if not hasattr(chart, "objects"):
        text = sh(program("helm", HELM), "template", "ingot", ROOT / "charts/ingot", "--namespace", NAMESPACE, "--include-crds")
        parts = [p for p in re.split(r"^---.*$", text, flags=re.M) if re.search(r"^kind:", p, flags=re.M)]
        chart.objects = [(re.search(r"^kind: *(\w+)", p, flags=re.M)[1], p) for p in parts]
    return chart.objects


class Authority:
    """A certificate authority, by openssl."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        sh("openssl", "req", "-x509", *self.new_key(self.key), "-subj", f"/CN={name}", "-days", "10", "-out", self.cert)

    @staticmethod
    def new_key(path):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path

    def issue(self, name, subject, names=None, begin="-1 hour", end="+10 days"):
        """(certificate, key) files. `begin` and `end` as date(1) understands them."""
        cert, key, request, extra = (self.folder / f"{name}.{x}" for x in ("crt", "key", "csr", "ext"))
        sh("openssl", "req", *self.new_key(key), "-subj", subject, "-out", request)
        extra.write_text("extendedKeyUsage=serverAuth,clientAuth\n" + (f"subjectAltName={names}\n" if names else ""))
        database = self.folder / f"{name}.db"
        database.mkdir()
        (database / "index").touch()
        (database / "ca.conf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}/index\nnew_certs_dir={database}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\nO=optional\nCN=supplied\n")
        when = [sh("date", "-u", "-d", x, "+%Y%m%d%H%M%SZ").strip() for x in (begin, end)]
        sh("openssl", "ca", "-batch", "-notext", "-config", database / "ca.conf", "-cert", self.cert, "-keyfile", self.key,
           "-in", request, "-out", cert, "-extfile", extra, "-startdate", when[0], "-enddate", when[1])
        return cert, key


class Pod:
    """What a Pod of ours has: its object, its ServiceAccount's token laid out as the kubelet lays it out, and a kubeconfig
    that names these files. Readable for the watcher's user, and for nobody else."""

    def __init__(self, kube, name, account, node, labels):
        self.kube, self.name, self.account = kube, name, account
        self.uid = kube.create_pod(name, account, node, labels)["metadata"]["uid"]
        self.folder = kube.lab.dir / f"pod-{name}"
        self.folder.mkdir(mode=0o700)
        self.generation = 0
        self.rotate()
        for entry in ("token", "ca.crt", "namespace"):
            (self.folder / entry).symlink_to(f"..data/{entry}")
        self.kubeconfig = kube.kubeconfig(self.folder / "kubeconfig", token=self.folder / "token", ca=self.folder / "ca.crt")
        shutil.chown(self.folder, WATCHER_UID, WATCHER_UID)

    def token(self, seconds=3600):
        """A new token, bound to this Pod."""
        bound = {"kind": "Pod", "apiVersion": "v1", "name": self.name, "uid": self.uid}
        return self.kube.token(self.account, seconds, bound)

    def rotate(self, token=None):
        """Put a new token in place the way the kubelet does: a new folder, and a link that is moved onto it."""
        self.generation += 1
        fresh = self.folder / f"..{self.generation}"
        fresh.mkdir(mode=0o700)
        content = {"token": token or self.token(), "ca.crt": self.kube.server_ca.read_text(), "namespace": NAMESPACE}
        for entry, text in content.items():
            self.kube.secret_file(fresh / entry, text)
        shutil.chown(fresh, WATCHER_UID, WATCHER_UID)
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        os.replace(link, self.folder / "..data")
        shutil.rmtree(self.folder / f"..{self.generation - 1}", ignore_errors=True)

    def options(self):
        """What ingotd is told in this Pod."""
        return (f"--kubeconfig={self.kubeconfig}", f"--namespace={NAMESPACE}", f"--pod-name={self.name}",
                f"--pod-uid={self.uid}", f"--uid-base={UID_BASE}", f"--state-dir={self.kube.state_dir(self.name)}")


class Kube:
    """One control plane. `bridge` is the namespace of the bridge that it is plugged into."""

    def __init__(self, lab, version=MIDDLE, bridge="seg"):
        self.lab, self.version, self.bridge = lab, version, bridge
        self.dir = lab.dir / "kube"
        self.dir.mkdir()
        self.space = lab.space("api")
        lab.wire("api", "eth0", bridge, "p-api")
        lab.space(bridge).ip("link", "set", "p-api", "master", "br0")
        self.space.address("eth0", f"{ADDRESS}/24", f"{ADDRESS6}/64")
        self.audit, self.api_log = self.dir / "audit.jsonl", lab.dir / "kube-apiserver.log"
        self.etcd = self.server = None
        lab.closers.append(self.stop)
        self.certificates()
        self.start_etcd()
        self.start()
        self.base_objects()

    def certificates(self):
        self.ca = Authority(self.dir / "pki")  # of clients
        self.admin = self.ca.issue("admin", "/O=system:masters/CN=admin")
        self.account_key = self.dir / "pki/accounts.key"
        sh("openssl", "genrsa", "-out", self.account_key, "2048")
        self.serve_as(self.ca)

    def serve_as(self, authority):
        """The server's own certificate is of this authority from its next start on, and our clients trust it."""
        names = f"IP:{ADDRESS},IP:{ADDRESS6},IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc,DNS:localhost"
        self.server_cert = authority.issue("server", "/CN=kube-apiserver", names)
        self.server_ca = authority.cert
        self.admin_kubeconfig = self.kubeconfig(self.dir / "admin.conf", certificate=self.admin)
        self.client = self.client_of(certificate=self.admin)

    def client_of(self, certificate=(None, None), token=None):
        """A client for another user than the administrator."""
        return Client(self.space, (ADDRESS, PORT), self.server_ca, *certificate, token=token)

    def start_etcd(self):
        with open(self.lab.dir / "etcd.log", "ab") as log:
            self.etcd = self.space.popen(
                "etcd", "--data-dir", self.dir / "etcd", "--unsafe-no-fsync", "--listen-client-urls", "http://127.0.0.1:2379",
                "--advertise-client-urls", "http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380",
                "--log-level", "error", "--quota-backend-bytes", str(2 << 30), stdout=log, stderr=log)
        wait_for(self.etcd_listens, 20, "etcd to listen")

    def etcd_listens(self):
        try:
            connect(self.space, ("127.0.0.1", 2379), 1).close()
        except OSError:
            return False
        return True

    def start(self, timeout=60):
        """Start the API server and wait until it is ready."""
        (self.dir / "audit.yaml").write_text(AUDIT_POLICY)
        cert, key = self.server_cert
        with open(self.api_log, "ab") as log:
            self.server = self.space.popen(
                program("kube-apiserver", self.version), "--etcd-servers=http://127.0.0.1:2379",
                "--service-cluster-ip-range=10.96.0.0/12,fd00:96::/108", f"--secure-port={PORT}", "--bind-address=::",
                f"--advertise-address={ADDRESS}", f"--tls-cert-file={cert}", f"--tls-private-key-file={key}",
                f"--client-ca-file={self.ca.cert}", f"--service-account-key-file={self.account_key}",
                f"--service-account-signing-key-file={self.account_key}", f"--service-account-issuer={ISSUER}",
                "--authorization-mode=Node,RBAC", "--allow-privileged=true", f"--cert-dir={self.dir}",
                f"--audit-policy-file={self.dir}/audit.yaml", f"--audit-log-path={self.audit}", "--audit-log-maxsize=4096",
                "--etcd-compaction-interval=0", stdout=log, stderr=log)
        self.wait_ready(timeout)

    def ready(self):
        try:
            return self.client.raw("GET", "/readyz", timeout=2)[0] == 200
        except OSError:
            if self.server.poll() is not None:
                raise LabError(f"kube-apiserver ended with {self.server.returncode}, see {self.api_log}") from None
            return False

    def wait_ready(self, timeout=60):
        wait_for(self.ready, timeout, "the API server to be ready", 0.1)

    def base_objects(self):
        """Namespaces, and the ServiceAccounts that the controller manager would make."""
        for namespace in (NAMESPACE, "default"):
            self.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            self.client.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                               "metadata": {"name": "default", "namespace": namespace}})

    # --- what Ingot needs here -------------------------------------------------------------------------------------

    def install(self, *kinds):
        """Install the objects of the chart that are of these kinds (default: all but the workloads, which nobody would run
        here), and wait for its CRDs."""
        objects = [text for kind, text in chart() if (kind in kinds if kinds else kind not in WORKLOADS)]
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin="---\n".join(objects))
        if not kinds or "CustomResourceDefinition" in kinds:
            wait_for(self.established, 20, "the CRDs to be established", 0.1)

    def established(self):
        def facts(crd):
            return {c["type"]: c["status"] for c in crd.get("status", {}).get("conditions") or []}
        crds = self.client.list("CustomResourceDefinition")
        return crds and all(facts(crd).get("Established") == "True" for crd in crds)

    def create_pod(self, name, account, node, labels):
        return self.client.create({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"nodeName": node, "serviceAccountName": account, "containers": [{"name": "main", "image": "none"}]}})

    def pod(self, name, component, node):
        """A Pod of ours: component node or controller."""
        labels = {"app.kubernetes.io/name": "ingot", "app.kubernetes.io/component": component}
        return Pod(self, name, f"ingot-{component}", node, labels)

    def node(self, name, *addresses, labels=None):
        self.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels or {}},
                            "status": {"addresses": [{"type": "InternalIP", "address": a} for a in addresses]}})

    def token(self, account, seconds=3600, bound=None):
        spec = {"expirationSeconds": seconds, **({"boundObjectRef": bound} if bound else {})}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return self.client.call("POST", self.client.path("ServiceAccount", NAMESPACE, account, "token"), body)["status"]["token"]

    def signed_token(self, account, seconds):
        """A token that lives as short as asked for (the API grants ten minutes at least), signed with the server's key. The
        server forgives a minute, so its last second is a minute ago; what it found good it believes for another 10 s."""
        def part(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=")
        uid = self.client.get("ServiceAccount", NAMESPACE, account)["metadata"]["uid"]
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": [ISSUER], "sub": f"system:serviceaccount:{NAMESPACE}:{account}", "iat": now - 600,
                  "nbf": now - 600, "exp": now + seconds - 60,
                  "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": {"name": account, "uid": uid}}}
        text = part(json.dumps({"alg": "RS256", "typ": "JWT"}).encode()) + b"." + part(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.account_key], input=text, capture_output=True,
                                   check=True).stdout
        return (text + b"." + part(signature)).decode()

    def secret_file(self, path, text):
        """A file that the watcher's user can read, and nobody else."""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400), "w") as f:
            f.write(text)
        shutil.chown(path, WATCHER_UID, WATCHER_UID)
        return path

    def kubeconfig(self, path, token=None, certificate=None, ca=None, server=f"https://{ADDRESS}:{PORT}"):
        """A kubeconfig that names files: a token file or a client's certificate and key."""
        user = {"tokenFile": str(token)} if token else {"client-certificate": str(certificate[0]),
                                                        "client-key": str(certificate[1])}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "lab",
                  "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority": str(ca or self.server_ca)}}],
                  "users": [{"name": "lab", "user": user}],
                  "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}]}
        return self.secret_file(path, json.dumps(config, indent=1))

    def state_dir(self, name):
        folder = self.lab.dir / f"state-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    # --- ways to use it --------------------------------------------------------------------------------------------

    def kubectl(self, *args, version=NEWEST, check=True, stdin=None):
        return self.space.run(program("kubectl", version), f"--kubeconfig={self.admin_kubeconfig}",
                              f"--cache-dir={self.dir}/cache", *args, check=check, stdin=stdin, timeout=60)

    def start_controller_manager(self):
        """Makes EndpointSlices of Pods, collects garbage, finishes namespaces."""
        with open(self.lab.dir / "kube-controller-manager.log", "ab") as log:
            return self.space.popen(
                program("kube-controller-manager", MIDDLE), f"--kubeconfig={self.admin_kubeconfig}",
                f"--authentication-kubeconfig={self.admin_kubeconfig}", f"--authorization-kubeconfig={self.admin_kubeconfig}",
                "--leader-elect=false", f"--root-ca-file={self.server_ca}",
                f"--service-account-private-key-file={self.account_key}", f"--cert-dir={self.dir}", stdout=log, stderr=log)

    def start_proxy(self, space, node):
        """The real kube-proxy, in a node's namespace."""
        with open(self.lab.dir / f"kube-proxy-{node}.log", "ab") as log:
            return space.popen(
                program("kube-proxy", MIDDLE), f"--kubeconfig={self.admin_kubeconfig}", f"--hostname-override={node}",
                "--proxy-mode=nftables", "--cluster-cidr=10.70.0.0/16,fd00:70::/32", "--conntrack-max-per-core=0",
                "--conntrack-min=0", "--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249",
                stdout=log, stderr=log)

    # --- what may happen to it -------------------------------------------------------------------------------------

    def stop_server(self, number=signal.SIGKILL):
        """End the API server; SIGTERM is the polite way, which takes its time."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGCONT)
            self.server.send_signal(number)
            self.server.wait(30)
        self.client.forget()

    def restart(self):
        self.stop_server()
        self.start()

    def freeze(self):
        """The server's connections stay, and nobody answers."""
        self.server.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.server.send_signal(signal.SIGCONT)

    def cut(self):
        """Packets to and from the server vanish."""
        self.lab.space(self.bridge).run("nft", "-f", "-", stdin=(
            "table bridge kubecut {\nchain c {\ntype filter hook forward priority 0;\n"
            'iifname "p-api" drop;\noifname "p-api" drop;\n}\n}\n'))

    def heal(self):
        self.lab.space(self.bridge).run("nft", "delete", "table", "bridge", "kubecut", check=False)

    def compact(self):
        """Forget every revision but the last."""
        def ask(path, body):
            s = connect(self.space, ("127.0.0.1", 2379), 10)
            with s:
                data = json.dumps(body)
                s.sendall(f"POST /v3/kv/{path} HTTP/1.0\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode())
                text = b"".join(iter(lambda: s.recv(65536), b""))
            return json.loads(text.split(b"\r\n\r\n", 1)[1])
        revision = ask("range", {"key": base64.b64encode(b"/registry/none").decode()})["header"]["revision"]
        ask("compaction", {"revision": revision, "physical": True})

    def stop(self):
        """End everything."""
        for p in (self.server, self.etcd):
            if p and p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
                p.wait(10)

    # --- what was asked of it --------------------------------------------------------------------------------------

    def requests(self, since=None, account=None, source=None, stage="ResponseComplete"):
        """Audit events, oldest first: those at this stage, from this moment on (time.time()), of this ServiceAccount, from
        this address. Each has verb, requestURI, objectRef, responseStatus."""
        out = []
        with open(self.audit) as f:
            for line in f:
                if not line.endswith("}\n"):
                    break  # being written
                if account and account not in line:
                    continue  # quicker than to decode it
                e = json.loads(line)
                if stage and e["stage"] != stage:
                    continue
                if account and e["user"].get("username") != f"system:serviceaccount:{NAMESPACE}:{account}":
                    continue
                if source and source not in e.get("sourceIPs", []):
                    continue
                if since and datetime.datetime.fromisoformat(e["requestReceivedTimestamp"]).timestamp() < since:
                    continue
                out.append(e)
        return out
