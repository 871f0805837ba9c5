"""Who answers ARP for these addresses? usage: arpwho.py INTERFACE SECONDS ADDRESS... [PAUSE]

Sends a few requests for each (or one each PAUSE seconds) and prints one JSON line: address -> sorted list of MACs that
answered."""
import fcntl
import json
import socket
import struct
import sys
import time


def main():
    interface, seconds = sys.argv[1], float(sys.argv[2])
    addresses = [a for a in sys.argv[3:] if a.count(".") == 3]
    pause = next((float(a) for a in sys.argv[3:] if a.count(".") == 1), seconds / 3)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x806))
    s.bind((interface, 0x806))
    mac = fcntl.ioctl(s, 0x8927, struct.pack("256s", interface.encode()))[18:24]
    answers = {a: set() for a in addresses}
    end, again = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if time.monotonic() >= again:
            again = time.monotonic() + pause
            for a in addresses:
                s.send(b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + mac + b"\0" * 4 + b"\0" * 6
                       + socket.inet_aton(a))
        s.settimeout(max(0.001, min(end, again) - time.monotonic()))
        try:
            frame = s.recv(2000)
        except TimeoutError:
            continue
        if len(frame) >= 42 and frame[20:22] == b"\0\x02" and frame[32:38] == mac:
            answers.setdefault(socket.inet_ntoa(frame[28:32]), set()).add(frame[22:28].hex(":"))
    print(json.dumps({a: sorted(m) for a, m in answers.items()}))


main()
