"""Every entry of the .def lists is used somewhere, and names are unique.

An anomaly that nothing raises, a counter that nothing counts or a field that
nothing fills is a promise that is not kept. Entries that are meant for later
stand in tests/tree/unused_entries.txt with the reason; an entry there that is
in use is a complaint too, so the list can only shrink.
"""

import re

import tree

# list, macro, words by which entry {0} is used, index of the name that people see
LISTS = [
    ("lib/base/anomalies.def", "MT_ANOMALY", ["MT_ANOMALY_{0}"], 1),
    ("lib/stats/counters.def", "MT_COUNTER", ["MT_COUNTER_{0}"], 1),
    ("lib/packet/rejects.def", "MT_REJECT", ["MT_REJECT_{0}"], 1),
    ("lib/detect/rules.def", "MT_RULE", ["MT_RULE_{0}"], 1),
    ("lib/detect/findings.def", "MT_FINDING", ["MT_FINDING_{0}"], 1),
    ("lib/record/helo_tests.def", "MT_HELO_TEST", ["HELO_{0}", "MT_HELO_{0}"], 2),
    ("lib/record/received_tests.def", "MT_RECEIVED_TEST", ["RECEIVED_{0}"], 2),
    ("lib/smtp/verbs.def", "MT_VERB", [], 1),
    ("lib/smtp/keywords.def", "MT_KEYWORD", [], 1),
]
THRESHOLDS = "lib/detect/thresholds.def"
FIELDS = "lib/record/fields.def"
# list, macro, sources that are no use: entries are members of a struct
MEMBERS = [(THRESHOLDS, "MT_THRESHOLD", None), (FIELDS, r"MT_FIELD_[A-Z]+", "lib/export/")]
ALLOWED = "tests/tree/unused_entries.txt"

# detect names a test's bit in its own enum; only who raises it counts.
NOT_A_USE = {"lib/record/helo_tests.def": "lib/detect/"}


def entries(root, path, macro):
    """[(line, [arguments])] of each use of the macro in a list."""
    text = tree.without_comments(tree.read(root / path))
    for match in re.finditer(rf"^{macro}\((.*)\)\s*$", text, re.M):
        arguments = re.findall(r'"(?:\\.|[^"\\])*"|[^,\s][^,]*', match.group(1))
        yield text.count("\n", 0, match.start()) + 1, [a.strip().strip('"') for a in arguments]


def pasted(text):
    """What the macros of a file make by pasting: NAMED(GAP) is MT_ANOMALY_GAP
    behind #define NAMED(name) (MT_ANOMALY_##name + 1)."""
    for macro, prefix in re.findall(r"^#define (\w+)\(\w+\).*?\b(MT_[A-Z_]+_)##", text, re.M):
        for name in re.findall(rf"\b{macro}\((\w+)\)", text):
            yield prefix + name


def sources(root):
    """(path, its words, its members: words behind . or ->) of each source; one
    pass over the text, because there are a thousand entries to look for."""
    for path in tree.files(root, ["lib", "app"], {".c", ".h"}):
        text = tree.without_comments(tree.read(path))
        words = frozenset(re.findall(r"\w+", text)).union(pasted(text))
        yield str(path.relative_to(root)), words, frozenset(re.findall(r"(?:\.|->)(\w+)", text))


def unused(root, code):
    """(list, line, entry) of what nothing uses."""
    for path, macro, uses, _ in LISTS:
        if not uses or not (root / path).is_file():
            continue
        but_not = NOT_A_USE.get(path)
        words = frozenset().union(*(found for at, found, _ in code if not (but_not and at.startswith(but_not))))
        for line, arguments in entries(root, path, macro):
            if words.isdisjoint(use.format(arguments[0]) for use in uses):
                yield path, line, arguments[0]
    for path, macro, but_not in MEMBERS:
        members = frozenset().union(*(found for at, _, found in code if not (but_not and at.startswith(but_not))))
        for line, arguments in entries(root, path, macro):
            if arguments[1] not in members:
                yield path, line, arguments[1]


def repeated(root):
    for path, macro, _, index in LISTS:
        if not (root / path).is_file():
            continue
        seen = set()
        for line, arguments in entries(root, path, macro):
            if arguments[index] in seen:
                yield f'{path}:{line}: the name "{arguments[index]}" stands twice'
            seen.add(arguments[index])


