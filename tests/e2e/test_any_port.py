#!/usr/bin/env python3
"""--any-port: mail on ports that are no mail ports, and what only looks like it.

    test_any_port.py MAILTAP SOURCE-ROOT

The captures of pcaps/ come again with another port for 25 and 587 and must give
the same records; connections that are written here must give none.
"""

import json
import os
import struct
import sys

from harness import Run, Tap, crash_reasons, scratch
from live import frames_of, write_pcap

ODD = 2526
# what follows from the port, or from when a session was opened
BY_PORT = ("event", "network", "destination", "source", "@timestamp")
CAPTURES = ["postfix-delivery", "postfix-pipelined", "exim-to-postfix-bdat", "postfix-ipv6", "postfix-vlan",
            "vrfy-probe", "starttls-refused", "postfix-starttls-tls12", "seed-commands"]


def with_other_port(frame, port):
    """The frame with 25 in its TCP header replaced: Ethernet, at most one tag, IP."""
    data = bytearray(frame)
    at = 18 if data[12:14] == b"\x81\x00" else 14
    at += (data[at] & 0x0F) * 4 if data[at] >> 4 == 4 else 40
    ends = struct.unpack_from(">HH", data, at)
    struct.pack_into(">HH", data, at, *(port if end == 25 else end for end in ends))
    return bytes(data)


def tcp(source, destination, seq, ack, flags, payload=b""):
    """Addresses by port: the client has the high one."""
    def ip(port):
        return bytes([10, 0, 0, 1 if port > 30000 else 2])

    segment = struct.pack(">HHIIBBHHH", source, destination, seq, ack, 0x50, flags, 65535, 0, 0) + payload
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0, ip(source), ip(destination))
    return bytes(12) + b"\x08\x00" + header + segment


SYN, SYNACK, ACK, FIN = 0x02, 0x12, 0x10, 0x11


def conversation(port, client_port, lines, has_handshake=True):
    """Frames of ("C", bytes) and ("S", bytes), acknowledged, with a FIN of both."""
    seq = {"C": 1000, "S": 5000}
    frames = []

    def say(side, flags, payload=b""):
        other = "S" if side == "C" else "C"
        ends = (client_port, port) if side == "C" else (port, client_port)
        frames.append(tcp(*ends, seq[side], 0 if flags == SYN else seq[other], flags, payload))
        seq[side] += len(payload) + (flags & 0x03 != 0)

    if has_handshake:
        say("C", SYN)
        say("S", SYNACK)
        say("C", ACK)
    for side, payload in lines:
        say(side, ACK, payload)
    say("C", FIN)
    say("S", FIN)
    say("C", ACK)
    return frames


FTP = [("S", b"220 ftp.example.org FTP server ready\r\n"), ("C", b"USER anonymous\r\n"), ("S", b"331 Password\r\n"),
       ("C", b"PASS guest\r\n"), ("S", b"230 Welcome\r\n"), ("C", b"QUIT\r\n"), ("S", b"221 Bye\r\n")]
SMTP = [("S", b"220 mx.example.org ESMTP\r\n"), ("C", b"EHLO a.example\r\n"), ("S", b"250 mx.example.org\r\n"),
        ("C", b"QUIT\r\n"), ("S", b"221 Bye\r\n")]
