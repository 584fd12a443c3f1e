"""docs/detections.md names every finding and every built-in rule, and states every
threshold of detect/thresholds.def as it is."""

import re

import check_lists
import tree

PAGE = "docs/detections.md"
THRESHOLDS = "lib/detect/thresholds.def"
RULES = "lib/detect/rules.def"
FINDINGS = "lib/detect/findings.def"
HELO_TESTS = "lib/record/helo_tests.def"


def rows(text):
    """The cells of every table row, without back-ticks."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]


def check_thresholds(root, table):
    wanted = {}
    for _, (rule, _, key, fallback, low, high, *_) in check_lists.entries(root, THRESHOLDS, "MT_THRESHOLD"):
        wanted[(rule, key)] = [fallback, f"{low} to {high}"]
    stated = {(row[0], row[1]): row[2:4] for row in table if len(row) == 5 and row[0].startswith(("smtp_", "capture_"))}
    for name in sorted(set(wanted) | set(stated)):
        if wanted.get(name) != stated.get(name):
            yield f"{PAGE}: {'.'.join(name)}: the page says {stated.get(name)}, {THRESHOLDS} {wanted.get(name)}"


def check_helo_tests(root, table):
    wanted = {a[2]: a[3] for _, a in check_lists.entries(root, HELO_TESTS, "MT_HELO_TEST")}
    stated = {row[0]: row[1] for row in table if len(row) == 3 and row[1].isdigit()}
    for name in sorted(set(wanted) | set(stated)):
        if wanted.get(name) != stated.get(name):
            yield f"{PAGE}: {name}: the page says {stated.get(name)} points, {HELO_TESTS} {wanted.get(name)}"


def check(root):
    text = tree.read(root / PAGE)
    for _, arguments in check_lists.entries(root, RULES, "MT_RULE"):
        name, level = arguments[1], arguments[3].lower()
        heading = re.search(rf"^## `{name}`$\n\n(.*)", text, re.M)
        if not heading:
            yield f"{PAGE}: no section ## `{name}`"
        elif not heading.group(1).lower().startswith(level):
            yield f"{PAGE}: the section of {name} does not open with its level, {level}"
    for _, arguments in check_lists.entries(root, FINDINGS, "MT_FINDING"):
        if f"\n## Finding `{arguments[1]}`\n" not in text:
            yield f"{PAGE}: no section ## Finding `{arguments[1]}`"
    table = list(rows(text))
    yield from check_thresholds(root, table)
    yield from check_helo_tests(root, table)


GOOD = {
    THRESHOLDS: 'MT_THRESHOLD("smtp_probe", probe_count, "count", 5, 1, 9, "how, many")\n',
    RULES: 'MT_RULE(PROBE, "smtp_probe", "id", LOW, "c", "d", "T1")\n',
    FINDINGS: 'MT_FINDING(SPREE, "spree", "c", "m", "u")\n',
    HELO_TESTS: 'MT_HELO_TEST(OWN, 1, "own_name", 6, "m")\n',
    PAGE: "## `smtp_probe`\n\nLow. Text.\n\n| `smtp_probe` | `count` | 5 | 1 to 9 | how many |\n\n| `own_name` | 6 | m |\n\n## Finding `spree`\n",
}
CASES = [
    ("another default", {PAGE: GOOD[PAGE].replace("| 5 |", "| 6 |")}, "smtp_probe.count: the page says ['6'"),
    ("another range", {PAGE: GOOD[PAGE].replace("1 to 9", "1 to 8")}, "1 to 8"),
    ("a threshold left out", {PAGE: GOOD[PAGE].replace("| `smtp_probe` ", "| `x` ")}, "the page says None"),
    ("a threshold that is gone", {THRESHOLDS: ""}, "thresholds.def None"),
    ("a rule without a section", {PAGE: GOOD[PAGE].replace("## `", "# `")}, "no section"),
    ("a finding without a section", {PAGE: GOOD[PAGE].replace("Finding", "A")}, "no section ## Finding `spree`"),
    ("another level", {PAGE: GOOD[PAGE].replace("Low.", "High.")}, "its level, low"),
    ("other points", {PAGE: GOOD[PAGE].replace("| 6 |", "| 7 |")}, "own_name: the page says 7"),
]

if __name__ == "__main__":
    tree.main(check, GOOD, CASES)
