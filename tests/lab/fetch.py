"""A client that fetches in a loop and reports what it saw. usage: fetch.py ADDRESS [INTERVAL_MS]

Each request is a connection of its own with a time limit. Ends at SIGTERM and prints one JSON line: requests, lost, the
longest time between two answers (ms), and how many answers each endpoint gave."""
import json
import signal
import socket
import sys
import time

LIMIT = 1.0


def fetch(address):
    """The endpoint's name, or None."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(LIMIT)
            s.connect((address, 80))
            s.sendall(f"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while chunk := s.recv(4096):
                data += chunk
            body = data.split(b"\r\n\r\n", 1)[1].split()
            return body[0].decode() if body else None
    except (OSError, IndexError):
        return None


def main():
    address, interval = sys.argv[1], float(sys.argv[2] if len(sys.argv) > 2 else 10) / 1e3
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    requests = lost = 0
    names, longest, last = {}, 0.0, time.monotonic()
    while running:
        requests += 1
        name = fetch(address)
        now = time.monotonic()
        if name:
            names[name] = names.get(name, 0) + 1
            longest, last = max(longest, now - last), now
        else:
            lost += 1
        time.sleep(interval)
    longest = max(longest, time.monotonic() - last)
    print(json.dumps({"requests": requests, "lost": lost, "longest_ms": round(longest * 1e3), "endpoints": names}))


main()
