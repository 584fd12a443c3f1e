#!/usr/bin/env python3
"""The rules of app/share/rules: each has dialogues on which it must alert
(tests/rules/NAME/must_alert*.txt) and some on which it must not
(near_miss*.txt). A dialogue names the alerts that it raises, with their
evidence; no other of level medium or above may be raised.

    test_shipped_rules.py MAILTAP SOURCE-ROOT
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import Run, Tap, crash_reasons, scratch  # noqa: E402
from ruleset import ROOT, RULES, alerting, read_rules  # noqa: E402
from script import Script  # noqa: E402

GRAVE = ("medium", "high", "critical")
LEVELS = ("informational", "low") + GRAVE
SLUG = re.compile(r"smtp_[a-z0-9_]+")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TECHNIQUE = re.compile(r"attack\.t\d{4}(\.\d{3})?")


def form_reasons(rules):
    """What every rule says of itself."""
    seen = {}
    for rule in rules:
        where = f"{rule.file}: {rule.name}"
        if not SLUG.fullmatch(rule.name):
            yield f"{where}: the name is no slug"
        for key in ("title", "id", "status", "description", "references", "tags", "falsepositives", "level"):
            if key not in rule.document and not (rule.is_silent and key in ("falsepositives", "tags", "level")):
                yield f"{where}: no {key}"
        if not UUID.fullmatch(str(rule.document.get("id"))):
            yield f"{where}: the id is no UUID"
        for key in (rule.name, rule.document.get("id"), rule.document.get("title")):
            if key in seen:
                yield f"{where}: {key} is {seen[key]}'s too"
            seen[key] = rule.name
        tags = rule.document.get("tags", [])
        if not rule.is_silent and not any(TECHNIQUE.fullmatch(tag) for tag in tags):
            yield f"{where}: no technique of ATT&CK among its tags"
        if not rule.is_silent and rule.document.get("level") not in LEVELS:
            yield f"{where}: level {rule.document.get('level')}"
    for file in sorted({rule.file for rule in rules}):
        names = [rule.name for rule in rules if rule.file == file]
        if os.path.splitext(file)[0] not in names:
            yield f"{file}: holds no rule of its name"


def finding_reasons(rules):
    """Every finding of lib/detect has its rule, whose name is that of its thresholds."""
    with open(os.path.join(ROOT, "lib", "detect", "findings.def"), encoding="utf-8") as file:
        found = re.findall(r'^MT_FINDING\(\w+, "(\w+)"', file.read(), re.M)
    by_name = {rule.name: rule for rule in rules}
    for finding in found:
        rule = by_name.get(f"smtp_{finding}")
        if rule is None or rule.document["detection"]["selection"] != {"mailtap.finding": finding}:
            yield f"{finding}: no rule smtp_{finding} asks for it"
    yield from ([] if found else ["there is none"])


def slug_reasons(names):
    with open(os.path.join(HERE, "slugs.txt"), encoding="utf-8") as file:
        relied_on = [name for line in file if not line.startswith("#") for name in line.split()]
    yield from (f"{name} is gone" for name in relied_on if name not in names)


def dialogues_of(name):
    folder = os.path.join(HERE, name)
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, file) for file in files if file.endswith(".txt")]


def cover_reasons(names):
    for name in names:
        kinds = [os.path.basename(path).split("-")[0].split(".")[0] for path in dialogues_of(name)]
        for kind in ("must_alert", "near_miss"):
            if kind not in kinds:
                yield f"{name}: no tests/rules/{name}/{kind}.txt"
        for kind in set(kinds) - {"must_alert", "near_miss"}:
            yield f"{name}: {kind}: a dialogue is must_alert*.txt or near_miss*.txt"
    for folder in sorted(os.listdir(HERE)):
        if os.path.isdir(os.path.join(HERE, folder)) and folder.startswith("smtp_") and folder not in names:
            yield f"tests/rules/{folder}: there is no such rule"


def match_reasons(expected, alerts):
    # behind an alert of a correlation may come a closing summary
    levels = [alert["rule"]["level"] for alert in alerts
              if alert["rule"]["level"] == expected.level or "group_by" not in alert["mailtap"]]
    alerts = [alert for alert in alerts if alert["rule"]["level"] == expected.level]
    if levels != [expected.level] * expected.times:
        yield f"{expected.name}: should alert {expected.times} times at {expected.level}, did at {levels}"
        return
    for text in expected.evidence:
        for alert in alerts:
            if not any(text in line for line in alert["mailtap"].get("evidence", [])):
                yield f"{expected.name}: no evidence of '{text}' in {alert['mailtap'].get('evidence')}"
    for field, value in expected.group.items():
        for alert in alerts:
            if alert["mailtap"].get("group_by", {}).get(field) != value:
                yield f"{expected.name}: should be counted by {field} {value}: {alert['mailtap'].get('group_by')}"
    if expected.count is not None and alerts[-1]["mailtap"].get("count") != expected.count:
        yield f"{expected.name}: mailtap.count should be {expected.count}, is {alerts[-1]['mailtap'].get('count')}"


def alert_reasons(script, name, alerts):
    is_must = os.path.basename(script.path).startswith("must_alert")
    names = [expected.name for expected in script.alerts]
    if is_must != (name in names):
        yield "a must_alert names the rule's alert, a near_miss does not"
    if is_must and not any(expected.evidence for expected in script.alerts if expected.name == name):
        yield "names no evidence"
    for expected in script.alerts:
        yield from match_reasons(expected, [alert for alert in alerts if alert["rule"]["name"] == expected.name])
    for alert in alerts:
        rule = alert["rule"]
        if rule["name"] not in names and (rule["level"] in GRAVE or rule["name"] == name):
            yield f"also raised {rule['name']} ({rule['level']}): {alert['mailtap'].get('evidence')}"


def play(mailtap, folder, name, path):
    script = Script(path)
    capture = os.path.join(folder, f"{name}-{os.path.basename(path)}.pcap")
    script.write(capture)
    site = ["--site", os.path.join(HERE, script.site)] if script.site else []
    run = Run(mailtap, ["read", "--json", *site, *script.options, capture])
    reasons = list(crash_reasons(run, okay=(0,)))
    if run.errors():
        reasons.append(f"said on standard error: {run.errors()[0]}")
    if not reasons:
        reasons += alert_reasons(script, name, run.records()[1])
    return reasons


def page_reasons():
    made = subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "make-rules-page")], capture_output=True,
                          text=True, check=False)
    if made.returncode != 0:
        yield from made.stderr.splitlines()[-3:]
        return
    with open(os.path.join(ROOT, "docs", "detections.md"), encoding="utf-8") as file:
        if made.stdout not in file.read():
            yield "it does not"


EXAMPLES = os.path.join(ROOT, "app", "share", "rules-examples")
CATEGORIES = os.path.join(ROOT, "lib", "sigma", "categories.def")


def example_reasons():
    """One of each category, a correlation and a filter, each in the folder's page."""
    with open(CATEGORIES, encoding="utf-8") as file:
        wanted = set(re.findall(r'^MT_SIGMA_CATEGORY\(\w+, "(\w+)"', file.read(), re.M)) | {"correlation", "filter"}
    with open(os.path.join(EXAMPLES, "README.md"), encoding="utf-8") as file:
        page = file.read()
    found = set()
    for rule in read_rules(EXAMPLES):
        document = rule.document
        found |= {kind for kind in ("correlation", "filter") if kind in document}
        if "detection" in document:
            found.add(document["logsource"]["category"])
        if f"`{rule.file}`" not in page:
            yield f"{rule.file} is not in README.md"
    yield from (f"no example of {kind}" for kind in sorted(wanted - found))