def allowed(root):
    """{(list, entry)}: `list entry: reason` a line."""
    found = set()
    if (root / ALLOWED).is_file():
        for line in tree.read(root / ALLOWED).splitlines():
            match = re.match(r"(\S+) (\w+): \S", line)
            if match:
                found.add(match.groups())
    return found


def check(root):
    code = list(sources(root))
    excused = allowed(root)
    idle = set()
    for path, line, entry in unused(root, code):
        idle.add((path, entry))
        if (path, entry) not in excused:
            yield f"{path}:{line}: nothing uses {entry}"
    for path, entry in sorted(excused - idle):
        yield f"{ALLOWED}: {path} {entry} is in use or gone; take it off the list"
    yield from repeated(root)


GOOD = {
    "lib/base/anomalies.def": 'MT_ANOMALY(GAP, "gap", "bytes, missing")\nMT_ANOMALY(BARE, "bare", "b")\n',
    "lib/stats/counters.def": 'MT_COUNTER(FRAMES, "frames", "f")\n',
    "lib/packet/rejects.def": 'MT_REJECT(SHORT, "short", "s")\n',
    "lib/detect/rules.def": 'MT_RULE(PROBE, "probe", "id", LOW, "c", "d", "T1")\n',
    "lib/detect/findings.def": 'MT_FINDING(SPREE, "spree", "c", "m", "u")\n',
    "lib/detect/thresholds.def": 'MT_THRESHOLD("probe", probe_count, "count", 5, 1, 9, "m")\n',
    "lib/record/helo_tests.def": 'MT_HELO_TEST(OWN, 1, "own", 6, "m")\n',
    "lib/record/fields.def": 'MT_FIELD_SESSION(TEXT, from_address, "from.address", "m")\n',
    "lib/smtp/verbs.def": 'MT_VERB(MAIL, "MAIL", "mail", 0)\n',
    "lib/b.c": "#define NAMED(n) (MT_ANOMALY_##n + 1)\n NAMED(GAP)\n",
    "lib/a.c": "MT_ANOMALY_BARE MT_COUNTER_FRAMES MT_REJECT_SHORT MT_RULE_PROBE MT_FINDING_SPREE\n"
    "config->probe_count MT_HELO_OWN HELO_OWN record.from_address\n",
    ALLOWED: "# entries for later\n",
}
USES = GOOD["lib/a.c"]

CASES = [
    ("an anomaly that nothing raises", {"lib/a.c": USES.replace("MT_ANOMALY_BARE", "")}, "anomalies.def:2: nothing uses BARE"),
    ("a counter that nothing counts", {"lib/a.c": USES.replace("FRAMES", "FRAMES_ALL")}, "nothing uses FRAMES"),
    ("a reject only a comment names", {"lib/a.c": USES.replace("MT_REJECT_SHORT", "/* MT_REJECT_SHORT */")}, "SHORT"),
    ("a rule that nothing raises", {"lib/a.c": USES.replace("MT_RULE_PROBE", "")}, "nothing uses PROBE"),
    ("a finding that nothing makes", {"lib/a.c": USES.replace("MT_FINDING_SPREE", "")}, "nothing uses SPREE"),
    ("a threshold that nothing reads", {"lib/a.c": USES.replace("->", " ")}, "nothing uses probe_count"),
    ("a test that only detect names", {"lib/a.c": USES.replace("HELO_OWN", ""), "lib/detect/h.c": "HELO_OWN"}, "nothing uses OWN"),
    ("a field that only the encoder knows", {"lib/a.c": USES.replace(".from", "from"), "lib/export/j.c": "r.from_address"}, "nothing uses from_address"),
    ("a name that stands twice", {"lib/smtp/verbs.def": 'MT_VERB(A, "X", "x", 0)\nMT_VERB(B, "X", "x", 0)\n'}, "stands twice"),
    ("an excuse that is not needed", {ALLOWED: "lib/base/anomalies.def GAP: later\n"}, "take it off the list"),
    ("an excuse without a reason", {"lib/b.c": "", ALLOWED: "lib/base/anomalies.def GAP:\n"}, "nothing uses GAP"),
]

if __name__ == "__main__":
    tree.main(check, GOOD, CASES)
