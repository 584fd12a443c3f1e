#!/usr/bin/env python3
"""Ordinary mail raises no alert of level medium or above that tests/rules/benign.tsv
does not explain: the captures of pcaps/ and of other projects, and the generator's
ordinary and modern profiles. Nor does that list hold what is no longer raised. And
what the files of app/share/rules say of their rates on that set is what is measured.

    test_benign.py MAILTAP SOURCE-ROOT MAILTAP-TRAFFIC [--write]

--write puts the measured rates into the rule files and tests/rules/benign_sessions.tsv;
scripts/make-rules-page --write then puts them into docs/detections.md.
"""

import collections
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import Run, Tap, crash_reasons, scratch, shared_folder  # noqa: E402
from ruleset import RULES, alerting, rate_line, read_rules  # noqa: E402

GRAVE = ("medium", "high", "critical")
PROFILES = ("ordinary", "modern")
SESSIONS = "2000"


def read_list():
    """{(capture, rule): reason}; a reason is never empty."""
    listed = {}
    with open(os.path.join(HERE, "benign.tsv"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                capture, rule, reason = line.rstrip("\n").split("\t")
                listed[(capture, rule)] = reason
    return listed


def own_captures(root):
    folder = os.path.join(root, "pcaps")
    site = os.path.join(folder, "site.yaml")
    return [(f"pcaps/{name}", os.path.join(folder, name), site) for name in sorted(os.listdir(folder))
            if name.endswith(".pcap")]


def foreign_captures(root):
    """Nothing is known of their sites. Most of nasty/ holds no mail, so an alert of mail
    there is a mistake."""
    shared = shared_folder(root)
    if shared is None:
        return []
    found = []
    for folder, _, names in sorted(os.walk(shared)):
        for name in sorted(names):
            if name.split(".")[-1] in ("pcap", "pcapng", "cap", "dmp", "snoop", "zst"):
                path = os.path.join(folder, name)
                found.append((os.path.relpath(path, shared), path, None))
    return found


def made_captures(traffic, folder):
    for profile in PROFILES:
        paths = {kind: os.path.join(folder, f"{profile}.{kind}") for kind in ("pcap", "ndjson", "yaml")}
        subprocess.run([traffic, "--profile", profile, "--sessions", SESSIONS, "--seed", "5", "--mean-cap", "12000",
                        "--output", paths["pcap"], "--truth", paths["ndjson"], "--site", paths["yaml"]],
                       check=True, capture_output=True)
        yield f"profile {profile}", paths["pcap"], paths["yaml"]


def kind_of(name):
    """What rates are given for."""
    return {"pcaps": "captures of pcaps/", "smtp": "other projects' captures",
            "nasty": "other projects' captures"}.get(name.split("/")[0], name)


def play(mailtap, capture):
    """Name, session count, alerts and what is wrong with one capture."""
    name, path, site = capture
    run = Run(mailtap, ["read", "--json", *(["--site", site] if site else []), path])
    reasons = list(crash_reasons(run, okay=(0, 1, 3)))  # some are damaged, or no captures at all
    try:
        sessions, alerts = run.records()
    except ValueError as error:
        return name, 0, [], [*reasons, error]
    return name, len(sessions), alerts, reasons


def rate_files(rules, rates):
    """{path: its text with what was measured}"""
    texts = {}
    for file in sorted({rule.file for rule in rules}):
        path = os.path.join(RULES, file)
        with open(path, encoding="utf-8") as stored:
            text = stored.read()
        lines = [rate_line(rule.name, rates.get(rule.name, {})) for rule in alerting(rules) if rule.file == file]
        texts[path] = "".join(f"{line}\n" for line in lines) + re.sub(r"^# (.* )?on ordinary mail: .*\n", "", text, flags=re.M | re.I)
    return texts


def sessions_text(sessions_total):
    return "# How many sessions the benign set holds; test_benign.py --write. Tabs between.\n" + "".join(
        f"{kind}\t{sessions_total[kind]}\n" for kind in sorted(sessions_total))


def differing(texts):
    for path in sorted(texts):
        try:
            with open(path, encoding="utf-8") as stored:
                is_same = stored.read() == texts[path]
        except OSError:
            is_same = False
        if not is_same:
            yield path


def check_rates(tap, rules, rates, sessions_total, has_foreign):
    if not has_foreign:
        tap.skipped("the rates that the rule files give", "the captures of other projects are not there")
        return
    texts = rate_files(rules, rates)
    texts[os.path.join(HERE, "benign_sessions.tsv")] = sessions_text(sessions_total)
    if "--write" in sys.argv:
        for path in differing(texts):
            with open(path, "w", encoding="utf-8") as file:
                file.write(texts[path])
    tap.check("the rule files give the rates that are measured: test_benign.py ... --write",
              [f"{os.path.basename(path)}: {texts[path].splitlines()[0]}" for path in differing(texts)])


def main():
    mailtap, root, traffic = sys.argv[1:4]
    tap, listed = Tap(), read_list()
    sessions_total, rates = collections.Counter(), collections.defaultdict(collections.Counter)
    raised = set()
    foreign = foreign_captures(root)
    if not foreign:
        tap.skipped("captures of other projects", "they are not there; MAILTAP_SHARED says where")
    with scratch() as folder, ThreadPoolExecutor(2) as pool:
        captures = own_captures(root) + foreign + list(made_captures(traffic, folder))
        for name, sessions, alerts, reasons in pool.map(lambda capture: play(mailtap, capture), captures):
            kind = kind_of(name)
            sessions_total[kind] += sessions
            for alert in alerts:
                rule = alert["rule"]
                rates[rule["name"]][kind] += 1
                if rule["level"] not in GRAVE:
                    continue
                if (name, rule["name"]) not in listed and (name, rule["name"]) not in raised:
                    reasons.append(f"{name}\t{rule['name']}\t{rule['level']}: {alert['mailtap'].get('evidence')}")
                raised.add((name, rule["name"]))
            tap.check(f"{name}: what is medium or above is explained", reasons)
    seen = [(capture, rule) for capture, rule in sorted(set(listed) - raised)
            if foreign or capture.startswith(("pcaps/", "profile "))]
    tap.check("what benign.tsv explains is still raised", [f"{capture}: {rule} is not" for capture, rule in seen])
    check_rates(tap, read_rules(), rates, sessions_total, bool(foreign))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
