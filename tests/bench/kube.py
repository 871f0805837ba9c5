#!/usr/bin/python3
"""Figures of Ingot against a real API server, beside those of a client without logic in the same run.

usage: tests/bench/kube.py latency [--runs=100] [--nodes=3] [--first=no|yes]
       tests/bench/kube.py coldstart [--services=10000]
       tests/bench/kube.py memory [--services=10000] [--slices=20000]
       tests/bench/kube.py scale [--sizes=1000,3000,10000]
       tests/bench/kube.py idle [--seconds=300]

Root; the programs of the control plane as tests/kube/build makes them; INGOT_BIN as for the tests, with kube_bare in
../tests beside it. One or several sub-commands; figures are meant to be compared within one run on one machine.

latency   captures on the links of the controller and of each node. The stacks and the bare client speak plain HTTP/1.1
          to a relay on the server's side, so that the captures show which bytes are the event and which the PATCH; TLS and
          HTTP/2 are no part of these figures. A second pass over TLS tells the packets by their size. "End to end" goes
          from the POST (over TLS) to the status at node1, twice over the relay. --first=yes: with real-time priority for
          what is measured, for a machine that others use too.
coldstart addresses for Services that wait, by the audit log's times, against a loop of PATCHes, 64 in flight.
"""
import sys

from stack import Lab

import kube_latency
import kube_scale
from kube_tools import Rows
from lab.kube import HELM, MIDDLE, NEWEST, missing

DEFAULTS = {"runs": "100", "nodes": "3", "first": "no", "services": "10000", "slices": "20000", "sizes": "1000,3000,10000",
            "seconds": "300"}


def latency(o):
    rows = Rows()
    for plain in (True, False):
        with Lab() as lab:
            kube_latency.latency(lab, int(o["runs"]), int(o["nodes"]), plain, o["first"] == "yes", rows)
    rows.show()


def coldstart(o):
    with Lab() as lab:
        kube_scale.coldstart(lab, int(o["services"]))


def memory(o):
    with Lab() as lab:
        kube_scale.memory_bench(lab, int(o["services"]), int(o["slices"]))


def scale(o):
    kube_scale.scale(Lab, [int(n) for n in o["sizes"].split(",")])


def idle(o):
    with Lab() as lab:
        kube_scale.idle(lab, float(o["seconds"]))


COMMANDS = {"latency": latency, "coldstart": coldstart, "memory": memory, "scale": scale, "idle": idle}


def main():
    given = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    wanted = [a for a in sys.argv[1:] if not a.startswith("--")]
    if not wanted or set(wanted) - COMMANDS.keys() or given.keys() - DEFAULTS.keys():
        sys.exit(__doc__)
    lacking = missing([("kube-apiserver", MIDDLE), ("helm", HELM), ("kubectl", NEWEST)])
    if lacking:
        sys.exit(f"not built yet: {', '.join('@'.join(p) for p in lacking)}; run tests/kube/build")
    for name in wanted:
        print(f"== {name}", flush=True)
        COMMANDS[name]({**DEFAULTS, **given})


if __name__ == "__main__":
    main()
