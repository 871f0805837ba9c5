"""What the measurements against a real API server share: tables, captures, figures of processes. Part of kube.py."""
import collections
import datetime
import http.client
import subprocess

from lab import bgpcap
from lab.demo import settle
from lab.kubeclient import connect
from lab.net import LabError

from stack import cpu_s, pss_kb

FRR, BIRD = "10.50.0.1", "10.50.0.2"
MS = 1e3


class Rows:
    """Distributions, one a row, in milliseconds."""

    def __init__(self):
        self.rows = []

    def add(self, what, who, seconds):
        self.rows.append((what, who, sorted(s * MS for s in seconds)))

    def show(self):
        print(f"{'':<42}{'':<13}{'p50':>9}{'p99':>9}{'max':>9} ms{'n':>6}")
        medians = {}
        for what, who, v in self.rows:
            if not v:
                print(f"{what:<42}{who:<13}     none")
                continue
            medians.setdefault(what, {})[who] = v[len(v) // 2]
            p50, p99 = v[len(v) // 2], v[min(len(v) - 1, int(len(v) * .99))]
            print(f"{what:<42}{who:<13}{p50:>9.2f}{p99:>9.2f}{v[-1]:>9.2f}{len(v):>9}")
        for what, m in medians.items():
            if "Ingot" in m and "bare client" in m:
                print(f"{what:<42}{'ratio':<13}{m['Ingot'] / m['bare client']:>9.2f}")


class Capture:
    """The frames of a namespace's eth0, with the kernel's timestamps; written in blocks, so that the watching itself wakes
    nobody at each frame."""

    def __init__(self, space, path, what):
        self.path, self.mac = path, space.mac("eth0")
        self.process = space.popen("tcpdump", "-i", "eth0", "-B", "16384", "-s", "0", "-w", path, what, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.process.stderr.readline()

    def stop(self):
        settle(1.5)  # the last block
        self.process.terminate()
        text = self.process.stderr.read()
        self.process.wait()
        lost = next((line for line in text.splitlines() if "dropped by kernel" in line), "")
        if not lost.startswith("0 "):
            raise LabError(f"the capture is not whole: {lost or text}")

    def updates(self, router=FRR):
        """(address -> first UPDATE to this router, address -> first withdrawal)."""
        come, gone = {}, {}
        for (_, _, target, _), stream in bgpcap.streams(self.path).items():
            if target != router:
                continue
            for when, kind, body in bgpcap.messages(stream):
                for out, prefixes in zip((gone, come), bgpcap.update(body) if kind == 2 else ()):
                    for prefix in prefixes:
                        out.setdefault(prefix.removesuffix("/32"), when)
        return come, gone

    def gratuitous(self):
        """address -> this node's first gratuitous ARP for it."""
        out = {}
        for frame, meta in bgpcap.RawPcapReader(str(self.path)):
            if frame[12:14] == b"\x08\x06" and frame[28:32] == frame[38:42] and frame[6:12].hex(":") == self.mac:
                out.setdefault(".".join(map(str, frame[28:32])), meta.sec + meta.usec / 1e6)
        return out


def metric(stack, name, label=""):
    """The sum of a metric's series, those with this label; 0 while the stack cannot answer."""
    try:
        c = http.client.HTTPConnection("127.0.0.1", 9120, timeout=5)
        c.sock = connect(stack.space, ("127.0.0.1", 9120), 5)
        c.request("GET", "/metrics")
        text = c.getresponse().read().decode()
        c.close()
    except OSError:
        return 0
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.split("{")[0].split(" ")[0] == name and label in line)


def daemons(stack):
    """name -> pid, the supervisor's among them."""
    return {"supervisor": stack.supervisor_pid(), **{name: d["pid"] for name, d in stack.status().items() if d.get("pid")}}


def memory(stack):
    """name -> PSS in MB."""
    return {name: pss_kb(pid) / 1024 for name, pid in daemons(stack).items()}


def cpu(stack):
    """name -> CPU seconds so far."""
    return {name: cpu_s(pid) for name, pid in daemons(stack).items()}


def table(heads, rows):
    """rows: name -> figures, one for each head."""
    width = max(len(n) for n in rows) + 2
    print(" " * width + "".join(f"{h:>22}" for h in heads))
    for name, figures in rows.items():
        print(f"{name:<{width}}" + "".join(f"{f:>22.2f}" for f in figures))


def moment(event, field="stageTimestamp"):
    return datetime.datetime.fromisoformat(event[field]).timestamp()


def writes(house, since, account):
    """What an account wrote, its Lease apart: (resource, subresource) -> audit events."""
    out = collections.defaultdict(list)
    for e in house.kube.requests(since, account):
        o = e.get("objectRef", {})
        if e["verb"] not in ("get", "list", "watch") and o.get("resource") != "leases":
            out[o.get("resource"), o.get("subresource", "")].append(e)
    return out
