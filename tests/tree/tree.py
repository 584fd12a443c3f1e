"""What the checks of the tree share: walking it, reporting, and proving that a
check can fail.

A check is a function of the root that yields complaints, one line each. Its
self-test gives it small trees, good and bad, and looks at the complaints.
"""

import os
import pathlib
import re
import sys
import tempfile

SKIPPED = 77  # meson's exit code for a test that did not run

IGNORED_FOLDERS = re.compile(r"^(build.*|\.git|__pycache__|\.cache)$")


def files(root, folders, suffixes=None):
    """Paths below root/folder, sorted; all files when suffixes is None."""
    for folder in folders:
        for at, names, found in os.walk(root / folder):
            names[:] = sorted(n for n in names if not IGNORED_FOLDERS.match(n))
            for name in sorted(found):
                path = pathlib.Path(at) / name
                if (suffixes is None or path.suffix in suffixes) and path.is_file():
                    yield path


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def without_comments(text):
    """C text with comments blanked, line numbers kept; strings stay."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)

    def blank(match):
        found = match.group(0)
        return found if found[0] in "\"'" else re.sub(r"[^\n]", " ", found)

    return pattern.sub(blank, text)


def report(complaints):
    complaints = list(complaints)
    for line in complaints:
        print(line)
    print(f"{len(complaints)} complaints" if complaints else "nothing to complain about")
    return 1 if complaints else 0


def skip(reason):
    print(f"skipped: {reason}")
    return SKIPPED


def self_test(check, good, cases):
    """check(root) must accept the tree `good` (path to text) and must, for each
    case (name, changes to good, a piece of the expected complaint), complain
    about it. A change to None removes the file."""
    failures = 0
    for name, changes, expected in [("the good tree", {}, None), *cases]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {**good, **changes}.items():
                if text is None:
                    continue
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            complaints = list(check(root))
        if expected is None:
            passed = not complaints
        else:
            passed = any(expected in line for line in complaints)
        print(f"{'ok' if passed else 'FAILED'}: {name}")
        if not passed:
            failures += 1
            print(f"  wanted: {expected}\n  got: {complaints}")
    return 1 if failures else 0


def main(check, good, cases):
    """`script ROOT` checks the tree, `script --self-test` checks the check."""
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test(check, good, cases))
    sys.exit(report(check(pathlib.Path(sys.argv[1]))))
