"""Limits on files, marks that must not stay, paths of one machine, and the four
paragraphs that open a public header."""

import re

import tree

FOLDERS = ["app", "lib", "tests", "scripts", "docs"]
LINES_MAX = {".c": 800, ".h": 300}
PARAGRAPHS = ["Ownership:", "Thread:", "Limits:"]

# Written in pieces, so that this file does not complain about itself.
MARKS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:wo" + r"rk|ro" + r"ot)/\w")
TEXT = {".c", ".h", ".def", ".py", ".sh", ".md", ".txt", ".build", ".yaml", ".yml", ".json", ""}


def check_text(root, path):
    where = path.relative_to(root)
    text = tree.read(path)
    for number, line in enumerate(text.splitlines(), 1):
        if MARKS.search(line):
            yield f"{where}:{number}: {MARKS.search(line).group(0)}: finish it, or open an issue"
        if MACHINE_PATH.search(line):
            yield f"{where}:{number}: a path of one machine"
    count = text.count("\n")
    if count > LINES_MAX.get(path.suffix, count):
        yield f"{where}: {count} lines, the limit is {LINES_MAX[path.suffix]}"


def check_header(root, path):
    opening = re.match(r"/\*.*?\*/", tree.read(path), re.S)
    for word in PARAGRAPHS:
        if not opening or word not in opening.group(0):
            yield f'{path.relative_to(root)}: its first comment does not say "{word}"'


def check(root):
    paths = list(tree.files(root, FOLDERS, TEXT))
    paths += [p for p in sorted(root.glob("*")) if p.is_file() and p.suffix in TEXT and p.name != "LICENSE"]
    for path in paths:
        yield from check_text(root, path)
    for path in tree.files(root, ["lib"], {".h"}):
        yield from check_header(root, path)


HEADER = "/* A room.\n *\n * Ownership: none. Thread: any. Limits: none.\n */\n"
GOOD = {
    "lib/base/span.h": HEADER + "int a;\n",
    "lib/base/span.c": "int a; /* todo is a word, XXXX a mask, /wo" + "rkspace a path, a/wo" + "rk/b another */\n",
    "lib/base/list.def": "x\n" * 900,
    "docs/page.md": "Text.\n",
}

CASES = [
    ("a mark", {"lib/base/span.c": "/* TO" + "DO: think */\n"}, "lib/base/span.c:1: TO" + "DO"),
    ("a mark in a script", {"scripts/run": "#!/bin/sh\n# FIX" + "ME\n"}, "scripts/run:2"),
    ("a mark at the top", {"README.md": "HA" + "CK\n"}, "README.md:1"),
    ("a machine's path", {"docs/page.md": "see /wo" + "rk/main/lib\n"}, "docs/page.md:1: a path of one machine"),
    ("a long source", {"lib/base/span.c": "\n" * 801}, "801 lines, the limit is 800"),
    ("a long header", {"lib/base/span.h": HEADER + "\n" * 300}, "the limit is 300"),
    ("a header that says nothing", {"lib/base/span.h": "int a;\n"}, 'does not say "Ownership:"'),
    ("a header that leaves one out", {"lib/base/span.h": HEADER.replace("Limits", "Size")}, 'does not say "Limits:"'),
]

if __name__ == "__main__":
    tree.main(check, GOOD, CASES)
