#!/usr/bin/python3
"""Just enough of an API server for ingotctl crds, over plain http. Keeps definitions and their versions; an apply of the
same bytes changes nothing, and one beside a conversion webhook is refused, as the real one does.

Usage: fake_apiserver.py MODE. MODE: good, old (no apiextensions v1), forbidden. Prints its port."""

import http.server
import json
import sys

MODE = sys.argv[1]
PREFIX = "/apis/apiextensions.k8s.io/v1"
STALE = "bgppeers.metallb.io"
objects = {STALE: {"version": 1, "text": b"", "webhook": True}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def show(self, name, status=200):
        o = objects[name]
        spec = {"conversion": {"strategy": "Webhook", "webhook": {}}} if o["webhook"] else {}
        self.answer(status, {"metadata": {"name": name, "resourceVersion": str(o["version"])}, "spec": spec})

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        if MODE == "old" or not self.path.startswith(PREFIX):
            self.answer(404, {"message": "not found"})
        elif MODE == "forbidden" and self.path != PREFIX:
            self.answer(403, {"message": f"{name} is forbidden: User cannot get resource"})
        elif self.path == PREFIX:
            self.answer(200, {"kind": "APIResourceList"})
        elif name in objects:
            self.show(name)
        else:
            self.answer(404, {"message": "not found"})

    def do_PATCH(self):
        path, _, query = self.path.partition("?")
        name = path.rsplit("/", 1)[1]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        new = name not in objects
        o = objects.setdefault(name, {"version": 0, "text": b"", "webhook": False})
        if self.headers["Content-Type"] == "application/merge-patch+json":
            o["webhook"] = json.loads(body)["spec"]["conversion"].get("webhook", True) is not None
            o["version"] += 1
        elif self.headers["Content-Type"] != "application/apply-patch+yaml" or query != "fieldManager=ingotctl&force=true":
            self.answer(415, {"message": "not an apply"})
            return
        elif o["webhook"]:
            self.answer(422, {"message": "spec.conversion.webhook: must be empty"})
            return
        elif f"name: {name}\n".encode() not in body:
            self.answer(400, {"message": "another name"})
            return
        elif body != o["text"]:
            o["text"] = body
            o["version"] += 1
        self.show(name, 201 if new else 200)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
