"""Mail that is made to cost: what it costs grows with its octets and not faster,
and it costs no memory.

usage: test_mail_bombs.py MAILTAP SOURCE_ROOT

Each bomb is read at two sizes, the second twice the first, and instructions are
counted (callgrind): twice the mail may cost at most 2.3 times as much.
"""

import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

import harness

FACTOR_MAX = 2.3
PEAK_KIB_MAX = 4 * 1024  # beyond what the same program needs for the smaller one
SEGMENT = 1400


class Capture:
    """A pcap of one mail session, in order, raw IPv4."""

    def __init__(self, path, start=0):
        """start: microseconds; sessions of other starts have other ids."""
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
        self.next = {True: 1000, False: 5000}
        self.clock = start
        self.size = SEGMENT
        self.segment(True, b"", 0x02)
        self.segment(False, b"", 0x12)

    def segment(self, is_client, data, flags=0x18):
        source, target = (b"\xc6\x33\x64\x07", b"\xc0\x00\x02\x19") if is_client else (b"\xc0\x00\x02\x19", b"\xc6\x33\x64\x07")
        ports = (40000, 25) if is_client else (25, 40000)
        tcp = struct.pack(">HHIIBBHHH", *ports, self.next[is_client], self.next[not is_client] if flags != 2 else 0,
                          0x50, flags, 65535, 0, 0) + data
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + source + target + tcp
        self.clock += 10
        self.file.write(struct.pack("<IIII", 1751364000 + self.clock // 1000000, self.clock % 1000000, len(ip), len(ip)) + ip)
        self.next[is_client] = (self.next[is_client] + len(data) + (1 if flags & 3 else 0)) % 2**32

    def say(self, is_client, data):
        for at in range(0, len(data), self.size):
            self.segment(is_client, data[at:at + self.size])

    def mail(self, content):
        self.say(False, b"220 mx.example.net ESMTP\r\n")
        for command, reply in [(b"EHLO a.example.org", b"250 mx"), (b"MAIL FROM:<a@example.org>", b"250 Ok"),
                               (b"RCPT TO:<b@example.net>", b"250 Ok"), (b"DATA", b"354 go")]:
            self.say(True, command + b"\r\n")
            self.say(False, reply + b"\r\n")
        self.say(True, content + b"\r\n.\r\n")
        self.say(False, b"250 Ok\r\n")
        self.say(True, b"QUIT\r\n")
        self.say(False, b"221 Bye\r\n")
        self.file.close()


def header_fields(count):
    return b"".join(b"X-Field-%d: some value\r\n" % i for i in range(count)) + b"\r\nbody"


def received_fields(count):
    return b"Received: from a (b [192.0.2.1]) by c with ESMTP id 1\r\n" * count + b"\r\nbody"


def one_line(size):
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + b"x" * size


def dashes(count):
    return b"Content-Type: multipart/mixed; boundary=bomb\r\n\r\n--bomb\r\n\r\n" + b"--bom\r\n" * count


def parts(count):
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nContent-Type: text/plain; name=a\r\n\r\nx\r\n" * count


def nested(count):
    text = b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
    return text + b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (i, i + 1) for i in range(count))


def messages(count):
    return b"Content-Type: message/rfc822\r\n\r\n" * count


def parameters(count):
    fields = b"Content-Type: text/plain" + b"".join(b"; name*%d=x" % (i % 60 + 1) for i in range(150)) + b"\r\n"
    return b"MIME-Version: 1.0\r\n" + fields * count + b"\r\nbody"


def hashed(size):
    return b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx\r\n" * (size // 74)


def padding(size):
    return b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QQ==" * (size // 4)


def blanks(size):
    return b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + (b" " * 70 + b"x=" + b" " * 70 + b"=") * (size // 143)


def escapes(size):
    """A line without an end in one datagram, put together from fragments or by a card."""
    global SEGMENT
    SEGMENT = 60_000  # in the child that writes the capture
    return b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * size


def urls(count):
    return b"Subject: x\r\n\r\n" + b"http:http:http://www.example.org/(((((((((((((((((()))))))))))))))))))?!.,\r\n" * count


def markers(size):
    return b"Subject: x\r\n\r\n" + b"$EICAR-STANDARD-ANTI" * (size // 20)


# What is decoded, too.
CONTENT = ["--hash", "--urls"]
CONTENT_BOMBS = [
    ("a line without an end, hashed,", one_line, 1_000_000),
    ("many parts, hashed,", parts, 10_000),
    ("base64", hashed, 1_000_000),
    ("base64 of nothing but padding", padding, 400_000),
    ("quoted-printable of blanks", blanks, 400_000),
    ("quoted-printable of escapes in one long segment", escapes, 25_000),
    ("URLs without end", urls, 8_000),
    ("what nearly is the test marker", markers, 400_000),
]

# Every field of the header is listed, too.
FIELDS = ["--message", "fields"]
FIELDS_BOMBS = [
    ("a header of many fields, listed,", header_fields, 4000),
    ("messages in messages with their headers listed", messages, 10_000),
]

BOMBS = [
    ("a header of many fields", header_fields, 4000),
    ("a header of many Received fields", received_fields, 2000),
    ("a line without an end", one_line, 50_000_000),
    ("lines that nearly are boundaries", dashes, 60_000),
    ("many parts", parts, 10_000),
    ("multiparts in multiparts", nested, 5000),
    ("messages in messages", messages, 10_000),
    ("parameters in many sections", parameters, 60),
]


def instructions(mailtap, options, capture, folder):
    run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", mailtap, "read", "--quiet",
                          *options, "--sessions", "/dev/null", "--alerts", "/dev/null", capture], capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        raise RuntimeError(f"{capture}: {run.stderr[-500:]}")
    return int(found.group(1))


def peak(mailtap, options, capture):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        os.execv(mailtap, [mailtap, "read", "--quiet", *options, capture])
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise RuntimeError(f"{capture}: status {status}")
    return usage.ru_maxrss


def write(path, make, size):
    """By a child: what a process measures as its peak includes that of its parent
    at the fork."""
    pid = os.fork()
    if pid == 0:
        content = make(size)
        Capture(path).mail(content)
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError(f"{path} could not be written")


def check(mailtap, options, make, size, folder, start):
    """start: what a mail of almost nothing costs, most of it loading libraries."""
    counts, peaks = [start], [0]
    for factor in (1, 2):
        path = f"{folder}/{factor}.pcap"
        write(path, make, size * factor)
        counts.append(instructions(mailtap, options, path, folder))
        peaks.append(peak(mailtap, options, path))
    grown = (counts[2] - counts[0]) / max(1, counts[1] - counts[0])
    print(f"# {counts[1] - counts[0]} and {counts[2] - counts[0]} instructions: {grown:.2f}; {peaks[1]} and {peaks[2]} KiB")
    if grown > FACTOR_MAX:
        yield f"twice the size costs {grown:.2f} times as much"
    if peaks[2] > peaks[1] + PEAK_KIB_MAX:
        yield f"twice the size needs {peaks[2]} KiB instead of {peaks[1]}"


def main():
    mailtap = sys.argv[1]
    if shutil.which("valgrind") is None:
        harness.skip_all("valgrind is not installed")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tap = harness.Tap()
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/start.pcap", header_fields, 1)
        start = instructions(mailtap, [], f"{folder}/start.pcap", folder)
        for options, bombs in [([], BOMBS), (CONTENT, CONTENT_BOMBS), (FIELDS, FIELDS_BOMBS)]:
            for name, make, size in bombs:
                tap.check(f"{name} costs what its octets cost", check(mailtap, options, make, size, folder, start))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
