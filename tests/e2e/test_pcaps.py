#!/usr/bin/env python3
"""Reads every capture of pcaps/ with pcaps/site.yaml and the rules about findings, and compares sessions and
alerts with pcaps/expected/, which was written by hand from the servers' logs
and the written dialogues. One and three workers must agree.

    test_pcaps.py MAILTAP SOURCE-ROOT
"""

import collections
import json
import os
import sys

from harness import Run, Tap, crash_reasons, differences, finding_rules


def names_in(folder, suffix):
    return {name[:-len(suffix)] for name in os.listdir(folder) if name.endswith(suffix)}


def alert_differences(expected, alerts):
    """Which rules alerted, how often and at which level: exactly these."""
    got = collections.defaultdict(list)
    for alert in alerts:
        got[alert["rule"]["name"]].append(alert["rule"]["level"])
    for rule in sorted(set(expected) | set(got)):
        wanted, levels = sorted(expected.get(rule, [])), sorted(got.get(rule, []))
        if wanted != levels:
            yield f"alerts of {rule}: should be {wanted}, are {levels}"
    for alert in alerts:
        for key in ("message", "mailtap"):
            if not alert.get(key):
                yield f"alert {alert['rule']['name']} has no {key}"
        if not alert.get("mailtap", {}).get("evidence"):
            yield f"alert {alert['rule']['name']} carries no evidence"


def compare(expected, run):
    yield from crash_reasons(run, okay=(0,))
    if run.errors():
        yield f"said on standard error: {run.errors()[0]}"
    try:
        sessions, alerts = run.records()
    except ValueError as error:
        yield error
        return
    if len(sessions) != len(expected["sessions"]):
        yield f"{len(sessions)} sessions instead of {len(expected['sessions'])}"
    else:
        for index, (wanted, got) in enumerate(zip(expected["sessions"], sessions)):
            yield from differences(wanted, got, f"sessions[{index}]")
    yield from alert_differences(expected["alerts"], alerts)


def main():
    mailtap, root = sys.argv[1:3]
    pcaps = os.path.join(root, "pcaps")
    captures, expectations = names_in(pcaps, ".pcap"), names_in(os.path.join(pcaps, "expected"), ".json")
    with open(os.path.join(pcaps, "INDEX.md"), encoding="utf-8") as file:
        index = file.read()
    tap, together, count = Tap(), collections.defaultdict(list), 0
    tap.check("every capture has an expectation, and the other way round",
              [f"{name}: only one of both" for name in sorted(captures ^ expectations)])
    tap.check("every capture is described in pcaps/INDEX.md",
              [f"{name}.pcap is not" for name in sorted(captures) if f"`{name}.pcap`" not in index])
    for name in sorted(captures & expectations):
        with open(os.path.join(pcaps, "expected", f"{name}.json"), encoding="utf-8") as file:
            expected = json.load(file)
        count += len(expected["sessions"])
        for rule, levels in expected["alerts"].items():
            together[rule] += levels
        arguments = ["read", *finding_rules(), "--site", os.path.join(pcaps, "site.yaml"), "--json", os.path.join(pcaps, f"{name}.pcap")]
        one = Run(mailtap, arguments)
        tap.check(f"{name}.pcap gives the sessions and alerts that its makers meant", compare(expected, one))
        three = Run(mailtap, arguments + ["--workers", "3"])
        tap.check(f"{name}.pcap gives the same with three workers",
                  [] if sorted(one.stdout.split(b"\n")) == sorted(three.stdout.split(b"\n")) else
                  ["the output differs"] + list(crash_reasons(three, okay=(0,))))
    # every capture has clients of its own, so that none adds to another's counts
    whole = Run(mailtap, ["read", *finding_rules(), "--site", os.path.join(pcaps, "site.yaml"), "--json", pcaps])
    sessions, alerts = whole.records()
    reasons = [] if len(sessions) == count else [f"{len(sessions)} sessions instead of {count}"]
    tap.check("the folder as a whole gives the sessions and alerts of its captures",
              reasons + list(crash_reasons(whole, okay=(0,))) + list(alert_differences(together, alerts)))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
