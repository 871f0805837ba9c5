"""Network namespaces and the processes in them."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time


class LabError(Exception):
    """Something in the lab did not happen; the message says what."""


def wait_for(fact, timeout, what, interval=0.02):
    """Call fact() until it gives a true value, and return that. Raises LabError naming `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"waited {timeout:g} s in vain for: {what}")
        time.sleep(interval)


def sh(*argv, check=True, stdin=None, timeout=30):
    """Run a command, return its standard output. LabError with its error output when it fails."""
    p = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and p.returncode:
        raise LabError(f"{' '.join(map(str, argv))}: {(p.stderr or p.stdout).strip()}")
    return p.stdout


class Namespace:
    """One network namespace."""

    def __init__(self, lab, name):
        self.lab, self.short, self.name = lab, name, f"{lab.prefix}-{name}"
        sh("ip", "netns", "add", self.name)
        # No duplicate address detection and no router solicitations: they cost seconds and prove nothing here.
        self.write({
            "net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/default/accept_dad": 0,
            "net/ipv6/conf/default/accept_ra": 0, "net/ipv6/conf/default/router_solicitations": 0,
            "net/ipv4/conf/all/rp_filter": 0, "net/ipv4/conf/default/rp_filter": 0,
        })
        self.ip("link", "set", "lo", "up")

    def write(self, settings):
        script = "".join(f"[ ! -w /proc/sys/{k} ] || echo {v} > /proc/sys/{k}\n" for k, v in settings.items())
        self.run("sh", "-c", script)

    def ip(self, *args):
        return sh("ip", "-n", self.name, *args)

    def run(self, *argv, **kw):
        return sh("ip", "netns", "exec", self.name, *argv, **kw)

    def popen(self, *argv, **kw):
        """Start a process in here; it is ended with the lab."""
        p = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, argv)], **kw)
        self.lab.processes.append(p)
        return p

    def address(self, interface, *addresses):
        for a in addresses:
            args = ["-6"] if ":" in a else []
            self.ip(*args, "addr", "add", a, "dev", interface, *(["nodad"] if args else []))

    def forward(self):
        self.write({"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1,
                    "net/ipv4/fib_multipath_hash_policy": 1, "net/ipv6/fib_multipath_hash_policy": 1})

    def pids(self):
        return [int(p) for p in sh("ip", "netns", "pids", self.name, check=False).split()]

    def routes(self, prefix):
        """Next hops of prefix in this kernel, a sorted list of addresses."""
        family = ["-6"] if ":" in prefix else []
        hops = set()
        for route in json.loads(sh("ip", "-n", self.name, "-j", *family, "route", "show", prefix) or "[]"):
            hops.update(h["gateway"] for h in route.get("nexthops", []) if "gateway" in h)
            if "gateway" in route:
                hops.add(route["gateway"])
        return sorted(hops)

    def neighbour(self, address):
        """MAC that this namespace's kernel knows for address, or None."""
        for n in json.loads(sh("ip", "-n", self.name, "-j", "neigh", "show", "to", address) or "[]"):
            if n.get("lladdr") and "FAILED" not in n.get("state", []):
                return n["lladdr"]
        return None

    def mac(self, interface):
        return json.loads(sh("ip", "-n", self.name, "-j", "link", "show", interface))[0]["address"]


def end_namespaces(names):
    """End whatever runs in these namespaces, then remove them."""
    def pids():
        return [int(p) for n in names for p in sh("ip", "netns", "pids", n, check=False).split()]

    for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
        for pid in pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        if number == signal.SIGTERM:
            try:
                wait_for(lambda: not pids(), 8, "processes to end")
            except LabError:
                pass  # SIGKILL is next
    for name in names:
        sh("ip", "netns", "del", name, check=False)


def sweep():
    """Remove what labs left behind whose process was killed."""
    left = {}
    for line in sh("ip", "netns", "list").splitlines():
        match = re.match(r"(ig(\d+))-\S+", line)
        if match and not os.path.exists(f"/proc/{match[2]}"):
            left.setdefault(match[1], []).append(match[0])
    for prefix, names in left.items():
        end_namespaces(names)
        for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{prefix}-*"):
            sh("rm", "-rf", "--one-file-system", folder, check=False)


class Lab:
    """A set of namespaces with one prefix, a scratch folder, and everything that has to be ended at the end."""

    def __init__(self, prefix=None):
        sweep()
        self.prefix = prefix or f"ig{os.getpid()}"
        self.spaces, self.processes, self.closers = {}, [], []
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        self.dir.chmod(0o755)

    def space(self, name):
        if name not in self.spaces:
            self.spaces[name] = Namespace(self, name)
        return self.spaces[name]

    def wire(self, a, if_a, b, if_b):
        """A veth pair between two namespaces, created in place."""
        sh("ip", "link", "add", if_a, "netns", self.space(a).name, "type", "veth", "peer", "name", if_b, "netns",
           self.space(b).name)
        self.space(a).ip("link", "set", if_a, "up")
        self.space(b).ip("link", "set", if_b, "up")

    def bridge(self, name, *ports):
        """A bridge in a namespace of its own; ports are (namespace, interface)."""
        s = self.space(name)
        s.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0", "mcast_snooping", "0")
        s.ip("link", "set", "br0", "up")
        for space, interface in ports:
            port = f"p-{space}"
            self.wire(space, interface, name, port)
            s.ip("link", "set", port, "master", "br0")

    def close(self):
        """End every process that lives in our namespaces, remove them and the scratch folder."""
        for closer in reversed(self.closers):
            try:
                closer()
            except (LabError, OSError, subprocess.SubprocessError):
                pass  # the namespace sweep below ends whatever is left
        end_namespaces([s.name for s in self.spaces.values()])
        for p in self.processes:
            try:
                p.wait(timeout=5)
            except subprocess.TimeoutExpired:
                p.kill()
        sh("rm", "-rf", "--one-file-system", self.dir, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
