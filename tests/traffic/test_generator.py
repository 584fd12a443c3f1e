#!/usr/bin/env python3
"""The generator itself: test_generator.py MAILTAP-TRAFFIC

Its captures are read by tshark and tcpdump, which know nothing of it."""

import collections
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

PROFILES = ["ordinary", "modern", "spam", "probing", "hostile", "idle"]
TRAFFIC = None


def run(*arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def tshark(capture, *arguments):
    text = run("tshark", "-n", "-r", capture, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", *arguments)
    return text.decode().splitlines()


def frames_of_pcap(path):
    """(time, bytes) of each record of a pcap file with nanoseconds."""
    with open(path, "rb") as file:
        data = file.read()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    assert magic == 0xA1B23C4D and link == 1
    at = 24
    while at < len(data):
        seconds, fraction, size, wire = struct.unpack_from("<IIII", data, at)
        assert size == wire and at + 16 + size <= len(data)
        yield seconds * 1_000_000_000 + fraction, data[at + 16 : at + 16 + size]
        at += 16 + size


def frames_of_pcapng(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length
        if kind == 6:
            high, low, size = struct.unpack_from("<III", data, at + 12)
            yield high << 32 | low, data[at + 28 : at + 28 + size]
        at += length


class Generator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def make(self, profile, *more, sessions=300, name="x"):
        capture = os.path.join(self.folder.name, f"{name}.pcap")
        truth = os.path.join(self.folder.name, f"{name}.ndjson")
        run(
            TRAFFIC, "--profile", profile, "--sessions", str(sessions), "--mean-cap", "6000",
            "--output", capture, "--truth", truth, *more,
        )  # fmt: skip
        return capture, truth

    def truth(self, path):
        with open(path, encoding="utf-8") as lines:
            parsed = [json.loads(line) for line in lines]
        return parsed[:-1], parsed[-1]["alerts"]

    def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(self):
        def digest(path):
            with open(path, "rb") as file:
                return hashlib.sha256(file.read()).hexdigest()

        for profile in PROFILES:
            digests = [
                [digest(path) for path in self.make(profile, "--seed", seed, name=name)]
                for seed, name in (("7", "a"), ("7", "b"), ("8", "c"))
            ]
            self.assertEqual(digests[0], digests[1], profile)
            self.assertNotEqual(digests[0][0], digests[2][0], profile)

    def test_time_never_runs_backwards_and_both_formats_hold_the_same_frames(self):
        for profile in PROFILES:
            capture, _ = self.make(profile, name="a")
            other, _ = self.make(profile, "--pcapng", name="b")
            frames = list(frames_of_pcap(capture))
            self.assertEqual(frames, list(frames_of_pcapng(other)), profile)
            self.assertTrue(all(a[0] <= b[0] for a, b in zip(frames, frames[1:])), profile)

    def test_tcpdump_and_tshark_read_every_frame_and_find_its_checksums_valid(self):
        for number, profile in enumerate(PROFILES):
            is_pcapng = number % 2
            capture, _ = self.make(profile, *(["--pcapng"] if is_pcapng else []), sessions=120)
            expected = len(list((frames_of_pcapng if is_pcapng else frames_of_pcap)(capture)))
            if shutil.which("tcpdump"):
                self.assertEqual(int(run("tcpdump", "-n", "-r", capture, "--count").split()[0]), expected, profile)
            else:
                print("tcpdump is not installed: only tshark reads the captures")
            # 1 is good; a fragment's TCP checksum is judged with its last piece.
            fields = ("ip.checksum.status", "tcp.checksum.status", "_ws.malformed")
            # Keys and signatures in TLS handshakes are random numbers, which tshark takes for damage.
            lines = tshark(capture, "--disable-protocol", "tls", "-T", "fields", *[part for field in fields for part in ("-e", field)])
            self.assertEqual(len(lines), expected, profile)
            counts = collections.Counter(lines)
            self.assertLessEqual(counts.keys(), {"1\t1\t", "\t1\t", "1\t\t", "\t\t"}, profile)
            self.assertGreater(counts["1\t1\t"], expected / 2, profile)

    def test_tshark_sees_no_trouble_where_none_was_made(self):
        trouble = "tcp.analysis.retransmission || tcp.analysis.lost_segment || tcp.analysis.out_of_order"
        for profile in ("ordinary", "modern", "spam", "probing", "idle"):
            capture, _ = self.make(profile, sessions=120)
            self.assertEqual(tshark(capture, "-Y", trouble), [], profile)

    def test_the_frames_of_the_truth_are_those_of_the_capture(self):
        for profile in ("ordinary", "modern", "spam", "probing", "idle"):
            capture, truth = self.make(profile)
            frames = list(frames_of_pcap(capture))
            sessions, _ = self.truth(truth)
            ends = [t["session"][side] for t in sessions for side in ("source", "destination")]
            self.assertEqual(sum(end["packets"] for end in ends), len(frames), profile)
            self.assertEqual(sum(end["bytes"] for end in ends), sum(len(f[1]) for f in frames), profile)

    def test_tshark_sees_the_commands_and_replies_of_the_truth(self):
        for profile in ("ordinary", "modern", "spam", "probing"):
            capture, truth = self.make(profile)
            commands = collections.defaultdict(collections.Counter)
            codes = collections.defaultdict(collections.Counter)
            fields = ("ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "smtp.req.command", "smtp.response.code")
            wanted = [part for field in fields for part in ("-e", field)]
            for line in tshark(capture, "-Y", "smtp", "-T", "fields", "-E", "aggregator=,", *wanted):
                source, source_port, destination, destination_port, said, code = (line + "\t" * 6).split("\t")[:6]
                commands[source, source_port].update(c.lower() for c in said.split(",") if c)
                codes[destination, destination_port].update(c for c in code.split(",") if c)
            cut = {
                tuple(line.split("\t"))
                for line in tshark(capture, "-Y", "tcp.len > 0 && tcp.len < 5", "-T", "fields", "-e", "ip.src", "-e", "tcp.srcport")
            }
            compared = 0
            for session in self.truth(truth)[0]:
                client = session["session"]["source"]
                smtp = session["session"]["smtp"]
                key = client["ip"], str(client["port"])
                self.assertEqual(smtp["codes"], dict(codes[key]), session["story"])
                # tshark 4.0 has no BDAT, takes what follows a refused DATA for
                # content, misses a final dot that lies across two segments,
                # shows STARTTLS as STAR, AUTH's answers as commands, and no
                # verb that it does not know.
                refused = "data" in smtp["commands"] and smtp["codes"].get("354", 0) != smtp["commands"]["data"]
                if {"bdat", "auth", "unknown"} & smtp["commands"].keys() or refused or key in cut:
                    continue
                seen = {"starttls" if verb == "star" else verb: n for verb, n in commands[key].items()}
                self.assertEqual(smtp["commands"], seen, session["story"])
                compared += 1
            self.assertGreater(compared, 200, profile)

    def share(self, sessions, holds):
        return sum(1 for session in sessions if holds(session)) / len(sessions)

    def test_the_mixes_are_those_that_the_readme_names(self):
        def commands(session):
            return session["session"]["smtp"]["commands"]

        ordinary, _ = self.truth(self.make("ordinary", sessions=3000)[1])
        modern, _ = self.truth(self.make("modern", sessions=3000)[1])
        spam, _ = self.truth(self.make("spam", sessions=3000)[1])
        chunked = self.share(ordinary, lambda s: "bdat" in commands(s))
        opaque = self.share(modern, lambda s: s["session"]["smtp"]["starttls"].get("outcome") == "established")
        refused = self.share(spam, lambda s: "data" not in commands(s) and "bdat" not in commands(s))
        scans = self.share(spam, lambda s: "scanner" in s["story"] or "without a banner" in s["story"])
        self.assertAlmostEqual(chunked, 0.10, delta=0.02)
        self.assertAlmostEqual(opaque, 0.90, delta=0.02)
        self.assertAlmostEqual(refused, 0.80, delta=0.04)
        self.assertAlmostEqual(scans, 0.05, delta=0.015)

    def test_the_hostile_profile_holds_every_trouble(self):
        stories = {session["story"] for session in self.truth(self.make("hostile", sessions=2000)[1])[0]}
        self.assertGreaterEqual(len(stories), 25)
        capture, _ = self.make("hostile", sessions=250)
        fields = (
            "vlan.id", "ip.flags.mf", "ipv6.fraghdr.more", "tcp.analysis.out_of_order",
            "ip.src", "ipv6.src", "tcp.flags",
        )  # fmt: skip
        wanted = [part for field in fields for part in ("-e", field)]
        frames = [line.split("\t") for line in tshark(capture, "-T", "fields", *wanted)]
        self.assertTrue(any(frame[0] for frame in frames), "no VLAN")
        self.assertTrue(any("1" in frame[1] for frame in frames), "no IPv4 fragment")
        self.assertTrue(any("1" in frame[2] for frame in frames), "no IPv6 fragment")
        self.assertTrue(any(frame[3] for frame in frames), "nothing out of order")
        flood = [frame for frame in frames if frame[4].startswith("100.") or ":ff00:" in frame[5]]
        self.assertAlmostEqual(len(flood) / len(frames), 0.5, delta=0.01)
        self.assertEqual({frame[6] for frame in flood}, {"0x0002"})

    def test_the_idle_profile_leaves_every_session_open(self):
        capture, truth = self.make("idle", "--concurrency", "300")
        self.assertEqual(tshark(capture, "-Y", "tcp.flags.fin==1 || tcp.flags.reset==1"), [])
        self.assertEqual(len(self.truth(truth)[0]), 300)

    def test_wrong_options_end_in_2(self):
        for wrong in (["--sessions", "0"], ["--profile"], ["--cap", "x"], ["--clients", "1.2.3.4"], ["extra"], []):
            done = subprocess.run(
                [TRAFFIC, *(["--output", "/dev/null"] if wrong else []), *wrong],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
            self.assertEqual(done.returncode, 2, wrong)
            self.assertTrue(done.stderr, wrong)


if __name__ == "__main__":
    TRAFFIC = sys.argv.pop(1)
    if not shutil.which("tshark"):
        print("tshark is not installed")
        sys.exit(77)
    unittest.main()
