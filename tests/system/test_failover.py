"""L2 ownership moves when it must, and never stays in two hands."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from lab import bgpcap
from lab.net import wait_for

ARPWHO = pathlib.Path(__file__).resolve().parent.parent / "lab" / "arpwho.py"


def answers(house, address, seconds=0.3):
    out = house.lab.space("lclient").run("/usr/bin/python3", ARPWHO, "eth0", str(seconds), address)
    return json.loads(out)[address]


def owned(house, name, address):
    house.service(name, "l2", annotations={"metallb.io/loadBalancerIPs": address})
    assert house.address_of(name) == address
    owner = wait_for(lambda: house.owner_of(address), 10, "an owner")
    wait_for(lambda: len(answers(house, address)) == 1, 10, "an answer")
    return int(owner.removeprefix("node"))


@pytest.fixture
def thawed(house):
    """Whatever a test froze goes on at its end."""
    yield
    for s in house.stacks.values():
        for pid in s.space.pids():
            os.kill(pid, signal.SIGCONT)


class Listener:
    """Every ARP frame on the segment that speaks for one address, while somebody asks for it all the time."""

    def __init__(self, house, address):
        self.address, self.pcap = address, house.lab.dir / f"arp-{address}.pcap"
        client = house.lab.space("lclient")
        self.capture = client.popen("tcpdump", "-i", "eth0", "-U", "--immediate-mode", "-w", self.pcap, "arp",
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.capture.stderr.readline()
        self.asker = client.popen("/usr/bin/python3", ARPWHO, "eth0", "60", address, "0.002", stdout=subprocess.DEVNULL)

    def stop(self):
        """[(time, MAC that claims the address)]"""
        for p in (self.asker, self.capture):
            p.terminate()
            p.wait()
        out = []
        for frame, meta in bgpcap.RawPcapReader(str(self.pcap)):
            if frame[12:14] == b"\x08\x06" and socket.inet_ntoa(frame[28:32]) == self.address:
                out.append((meta.sec + meta.usec / 1e6, frame[22:28].hex(":")))
        return out


def test_frozen_gossipd_of_the_owner_yields_to_the_new_owner(house, thawed):
    address = "10.50.0.110"
    n = owned(house, "frozen", address)
    stack = house.stacks[n]
    old = stack.space.mac("eth0")
    gossipd = stack.pid("gossipd")
    heard = Listener(house, address)
    # The supervisor would kill a frozen gossipd in a moment; freeze it as well, so that only the network can help.
    os.kill(stack.supervisor_pid(), signal.SIGSTOP)
    os.kill(gossipd, signal.SIGSTOP)
    began = time.time()
    wait_for(lambda: any(m != old for m in answers(house, address, 0.1)), 10, "another node to answer")
    wait_for(lambda: old not in answers(house, address, 0.1), 5, "the old owner to yield")
    assert len(answers(house, address)) == 1
    frames = heard.stop()
    first = min(t for t, mac in frames if mac != old)
    last = max(t for t, mac in frames if mac == old)
    after = sum(1 for t, mac in frames if mac == old and t > first)
    print(f"taken over after {(first - began) * 1e3:.0f} ms; the old owner's last answer came {(last - first) * 1e3:.1f} ms after "
          f"the new one's announcement ({after} answers)")
    # One announcement is a request and a reply; an old owner that hears the first of them answers nothing more.
    assert after < 50, frames[-after:]
    os.kill(gossipd, signal.SIGCONT)
    os.kill(stack.supervisor_pid(), signal.SIGCONT)
    wait_for(lambda: len({house.owner_of(address, k) for k in house.nodes}) == 1, 15, "all nodes to agree again")
    owner = house.owner_of(address)
    wait_for(lambda: answers(house, address) == [house.lab.space(owner).mac("eth0")], 10, "the agreed owner alone to answer")


def test_hung_gossipd_is_replaced_before_anybody_notices(house, thawed):
    address = "10.50.0.111"
    n = owned(house, "hung", address)
    stack = house.stacks[n]
    pid = stack.kill("gossipd", signal.SIGSTOP)
    stack.wait_restarted("gossipd", pid)
    for k in house.nodes:
        wait_for(lambda k=k: house.owner_of(address, k) == f"node{n}", 10, "the owner to be the same")
    assert answers(house, address) == [stack.space.mac("eth0")]


def test_link_down_moves_the_address_and_up_again_leaves_one_owner(house):
    address = "10.50.0.112"
    n = owned(house, "link", address)
    space = house.stacks[n].space
    house.lab.space("seg").ip("link", "set", f"p-node{n}", "down")
    other = next(k for k in house.nodes if k != n)
    wait_for(lambda: house.owner_of(address, other) not in (None, f"node{n}"), 10, "another owner")
    wait_for(lambda: len(answers(house, address)) == 1, 10, "one answer")
    assert answers(house, address) != [space.mac("eth0")]
    house.lab.space("seg").ip("link", "set", f"p-node{n}", "up")
    wait_for(lambda: len({house.owner_of(address, k) for k in house.nodes}) == 1, 20, "all nodes to agree")
    wait_for(lambda: len(answers(house, address)) == 1, 10, "one answer")


def test_partition_heals_to_one_owner(house):
    address = "10.50.0.113"
    n = owned(house, "split", address)
    cut = house.lab.space("seg")
    rules = "\n".join(f'iifname "p-node{n}" oifname "p-node{k}" drop; iifname "p-node{k}" oifname "p-node{n}" drop;'
                      for k in house.nodes if k != n)
    cut.run("nft", "-f", "-", stdin=f"table bridge cut {{\nchain c {{\ntype filter hook forward priority 0;\n{rules}\n}}\n}}\n")
    other = next(k for k in house.nodes if k != n)
    wait_for(lambda: house.owner_of(address, other) not in (None, f"node{n}"), 10, "the other side to elect an owner")
    assert house.owner_of(address, n) == f"node{n}"
    cut.run("nft", "delete", "table", "bridge", "cut")
    wait_for(lambda: len({house.owner_of(address, k) for k in house.nodes}) == 1, 20, "both sides to agree")
    owner = house.owner_of(address)
    wait_for(lambda: answers(house, address) == [house.lab.space(owner).mac("eth0")], 10, "one answer, from the owner")


def test_orderly_stop_of_the_owner_hands_over(house):
    address = "10.50.0.114"
    n = owned(house, "leave", address)
    house.stacks[n].stop()
    other = next(k for k in house.nodes if k != n)
    wait_for(lambda: house.owner_of(address, other) not in (None, f"node{n}"), 5, "another owner")
    wait_for(lambda: len(answers(house, address)) == 1, 5, "one answer")
    house.stacks[n].start()
    house.stacks[n].wait_ready()
    wait_for(lambda: len({house.owner_of(address, k) for k in house.nodes}) == 1, 20, "all nodes to agree")


def test_power_off_of_the_owner_is_last(house):
    """Runs last in this file: one node stays dead."""
    address = "10.50.0.115"
    n = owned(house, "dark", address)
    other = next(k for k in house.nodes if k != n)
    began = time.monotonic()
    house.stacks[n].power_off()
    wait_for(lambda: len(answers(house, address, 0.05)) == 1, 10, "a new owner to answer", 0)
    print(f"answered again after {time.monotonic() - began:.2f} s")
    wait_for(lambda: house.owner_of(address, other) not in (None, f"node{n}"), 5, "a new owner")
