#!/usr/bin/python3
"""Figures of the whole node stack: memory, latency from a manifest to the wire, failover after a power-off.

usage: tests/bench/stack.py [memory] [latency] [failover] [--runs=N]     (root; default: all)
Everything runs in network namespaces on this machine; figures are distributions, meant to be compared on one machine."""
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab import bgpcap  # noqa: E402
from lab.house import House  # noqa: E402
from lab.net import Lab, wait_for  # noqa: E402
from lab.stack import DAEMONS  # noqa: E402



def spread(values, unit="ms"):
    v = sorted(values)

    def at(q):
        return v[min(len(v) - 1, int(len(v) * q))]
    return f"p50 {at(.5):.2f}  p90 {at(.9):.2f}  p99 {at(.99):.2f}  max {v[-1]:.2f} {unit}  (n={len(v)})"


def pss_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def cpu_s(pid):
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / 100


def memory():
    """One stack alone on the machine, idle for a while: PSS of each process, and CPU over ten seconds."""
    with Lab() as lab:
        house = House(lab, nodes=(1,), bird=False)
        house.base_manifests()
        house.start()
        s = house.stacks[1]
        pids = {"supervisor": s.supervisor_pid(), **{d: s.pid(d) for d in DAEMONS}}
        began, before = time.monotonic(), {d: cpu_s(p) for d, p in pids.items()}
        wait_for(lambda: time.monotonic() - began > 10, 20, "ten idle seconds", 0.5)
        used = sum(cpu_s(p) - before[d] for d, p in pids.items()) / (time.monotonic() - began)
        pss = {d: pss_kb(p) for d, p in pids.items()}
        for d, kb in pss.items():
            threads = len(list(pathlib.Path(f"/proc/{pids[d]}/task").iterdir()))
            print(f"  {d:<11} {kb:>6} kB PSS  {threads} threads")
        print(f"memory: {sum(pss.values()) / 1024:.1f} MB PSS for the whole stack, idle; CPU {used * 100:.2f} % of a core")


def capture(space, interface, path, *what):
    p = space.popen("tcpdump", "-i", interface, "-U", "--immediate-mode", "-s", "0", "-w", path, *what, stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE, text=True)
    p.stderr.readline()
    return p


def first_gratuitous(pcap):
    """address -> time of the first ARP frame that announces it."""
    out = {}
    for frame, meta in bgpcap.RawPcapReader(str(pcap)):
        if frame[12:14] == b"\x08\x06" and frame[28:32] == frame[38:42]:
            address = ".".join(map(str, frame[28:32]))
            out.setdefault(address, meta.sec + meta.usec / 1e6)
    return out


def first_updates(pcap):
    """prefix -> time of the first UPDATE that announces it."""
    out = {}
    for (src, _, _, _), stream in bgpcap.streams(pcap).items():
        for when, kind, body in bgpcap.messages(stream):
            if kind == 2:
                for prefix in bgpcap.update(body)[1]:
                    out[prefix] = min(when, out.get(prefix, when))
    return out


def latency(runs):
    """Manifest renamed into place -> first gratuitous ARP, first UPDATE on the router's link. One Service at a time."""
    with Lab() as lab:
        house = House(lab, bird=False)
        house.base_manifests()
        house.routers()
        house.start()
        wait_for(lambda: len(house.frr.established()) == 3, 30, "three sessions")
        arp, bgp = lab.dir / "arp.pcap", lab.dir / "bgp.pcap"
        p = [capture(lab.space("lclient"), "eth0", arp, "arp"), capture(lab.space("frr"), "seg0", bgp, "tcp", "port", "179")]
        written = {}
        for i in range(runs):
            for name, pool, address in ((f"a{i}", "l2", f"10.50.0.{100 + i % 50}"), (f"b{i}", "bgp", f"192.0.2.{i % 250}")):
                if i >= 50 and pool == "l2":
                    continue
                written[address] = time.time()
                house.service(name, pool, annotations={"metallb.io/loadBalancerIPs": address})
                house.address_of(name)
        for q in p:
            q.terminate()
            q.wait()
        g, u = first_gratuitous(arp), first_updates(bgp)
        print("manifest written -> first gratuitous ARP:", spread([(g[a] - t) * 1e3 for a, t in written.items() if a in g]))
        print("manifest written -> first UPDATE:        ",
              spread([(u[f"{a}/32"] - t) * 1e3 for a, t in written.items() if f"{a}/32" in u]))


def failover(runs):
    """The owner's links go down and all its processes are killed -> first gratuitous ARP of another node."""
    took = []
    with Lab() as lab:
        house = House(lab, bird=False)
        house.base_manifests()
        house.start()
        house.service("web", "l2", annotations={"metallb.io/loadBalancerIPs": "10.50.0.100"})
        for _ in range(runs):
            wait_for(lambda: len({house.owner_of("10.50.0.100", k) for k in house.nodes}) == 1
                     and house.owner_of("10.50.0.100"), 30, "one owner")
            n = int(house.owner_of("10.50.0.100").removeprefix("node"))
            other = next(k for k in house.nodes if k != n)
            pcap = lab.dir / "arp.pcap"
            p = capture(lab.space("lclient"), "eth0", pcap, "arp")
            began = time.time()
            house.stacks[n].power_off()
            wait_for(lambda: house.owner_of("10.50.0.100", other) not in (None, f"node{n}"), 20, "a new owner")
            wait_for(lambda: "10.50.0.100" in first_gratuitous(pcap), 5, "a gratuitous ARP")
            p.terminate()
            p.wait()
            took.append((first_gratuitous(pcap)["10.50.0.100"] - began) * 1e3)
            house.stacks[n].process.wait()
            space = house.stacks[n].space
            space.ip("link", "set", "eth0", "up")
            space.ip("link", "set", "pod0", "up")
            space.address("eth0", f"fd00:50::1{n}/64")
            house.stacks[n].start()
            house.stacks[n].wait_ready()
    print("power-off -> first gratuitous ARP of the new owner:", spread(took))


def main():
    runs = next((int(a.split("=")[1]) for a in sys.argv[1:] if a.startswith("--runs=")), 20)
    want = [a for a in sys.argv[1:] if not a.startswith("--")] or ["memory", "latency", "failover"]
    for what in want:
        print(f"== {what}", flush=True)
        {"memory": memory, "latency": lambda: latency(runs), "failover": lambda: failover(runs)}[what]()


if __name__ == "__main__":
    main()
