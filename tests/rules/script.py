"""A dialogue of tests/rules, and the capture that it stands for.

A file is what pcaps/dialogues are (scripts/lib/dialogue.py: connect, C:, S:, C~,
S~, flush, segments, close, reset), and before it what it is to show:

    alert NAME LEVEL [TIMES]     the alerts, all of level medium and above
    evidence TEXT                a piece of a line of the evidence of the alert named last
    group FIELD VALUE            what that alert was counted by
    count NUMBER                 its mailtap.count
    site none|NAME               tests/rules/NAME instead of tests/rules/site.yaml
    option --any-port            an option of mailtap read

Frames are made, not captured, so time is free, and so are losses:

    wait SECONDS                 the clock goes on
    lose                         what is said next is not in the capture
    fill C SIZE                  so many octets of content
    repeat N FROM TO ... next    the lines between, with {N} replaced; one in another
                                 is fine
"""

import ipaddress
import os
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "lib"))

from dialogue import WORDS, parse_line  # noqa: E402
from wrapping import checksum  # noqa: E402

START = 1_772_438_400.0  # 2026-03-02 08:00 UTC
STEP = 0.001  # between segments
SEGMENT = 1400
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PCAP_HEAD = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)  # nanoseconds, Ethernet


class Expected:
    """An alert that a dialogue is to raise."""

    def __init__(self, name, level, times):
        self.name, self.level, self.times = name, level, times
        self.evidence, self.group, self.count = [], {}, None


class Script:
    def __init__(self, path):
        self.path = path
        self.alerts, self.site, self.options, self.lines = [], "site.yaml", [], []
        with open(path, "rb") as file:
            lines = list(enumerate(file.read().split(b"\n"), 1))
        for number, line in lines:
            if not self.take_head(number, line):
                self.lines.append((number, line))

    def take_head(self, number, line):
        words = line.decode("utf-8", "replace").split(None, 2)
        if not words or words[0] not in ("alert", "evidence", "group", "count", "site", "option"):
            return False
        rest = line.decode("utf-8").split(None, 1)[1]
        if words[0] == "alert":
            level, *times = words[2].split()
            self.alerts.append(Expected(words[1], level, int(times[0]) if times else 1))
        elif words[0] == "site":
            self.site = None if rest == "none" else rest
        elif words[0] == "option":
            self.options += rest.split()
        elif not self.alerts:
            raise ValueError(f"{self.path}:{number}: {words[0]} stands behind an alert")
        elif words[0] == "evidence":
            self.alerts[-1].evidence.append(rest)
        elif words[0] == "group":
            self.alerts[-1].group[words[1]] = words[2]
        else:
            self.alerts[-1].count = int(rest)
        return True

    def unrolled(self):
        return unroll(self.path, self.lines)

    def write(self, path):
        recorder = Recorder()
        for number, line in self.unrolled():
            step = parse_line(self.path, number, line, WORDS + ("lose", "fill"))
            if step is not None:
                getattr(recorder, "do_" + step.kind)(step)
        recorder.hang_up("S")
        with open(path, "wb") as file:
            file.write(PCAP_HEAD + b"".join(recorder.frames))


def unroll(path, lines):
    """The lines with every repeat written out."""
    at = 0
    while at < len(lines):
        number, line = lines[at]
        at += 1
        if not line.startswith(b"repeat "):
            yield number, line
            continue
        _, name, first, last = line.split()
        depth, begin = 1, at
        while depth > 0:
            if at == len(lines):
                raise ValueError(f"{path}:{number}: repeat without next")
            depth += lines[at][1].startswith(b"repeat ")
            depth -= lines[at][1].strip() == b"next"
            at += 1
        body = lines[begin:at - 1]
        for value in range(int(first), int(last) + 1):
            filled = [(n, text.replace(b"{" + name + b"}", b"%d" % value)) for n, text in body]
            yield from unroll(path, filled)


class Recorder:
    """Steps to frames: one connection at a time, nothing lost but what is to be."""

    def __init__(self):
        self.frames, self.now, self.port = [], START, 40000
        self.ends, self.seq = None, {}
        self.pending, self.side, self.by_line, self.is_lost = b"", None, False, False

    # --- frames ---

    def frame(self, side, flags, payload=b""):
        other = "S" if side == "C" else "C"
        (source, source_port), (target, target_port) = self.ends[side], self.ends[other]
        seq, ack = self.seq[side], self.seq[other] if flags & ACK else 0
        tcp = struct.pack(">HHIIBBHHH", source_port, target_port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags,
                          65535, 0, 0) + payload
        pseudo = source.packed + target.packed + struct.pack(">II", len(tcp), 6)
        total = checksum(pseudo + tcp + b"\0" * (len(tcp) % 2))
        tcp = tcp[:16] + struct.pack(">H", total) + tcp[18:]
        if source.version == 4:
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + source.packed + target.packed
            ip, kind = head[:10] + struct.pack(">H", checksum(head)) + head[12:] + tcp, 0x0800
        else:
            ip, kind = struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + source.packed + target.packed + tcp, 0x86DD
        macs = [b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"]
        link = (macs[1] + macs[0] if side == "C" else macs[0] + macs[1]) + struct.pack(">H", kind)
        whole = link + ip
        self.now += STEP
        seconds = int(self.now)
        if not self.is_lost:
            self.frames.append(struct.pack("<IIII", seconds, int((self.now - seconds) * 1e9), len(whole), len(whole)) +
                               whole)
        self.seq[side] += len(payload) + bool(flags & (SYN | FIN))

    def send_pending(self):
        data, side = self.pending, self.side
        self.pending, self.side = b"", None
        for off in range(0, len(data), SEGMENT):
            self.frame(side, PSH | ACK, data[off:off + SEGMENT])
        self.is_lost = False
        if data:
            self.frame("S" if side == "C" else "C", ACK)

    def hang_up(self, first):
        self.send_pending()
        if self.ends is None:
            return
        second = "S" if first == "C" else "C"
        self.frame(first, FIN | ACK)
        self.frame(second, FIN | ACK)
        self.frame(first, ACK)
        self.ends = None

    # --- steps ---

    def do_say(self, step):
        if (self.by_line and step.side == "C") or self.side != step.side:
            self.send_pending()
        self.side = step.side
        self.pending += step.data

    def do_fill(self, step):
        self.do_say(type(step)("say", step.number, step.words[0], (b"x" * 75 + b"\n") * (int(step.words[1]) // 76 + 1)))
        self.pending = self.pending[:len(self.pending) - 76 + int(step.words[1]) % 76]

    def do_flush(self, _step):
        self.send_pending()

    def do_segments(self, step):
        self.send_pending()
        self.by_line = step.words[0] == "lines"

    def do_wait(self, step):
        self.send_pending()
        self.now += float(step.words[0])

    def do_lose(self, _step):
        self.send_pending()
        self.is_lost = True

    def do_connect(self, step):
        self.hang_up("S")
        self.port += 1
        self.ends = {"C": (ipaddress.ip_address(step.words[0]), self.port),
                     "S": (ipaddress.ip_address(step.words[1]), int(step.words[2]) if len(step.words) > 2 else 25)}
        self.seq = {"C": 1000 * self.port, "S": 2000 * self.port}
        self.frame("C", SYN)
        self.frame("S", SYN | ACK)
        self.frame("C", ACK)

    def do_close(self, step):
        self.hang_up(step.words[0])

    def do_reset(self, step):
        self.send_pending()
        self.frame(step.words[0], RST | ACK)
        self.ends = None
