"""Captures put into encapsulations, as a mirror delivers them."""

import struct

COLLECTOR = bytes([172, 31, 0, 1, 172, 31, 0, 2])  # from, to


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(payload, protocol, number, fragment=0):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), number & 0xFFFF, fragment, 64, protocol, 0) + COLLECTOR
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ethernet(payload, ethertype):
    return b"\x02\xff\x00\x00\x00\x02\x02\xff\x00\x00\x00\x01" + struct.pack(">H", ethertype) + payload


def erspan(frame, number):
    """VLAN 300, two labels, GRE, ERSPAN type II session 100."""
    gre = struct.pack(">HHI", 0x1000, 0x88BE, number) + struct.pack(">HHI", 0x1000, 100, 7) + frame
    labels = struct.pack(">II", 24001 << 12 | 64, 18 << 12 | 0x140)
    return [ethernet(struct.pack(">HH", 300, 0x8847) + labels + ipv4(gre, 47, number), 0x8100)]


def vxlan_in_fragments(frame, number):
    """VXLAN 5000 over a network that takes 576 bytes."""
    whole = struct.pack(">II", 0x08000000, 5000 << 8) + frame
    datagram = struct.pack(">HHHH", 50000, 4789, 8 + len(whole), 0) + whole
    step = 552
    return [ethernet(ipv4(datagram[off:off + step], 17, number,
                          off // 8 | (0x2000 if off + step < len(datagram) else 0)), 0x0800)
            for off in range(0, len(datagram), step)]


def gtp(frame, number):
    """GTP-U with a PDU session container, between IP and the link header."""
    payload = bytes.fromhex("0000008501000900") + frame[14:]
    tunnel = struct.pack(">BBHI", 0x34, 255, len(payload), 0x12345678) + payload
    datagram = struct.pack(">HHHH", 2152, 2152, 8 + len(tunnel), 0) + tunnel
    return [frame[:12] + struct.pack(">H", 0x0800) + ipv4(datagram, 17, number)]


WRAPS = {"tunnel-erspan": ("postfix-delivery", erspan),
         "tunnel-vxlan-fragments": ("postfix-delivery", vxlan_in_fragments),
         "tunnel-gtp-ipv6": ("postfix-ipv6", gtp)}


def wrap_capture(source, path, wrap):
    """The capture with each frame made into those that carry it."""
    with open(source, "rb") as file:
        data = file.read()
    out, at, number = [data[:24]], 24, 0
    while at < len(data):
        seconds, fraction, taken, _length = struct.unpack_from("<IIII", data, at)
        for frame in wrap(data[at + 16:at + 16 + taken], number):
            out.append(struct.pack("<IIII", seconds, fraction, len(frame), len(frame)) + frame)
        at += 16 + taken
        number += 1
    with open(path, "wb") as file:
        file.write(b"".join(out))
