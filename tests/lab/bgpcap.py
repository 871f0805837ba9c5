"""Reads a packet capture of a link and decodes the BGP streams in it, byte by byte, the way a router would."""
import socket
import struct

import logging

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.utils import RawPcapReader  # noqa: E402

MARKER = b"\xff" * 16


class Stream:
    """One direction of one TCP connection, put in order by sequence number."""

    def __init__(self):
        self.next, self.waiting, self.data = None, {}, bytearray()
        self.times = []  # (offset, time) of each piece

    def segment(self, seq, syn, payload, when):
        if syn:
            if self.next is not None and payload == b"" and self.next != (seq + 1) & 0xffffffff:
                raise ValueError("a second SYN inside one stream")
            self.next = (seq + 1) & 0xffffffff
        if self.next is None:
            self.next = seq
        if payload:
            self.waiting[seq] = (payload, when)
        moved = True
        while moved:
            moved = False
            for s in sorted(self.waiting, key=lambda x: (x - self.next + 2**31) % 2**32):
                data, at = self.waiting[s]
                ahead = (s - self.next + 2**31) % 2**32 - 2**31
                if ahead > 0:
                    continue
                del self.waiting[s]
                fresh = data[-ahead:] if ahead else data
                if fresh:
                    self.times.append((len(self.data), at))
                    self.data += fresh
                    self.next = (self.next + len(fresh)) & 0xffffffff
                    moved = True
                break

    def time_at(self, offset):
        when = None
        for start, at in self.times:
            if start > offset:
                break
            when = at
        return when


def streams(pcap, port=179):
    """(source, source port, destination, destination port) -> Stream, for every connection with this port."""
    out = {}
    for frame, meta in RawPcapReader(str(pcap)):
        when = meta.sec + meta.usec / 1e6
        if frame[12:14] != b"\x08\x00":
            continue
        ip = frame[14:]
        if ip[9] != 6:
            continue
        tcp = ip[(ip[0] & 15) * 4:struct.unpack("!H", ip[2:4])[0]]
        sport, dport, seq = struct.unpack("!HHI", tcp[:8])
        if port not in (sport, dport):
            continue
        key = (socket.inet_ntoa(ip[12:16]), sport, socket.inet_ntoa(ip[16:20]), dport)
        payload = tcp[(tcp[12] >> 4) * 4:]
        out.setdefault(key, Stream()).segment(seq, bool(tcp[13] & 2), bytes(payload), when)
    return out


def messages(stream):
    """(time, type, body) of each message; ValueError where the stream is no BGP any more."""
    at = 0
    while at + 19 <= len(stream.data):
        if stream.data[at:at + 16] != MARKER:
            raise ValueError(f"no BGP marker at byte {at}")
        length, kind = struct.unpack("!HB", stream.data[at + 16:at + 19])
        if not 19 <= length <= 4096:
            raise ValueError(f"length {length} at byte {at}")
        if at + length > len(stream.data):
            break
        yield stream.time_at(at), kind, bytes(stream.data[at + 19:at + length])
        at += length


def prefixes(data, width):
    """NLRI list -> texts."""
    at, out = 0, []
    while at < len(data):
        bits = data[at]
        size = (bits + 7) // 8
        raw = data[at + 1:at + 1 + size].ljust(width, b"\0")
        out.append(f"{socket.inet_ntop(socket.AF_INET if width == 4 else socket.AF_INET6, raw)}/{bits}")
        at += 1 + size
    return out


def update(body):
    """(withdrawn, announced) prefixes of an UPDATE, both families."""
    n = struct.unpack("!H", body[:2])[0]
    gone, rest = prefixes(body[2:2 + n], 4), body[2 + n:]
    m = struct.unpack("!H", rest[:2])[0]
    attributes, come = rest[2:2 + m], prefixes(rest[2 + m:], 4)
    while attributes:
        flags, kind = attributes[0], attributes[1]
        if flags & 0x10:
            size, head = struct.unpack("!H", attributes[2:4])[0], 4
        else:
            size, head = attributes[2], 3
        value, attributes = attributes[head:head + size], attributes[head + size:]
        if kind == 14 and value[:3] == b"\x00\x02\x01":
            come += prefixes(value[5 + value[3]:], 16)
        if kind == 15 and value[:3] == b"\x00\x02\x01":
            gone += prefixes(value[3:], 16)
    return gone, come
