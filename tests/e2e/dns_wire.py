"""Frames with DNS and mail in them, for test_dns.py: addresses are text, of
either family; times are seconds."""

import ipaddress
import struct

A, CNAME, SOA, PTR, MX, TXT, AAAA = 1, 5, 6, 12, 15, 16, 28
ASK, ANSWER, MISSING, FAILED, CUT = 0x0100, 0x8180, 0x8183, 0x8182, 0x8380
TCP, UDP = 6, 17
FIN, SYN, ACK = 0x01, 0x02, 0x10
START = 1_700_000_000


def ip_frame(source, destination, protocol, segment, identification=1, fragment=0):
    ends = [ipaddress.ip_address(end).packed for end in (source, destination)]
    if len(ends[0]) == 4:
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), identification, fragment, 64, protocol, 0)
        return bytes(12) + b"\x08\x00" + header + ends[0] + ends[1] + segment
    header = struct.pack(">IHBB", 6 << 28, len(segment), protocol, 64)
    return bytes(12) + b"\x86\xdd" + header + ends[0] + ends[1] + segment


def udp(source, source_port, destination, destination_port, payload):
    segment = struct.pack(">HHHH", source_port, destination_port, 8 + len(payload), 0) + payload
    return ip_frame(source, destination, UDP, segment)


def tcp(source, source_port, destination, destination_port, seq, ack, flags, payload=b""):
    segment = struct.pack(">HHIIBBHHH", source_port, destination_port, seq, ack, 0x50, flags, 65535, 0, 0)
    return ip_frame(source, destination, TCP, segment + payload)


def name(text):
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def address(text):
    return ipaddress.ip_address(text).packed


def reverse(text):
    return ipaddress.ip_address(text).reverse_pointer


def mx(host, preference=10):
    return struct.pack(">H", preference) + name(host)


def spf(text):
    return bytes([len(text)]) + text.encode()


def message(number, flags, question, kind, records=()):
    """records: data of the question's type, or (owner, type, ttl, data)."""
    data = struct.pack(">6H", number, flags, 1, len(records), 0, 1) + name(question) + struct.pack(">HH", kind, 1)
    for record in records:
        owner, of, ttl, value = record if isinstance(record, tuple) else (None, kind, 3600, record)
        data += b"\xc0\x0c" if owner is None else name(owner)
        data += struct.pack(">HHIH", of, 1, ttl, len(value)) + value
    return data + b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)  # EDNS


class Wire:
    """What passes the tap, with times."""

    CLIENT, SERVER, RESOLVER, ASKER = "198.51.100.5", "192.0.2.25", "192.0.2.53", "192.0.2.25"

    def __init__(self):
        self.frames, self.number, self.port = [], 0, 30000

    def put(self, when, frame):
        self.frames.append((int((START + when) * 10**9), frame, len(frame)))

    def ask(self, when, question, kind, records=(), flags=ANSWER, is_asked=True, asker=ASKER, resolver=RESOLVER):
        """A question, and an answer a millisecond later."""
        self.number += 1
        port = 1024 + self.number % 60000
        if is_asked:
            self.put(when, udp(asker, port, resolver, 53, message(self.number, ASK, question, kind)))
        self.put(when + 0.001, udp(resolver, 53, asker, port, message(self.number, flags, question, kind, records)))

    def ask_tcp(self, when, question, kind, records, cuts=()):
        self.number += 1
        port, seq = 1024 + self.number % 60000, {"C": 100, "S": 0xFFFFFFF0}
        asked = message(self.number, ASK, question, kind)
        answered = message(self.number, ANSWER, question, kind, records)
        answered = struct.pack(">H", len(answered)) + answered
        edges = [0, *cuts, len(answered)]
        pieces = [("C", SYN, b""), ("S", SYN | ACK, b""), ("C", ACK, struct.pack(">H", len(asked)) + asked)]
        pieces += [("S", ACK, answered[start:end]) for start, end in zip(edges, edges[1:])]
        pieces += [("C", FIN | ACK, b""), ("S", FIN | ACK, b"")]
        for index, (side, flags, payload) in enumerate(pieces):
            ends = (self.ASKER, port, self.RESOLVER, 53) if side == "C" else (self.RESOLVER, 53, self.ASKER, port)
            self.put(when + index / 10000, tcp(*ends, seq[side], 0, flags, payload))
            seq[side] = seq[side] + len(payload) + (flags & 0x03 != 0) & 0xFFFFFFFF

    def mail(self, when, helo="mail.sender.example", recipients=("rcpt@here.example",), client=CLIENT, server=SERVER,
             lines=None, step=0.01):
        """A session that delivers a message; returns when it ended."""
        self.port += 1
        if lines is None:
            lines = [("S", "220 mx.here.example ESMTP"), ("C", f"EHLO {helo}"), ("S", "250 mx.here.example"),
                     ("C", "MAIL FROM:<a@sender.example>"), ("S", "250 2.1.0 Ok")]
            for recipient in recipients:
                lines += [("C", f"RCPT TO:<{recipient}>"), ("S", "250 2.1.5 Ok")]
            lines += [("C", "DATA"), ("S", "354 Go"), ("C", "Subject: x\r\n\r\nx\r\n."), ("S", "250 2.0.0 queued"),
                      ("C", "QUIT"), ("S", "221 Bye")]
        seq = {"C": 1000, "S": 5000}
        steps = [("C", SYN, b""), ("S", SYN | ACK, b""), ("C", ACK, b"")]
        steps += [(side, ACK, line.encode() + b"\r\n") for side, line in lines]
        steps += [("C", FIN | ACK, b""), ("S", FIN | ACK, b""), ("C", ACK, b"")]
        for side, flags, payload in steps:
            ends = (client, self.port, server, 25) if side == "C" else (server, 25, client, self.port)
            self.put(when, tcp(*ends, seq[side], 0 if flags == SYN else seq["S" if side == "C" else "C"], flags, payload))
            seq[side] += len(payload) + (flags & 0x03 != 0)
            when += step
        return when - step
