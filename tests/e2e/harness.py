"""What the tests that run the mailtap executable share: TAP output, running the
program, reading its records, comparing them with what is expected."""

import json
import os
import re
import subprocess
import sys
import tempfile

# meson has every block that malloc gives filled: so the unit tests run. A whole
# program, which reserves some hundred MiB and touches little of it, would take
# fifteen times as long to start.
os.environ.pop("MALLOC_PERTURB_", None)

RUN_SECONDS = 120


class Tap:
    """One line a check (Test Anything Protocol); the exit code says the rest."""

    def __init__(self):
        self.number, self.failed = 0, 0

    def passed(self, name):
        self.report("ok", name)

    def failed_with(self, name, reasons):
        self.failed += 1
        self.report("not ok", name)
        for reason in reasons:
            for line in str(reason).splitlines():
                print(f"# {line}")
        sys.stdout.flush()

    def skipped(self, name, reason):
        self.report("ok", f"{name} # SKIP {reason}")

    def check(self, name, reasons):
        """Passed when there is no reason against it."""
        reasons = list(reasons)
        if reasons:
            self.failed_with(name, reasons)
        else:
            self.passed(name)

    def report(self, word, name):
        self.number += 1
        print(f"{word} {self.number} - {name.replace('#', ' ')}" if "# SKIP" not in name
              else f"{word} {self.number} - {name}", flush=True)

    def finish(self):
        print(f"1..{self.number}")
        return 1 if self.failed else 0


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


class Run:
    """One run of the program: exit code, output, what it said."""

    def __init__(self, mailtap, arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        try:
            done = subprocess.run([mailtap, *arguments], capture_output=True, timeout=RUN_SECONDS, check=False,
                                  **options)
            self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            self.code, self.stdout = "no end", late.stdout or b""
            self.stderr = f"still running after {RUN_SECONDS} s".encode()

    def errors(self):
        return self.stderr.decode("utf-8", "replace").splitlines()

    def records(self):
        """(sessions, alerts) of --json output; ValueError when a line is none."""
        sessions, alerts = [], []
        for number, line in enumerate(self.stdout.split(b"\n"), 1):
            if not line:
                continue
            try:
                record = json.loads(line.decode("utf-8"))
            except ValueError as error:
                raise ValueError(f"line {number} of the output is not JSON: {error}: {line[:200]!r}") from error
            (alerts if record["event"]["dataset"] == "mailtap.alert" else sessions).append(record)
        sessions.sort(key=lambda record: (record["event"].get("start", ""), record["event"]["id"]))
        return sessions, alerts


def crash_reasons(run, okay=(0, 1)):
    """Why a run was not an orderly one: a signal, a sanitizer's report, a bad exit code."""
    report = [line for line in run.errors() if re.search(r"Sanitizer|runtime error|MT_BUG_ON|BUG:", line)]
    if report:
        yield from report[:5]
    elif run.code not in okay:
        yield f"exit code {run.code}"
        yield from run.errors()[:5]


def differences(expected, got, path=""):
    """Where `got` is not what is expected. In `expected`, an object names only
    the members that matter; null means absent; a list must have the same
    length; and {"$re"}, {"$in"}, {"$min"}, {"$max"}, {"$contains"}, {"$any"}
    stand for what no fixed value can say."""
    if expected is None:
        if got is not None:
            yield f"{path}: should be absent, is {show(got)}"
    elif isinstance(expected, dict) and any(key.startswith("$") for key in expected):
        if not satisfies(expected, got):
            yield f"{path}: {show(got)} does not satisfy {show(expected)}"
    elif isinstance(expected, dict):
        if not isinstance(got, dict):
            yield f"{path}: should be an object, is {show(got)}"
            return
        for key, value in expected.items():
            yield from differences(value, got.get(key), f"{path}.{key}" if path else key)
    elif isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            yield f"{path}: should be {show(expected)}, is {show(got)}"
            return
        for index, (one, other) in enumerate(zip(expected, got)):
            yield from differences(one, other, f"{path}[{index}]")
    elif expected != got or isinstance(expected, bool) != isinstance(got, bool):
        yield f"{path}: should be {show(expected)}, is {show(got)}"


def satisfies(wanted, got):
    is_number = isinstance(got, (int, float)) and not isinstance(got, bool)
    tests = {
        "$any": lambda _value: True,
        "$re": lambda value: isinstance(got, str) and re.search(value, got) is not None,
        "$in": lambda value: got in value,
        "$min": lambda value: is_number and got >= value,
        "$max": lambda value: is_number and got <= value,
        "$contains": lambda value: isinstance(got, list) and all(item in got for item in value),
    }
    return all(tests[key](value) for key, value in wanted.items())


def show(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "..."


def finding_rules():
    """Options: of the shipped rules those about findings (lib/detect) alone."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "app", "share", "rules")
    options = ["--no-shipped-rules"]
    for name in sorted(os.listdir(folder)):
        path = os.path.normpath(os.path.join(folder, name))
        with open(path, encoding="utf-8") as file:
            if re.search(r"^    category: finding$", file.read(), re.M):
                options += ["--rules", path]
    return options


def shared_folder(source_root):
    """The folder of captures from other projects, or None."""
    folder = os.environ.get("MAILTAP_SHARED") or os.path.join(source_root, "..", "shared")
    captures = os.path.join(folder, "captures")
    return captures if os.path.isdir(captures) else None


def scratch():
    return tempfile.TemporaryDirectory(prefix="mailtap-test-")
