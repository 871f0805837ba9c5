"""The demo: what Ingot does, shown end to end in about two minutes. Started by tools/demo.

Three nodes run the whole stack from one folder of manifests; a FRR and a BIRD router learn routes from them; one client
sits behind the routers, one on the nodes' own segment."""
import json
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab.house import House  # noqa: E402
from lab.net import Lab, LabError, wait_for  # noqa: E402
from lab.stack import DAEMONS  # noqa: E402

FETCH = pathlib.Path(__file__).parent / "fetch.py"
SERVICES = (("web-l2", "l2", "IPv4"), ("web-l2-v6", "l2", "IPv6"), ("web-bgp", "bgp", "IPv4"), ("web-bgp-v6", "bgp", "IPv6"))


class Show:
    """Progress for people, and the table at the end."""

    def __init__(self):
        self.start, self.rows, self.failed = time.monotonic(), [], False

    def step(self, text):
        print(f"\n[{time.monotonic() - self.start:6.1f} s] {text}", flush=True)

    def say(self, text):
        print(f"           {text}", flush=True)

    def row(self, what, result, good=True):
        self.rows.append((what, result, good))
        self.failed |= not good
        self.say(f"{'ok ' if good else 'BAD'} {what}: {result}")

    def table(self):
        width = max(len(r[0]) for r in self.rows)
        print(f"\n{'what':<{width}}   result\n{'-' * width}   {'-' * 40}")
        for what, result, good in self.rows:
            print(f"{what:<{width}}   {result}{'' if good else '   <-- not as it should be'}")


class Fetcher:
    """The fetch loop in a client's namespace."""

    def __init__(self, space, address, interval_ms=10):
        self.p = space.popen("/usr/bin/python3", FETCH, address, interval_ms, stdout=subprocess.PIPE, text=True)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        out, _ = self.p.communicate(timeout=10)
        return json.loads(out)


def settle(seconds):
    """Let traffic run for this long."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, seconds + 5, "time to pass")


def spread(space, address):
    """Fetch for a moment; what the client saw."""
    f = Fetcher(space, address, 5)
    settle(1.5)
    return f.stop()


def addresses(show, house):
    show.step("Services get addresses")
    out = {}
    for name, pool, family in SERVICES:
        house.service(name, pool, family)
        began = time.monotonic()
        out[name] = house.address_of(name)
        show.say(f"{name:<12} {family} from pool {pool}: {out[name]}  ({(time.monotonic() - began) * 1e3:.0f} ms)")
    show.row("Services with an address", f"{len(out)} of {len(SERVICES)}", len(out) == len(SERVICES))
    house.kube_proxy(*out.values())
    return out


def reach(show, house, out):
    show.step("the network learns of them")
    for router, space in (("FRR", house.frr.space), ("BIRD", house.bird.space)):
        for name in ("web-bgp", "web-bgp-v6"):
            length = "128" if ":" in out[name] else "32"
            hops = wait_for(lambda: (lambda h: h if len(h) == 3 else None)(space.routes(f"{out[name]}/{length}")), 20,
                            f"three ECMP paths to {out[name]} in {router}'s kernel")
            show.row(f"{router}: paths to {name}", f"{len(hops)} of 3 in the kernel's ECMP route", len(hops) == 3)
    for name in ("web-l2", "web-l2-v6"):
        owner = wait_for(lambda: house.owner_of(out[name]), 10, f"an owner of {out[name]}")
        show.say(f"{name} {out[name]} is answered for by {owner}")
    for client, label in (("lclient", "on the segment, ARP"), ("rclient", "behind the routers")):
        for name in ("web-l2", "web-l2-v6") if client == "lclient" else ("web-l2", "web-bgp", "web-bgp-v6"):
            got = spread(house.lab.space(client), out[name])
            seen = sorted(got["endpoints"])
            kind = "NDP" if client == "lclient" and ":" in out[name] else label.split()[-1]
            want = 3 if name.startswith("web-bgp") else 1
            show.row(f"{client} -> {name} ({label.replace('ARP', kind)})",
                     f"{got['requests'] - got['lost']} of {got['requests']} requests answered, endpoints {', '.join(seen)}",
                     got["lost"] == 0 and len(seen) >= want)
    house.via("10.60.0.2", "fd00:60::2")
    got = spread(house.lab.space("rclient"), out["web-bgp"])
    show.row("rclient -> web-bgp (via BIRD)",
             f"{got['requests'] - got['lost']} of {got['requests']} requests answered, endpoints {', '.join(sorted(got['endpoints']))}",
             got["lost"] == 0 and len(got["endpoints"]) == 3)
    house.via("10.60.0.1", "fd00:60::1")


def kills(show, house, out):
    show.step("kill -9 of each daemon on each node, twice, while two clients fetch")
    frr, bird = house.frr.drops(), house.bird.since()
    client = house.lab.space("lclient")
    for daemon in DAEMONS:
        l2 = Fetcher(client, out["web-l2"])
        bgp = Fetcher(house.lab.space("rclient"), out["web-bgp"])
        for _ in range(2):
            for stack in house.stacks.values():
                pid = stack.kill(daemon)
                client.ip("neigh", "flush", "to", out["web-l2"])  # the client has to ask again, now
                stack.wait_restarted(daemon, pid)
            settle(1.2)  # only a daemon that was ready for a while is started again at once
        a, b = l2.stop(), bgp.stop()
        lost = a["lost"] + b["lost"]
        show.row(f"kill -9 {daemon}, 2 x 3 nodes", f"{lost} of {a['requests'] + b['requests']} requests lost, "
                 f"longest time without an answer {max(a['longest_ms'], b['longest_ms'])} ms", lost == 0)
    dropped = sum(house.frr.drops()[k] - frr[k] for k in frr)
    same = house.bird.kept(bird)
    show.row("BGP sessions dropped by the kills", f"{dropped} by FRR's counters, {'0' if same else 'some'} by BIRD's",
             dropped == 0 and same)


def power_off(show, house, out):
    show.step("the node that owns the L2 address loses power")
    owner = house.owner_of(out["web-l2"])
    n = int(owner.removeprefix("node"))
    other = next(k for k in house.nodes if k != n)
    f = Fetcher(house.lab.space("lclient"), out["web-l2"], 5)
    wait_for(lambda: house.lab.space("lclient").neighbour(out["web-l2"]), 5, "the client to know the owner")
    old = house.lab.space("lclient").neighbour(out["web-l2"])
    began = time.monotonic()
    house.stacks[n].power_off()
    client = house.lab.space("lclient")
    wait_for(lambda: client.neighbour(out["web-l2"]) not in (None, old), 20, "the client to learn the new owner", 0.001)
    outage = (time.monotonic() - began) * 1e3
    wait_for(lambda: house.owner_of(out["web-l2"], other) not in (None, owner), 10, "a new owner")
    got = f.stop()
    show.row("power-off of the L2 owner", f"{outage:.0f} ms until the client knew the new owner", outage < 1000)
    show.row("the client's view of it", f"longest time without an answer {got['longest_ms']} ms, {got['lost']} requests lost")


def look_around(house):
    n = next(k for k, s in house.stacks.items() if s.process and s.process.poll() is None)
    s = house.stacks[n]
    print(f"""
