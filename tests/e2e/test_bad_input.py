#!/usr/bin/env python3
"""Input that no tool likes: each gets one clear line on standard error and the
exit code of the manual page, and what was readable is in the output.

    test_bad_input.py MAILTAP SOURCE-ROOT
"""

import gzip
import os
import resource
import struct
import subprocess
import sys
import time

from harness import Run, Tap, crash_reasons, scratch

PCAP_HEADER = 24
RECORD_HEADER = 16
FILE_LIMIT = 2000  # room for one session record, not for two
CUT_REPEATS = 40000  # 80000 sessions: more than two workers keep for a sink that takes nothing


class Bench:
    """The scratch folder, a good capture of two sessions, and the checks."""

    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.root, self.folder, self.tap = mailtap, root, folder, tap
        pcaps = os.path.join(root, "pcaps")
        self.good_path = os.path.join(pcaps, "relay-suspected.pcap")
        with open(self.good_path, "rb") as file:
            self.good = file.read()
        self.offsets = record_offsets(self.good)
        run = Run(mailtap, ["read", "--json", self.good_path])
        self.whole = run.records()[0]

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def expect_usage(self, title, arguments, says):
        """A usage error: exit code 2, and a first line that says which; help may follow."""
        run = Run(self.mailtap, arguments)
        first = (run.errors() or [""])[0]
        reasons = [f"exit code {run.code} instead of 2"] if run.code != 2 else []
        reasons += [f"{word!r} is not in: {first}" for word in says if word not in first]
        if not first.startswith("mailtap: "):
            reasons.append(f"does not begin with the program's name: {first}")
        if run.stdout:
            reasons.append("there is something on standard output")
        self.tap.check(title, reasons)

    def expect(self, title, arguments, code, says, sessions=None, **options):
        """One run: its exit code, one line that holds every word of `says`, and how many sessions."""
        run = Run(self.mailtap, arguments, **options)
        reasons = list(crash_reasons(run, okay=(code,)))
        errors = [line for line in run.errors() if line]
        if says is None:
            reasons += [f"said: {line}" for line in errors]
        elif len(errors) != 1:
            reasons.append(f"{len(errors)} lines on standard error instead of one: {errors[:4]}")
        else:
            reasons += [f"{word!r} is not in: {errors[0]}" for word in says if word not in errors[0]]
            if not errors[0].startswith("mailtap: "):
                reasons.append(f"does not begin with the program's name: {errors[0]}")
        if sessions is not None:
            try:
                got = len(run.records()[0])
            except ValueError as error:
                got = str(error)
            if got != sessions:
                reasons.append(f"{got} sessions instead of {sessions}")
        self.tap.check(title, reasons)
        return run


def record_offsets(data):
    offsets, at = [], PCAP_HEADER
    while at < len(data):
        offsets.append(at)
        at += RECORD_HEADER + struct.unpack_from("<I", data, at + 8)[0]
    return offsets


def files_that_are_no_captures(bench):
    read = ["read", "--json"]
    good = bench.good_path
    text = bench.file("notes.txt", b"This is a letter, not a capture.\n" * 20)
    empty = bench.file("empty.pcap", b"")
    header = bench.file("header.pcap", bench.good[:10])
    missing = os.path.join(bench.folder, "missing.pcap")
    nothing = os.path.join(bench.folder, "nothing")
    os.mkdir(nothing)
    bench.expect("a text file is refused with its name", read + [text], 3, [text, "not a capture"])
    bench.expect("an empty file is refused with its name", read + [empty], 3, [empty, "empty"])
    bench.expect("half a file header is refused with its name", read + [header], 3, [header])
    bench.expect("a missing file is named", read + [missing], 3, [missing, "No such file"])
    bench.expect("a missing file beside a good one is named", read + [good, missing], 3, [missing, "No such file"])
    bench.expect("a folder without captures is named", read + [nothing], 3, [nothing])
    bench.expect("a text file beside a good one spoils only itself", read + [good, text], 1,
                 [text, "not a capture"], sessions=2)
    bench.expect("an empty file beside a good one spoils only itself", read + [good, empty], 1, [empty], sessions=2)
    bench.expect_usage("no file at all is a usage error", read, ["nothing to read"])
    with_null = Run(bench.mailtap, read + ["-"])
    bench.tap.check("empty standard input is refused", crash_reasons(with_null, okay=(3,)))


