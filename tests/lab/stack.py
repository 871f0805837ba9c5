"""A whole Ingot stack on a node of the lab."""
import json
import os
import pathlib
import signal
import subprocess

from .net import LabError, sh, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("INGOT_BIN", ROOT / "build/release/bin"))
DAEMONS = ("watcher", "allocator", "gossipd", "l2d", "bgpd", "statusd")


class Stack:
    """ingotd and its children in a namespace. `source` is a folder of manifests, or the text k8s."""

    def __init__(self, space, node, source, role="all", bind=None, key_file=None, options=(), bin_dir=BIN):
        self.space, self.node, self.bin = space, node, pathlib.Path(bin_dir)
        self.run_dir = space.lab.dir / f"run-{space.short}"
        self.log_path = space.lab.dir / f"{space.short}.log"
        self.argv = [self.bin / "ingotd", f"--role={role}", f"--source={source if source == 'k8s' else f'dir:{source}'}",
                     f"--node={node}", f"--run-dir={self.run_dir}", *([f"--gossip-bind={bind}"] if bind else []),
                     *([f"--gossip-key-file={key_file}"] if key_file else []), *options]
        self.process = None
        space.lab.closers.append(self.stop)

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = self.space.popen(*self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def ctl(self, *args, check=True):
        return self.space.run(self.bin / "ingotctl", f"--run-dir={self.run_dir}", *args, check=check)

    def json(self, *args):
        """`ingotctl ARGS -o json`, decoded; None while the stack cannot answer yet."""
        try:
            return json.loads(self.ctl(*args, "-o", "json"))
        except (LabError, ValueError):
            return None

    def status(self):
        """name -> the supervisor's record of each daemon."""
        s = self.json("status")
        return {d["name"]: d for d in (s or {}).get("daemons", [])}

    def pid(self, daemon):
        return self.status().get(daemon, {}).get("pid", 0)

    def ready(self):
        s = self.status()
        return bool(s) and all(d.get("state") == "ready" for d in s.values())

    def wait_ready(self, timeout=20):
        wait_for(self.ready, timeout, f"every daemon of {self.node} to be ready", 0.05)

    def kill(self, daemon, number=signal.SIGKILL):
        """Send a signal to one daemon, by its pid. Returns the pid."""
        pid = wait_for(lambda: self.pid(daemon), 10, f"a pid of {daemon} on {self.node}")
        os.kill(pid, number)
        return pid

    def wait_restarted(self, daemon, old_pid, timeout=10):
        def fact():
            d = self.status().get(daemon, {})
            return d.get("state") == "ready" and d.get("pid") not in (0, old_pid)
        wait_for(fact, timeout, f"{daemon} on {self.node} to be ready again")

    def power_off(self):
        """What the network sees when the node loses power: the links go, then every process is gone."""
        for link in json.loads(self.space.ip("-j", "link", "show")):
            if link["ifname"] != "lo":
                self.space.ip("link", "set", link["ifname"], "down")
        if self.process:
            os.kill(self.supervisor_pid(), signal.SIGKILL)

    def supervisor_pid(self):
        """`ip netns exec` replaces itself by the program, so the child is the supervisor."""
        return self.process.pid

    def stop(self, timeout=15):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout)
        self.process = None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