It goes on running. Look around with:
  ip netns exec {s.space.name} {s.bin}/ingotctl --run-dir={s.run_dir} status
  ip netns exec {s.space.name} {s.bin}/ingotctl --run-dir={s.run_dir} explain default/web-l2
  ip netns exec {house.frr.space.name} vtysh --vty_socket {house.frr.dir} -c 'show bgp summary'
  ip netns exec {house.bird.space.name} birdc -s {house.bird.dir}/bird.ctl show route
manifests: {house.folder} (edit them; Ingot watches)
logs:      {house.lab.dir}/node*.log
Press Ctrl-C to end it and clean up.""", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


def interrupted(*_):
    """Ctrl-C: clean up. Whoever presses it again has to wait for that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    keep = "--keep" in sys.argv[1:]
    unknown = [a for a in sys.argv[1:] if a != "--keep"]
    if unknown:
        sys.exit(f"demo: unknown argument {unknown[0]}; there is only --keep")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    show = Show()
    with Lab() as lab:
        try:
            show.step("network namespaces: 3 nodes with a pod each, 2 routers, 2 clients")
            house = House(lab)
            house.endpoints()
            house.base_manifests()
            show.step("FRR and BIRD start, three nodes start Ingot from one folder of manifests")
            house.routers()
            house.start()
            out = addresses(show, house)
            reach(show, house, out)
            kills(show, house, out)
            power_off(show, house, out)
            show.table()
            if keep:
                look_around(house)
        except LabError as e:
            print(f"\nerror: {e}", file=sys.stderr)
            for s in getattr(locals().get("house"), "stacks", {}).values():
                print(f"--- last lines of {s.node}'s log\n" + "\n".join(s.log().splitlines()[-15:]), file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ninterrupted: cleaning up", file=sys.stderr)
            return 130
    return 1 if show.failed else 0


if __name__ == "__main__":
    sys.exit(main())
