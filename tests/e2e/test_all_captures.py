#!/usr/bin/env python3
"""Reads every capture of other projects: no crash, no sanitizer's report, no
endless loop, no silent loss (every frame of a file is counted or the file is
reported), and every line of the output is valid.

    test_all_captures.py MAILTAP SOURCE-ROOT
"""

import json
import os
import sys

from harness import Run, Tap, crash_reasons, scratch, shared_folder, skip_all


def capture_files(folder):
    for where, _folders, names in sorted(os.walk(folder)):
        if not where.endswith(".expected"):
            for name in sorted(names):
                path = os.path.join(where, name)
                if not name.endswith((".tsv", ".md", ".txt")):
                    yield os.path.relpath(path, folder), path


def packets_of(folder):
    """How many packets each file holds, by its index; that counts what tools agree on."""
    with open(os.path.join(folder, "INDEX.tsv"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return {row[0]: int(row[7]) for row in rows[1:]}


def reasons_against(run, stats_path, packets):
    """What must hold of a run that ended in an orderly way."""
    try:
        sessions, _alerts = run.records()
    except ValueError as error:
        yield error
        return
    for session in sessions:
        if "start" not in session["event"] or "@timestamp" not in session:
            yield "a session has no time"
    if run.code == 1 and not run.errors():
        yield "exit code 1 without a word why"
    if run.code == 0 and run.errors():
        yield f"exit code 0, but said: {run.errors()[0]}"
    if run.code == 3 and len([line for line in run.errors() if line]) != 1:
        yield f"refused in {len(run.errors())} lines: {run.errors()[:3]}"
    for raw in (run.stdout, run.stderr):
        if any(byte < 0x20 and byte not in (0x0a, 0x09) or byte == 0x7f for byte in raw):
            yield "raw control bytes in the output"
    if run.code == 0:
        with open(stats_path, encoding="utf-8") as file:
            frames = json.load(file)["capture.frames"]
        if packets is not None and frames < packets:
            yield f"{frames} frames read of {packets}, and nothing said"


def main():
    mailtap, root = sys.argv[1:3]
    folder = shared_folder(root)
    if folder is None:
        skip_all("the captures of other projects are not here (MAILTAP_SHARED or ../shared)")
    tap, packets = Tap(), packets_of(folder)
    with scratch() as work:
        stats = os.path.join(work, "stats.json")
        for name, path in capture_files(folder):
            run = Run(mailtap, ["read", "--json", "--workers", "2", "--stats", stats, path])
            # 3: refused as a whole, with a sentence why
            tap.check(f"{name} is read to its end", list(crash_reasons(run, okay=(0, 1, 3)))
                      or list(reasons_against(run, stats, packets.get(name))))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
