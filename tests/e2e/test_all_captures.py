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


def json_reasons(stats_path, run):
    """What must hold of a run that ended in an orderly way."""
    try:
        run.records()
    except ValueError as error:
        yield error
    if run.code == 1 and not run.errors():
        yield "exit code 1 without a word why"
    if run.code == 0 and run.errors():
        yield f"exit code 0, but said: {run.errors()[0]}"
    if run.code in (0, 1):
        with open(stats_path, encoding="utf-8") as file:
            json.load(file)
        for raw in (run.stdout, run.stderr):
            if any(byte < 0x20 and byte not in (0x0a, 0x09) or byte == 0x7f for byte in raw):
                yield "raw control bytes in the output"


def main():
    mailtap, root = sys.argv[1:3]
    folder = shared_folder(root)
    if folder is None:
        skip_all("the captures of other projects are not here (MAILTAP_SHARED or ../shared)")
    tap = Tap()
    with scratch() as work:
        stats = os.path.join(work, "stats.json")
        for name, path in capture_files(folder):
            run = Run(mailtap, ["read", "--json", "--workers", "2", "--stats", stats, path])
            # 3: refused as a whole, with a sentence why
            tap.check(f"{name} is read to its end", list(crash_reasons(run, okay=(0, 1, 3)))
                      or list(json_reasons(stats, run)))
            if run.code == 3 and len([line for line in run.errors() if line]) != 1:
                tap.failed_with(f"{name} is refused in one line", run.errors()[:4])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