def unreadable_file(bench):
    path = bench.file("secret.pcap", bench.good)
    os.chmod(path, 0)
    title = "a file without read permission is named"
    if os.geteuid() != 0:
        bench.expect(title, ["read", "--json", path], 3, [path, "Permission denied"])
        return
    os.chmod(bench.folder, 0o755)

    def become_nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    if not can_nobody_run(bench.mailtap):
        bench.tap.skipped(title, f"root reads everything, and nobody cannot reach {bench.mailtap}")
        return
    bench.expect(title, ["read", "--json", path], 3, [path, "Permission denied"], preexec_fn=become_nobody)


def can_nobody_run(path):
    path = os.path.realpath(path)
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def damaged_captures(bench):
    read = ["read", "--json"]
    good, offsets = bench.good, bench.offsets
    half = offsets[len(offsets) // 2]
    cut = bench.file("cut.pcap", good[:offsets[-1] + 20])
    bench.expect("a capture cut inside its last record yields all before it", read + [cut], 1,
                 [cut, f"byte {offsets[-1]}", "ends inside"], sessions=2)
    header = bench.file("cut-header.pcap", good[:offsets[-1] + 7])
    bench.expect("a capture cut inside a record header yields all before it", read + [header], 1,
                 [header, f"byte {offsets[-1]}"], sessions=2)
    garbage = bench.file("garbage.pcap", good[:half] + b"\xff" * 400 + good[half:])
    bench.expect("garbage in the middle is named with its place, both sessions are there", read + [garbage], 1,
                 [garbage, f"byte {half}"], sessions=2)
    oversized = bench.file("oversized.pcap", good[:offsets[-1] + 8] + struct.pack("<II", 0x7fffffff, 0x7fffffff)
                           + good[offsets[-1] + 16:])
    bench.expect("a record of two gigabytes is damage, not a packet", read + [oversized], 1,
                 [oversized, f"byte {offsets[-1]}"], sessions=2)
    zero = struct.pack("<IIII", 1700000000, 0, 0, 0)
    bench.expect("records of no bytes are passed over",
                 read + [bench.file("zero.pcap", good[:PCAP_HEADER] + zero * 3 + good[PCAP_HEADER:] + zero)], 0,
                 None, sessions=2)
    unknown = bench.file("link.pcap", good[:20] + struct.pack("<I", 147) + good[24:])
    bench.expect("a link type that nobody knows is named, and its frames are skipped", read + [unknown], 1,
                 [unknown, "147"], sessions=0)


def cut_while_read(bench):
    """Workers stand still, because nobody takes what they write, while the file under them is cut short.

    What it is cut to lies behind them by then, so bytes are gone that they still hold.
    """
    title = "a capture cut short while workers read it ends there, with its place"
    path = bench.file("shrinking.pcap", bench.good[:PCAP_HEADER] + bench.good[PCAP_HEADER:] * CUT_REPEATS)
    size, kept = os.path.getsize(path), 1 << 20
    pipe = os.path.join(bench.folder, "sessions.pipe")
    os.mkfifo(pipe)
    with subprocess.Popen([bench.mailtap, "read", "--workers", "2", "--sessions", pipe, path],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        with open(pipe, "rb") as output:
            lines = [output.readline()]
            time.sleep(1)  # that they have come far; what is checked holds wherever they are
            os.truncate(path, kept)
            lines += output.readlines()
        said = child.stderr.read().decode("utf-8", "replace").splitlines()
    reasons = [f"exit code {child.returncode} instead of 1"] if child.returncode != 1 else []
    words = (f"mailtap: {path}: at byte {kept}: the file was cut short while it was read", f"it had {size} bytes")
    if len(said) != 1 or not all(word in said[0] for word in words):
        reasons.append(f"said {said[:4]}")
    records = sum(1 for line in lines if line.startswith(b"{") and line.endswith(b"}\n"))
    if not len(lines) == records >= kept // len(bench.good):
        reasons.append(f"{records} whole records in {len(lines)} lines")
    if records >= 2 * CUT_REPEATS:
        reasons.append("all of it was read, so nothing was cut")
    bench.tap.check(title, reasons)


def odd_clocks(bench):
    good, offsets = bench.good, bench.offsets
    data = bytearray(good)
    half = offsets[len(offsets) // 2]
    seconds = struct.unpack_from("<I", data, half)[0]
    struct.pack_into("<I", data, half, seconds - 86400)
    path = bench.file("backwards.pcap", bytes(data))
    run = bench.expect("a clock that jumps back a day changes no session", ["read", "--json", path], 0, None, sessions=2)
    reasons = [f"{record['event']['start']} to {record['event']['end']}" for record in run.records()[0]
               if record["event"]["end"] < record["event"]["start"] or record["event"]["duration"] > 10**10]
    bench.tap.check("time never runs backwards in a record", reasons)


def damaged_compression(bench):
    read = ["read", "--json"]
    packed = gzip.compress(bench.good, mtime=0)
    bench.expect("a gzipped capture is read", read + [bench.file("good.pcap.gz", packed)], 0, None, sessions=2)
    cut = bench.file("cut.pcap.gz", packed[:-30])
    bench.expect("gzip data that are cut off are named", read + [cut], 1, [cut])
    with open(bench.file("pipe.pcap", bench.good), "rb") as pipe:
        bench.expect("a capture on standard input is read", read + ["-"], 0, None, sessions=2, stdin=pipe)
    with open(bench.file("pipe-cut.pcap", bench.good[:-5]), "rb") as pipe:
        bench.expect("a cut capture on standard input is named", read + ["-"], 1, ["ends inside"], sessions=2,
                     stdin=pipe)


def wrong_settings(bench):
    read, good = ["read", "--json"], bench.good_path
    wrong = bench.file("wrong.yaml", b"local_domains:\n  - example.org\nhome_network:\n  - 10.0.0.0/8\n")
    bench.expect("a wrong key in the site file: file, line, column, the nearest key", read + ["--site", wrong, good],
                 2, [f"{wrong}:3:1:", "home_network", "home_networks"], sessions=0)
    prefix = bench.file("prefix.yaml", b"home_networks: [10.0.0.0/8, 10.0.0.0/99]\n")
    bench.expect("a wrong network in the site file has its place", read + ["--site", prefix, good], 2,
                 [f"{prefix}:1:29:", "10.0.0.0/99"], sessions=0)
    threshold = bench.file("threshold.yaml", b"thresholds:\n  smtp_vrfy_probe:\n    count: 0\n")
    bench.expect("a threshold out of its range has its place", read + ["--site", threshold, good], 2,
                 [f"{threshold}:3:12:", "count"], sessions=0)
    syntax = bench.file("syntax.yaml", b"local_domains: [example.org\nmail_servers: ]\n")
    bench.expect("a site file that is no YAML has its place", read + ["--site", syntax, good], 2, [f"{syntax}:"],
                 sessions=0)
    missing = os.path.join(bench.folder, "missing.yaml")
    bench.expect("a missing site file is named", read + ["--site", missing, good], 2, [missing, "No such file"])
    bench.expect("a filter with a syntax error is named", read + ["--filter", "prot 25 and (", good], 2,
                 ["prot 25 and ("])
    bench.expect_usage("an unknown option is named", read + ["--jsonn", good], ["jsonn"])
    bench.expect("a number of workers out of range is named", read + ["--workers", "0", good], 2, ["workers"])
    bench.expect_usage("an unknown verb is named", ["reed", good], ["reed"])


def full_disks(bench):
    good = bench.good_path
    full = bench.expect("a full disk under the sessions is reported", ["read", "--sessions", "/dev/full", good], 1,
                        ["/dev/full", "No space left"])
    bench.tap.check("and the summary is still printed", [] if full.stdout else ["no output"])
    bench.tap.check("a full disk under standard output is reported", full_output_reasons(bench))
    path = os.path.join(bench.folder, "sessions.ndjson")

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))

    bench.expect("a file size limit is reported, not fatal", ["read", "--sessions", path, good], 1,
                 [path, "File too large"], preexec_fn=small_files)
    with open(path, "rb") as file:
        kept = file.read()
    whole = 0 < len(kept) <= FILE_LIMIT and kept.endswith(b"}\n") and kept.count(b"\n") == 1
    bench.tap.check("and the file holds the record that fitted, whole", [] if whole else [f"it holds {kept[-60:]}"])
    nowhere = os.path.join(bench.folder, "no", "such", "folder.ndjson")
    bench.expect("an output that cannot be made is named before anything is read",
                 ["read", "--sessions", nowhere, good], 3, [nowhere, "No such file"])
    bench.expect("/dev/null is honoured", ["read", "--sessions", "/dev/null", "--alerts", "/dev/null", good], 0, None)


def full_output_reasons(bench):
    with open("/dev/full", "wb") as sink:
        done = subprocess.run([bench.mailtap, "read", "--json", bench.good_path], stdout=sink,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, check=False)
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    if done.returncode != 1:
        yield f"exit code {done.returncode} instead of 1"
    if len(lines) != 1 or "No space left" not in lines[0]:
        yield f"said {lines[:4]}"


def main():
    mailtap, root = os.path.abspath(sys.argv[1]), sys.argv[2]
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, root, folder, tap)
        for group in (files_that_are_no_captures, unreadable_file, damaged_captures, cut_while_read, odd_clocks,
                      damaged_compression, wrong_settings, full_disks):
            group(bench)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
