"""Adds up the results of meson's test runs and of the fuzz targets, names what
was skipped and why, and ends with the line `N passed, N failed`. The exit code
is 0 only if nothing failed.

    sum_tests.py BUILD-FOLDER... FUZZ-RESULTS.tsv

A test program counts as what it printed: each line of TAP, each test of cmocka;
one that printed neither counts as one. A program that ended badly after all its
checks passed (a crash, a sanitizer's report, no end) is one failure more.
"""

import json
import os
import re
import sys

TAP = re.compile(r"^(not ok|ok) \d+(?: - )?(.*?)(?: # SKIP\S* ?(.*))?$", re.MULTILINE)
TAP_SKIP_ALL = re.compile(r"^1\.\.0 # SKIP\S* ?(.*)$", re.MULTILINE)
CMOCKA = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\w+)$", re.MULTILINE)
CMOCKA_REASON = re.compile(r"^skipped: (.+)\n\[ +SKIPPED +\] (\w+)$", re.MULTILINE)


class Sum:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add_test(self, folder, test):
        where = f"{folder}: {test['name']}"
        output = test.get("stdout", "") + "\n" + test.get("stderr", "")
        bad = []
        if test["result"] == "SKIP":
            whole = TAP_SKIP_ALL.search(output)
            lines = [line for line in output.splitlines() if line.strip()]
            self.skipped.append((where, whole.group(1) if whole else lines[-1] if lines else "no reason given"))
            return
        checks = 0
        for word, name, reason in TAP.findall(test.get("stdout", "")):
            checks += 1
            if word == "not ok":
                bad.append(name)
            elif reason:
                self.skipped.append((f"{where}: {name}", reason))
            else:
                self.passed += 1
        if not checks:
            reasons = {name: reason for reason, name in CMOCKA_REASON.findall(output)}
            for word, name in dict.fromkeys(CMOCKA.findall(output)):
                checks += 1
                if word == "FAILED":
                    bad.append(name)
                elif word == "SKIPPED":
                    self.skipped.append((f"{where}: {name}", reasons.get(name, "no reason given")))
                else:
                    self.passed += 1
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            self.passed += not checks
        elif not bad:
            bad.append(f"{test['result']}, exit code {test['returncode']}")
        self.failed += [f"{where}: {name}" for name in bad]

    def add_meson(self, folder):
        path = os.path.join(folder, "meson-logs", "testlog.json")
        if not os.path.exists(path):
            self.failed.append(f"{folder}: no test results, because the build failed")
            return
        with open(path, encoding="utf-8") as file:
            for line in file:
                self.add_test(folder, json.loads(line))

    def add_fuzz(self, path):
        if not os.path.exists(path):
            self.failed.append("fuzz targets: no results, because the build failed")
            return
        with open(path, encoding="utf-8") as file:
            for line in file:
                result, target = line.rstrip("\n").split("\t")
                if result == "passed":
                    self.passed += 1
                else:
                    self.failed.append(f"fuzz target {target}: see build-fuzz/{target}.log")


def main():
    total = Sum()
    for source in sys.argv[1:]:
        if source.endswith(".tsv"):
            total.add_fuzz(source)
        else:
            total.add_meson(source)
    for name, reason in total.skipped:
        print(f"skipped: {name}: {reason}")
    for name in total.failed:
        print(f"failed: {name}")
    print(f"{total.passed} passed, {len(total.failed)} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
