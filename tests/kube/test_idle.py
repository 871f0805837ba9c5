"""An idle cluster is left alone: the audit log has watches and the Lease, nothing else."""
import collections
import os
import time

from lab.demo import settle
from lab.net import wait_for

IDLE = float(os.environ.get("INGOT_TEST_IDLE", "60"))  # seconds; 300 for the five minutes
ACCOUNTS = ("ingot-controller", "ingot-node")


def asked(house, since):
    """(account, verb, resource) -> how often, counted when a request began."""
    out = collections.Counter()
    for account in ACCOUNTS:
        for stage in ("ResponseStarted", "ResponseComplete"):
            for e in house.kube.requests(since, account, stage=stage):
                if (e["verb"] == "watch") == (stage == "ResponseStarted"):
                    out[account, e["verb"], e.get("objectRef", {}).get("resource", e["requestURI"])] += 1
    return out


def test_idle(house):
    for i in range(10):
        house.service(f"l2-{i}", "l2")
        house.service(f"bgp-{i}", "bgp")
    addresses = [house.address_of(f"bgp-{i}") for i in range(10)]
    house.wait_routed(*addresses)
    wait_for(lambda: len(house.statuses("ServiceBGPStatus")) == 30 and len(house.statuses("ServiceL2Status")) == 10, 20,
             "all status objects")
    last = {"n": -1}

    def quiet():
        now = {k: v for k, v in asked(house, None).items() if k[2] != "leases"}
        if now != last["n"]:
            last.update(n=now, at=time.monotonic())
        return time.monotonic() - last["at"] > 3
    wait_for(quiet, 60, "everything to settle", 0.5)
    since = time.time()
    settle(IDLE)
    seen = asked(house, since)
    print("\n".join(f"{n:4} {' '.join(k)}" for k, n in sorted(seen.items())))
    assert not {k: n for k, n in seen.items() if k[1] != "watch" and (k[0], k[2]) != ("ingot-controller", "leases")}
    leases = sum(n for k, n in seen.items() if k[2] == "leases" and k[1] != "watch")
    assert 0 < leases <= IDLE, "the Lease is renewed, at most once a second"
