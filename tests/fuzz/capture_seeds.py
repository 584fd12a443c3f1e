#!/usr/bin/env python3
"""Writes the seeds of the targets pcap, pcapng and packet.

    capture_seeds.py        into corpus/ beside this file
"""

import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
SECOND = 1700000000


def save(target, name, data):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


# --- frames ------------------------------------------------------------------


def tcp(payload, words=5):
    return struct.pack(">HHIIHHHH", 40000, 25, 1000, 2000, words << 12 | 0x18, 512, 0, 0) + bytes(words * 4 - 20) + payload


def ipv4(payload, protocol=6, fragment=0, options=b"", total=None):
    size = 20 + len(options)
    total = size + len(payload) if total is None else total
    return struct.pack(">BBHHHBBHII", 0x40 | size // 4, 0, total, 7, fragment, 64, protocol, 0, 0xC0000201,
                       0xC6336402) + options + payload


def ipv6(payload, following=6, size=None):
    addresses = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01" + b"\x20\x01\x0d\xb8" + bytes(11) + b"\x02"
    return struct.pack(">IHBB", 0x60000000, len(payload) if size is None else size, following, 64) + addresses + payload


def ethernet(payload, ethertype=0x0800, tags=()):
    data = b"\2\0\0\0\0\2\2\0\0\0\0\1"
    for tag, vlan in tags:
        data += struct.pack(">HH", tag, vlan)
    return data + struct.pack(">H", ethertype) + payload


def extension(following, data):
    return struct.pack(">BB", following, (len(data) + 2) // 8 - 1) + data


# --- files -------------------------------------------------------------------


def pcap(order="<", magic=0xA1B2C3D4, link=1, frames=()):
    data = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, link)
    for i, frame in enumerate(frames):
        data += struct.pack(order + "IIII", SECOND + i, i, len(frame), len(frame)) + frame
    return data


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    size = 12 + len(body)
    return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)


def section(order):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHQ", 0x1A2B3C4D, 1, 0, 0xFFFFFFFFFFFFFFFF))


def interface(order, link=1, snap=0, resolution=None, offset=None):
    body = struct.pack(order + "HHI", link, 0, snap)
    if resolution is not None:
        body += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset is not None:
        body += struct.pack(order + "HHq", 14, 8, offset)
    return block(order, 1, body + struct.pack(order + "HH", 0, 0))


def enhanced(order, index, units, frame):
    body = struct.pack(order + "IIIII", index, units >> 32, units & 0xFFFFFFFF, len(frame), len(frame)) + frame
    return block(order, 6, body)


def obsolete(order, index, units, frame):
    body = struct.pack(order + "HHIIII", index, 0, units >> 32, units & 0xFFFFFFFF, len(frame), len(frame)) + frame
    return block(order, 2, body)


def simple(order, frame):
    return block(order, 3, struct.pack(order + "I", len(frame)) + frame)


SMALL = [ethernet(ipv4(tcp(b"EHLO a\r\n"))), b"", b"x" * 70, ethernet(ipv4(tcp(b"250 b\r\n"))), b"y" * 33, b"z" * 5]


def write_pcap():
    save("pcap", "micro", pcap(frames=SMALL))
    save("pcap", "nano-big", pcap(">", 0xA1B23C4D, 101, SMALL))
    save("pcap", "cut", pcap(frames=SMALL)[:-3])
    save("pcap", "cut-header", pcap(frames=SMALL)[:-16])
    broken = bytearray(pcap(frames=SMALL))
    struct.pack_into("<I", broken, 24 + 16 + len(SMALL[0]) + 8, 0xFFFFFFFF)
    save("pcap", "broken", bytes(broken))
    save("pcap", "broken-first", pcap() + b"\xff" * 21 + pcap(frames=SMALL)[24:])
    save("pcap", "zeros", pcap(frames=SMALL[:2]) + bytes(77) + pcap(frames=SMALL)[24:])


