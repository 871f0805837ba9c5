"""l2d alone on a wire: build/*/tests/l2owner stands in for gossipd and says who owns what."""
import ctypes
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from lab.house import House
from lab.net import Lab, wait_for
from lab.stack import BIN

OWNER = BIN.parent / "tests" / "l2owner"
MEMBER = bytes.fromhex("020000000777")
STRANGER = bytes.fromhex("020000000666")
ARP, IPV6 = 0x806, 0x86dd

if not OWNER.exists():
    pytest.skip(f"{OWNER} is not built", allow_module_level=True)


def packet_socket(space, interface, ethertype):
    """A packet socket inside a namespace; the thread that enters it ends at once."""
    made = []

    def enter():
        fd = os.open(f"/run/netns/{space.name}", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
            s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: we may read late
            s.bind((interface, ethertype))
            made.append(s)
        finally:
            os.close(fd)

    t = threading.Thread(target=enter)
    t.start()
    t.join()
    return made[0]


def arp(op, mac, sender, target, dst=b"\xff" * 6):
    return (dst + mac + struct.pack("!HHHBBH", ARP, 1, 0x800, 6, 4, op) + mac + socket.inet_aton(sender) + bytes(6)
            + socket.inet_aton(target))


class Wire:
    """client eth0 -- eth0 node, with l2d on the node."""

    def __init__(self):
        self.lab = Lab()
        self.lab.wire("client", "eth0", "node", "eth0")
        self.client, self.node = self.lab.space("client"), self.lab.space("node")
        self.client.address("eth0", "10.9.0.1/24", "fd00:9::1/64")
        self.log = self.lab.dir / "l2d.log"
        self.env = dict(os.environ, INGOT_STANDALONE="1", INGOT_RUN_DIR=str(self.lab.dir / "run"), INGOT_NODE="node",
                        INGOT_LOG_LEVEL="debug")
        self.owner = self.node.popen(OWNER, stdin=subprocess.PIPE, env=self.env, text=True,
                                     stderr=subprocess.DEVNULL)
        self.l2d = None

    def say(self, *lines):
        for line in lines:
            self.owner.stdin.write(line + "\n")
        self.owner.stdin.flush()

    def start(self, *before, **env):
        with open(self.log, "ab") as log:
            self.l2d = self.node.popen(*before, BIN / "l2d", env={**self.env, **env}, stderr=log)
        self.logged("event=ready")

    def owner_pid(self):
        """`ip netns exec` becomes the program, so the pid is its own."""
        return self.owner.pid

    def logged(self, text, timeout=5):
        wait_for(lambda: text in self.log.read_text(), timeout, f"{text!r} in l2d's log")

    def asks(self, address, timeout=0.3):
        """The hardware addresses that answer one request of a client."""
        with packet_socket(self.client, "eth0", ARP) as s:
            mac = bytes.fromhex(self.client.mac("eth0").replace(":", ""))
            s.send(arp(1, mac, "10.9.0.1", address))
            found, end = set(), time.monotonic() + timeout
            while (left := end - time.monotonic()) > 0:
                s.settimeout(left)
                try:
                    f = s.recv(200)
                except TimeoutError:
                    break
                if f[20:22] == b"\0\2" and socket.inet_ntoa(f[28:32]) == address and f[32:38] == mac:
                    found.add(f[22:28].hex(":"))
                    break
            return found

    def answered(self, address, timeout=5):
        return wait_for(lambda: self.asks(address), timeout, f"an answer for {address}")

    def silent(self, address, timeout=5):
        wait_for(lambda: not self.asks(address), timeout, f"silence about {address}")


@pytest.fixture
def wire():
    w = Wire()
    with w.lab:
        yield w


def test_neighbours_learn_it(wire):
    wire.start()
    wire.say("own 10.9.0.100 1", "own fd00:9::100 1", "synced")
    mac = wire.node.mac("eth0")
    assert wire.answered("10.9.0.100") == {mac}
    for family, address in (("-4", "10.9.0.100"), ("-6", "fd00:9::100")):
        def known(family=family, address=address):
            wire.client.run("ping", family, "-c1", "-W1", address, check=False)
            return wire.client.neighbour(address)
        assert wait_for(known, 10, f"a neighbour entry for {address}") == mac
    wire.say("drop 10.9.0.100")
    wire.silent("10.9.0.100")


def test_series_of_five_rounds(wire):
    """Request and reply, 1.1 s apart, five times; the same record again starts nothing."""
    with packet_socket(wire.client, "eth0", ARP) as s:
        wire.start()
        wire.say("own 10.9.0.100 1", "synced")
        seen, end = [], time.monotonic() + 7.5
        while (left := end - time.monotonic()) > 0:
            s.settimeout(left)
            try:
                f = s.recv(200)
            except TimeoutError:
                break
            if f[28:32] == f[38:42] == socket.inet_aton("10.9.0.100"):
                assert f[:6] == f[32:38] == b"\xff" * 6
                seen.append((time.monotonic(), f[21]))
                wire.say("own 10.9.0.100 1")
    assert [op for _, op in seen] == [1, 2] * 5
    gaps = [b[0] - a[0] for a, b in zip(seen[::2], seen[2::2])]
    # A reader that is woken late makes one gap longer and the next one shorter; their sum stays.
    assert all(0.8 < g < 1.6 for g in gaps) and 4.2 < sum(gaps) < 5, gaps


def test_interface_that_comes_later(wire):
    wire.start()
    wire.say("own 10.9.0.100 1", "own fd00:9::100 1", "synced")
    wire.answered("10.9.0.100")
    wire.lab.wire("client", "eth1", "node", "eth1")
    wire.logged('subject=10.9.0.100 event=announcing msg="on interface eth1"')
    wire.logged('subject=fd00:9::100 event=announcing msg="on interface eth1"')
    wire.node.ip("link", "set", "eth0", "down")
    wire.silent("10.9.0.100")
    wire.node.ip("link", "set", "eth0", "up")
    wire.answered("10.9.0.100")


def test_solicitations_reach_a_macvlan(wire):
    """Where the hardware filters multicast, only a group membership brings solicitations."""
    wire.node.ip("link", "add", "mv0", "link", "eth0", "type", "macvlan", "mode", "bridge")
    wire.node.ip("link", "set", "mv0", "up")
    wire.start()
    wire.say("own fd00:9::1:2345 1", "synced")
    wire.logged('subject=fd00:9::1:2345 event=announcing msg="on interface mv0"')
    macs = wire.node.ip("maddr", "show", "dev", "mv0")
    assert "33:33:ff:01:23:45" in macs
    wire.say("drop fd00:9::1:2345")
    wait_for(lambda: "33:33:ff:01:23:45" not in wire.node.ip("maddr", "show", "dev", "mv0"), 5, "the group to be left")


def test_yields_to_a_member_while_gossipd_is_silent(wire):
    wire.start()
    wire.say(f"member other {MEMBER.hex(':')}", "own 10.9.0.100 1", "synced")
    wire.answered("10.9.0.100")
    time.sleep(0.1)  # gossipd's word is believed for 50 ms
    with packet_socket(wire.client, "eth0", ARP) as s:
        os.kill(wire.owner_pid(), signal.SIGSTOP)
        s.send(arp(1, MEMBER, "10.9.0.100", "10.9.0.100"))
        wire.logged("event=yielded")
        assert not wire.asks("10.9.0.100")
        time.sleep(1.5)
        assert not wire.asks("10.9.0.100")
        os.kill(wire.owner_pid(), signal.SIGCONT)
        wire.answered("10.9.0.100")
        wire.logged("event=resumed")


def test_conflict_is_defended(wire):
    wire.start()
    wire.say("own 10.9.0.100 1", "synced")
    wire.answered("10.9.0.100")
    time.sleep(5)  # the series is over
    with packet_socket(wire.client, "eth0", ARP) as s:
        s.send(arp(2, STRANGER, "10.9.0.100", "10.9.0.1"))
        s.settimeout(2)
        while (f := s.recv(200))[28:32] != socket.inet_aton("10.9.0.100"):
            pass
        assert f[28:32] == f[38:42] and f[:6] == b"\xff" * 6
    wire.logged(f"{STRANGER.hex(':')} also claims it")
    assert wire.asks("10.9.0.100")


def test_lost_events_are_made_up_for(wire):
    """While l2d is stopped the kernel drops its events; a dump tells it what is true."""
    wire.start()
    wire.say("own 10.9.0.100 1", "synced")
    wire.answered("10.9.0.100")
    os.kill(wire.l2d.pid, signal.SIGSTOP)
    flood = "".join(f"address add 10.8.{i % 250}.1/32 dev eth0\naddress del 10.8.{i % 250}.1/32 dev eth0\n"
                    for i in range(6000))
    wire.node.run("ip", "-batch", "-", stdin=flood)
    wire.lab.wire("client", "eth1", "node", "eth1")
    wire.node.ip("link", "set", "eth0", "down")
    os.kill(wire.l2d.pid, signal.SIGCONT)
    wire.logged('event=announcing msg="on interface eth1"')
    wire.node.ip("link", "set", "eth0", "up")
    wire.answered("10.9.0.100")


def test_without_privilege(wire):
    wire.start("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", INGOT_SANDBOX="off",
               INGOT_RUN_DIR=str(unprivileged_dir(wire)))
    wire.logged("CAP_NET_RAW is missing")
    assert wire.l2d.poll() is None


def unprivileged_dir(wire):
    path = pathlib.Path(wire.lab.dir) / "nobody"
    path.mkdir()
    os.chown(path, 65534, 65534)
    return path


def test_killed_with_requests_waiting():
    """kill -9 under the supervisor: every request is answered, those of the gap from the kept socket's queue, and
    nothing is announced again."""
    with Lab() as lab:
        house = House(lab, nodes=(1,), bird=False)
        house.base_manifests()
        house.service("web", "l2")
        house.start()
        address = house.address_of("web")
        client, stack = lab.space("lclient"), house.stacks[1]
        mac = bytes.fromhex(client.mac("eth0").replace(":", ""))
        with packet_socket(client, "eth0", ARP) as s:
            wait_for(lambda: ask_once(s, mac, address), 10, f"an answer for {address}")
            time.sleep(6)  # the series is over
            drain(s)
            sent = answers = announcements = 0
            for _ in range(3):
                old = stack.kill("l2d")
                for _ in range(100):
                    s.send(arp(1, mac, "10.50.0.50", address))
                    sent += 1
                    time.sleep(0.005)
                stack.wait_restarted("l2d", old)
            deadline = time.monotonic() + 5
            s.settimeout(0.2)
            while answers < sent and time.monotonic() < deadline:
                try:
                    f = s.recv(200)
                except TimeoutError:
                    continue
                if f[28:32] == socket.inet_aton(address):
                    announced = f[28:32] == f[38:42]
                    announcements += announced
                    answers += not announced
        assert (answers, announcements) == (sent, 0)


def ask_once(s, mac, address):
    s.settimeout(0.2)
    s.send(arp(1, mac, "10.50.0.50", address))
    try:
        while (f := s.recv(200))[20:22] != b"\0\2" or f[28:32] != socket.inet_aton(address):
            pass
    except TimeoutError:
        return False
    return True


def drain(s):
    s.setblocking(False)
    try:
        while s.recv(2000):
            pass
    except BlockingIOError:
        s.setblocking(True)
