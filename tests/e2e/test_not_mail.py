#!/usr/bin/env python3
"""What is no mail on a mail port is called by its name, as nDPI knows it.

    test_not_mail.py MAILTAP SOURCE-ROOT
"""

import json
import os
import sys

from harness import Run, Tap, crash_reasons, scratch
from live import write_pcap
from test_any_port import FTP, SMTP, conversation, timed

HELLO = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00"
OTHERS = {
    "ssh": [("S", b"SSH-2.0-OpenSSH_9.2\r\n"), ("C", b"SSH-2.0-x\r\n")],
    "http": [("C", b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), ("S", b"HTTP/1.1 200 OK\r\n\r\n")],
    "ftp": FTP,
    "pop3": [("S", b"+OK POP3 ready\r\n"), ("C", b"USER a\r\n"), ("S", b"+OK\r\n"), ("C", b"PASS secret\r\n")],
    "imap": [("S", b"* OK IMAP4rev1 ready\r\n"), ("C", b"a1 CAPABILITY\r\n"),
             ("S", b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n"), ("C", b"a2 LOGIN x secret\r\n"), ("S", b"a2 OK LOGIN\r\n")],
    "vnc": [("S", b"RFB 003.008\n"), ("C", b"RFB 003.008\n")],
    "redis": [("C", b"*1\r\n$4\r\nPING\r\n"), ("S", b"+PONG\r\n")],
    "rdp": [("C", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"),
            ("S", b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x124\x00\x02\x0f\x08\x00\x02\x00\x00\x00")],
    "tls": [("C", HELLO), ("S", b"\x15\x03\x03\x00\x02\x02\x28")],
}
MAIL = {
    "a session": SMTP,
    "odd words before EHLO": SMTP[:1] + [("C", b"GET / HTTP/1.1\r\n"), ("S", b"500 what\r\n")] + SMTP[1:],
    "words in pieces": SMTP[:1] + [("C", b"EH"), ("C", b"LO a.example\r\n")] + SMTP[2:],
    "AUTH before EHLO": SMTP[:1] + [("C", b"AUTH PLAIN\r\n"), ("S", b"503 no\r\n")] + SMTP[1:],
    "junk alone": SMTP[:1] + [("C", b"FOO\r\n"), ("S", b"500 what\r\n"), ("C", b"QUIT\r\n"), ("S", b"221 Bye\r\n")],
}
NOBODY = {
    "bytes that nobody knows": [("C", b"\x01\x02\x03\x04\x99abc"), ("S", b"\x7f\x80\x81zzz")],
}


class Bench:
    def __init__(self, mailtap, folder):
        self.mailtap, self.folder = mailtap, folder

    def read(self, frames, *options):
        path, stats = os.path.join(self.folder, "x.pcap"), os.path.join(self.folder, "stats.json")
        write_pcap(path, frames)
        run = Run(self.mailtap, ["read", "--json", "--stats", stats, *options, path])
        reasons = list(crash_reasons(run, okay=(0,)))
        with open(stats, encoding="utf-8") as file:
            counters = json.load(file)
        return run.records()[0] if not reasons else [], counters.get("counters", counters), reasons


def judge(bench, lines, protocol, is_mail):
    records, counters, reasons = bench.read(timed(conversation(25, 40000, lines)))
    if len(records) != 1:
        return reasons + [f"{len(records)} records"]
    found = records[0]["network"].get("protocol")
    if found != protocol:
        reasons.append(f"network.protocol is {found}")
    if is_mail and "not_smtp" in records[0]["smtp"].get("anomalies", []):
        reasons.append("not_smtp is among the anomalies")
    if protocol is not None and not is_mail and "not_smtp" not in records[0]["smtp"].get("anomalies", []):
        reasons.append("not_smtp is missing")
    if "secret" in json.dumps(records):
        reasons.append("a password is in the record")
    if lines is SMTP and counters["dpi.asked"]:
        reasons.append("nDPI was asked about plain mail")
    return reasons


def main():
    mailtap = sys.argv[1]
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, folder)
        for protocol, lines in OTHERS.items():
            tap.check(f"{protocol} on port 25 is called so", judge(bench, lines, protocol, False))
        for name, lines in MAIL.items():
            tap.check(f"{name} is mail", judge(bench, lines, "smtp", True))
        for name, lines in NOBODY.items():
            tap.check(f"{name} have no name", judge(bench, lines, None, False))
        cut = [("C", b"G"), ("C", b"ET / HTTP/1.1\r\nHo"), ("C", b"st: a.example\r\n\r\n"), ("S", b"HTTP/1.1 200 OK\r\n\r\n")]
        records, _, reasons = bench.read(timed(conversation(25, 40000, cut)))
        tap.check("HTTP in pieces leaves one record", reasons + ([] if len(records) == 1 else [f"{records}"]))
        mixed = [frame for n, lines in enumerate([*OTHERS.values(), *MAIL.values()] * 20)
                 for frame in conversation(25, 41000 + n, lines)]
        one = bench.read(timed(mixed))
        four = bench.read(timed(mixed), "--workers", "4")
        reasons = one[2] + four[2]
        if sorted(map(json.dumps, one[0])) != sorted(map(json.dumps, four[0])):
            reasons.append("four workers find something else")
        if one[1]["dpi.asked"] != four[1]["dpi.asked"] or one[1]["dpi.known"] < 100:
            reasons.append(f"asked {one[1]['dpi.asked']} and {four[1]['dpi.asked']}, known {one[1]['dpi.known']}")
        tap.check("a mixture is the same for one and four workers", reasons)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
