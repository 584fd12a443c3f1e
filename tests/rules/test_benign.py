#!/usr/bin/env python3
"""Ordinary mail raises no alert of level medium or above that tests/rules/benign.tsv
does not explain: the captures of pcaps/ and of other projects, and the generator's
ordinary and modern profiles. Nor does that list hold what is no longer raised.

    test_benign.py MAILTAP SOURCE-ROOT MAILTAP-TRAFFIC [--rates]

--rates prints, for each rule, how often it alerted and of how many sessions.
"""

import collections
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import Run, Tap, crash_reasons, scratch, shared_folder  # noqa: E402

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
    """Nothing is known of their sites."""
    shared = shared_folder(root)
    if shared is None:
        return []
    found = []
    for folder, _, names in sorted(os.walk(os.path.join(shared, "smtp"))):
        for name in sorted(names):
            if name.split(".")[-1] in ("pcap", "pcapng", "cap"):
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


def main():
    mailtap, root, traffic = sys.argv[1:4]
    tap, listed = Tap(), read_list()
    sessions_total, rates = collections.Counter(), collections.defaultdict(collections.Counter)
    raised = set()
    with scratch() as folder:
        foreign = foreign_captures(root)
        if not foreign:
            tap.skipped("captures of other projects", "they are not there; MAILTAP_SHARED says where")
        for name, path, site in own_captures(root) + foreign + list(made_captures(traffic, folder)):
            run = Run(mailtap, ["read", "--json", *(["--site", site] if site else []), path])
            reasons = list(crash_reasons(run))
            kind = name.split("/")[0] if not name.startswith("profile") else name
            try:
                sessions, alerts = run.records()
            except ValueError as error:
                reasons.append(error)
                sessions, alerts = [], []
            sessions_total[kind] += len(sessions)
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
    if "--rates" in sys.argv:
        for rule in sorted(rates):
            print(f"# {rule}: " + ", ".join(f"{rates[rule][kind]} of {sessions_total[kind]} ({kind})"
                                            for kind in sorted(rates[rule])))
        print(f"# sessions: {dict(sessions_total)}")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
