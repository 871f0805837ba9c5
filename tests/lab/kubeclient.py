"""A small, fast client of the Kubernetes API for tests: connections are kept, threads share nothing, sockets are opened
inside a namespace of the lab."""
import ctypes
import http.client
import json
import os
import socket
import ssl
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from .net import LabError

CLONE_NEWNET = 0x40000000
METALLB = "metallb.io"
# kind -> (API, plural, namespaced)
KINDS = {
    "ConfigMap": ("api/v1", "configmaps", True),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices", True),
    "Event": ("apis/events.k8s.io/v1", "events", True),
    "CoreEvent": ("api/v1", "events", True),
    "Lease": ("apis/coordination.k8s.io/v1", "leases", True),
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "Pod": ("api/v1", "pods", True),
    "Secret": ("api/v1", "secrets", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "BGPPeer": (f"apis/{METALLB}/v1beta2", "bgppeers", True),
    **{kind: (f"apis/{METALLB}/v1beta1", plural, True) for kind, plural in (
        ("IPAddressPool", "ipaddresspools"), ("L2Advertisement", "l2advertisements"),
        ("BGPAdvertisement", "bgpadvertisements"), ("BFDProfile", "bfdprofiles"), ("Community", "communities"),
        ("ServiceL2Status", "servicel2statuses"), ("ServiceBGPStatus", "servicebgpstatuses"),
        ("ConfigurationState", "configurationstates"))},
}
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class KubeError(LabError):
    """The API server refused; .status is the HTTP code."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


def connect(space, address, timeout):
    """A TCP connection made inside a namespace. Only a thread can enter one, so a short-lived one opens the socket."""
    out = {}

    def inside():
        try:
            with open(f"/run/netns/{space.name}", "rb") as ns:
                if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            out["socket"] = socket.create_connection(address, timeout)
        except OSError as e:
            out["error"] = e
    t = threading.Thread(target=inside)
    t.start()
    t.join()
    if "error" in out:
        raise out["error"]
    out["socket"].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return out["socket"]


class Client:
    """One user's way to the server. `token` is a text; without one the client certificate counts."""

    def __init__(self, space, address, ca, certificate=None, key=None, token=None):
        self.space, self.address, self.token = space, address, token
        self.context = ssl.create_default_context(cafile=os.fspath(ca))
        if certificate:
            self.context.load_cert_chain(certificate, key)
        self.local = threading.local()

    def connection(self, timeout):
        c = getattr(self.local, "connection", None)
        if c is None:
            c = http.client.HTTPSConnection(*self.address, timeout=timeout)
            c.sock = self.context.wrap_socket(connect(self.space, self.address, timeout), server_hostname=self.address[0])
            self.local.connection = c
        c.sock.settimeout(timeout)
        return c

    def forget(self):
        """Drop this thread's connection."""
        c = getattr(self.local, "connection", None)
        if c:
            c.close()
        self.local.connection = None

    def raw(self, method, path, body=None, content="application/json", timeout=30):
        """(HTTP code, bytes). A kept connection that the server has closed meanwhile is made anew once."""
        headers = {"Accept": "application/json", "Content-Type": content}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        for attempt in (1, 2):
            kept = getattr(self.local, "connection", None) is not None
            try:
                c = self.connection(timeout)
                c.request(method, path, body, headers)
                answer = c.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                self.forget()
                if not kept or attempt == 2:
                    raise

    def call(self, method, path, body=None, **kw):
        """The decoded answer; KubeError unless the code is 2xx."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        status, answer = self.raw(method, path, data, **kw)
        if status // 100 != 2:
            try:
                message = json.loads(answer)["message"]
            except (ValueError, KeyError, TypeError):
                message = answer[:200]
            raise KubeError(status, f"{method} {path}: {message}")
        return json.loads(answer)

    @staticmethod
    def path(kind, namespace=None, name=None, sub=None, **query):
        api, plural, namespaced = KINDS[kind]
        where = f"/namespaces/{namespace}" if namespaced and namespace else ""
        text = f"/{api}{where}/{plural}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")
        return text + (f"?{urllib.parse.urlencode(query)}" if query else "")

    @staticmethod
    def place(o):
        """(namespace, name) of an object; namespace default where there is none."""
        return o["metadata"].get("namespace", "default"), o["metadata"].get("name")

    def create(self, o):
        return self.call("POST", self.path(o["kind"], self.place(o)[0]), o)

    def apply(self, o, manager="lab"):
        return self.call("PATCH", self.path(o["kind"], *self.place(o), fieldManager=manager, force="true"), o, content=APPLY)

    def patch(self, kind, namespace, name, body, sub=None):
        return self.call("PATCH", self.path(kind, namespace, name, sub), body, content=MERGE)

    def get(self, kind, namespace, name):
        """The object, or None."""
        try:
            return self.call("GET", self.path(kind, namespace, name))
        except KubeError as e:
            if e.status == 404:
                return None
            raise

    def list(self, kind, namespace=None, selector=None):
        query = {"labelSelector": selector} if selector else {}
        return self.call("GET", self.path(kind, namespace, **query))["items"]

    def delete(self, kind, namespace, name):
        """True unless it was gone already. Pods go at once: there is no kubelet that would finish them."""
        query = {"gracePeriodSeconds": 0} if kind == "Pod" else {}
        try:
            self.call("DELETE", self.path(kind, namespace, name, **query))
        except KubeError as e:
            if e.status != 404:
                raise
            return False
        return True

    def many(self, function, items, threads=16):
        """function(item) for all items, from several threads; the results in order. The first exception is raised."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(function, items))