def attack_reasons():
    """Ids and names were checked against the matrix once; the list keeps what was checked."""
    listed = {}
    with open(os.path.join(HERE, "attack.tsv"), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                technique, name = line.rstrip("\n").split("\t")
                listed[technique] = name
    used = {}
    for folder in (RULES, EXAMPLES):
        for rule in read_rules(folder):
            for tag in rule.document.get("tags", []):
                if re.fullmatch(r"attack\.t\d.*", tag):
                    used.setdefault(tag[len("attack."):].upper(), rule.file)
    yield from (f"{used[t]}: {t} is not in attack.tsv" for t in sorted(set(used) - set(listed)))
    yield from (f"attack.tsv: no rule names {t}, {listed[t]}" for t in sorted(set(listed) - set(used)))


def main():
    mailtap = sys.argv[1]
    tap = Tap()
    rules = read_rules()
    names = sorted(rule.name for rule in alerting(rules))
    run = Run(mailtap, ["rules", "check", "--site", os.path.join(HERE, "site.yaml"), RULES])
    tap.check("mailtap rules check finds nothing wrong with the shipped rules",
              run.errors()[:20] + ([] if run.code == 0 else [f"exit code {run.code}"]))
    run = Run(mailtap, ["rules", "check", "--strict", "--shipped", os.path.join(ROOT, "app", "share", "rules-examples")])
    tap.check("mailtap rules check finds nothing wrong with the examples",
              run.errors()[:20] + ([] if run.code == 0 else [f"exit code {run.code}"]))
    tap.check("Every technique of ATT&CK that a rule names is one that was checked", list(attack_reasons()))
    tap.check("There is an example of each category, of correlations and of filters", list(example_reasons()))
    tap.check("Every rule says what it is: name, id, level, technique, references, false positives",
              form_reasons(rules))
    tap.check("Every finding has a rule of its name", list(finding_reasons(rules)))
    tap.check("No rule has vanished whose name others rely on", slug_reasons(names))
    tap.check("Every rule has a dialogue that must alert and a near miss", cover_reasons(names))
    tap.check("docs/detections.md says what the rules say: scripts/make-rules-page --write", page_reasons())
    with scratch() as folder, ThreadPoolExecutor(2) as pool:
        plays = [(name, path) for name in names for path in dialogues_of(name)]
        results = pool.map(lambda play_of: play(mailtap, folder, *play_of), plays)
        for (name, path), reasons in zip(plays, results):
            tap.check(f"{name}: {os.path.basename(path)}", reasons)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