NO_MAIL = {
    "FTP": FTP,
    "FTP that asks for TLS first": [FTP[0], ("C", b"AUTH TLS\r\n"), ("S", b"234 Go\r\n"),
                                    ("C", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")],
    "FTP with a quiet client": [FTP[0]],
    "a client that only leaves": [FTP[0], ("C", b"QUIT\r\n"), ("S", b"221 Bye\r\n")],
    "HTTP": [("C", b"GET / HTTP/1.1\r\n\r\n"), ("S", b"HTTP/1.1 200 OK\r\n\r\n220 EHLO\r\n")],
    "SSH": [("S", b"SSH-2.0-OpenSSH_9.2\r\n"), ("C", b"SSH-2.0-x\r\n")],
    "TLS": [("C", b"\x16\x03\x01\x00\x05hello"), ("S", b"\x16\x03\x03\x00\x05hello")],
    "numbers": [("S", b"2200 is no greeting\r\n"), ("C", b"EHLO a.example\r\n")],
}
MAIL = {
    "a whole session": (SMTP, True),
    "a greeting in pieces": ([("S", b"2"), ("S", b"20 mx.example.org"), ("S", b" ESMTP\r\n")] + SMTP[1:], True),
    "a greeting of many lines": ([("S", b"220-mx.example.org ESMTP\r\n"), ("S", b"220 no spam\r\n")] + SMTP[1:], True),
    "a session whose handshake is missing": (SMTP, False),
    "NOOP before EHLO": (SMTP[:1] + [("C", b"NOOP\r\n"), ("S", b"250 Ok\r\n")] + SMTP[1:], True),
}


class Bench:
    def __init__(self, mailtap, folder, tap):
        self.mailtap, self.folder, self.tap = mailtap, folder, tap

    def read(self, frames, *options):
        path, stats = os.path.join(self.folder, "x.pcap"), os.path.join(self.folder, "stats.json")
        write_pcap(path, frames)
        run = Run(self.mailtap, ["read", "--json", "--stats", stats, *options, path])
        reasons = list(crash_reasons(run, okay=(0,)))
        records = run.records()[0] if not reasons else []
        with open(stats, encoding="utf-8") as file:
            return records, json.load(file), reasons


def timed(frames):
    return [(1_700_000_000 * 10**9 + 10**6 * index, frame, len(frame)) for index, frame in enumerate(frames)]


def main():
    mailtap, root = sys.argv[1:3]
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, folder, tap)
        for name in CAPTURES:
            frames = list(frames_of(os.path.join(root, "pcaps", f"{name}.pcap")))
            moved = [(time, with_other_port(frame, ODD), size) for time, frame, size in frames]
            plain, _, reasons = bench.read(frames)
            found, stats, more = bench.read(moved, "--any-port")
            spread, _, _ = bench.read(moved, "--any-port", "--workers", "3")
            reasons += more
            of_plain = [kept(record, False) for record in plain]
            of_found = [kept(record, True) for record in found]
            if of_plain != of_found or not of_found:
                reasons.append(f"records differ: {of_plain} and {of_found}")
            if found != spread:
                reasons.append("three workers find something else")
            tap.check(f"{name} on port {ODD} gives the same records", reasons)
            none, _, reasons = bench.read(moved)
            tap.check(f"{name} on port {ODD} is left alone without --any-port", reasons + none)
        for name, lines in NO_MAIL.items():
            found, stats, reasons = bench.read(timed(conversation(ODD, 40000, lines)), "--any-port")
            if found:
                reasons.append(f"took it for mail: {found}")
            if counters(stats)["flow.other_let_go"] != 1:
                reasons.append(f"flow.other_let_go is {counters(stats)['flow.other_let_go']}")
            tap.check(f"{name} on port {ODD} is no mail, and is counted", reasons)
        for name, (lines, has_handshake) in MAIL.items():
            found, stats, reasons = bench.read(timed(conversation(ODD, 40000, lines, has_handshake)), "--any-port")
            if len(found) != 1 or found[0]["network"].get("protocol") != "smtp":
                reasons.append(f"not found: {found}")
            elif "smtp_on_other_port" not in found[0]["smtp"]["anomalies"]:
                reasons.append("without its anomaly")
            if counters(stats)["flow.other_mail"] != 1:
                reasons.append("not counted")
            tap.check(f"{name} on port {ODD} is mail", reasons)
        crowd = [frame for n in range(500) for frame in conversation(ODD, 31000 + n, NO_MAIL["HTTP"])]
        found, stats, reasons = bench.read(timed(crowd + conversation(ODD, 40000, SMTP)), "--any-port")
        if len(found) != 1 or counters(stats)["flow.new"] != 1:
            reasons.append(f"{len(found)} records, {counters(stats)['flow.new']} flows")
        tap.check("what is no mail takes no flow", reasons)
    return tap.finish()


def counters(stats):
    return stats.get("counters", stats)


def kept(record, is_moved):
    rest = {key: value for key, value in record.items() if key not in BY_PORT}
    smtp = dict(rest["smtp"])
    anomalies = [name for name in smtp.get("anomalies", []) if name != "smtp_on_other_port"]
    if is_moved and len(anomalies) == len(smtp.get("anomalies", [])):
        anomalies.append("smtp_on_other_port is missing")
    smtp["anomalies"] = sorted(anomalies)
    for transaction in smtp.get("transactions", []):
        # whether a Received field is missing is only asked where servers speak to servers: on port 25
        transaction.get("message", {}).pop("received_findings", None)
    rest["smtp"] = smtp
    return rest


if __name__ == "__main__":
    sys.exit(main())