def write_pcapng():
    for order, name in (("<", "little"), (">", "big")):
        data = section(order) + interface(order) + interface(order, 101, 64, 9, 5) + interface(order, 0, 0, 0x94)
        for i, frame in enumerate(SMALL):
            data += enhanced(order, i % 3, SECOND * 10**6 + i, frame)
        data += obsolete(order, 1, SECOND, SMALL[0]) + simple(order, SMALL[2]) + block(order, 5, bytes(20))
        save("pcapng", name, data)
        save("pcapng", name + "-cut", data[:-5])
        save("pcapng", name + "-junk", data[:200] + b"\x06\0\0\0" * 9 + data[200:])
    save("pcapng", "sections", section("<") + interface("<") + enhanced("<", 0, 1, b"a" * 20) + section(">")
         + interface(">", 113) + enhanced(">", 0, 2, b"b" * 21))
    save("pcapng", "no-interface", section("<") + enhanced("<", 0, 1, b"a" * 20) + simple("<", b"b") + interface("<")
         + simple("<", b"c"))


def frames_of(*frames):
    """The packet target's form: (link, data, cut, quarter seconds)."""
    return b"".join(struct.pack(">BHHB", link, len(data), cut, quarters) + data for link, data, cut, quarters in frames)


def write_packet():
    segment = tcp(b"MAIL FROM:<a@b>\r\n")
    save("packet", "links", frames_of(
        (1, ethernet(ipv4(segment)), 0, 1),
        (2, ipv6(segment), 0, 1),
        (3, b"\2\0\0\0" + ipv4(segment), 0, 1),
        (4, b"\0\0\0\x1e" + ipv6(segment), 0, 1),
        (5, struct.pack(">HHH8sH", 4, 1, 6, bytes(8), 0x0800) + ipv4(segment), 0, 1),
        (6, struct.pack(">HHIHBB8s", 0x86DD, 0, 1, 1, 4, 6, bytes(8)) + ipv6(segment), 0, 1),
        (7, b"\xff\x03\x00\x21" + ipv4(segment), 0, 1),
    ))
    save("packet", "vlan", frames_of((1, ethernet(ipv4(segment), tags=((0x88A8, 5), (0x8100, 6), (0x9100, 7))), 0, 0)))
    save("packet", "odd-ipv4", frames_of(
        (1, ethernet(ipv4(segment, total=0)), 900, 1),
        (1, ethernet(ipv4(tcp(b"a", 8), options=bytes(8)) + bytes(9)), 0, 1),
        (1, ethernet(ipv4(struct.pack(">BBHII", 6, 2, 0, 1, 2) + bytes(4) + segment, 51)), 0, 1),
    ))
    routing = struct.pack(">BBBBI", 60, 4, 0, 2, 0) + bytes(range(32))
    save("packet", "extensions", frames_of(
        (2, ipv6(extension(43, bytes(6)) + routing + extension(51, bytes(14)) + struct.pack(">BBHII", 6, 1, 0, 1, 2)
                 + segment, 0), 0, 1),
        (2, ipv6(struct.pack(">BBBBI", 6, 0, 0xC2, 4, 66000) + segment, 0, 0), 65535, 1),
    ))
    whole = tcp(b"DATA\r\n" + b"m" * 90)
    v4 = [(2, ipv4(whole[off:off + 48], fragment=off // 8 | (0x2000 if off + 48 < len(whole) else 0)), 0, 1)
          for off in range(0, len(whole), 48)]
    v6 = [(2, ipv6(struct.pack(">BBHI", 6, 0, off | (1 if off + 48 < len(whole) else 0), 9) + whole[off:off + 48], 44),
           0, 1) for off in range(0, len(whole), 48)]
    save("packet", "fragments", frames_of(*v4, *reversed(v6)))
    save("packet", "fragments-overlap", frames_of(v4[0], v4[0], v4[1], (2, ipv4(whole[8:56], fragment=0x2001), 0, 1),
                                                  v4[2], (2, v6[0][1], 0, 130), v6[1]))


if __name__ == "__main__":
    write_pcap()
    write_pcapng()
    write_packet()
