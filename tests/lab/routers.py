"""Real routers in namespaces: FRR and BIRD, each with a run folder of its own."""
import json
import os
import pathlib
import shutil
import signal

from .net import LabError, sh, wait_for

FRR_BIN = pathlib.Path("/usr/lib/frr")


def end_pid_file(path, timeout=5):
    """End the process named in a pid file: SIGTERM, then SIGKILL."""
    try:
        pid = int(pathlib.Path(path).read_text())
    except (OSError, ValueError):
        return

    def gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
            wait_for(gone, timeout, f"process {pid} to end")
            return
        except ProcessLookupError:
            return
        except LabError:
            continue


class Frr:
    """FRR's zebra and bgpd. `asn`, and neighbours as (address, remote-as, extra lines)."""

    def __init__(self, space, router_id, asn, neighbors, hold=9):
        self.space, self.asn = space, asn
        self.dir = space.lab.dir / f"frr-{space.short}"
        self.dir.mkdir()
        shutil.chown(self.dir, "frr", "frr")
        (self.dir / "vtysh.conf").touch()
        (self.dir / "frr.conf").write_text(self.config(router_id, neighbors, hold))
        space.lab.closers.append(self.stop)
        for daemon, extra in (("zebra", ["-s", "90000000"]), ("bgpd", [])):
            conf = self.dir / f"{daemon}.conf"
            conf.touch()
            shutil.chown(conf, "frr", "frr")
            space.run(FRR_BIN / daemon, "-d", "-P", "0", "-u", "frr", "-g", "frr", "--vty_socket", self.dir, "-z",
                      self.dir / "zserv.api", "-i", self.dir / f"{daemon}.pid", "-f", conf, "--log",
                      f"file:{self.dir}/{daemon}.log", "--log-level", "debugging", *extra)
        sh("vtysh", "--vty_socket", self.dir, "--config_dir", self.dir, "-f", self.dir / "frr.conf")

    def config(self, router_id, neighbors, hold):
        lines = [
            "frr defaults traditional", f"router bgp {self.asn}", f" bgp router-id {router_id}",
            " no bgp ebgp-requires-policy", " no bgp network import-check", " bgp bestpath as-path multipath-relax",
        ]
        v4, v6 = [], []
        for address, remote_as, extra in neighbors:
            lines += [f" neighbor {address} remote-as {remote_as}", f" neighbor {address} timers {hold // 3} {hold}",
                      f" neighbor {address} timers connect 1", f" neighbor {address} advertisement-interval 0"]
            lines += [f" neighbor {address} {line}" for line in extra]
            v4.append(f"  neighbor {address} activate")
            v6.append(f"  neighbor {address} activate")
        for family, active in (("ipv4", v4), ("ipv6", v6)):
            lines += [f" address-family {family} unicast", *active, "  maximum-paths 16", " exit-address-family"]
        return "\n".join(lines + ["exit", ""])

    def vtysh(self, *commands):
        args = [x for c in commands for x in ("-c", c)]
        return sh("vtysh", "--vty_socket", self.dir, "--config_dir", self.dir, *args)

    def json(self, command):
        return json.loads(self.vtysh(command + " json") or "{}")

    def neighbors(self):
        """address -> FRR's own record of the neighbour."""
        return self.json("show bgp neighbors")

    def established(self):
        return sorted(a for a, n in self.neighbors().items() if n.get("bgpState") == "Established")

    def drops(self):
        """address -> connections dropped since start, by FRR's own counter."""
        return {a: n.get("connectionsDropped", 0) for a, n in self.neighbors().items()}

    def prefixes(self, family):
        """prefix -> sorted list of next hops in the table."""
        table = self.json(f"show bgp {family} unicast").get("routes", {})
        out = {}
        for prefix, paths in table.items():
            hops = set()
            for path in paths:
                hops.update(h["ip"] for h in path.get("nexthops", []) if h.get("used", True))
            out[prefix] = sorted(hops)
        return out

    def stop(self):
        for daemon in ("bgpd", "zebra"):
            end_pid_file(self.dir / f"{daemon}.pid")


