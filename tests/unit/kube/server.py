#!/usr/bin/python3
"""An HTTP/1.1 server that misbehaves as asked, for the tests of lib/kube.

Usage: server.py DIR [PLAIN-PORT [TLS-PORT]]. DIR has the certificates and the file "accepted" with the one token
that /auth lets in. Prints a line "NAME PORT" for each listener, then "ready". Runs until it is killed."""

import json
import os
import select
import socket
import ssl
import sys
import threading
import urllib.parse

DIR = sys.argv[1]
PORTS = {"plain": int((sys.argv[2:3] or ["0"])[0]), "tls": int((sys.argv[3:4] or ["0"])[0])}
COUNTS = {"connections": 0, "requests": 0, "proxied": 0}


class Gone(Exception):
    pass


def read_until(conn, buffer, end):
    while end not in buffer:
        more = conn.recv(65536)
        if not more:
            raise Gone()
        buffer += more
    head, _, rest = buffer.partition(end)
    return head, rest


def read_request(conn, buffer):
    head, buffer = read_until(conn, buffer, b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
    headers.update({line.rstrip(":").lower(): "" for line in lines[1:] if ": " not in line})
    length = int(headers.get("content-length", "0"))
    while len(buffer) < length:
        more = conn.recv(65536)
        if not more:
            raise Gone()
        buffer += more
    return method, target, headers, buffer[:length], buffer[length:]


def answer(conn, status, body, kind="application/json", extra=""):
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    conn.sendall(head.encode() + body)


def begin_chunks(conn):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json;stream=watch\r\nTransfer-Encoding: chunked\r\n\r\n")


def chunk(conn, data):
    conn.sendall(b"%x\r\n%s\r\n" % (len(data), data))


def wait_for_end(conn):
    while conn.recv(65536):
        pass
    raise Gone()


def on_request(conn, method, target, headers, body):
    url = urllib.parse.urlsplit(target)
    query = {k: int(v[0]) for k, v in urllib.parse.parse_qs(url.query).items() if v[0].isdigit()}
    path = url.path
    COUNTS["requests"] += 1
    if path == "/counts":
        answer(conn, 200, json.dumps(COUNTS).encode())
    elif path.endswith("/echo"):
        answer(conn, 200, json.dumps({"method": method, "target": target, "headers": headers,
                                      "body": body.decode()}).encode())
    elif path == "/status":
        extra = f"Retry-After: {query['retry']}\r\n" if "retry" in query else ""
        answer(conn, query["code"], b"x" * query.get("size", 10), extra=extra)
    elif path == "/redirect":
        answer(conn, 302, b"", extra="Location: /echo\r\n")
    elif path == "/html":
        answer(conn, 200, b"<html><body>Sign in</body></html>", kind="text/html; charset=utf-8")
    elif path == "/big":
        answer(conn, 200, b"x" * query["bytes"])
    elif path == "/auth":
        with open(os.path.join(DIR, "accepted"), encoding="ascii") as f:
            good = headers.get("authorization") == f.read()
        answer(conn, 200 if good else 401, b"{}")
    elif path == "/chunks":
        begin_chunks(conn)
        for i in range(query["n"]):
            chunk(conn, b'{"n": %d}\n' % i)
        conn.sendall(b"0\r\n\r\n")
    elif path == "/truncated":
        begin_chunks(conn)
        conn.sendall(b"100\r\nhalf of it")
        raise Gone()
    elif path == "/silent":
        begin_chunks(conn)
        chunk(conn, b"first\n")
        wait_for_end(conn)
    elif path == "/garbage":
        conn.sendall(b"\x00\x01\x02 not HTTP\r\n\r\n")
        raise Gone()
    elif path == "/hang":
        wait_for_end(conn)
    else:
        answer(conn, 404, b"{}")


def serve(conn, context):
    try:
        if context:
            conn = context.wrap_socket(conn, server_side=True)
        COUNTS["connections"] += 1
        buffer = b""
        while True:
            method, target, headers, body, buffer = read_request(conn, buffer)
            on_request(conn, method, target, headers, body)
    except (Gone, OSError, ValueError):
        pass
    finally:
        conn.close()


def proxy(conn, _):
    """A proxy for CONNECT."""
    try:
        head, rest = read_until(conn, b"", b"\r\n\r\n")
        method, target, _ = head.decode().split("\r\n")[0].split(" ")
        COUNTS["proxied"] += 1
        if method != "CONNECT":
            raise Gone()
        if target.startswith("forbidden"):
            answer(conn, 403, b"no")
            raise Gone()
        host, port = target.rsplit(":", 1)
        other = socket.create_connection((host, int(port)))
        conn.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        other.sendall(rest)
        while True:
            for ready in select.select([conn, other], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    raise Gone()
                (other if ready is conn else conn).sendall(data)
    except (Gone, OSError, ValueError):
        pass
    finally:
        conn.close()


def listen(name, context, handler):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", PORTS.get(name, 0)))
    s.listen(256)
    print(name, s.getsockname()[1], flush=True)

    def accept():
        while True:
            conn, _ = s.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=handler, args=(conn, context), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def tls(name, client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(DIR, name + ".pem"), os.path.join(DIR, name + ".key"))
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(os.path.join(DIR, "ca.pem"))
    return context


listen("plain", None, serve)
listen("tls", tls("server"), serve)
listen("other", tls("other"), serve)
listen("expired", tls("expired"), serve)
listen("named", tls("named"), serve)
listen("mutual", tls("server", client=True), serve)
listen("proxy", None, proxy)
print("ready", flush=True)
threading.Event().wait()
