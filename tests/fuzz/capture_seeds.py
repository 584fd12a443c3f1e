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


def udp(port, payload):
    return struct.pack(">HHHH", 50000, port, 8 + len(payload), 0) + payload


def words(*values):
    return struct.pack(f">{len(values)}I", *values)


def gre(flags, kind, *fields):
    return lambda payload: ipv4(struct.pack(">HH", flags, kind) + words(*fields) + payload, 47)


def label(number, payload, bottom=True):
    return words(number << 12 | bottom << 8 | 64) + payload


def gtp(payload):
    body = words(0x85, 0x01000900) + payload
    return ipv4(udp(2152, struct.pack(">BBHI", 0x34, 255, len(body), 7) + body), 17)


def teredo(payload):
    indications = struct.pack(">HBB3s3s9s", 1, 3, 3, b"id.", b"mac", bytes(9)) + bytes(2) + b"\x12\x34" + bytes(4)
    return ipv4(udp(3544, indications + payload), 17)


def write_tunnels():
    """A seed an encapsulation: (link, frame), as the packet target takes it."""
    segment = tcp(b"RCPT TO:<a@b>\r\n")
    four, six, frame = ipv4(segment), ipv6(segment), ethernet(ipv4(segment))
    pppoe = struct.pack(">HHHH", 0x1100, 7, 2 + len(four), 0x0021) + four
    logged = struct.pack("<BBHHHHxx", 2, 0, 0, 6, 1, 0) + struct.pack("<HH", 4 + len(four), 9) + four
    vxlan = ipv4(udp(4789, words(0x08000000, 9 << 8) + frame), 17)
    tunnels = {
        "pbb": (1, ethernet(words(70000) + frame, 0x88E7)),
        "vntag": (1, ethernet(words(0xC0170005) + b"\x08\0" + four, 0x8926)),
        "etag": (1, ethernet(b"\x20\0" + words(0x1ABC0000) + b"\x86\xdd" + six, 0x893F)),
        "snap": (1, ethernet(b"\xaa\xaa\x03\0\0\0\x08\0" + four, 60)),
        "mpls": (1, ethernet(label(3, label(16, four), False), 0x8847)),
        "eompls": (1, ethernet(label(16, frame), 0x8847)),
        "eompls-word": (1, ethernet(label(16, words(5) + frame), 0x8847)),
        "pppoe": (1, ethernet(pppoe, 0x8864)),
        "pppoe-link": (8, pppoe),
        "hdlc": (7, words(0x0F000800) + four),
        "pflog": (9, b"\x3d" + bytes(63) + four),
        "nflog": (10, logged),
        "gre": (2, gre(0xB000, 0x86DD, 0, 5, 6)(six)),
        "pptp": (2, gre(0x3081, 0x880B, 20 << 16 | 5, 6, 7)(b"\0\x21" + four)),
        "wccp": (2, gre(0, 0x883E, 0x80000000)(four)),
        "erspan1": (2, gre(0, 0x88BE)(frame)),
        "erspan2": (2, gre(0x1000, 0x88BE, 1, 0x1005006F, 3)(frame)),
        "erspan3": (2, gre(0x1000, 0x22EB, 1, 0x200500DE, 4, 1, 8, 9)(frame)),
        "ipip": (2, ipv4(four, 4)),
        "4in6": (2, ipv6(four, 4)),
        "6in4": (2, ipv4(six, 41)),
        "6in6": (2, ipv6(six, 41)),
        "l2tp": (2, ipv4(words(5, 0xDEADBEEF) + frame, 115)),
        "vxlan": (2, vxlan),
        "gpe": (2, ipv4(udp(4790, words(0x0C000001, 9 << 8) + four), 17)),
        "geneve": (2, ipv6(udp(6081, words(0x02006558, 9 << 8, 1, 2) + frame), 17)),
        "gre-udp": (2, ipv6(udp(4754, words(0x00000800) + four), 17)),
        "gtp": (2, gtp(four)),
        "teredo": (2, teredo(six)),
        "all": (1, ethernet(label(5, gre(0x1000, 0x88BE, 1, 0x1005006F, 3)(ethernet(vxlan))), 0x8847,
                            tags=((0x8100, 5),))),
    }
    for name, (link, data) in tunnels.items():
        save("packet", "tunnel-" + name, frames_of((link, data, 0, 1)))
    outer = vxlan[20:]
    pieces = [(2, ipv4(outer[off:off + 48], 17, off // 8 | (0x2000 if off + 48 < len(outer) else 0)), 0, 1)
              for off in range(0, len(outer), 48)]
    save("packet", "tunnel-fragments", frames_of(*pieces))
    inner = four[20:]
    pieces = [(2, gre(0, 0x0800)(ipv4(inner[off:off + 16], 6, off // 8 | (0x2000 if off + 16 < len(inner) else 0))), 0,
               1) for off in range(0, len(inner), 16)]
    save("packet", "tunnel-inner-fragments", frames_of(*pieces))


if __name__ == "__main__":
    write_pcap()
    write_pcapng()
    write_packet()
    write_tunnels()
