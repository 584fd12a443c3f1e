#!/usr/bin/env python3
"""mailtap against the truth: run_truth.py MAILTAP-TRAFFIC MAILTAP PROFILE SEED SESSIONS [WRAP]

Makes a capture, lets mailtap read it with one worker and with two, compares
every record of the first with the truth, and both outputs with each other. An even seed makes
a pcapng file, an odd one pcap. WRAP is what every frame is put into. With --keep FOLDER the files stay there."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
import compare  # noqa: E402
from harness import finding_rules  # noqa: E402


def check(folder, traffic, mailtap, profile, seed, sessions, wrap=None):
    def path(name):
        return os.path.join(folder, name)

    subprocess.run(
        [
            traffic, "--profile", profile, "--seed", seed, "--sessions", sessions, "--mean-cap", "8000",
            "--output", path("capture"), "--truth", path("truth.ndjson"), "--site", path("site.yaml"),
            *(["--wrap", wrap] if wrap else []), *(["--pcapng"] if int(seed) % 2 == 0 else []),
        ],
        check=True,
    )  # fmt: skip
    for workers in ("1", "2"):
        outputs = path(f"sessions.{workers}"), path(f"alerts.{workers}")
        done = subprocess.run(
            [
                mailtap, "read", *finding_rules(), "--workers", workers, "--site", path("site.yaml"),
                "--sessions", outputs[0], "--alerts", outputs[1], path("capture"),
            ],
            stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode:
            print(f"mailtap ended with {done.returncode}, {workers} workers")
            return 1
    print("--- against the truth", flush=True)
    failed = compare.compare_truth(path("truth.ndjson"), path("sessions.1"), path("alerts.1"))
    for kind in ("sessions", "alerts"):
        print(f"--- {kind} of 1 and of 2 workers", flush=True)
        failed |= compare.compare_same(path(f"{kind}.1"), path(f"{kind}.2"))
    return failed


def main():
    arguments = sys.argv[1:]
    if len(arguments) in (7, 8) and arguments[0] == "--keep":
        os.makedirs(arguments[1], exist_ok=True)
        return check(arguments[1], *arguments[2:])
    if len(arguments) not in (5, 6):
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mailtap-truth-") as folder:
        return check(folder, *arguments)


if __name__ == "__main__":
    sys.exit(main())