class Bird:
    """BIRD 2. Neighbours as (name, address, local address, remote AS)."""

    def __init__(self, space, router_id, asn, neighbors, hold=9):
        self.space, self.asn = space, asn
        self.dir = space.lab.dir / f"bird-{space.short}"
        self.dir.mkdir()
        (self.dir / "bird.conf").write_text(self.config(router_id, neighbors, hold))
        space.lab.closers.append(self.stop)
        space.run("bird", "-c", self.dir / "bird.conf", "-s", self.dir / "bird.ctl", "-P", self.dir / "bird.pid")

    def config(self, router_id, neighbors, hold):
        parts = [f'log "{self.dir}/bird.log" all;', f"router id {router_id};", "protocol device { scan time 10; }",
                 "protocol kernel k4 { ipv4 { import none; export all; }; merge paths on; }",
                 "protocol kernel k6 { ipv6 { import none; export all; }; merge paths on; }"]
        for name, address, local, remote_as in neighbors:
            parts.append(
                f"protocol bgp {name} {{ local {local} as {self.asn}; neighbor {address} as {remote_as};"
                f" connect retry time 1; connect delay time 1; error wait time 1, 4; hold time {hold};"
                f" keepalive time {hold // 3};"
                " ipv4 { import all; export none; }; ipv6 { import all; export none; }; }")
        return "\n".join(parts) + "\n"

    def ctl(self, *args):
        return sh("birdc", "-s", self.dir / "bird.ctl", *args)

    def established(self):
        return sorted(line.split()[0] for line in self.ctl("show", "protocols").splitlines()
                      if " BGP " in line and line.rstrip().endswith("Established"))

    def since(self):
        """name -> the time since when its protocol is in its present state; a dropped session changes it."""
        return {f[0]: f[4] for f in (line.split() for line in self.ctl("show", "protocols").splitlines())
                if len(f) > 4 and f[1] == "BGP"}

    def kept(self, before):
        """Whether all sessions are the ones of an earlier since(). BIRD works the time out anew at each look, and the last
        digit varies; a session that was lost comes back a second later at the earliest."""
        def seconds(text):
            h, m, s = text.split(":")
            return int(h) * 3600 + int(m) * 60 + float(s)
        now = self.since()
        return now.keys() == before.keys() and all(abs(seconds(now[k]) - seconds(before[k])) < 0.1 for k in now)

    def prefixes(self, table):
        """prefix -> sorted next hops in BIRD's table (master4 or master6)."""
        out, prefix = {}, None
        for line in self.ctl("show", "route", "table", table, "all").splitlines():
            words = line.split()
            if line and not line[0].isspace() and "/" in words[0]:
                prefix = words[0]
            if len(words) >= 2 and words[0] == "via" and prefix:
                out.setdefault(prefix, set()).add(words[1])
        return {p: sorted(h) for p, h in out.items()}

    def stop(self):
        end_pid_file(self.dir / "bird.pid")


class GoBgp:
    """gobgpd. Neighbours as (address, remote AS)."""

    def __init__(self, space, router_id, asn, neighbors):
        self.space = space
        self.dir = space.lab.dir / f"gobgp-{space.short}"
        self.dir.mkdir()
        config = self.dir / "gobgpd.toml"
        lines = ["[global.config]", f"as = {asn}", f'router-id = "{router_id}"']
        for address, remote_as in neighbors:
            lines += ["[[neighbors]]", "[neighbors.config]", f'neighbor-address = "{address}"', f"peer-as = {remote_as}",
                      "[neighbors.timers.config]", "connect-retry = 5", "hold-time = 9", "keepalive-interval = 3"]
            for family in ("ipv4-unicast", "ipv6-unicast"):
                lines += ["[[neighbors.afi-safis]]", "[neighbors.afi-safis.config]", f'afi-safi-name = "{family}"']
        config.write_text("\n".join(lines) + "\n")
        with open(self.dir / "gobgpd.log", "wb") as log:
            self.process = space.popen("gobgpd", "-f", config, "--api-hosts", "127.0.0.1:50051", "--pprof-disable",
                                       stdout=log, stderr=log)

    def json(self, *args):
        try:
            return json.loads(self.space.run("gobgp", "-j", *args))
        except (LabError, ValueError):
            return None

    def established(self):
        return [n["state"]["neighbor_address"] for n in self.json("neighbor") or []
                if n["state"].get("session_state") == 6]

    def attributes(self, prefix):
        """Attribute type -> value of the best path, {} when the prefix is not in the table."""
        family = "ipv6" if ":" in prefix else "ipv4"
        paths = (self.json("global", "rib", "-a", family) or {}).get(prefix, [])
        return {a["type"]: a for a in paths[0]["attrs"]} if paths else {}
