#!/usr/bin/env python3
"""Findings of lib/detect as what rules decide about: filters, other levels, own
rules, correlations, thresholds, and none of them without rules.

    test_findings.py MAILTAP SOURCE-ROOT TRAFFIC-GENERATOR
"""

import collections
import json
import os
import sys

from harness import Run, Tap, crash_reasons, finding_rules, scratch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rules"))

from script import Script  # noqa: E402

SOURCE = "logsource: {product: mailtap, service: smtp, category: finding}\n"

FILTER = "title: Our scanner\n" + SOURCE + """filter:
    rules: [smtp_vrfy_probe, smtp_vrfy_expn_use, smtp_vrfy_sensitive]
    selection: {source.ip: 203.0.113.9}
    condition: selection
"""

OWN = "title: Own\nlevel: low\ndescription: A rule of somebody's own\ntags: [attack.t1190]\n" + SOURCE + """detection:
    found: {mailtap.finding: [helo_forged, vrfy_probe]}
    condition: found
"""

FIELDS = "title: Fields\nlevel: low\n" + SOURCE + """detection:
    found: {TESTS}
    condition: found
"""

# Of each finding what is known of it, as the captures of pcaps/ have it.
KNOWN = {
    "vrfy-probe": {"mailtap.finding": "vrfy_probe", "mailtap.count|gte": 5, "mailtap.window": 600, "destination.port": 25,
                   "smtp.probes.vrfy.argument|exists": "true", "smtp.probes.expn.argument": "null", "event.id|exists": "true"},
    "vrfy-sensitive": {"mailtap.finding": "vrfy_sensitive", "mailtap.confidence": "high", "smtp.probes.vrfy.argument": "root"},
    "helo-own-name": {"mailtap.finding": "helo_forged", "smtp.helo.findings": "own_name", "smtp.helo.score|gte": 6,
                      "smtp.helo.name|exists": "true", "mailtap.window": "null"},
    "relay-suspected": {"mailtap.finding": "open_relay_suspected", "smtp.transactions.recipients.code": 250,
                        "smtp.transactions.recipients.address|contains": "'@'", "smtp.transactions.reply.code": "null"},
    "relay-accepted": {"mailtap.finding": "open_relay_accepted", "smtp.transactions.reply.code": 250,
                       "smtp.transactions.recipients.domain|exists": "true", "smtp.transactions.recipients.code": "null"},
    "relay-probe-forms": {"mailtap.finding": "open_relay_probe", "smtp.transactions.recipients.code|gte": 500},
}

CORRELATIONS = "title: Asker\nname: asker\n" + SOURCE + """detection: {s: {mailtap.finding: vrfy_probe}, condition: s}
---
title: Refused
name: refused
logsource: {product: mailtap, service: smtp, category: recipient}
detection: {s: {smtp.transactions.recipients.code|gte: 500}, condition: s}
---
title: Refused often
name: refused_often
correlation: {type: event_count, rules: [refused], group-by: [source.ip], timespan: 60s, condition: {gte: 2}}
---
title: Asked and refused
name: asked_and_refused
level: high
correlation: {type: temporal, rules: [asker, refused_often], group-by: [source.ip], timespan: 60s}
---
title: Askers at one server
name: askers
correlation: {type: value_count, rules: [asker], group-by: [destination.ip], timespan: 60s, generate: true,
              condition: {field: source.ip, gte: 2}}
"""

# Two clients ask, and one of them is refused recipients as well.
ASKED = """connect 203.0.113.9 10.25.0.25
S: 220 mx.example.org ESMTP
C: EHLO client.example.net
S: 250 mx.example.org
repeat n 1 5
C: VRFY user{n}
S: 252 2.0.0 perhaps
next
C: QUIT
S: 221 2.0.0 Bye
"""
REFUSED = """connect 203.0.113.9 10.25.0.25
S: 220 mx.example.org ESMTP
C: EHLO client.example.net
S: 250 mx.example.org
C: MAIL FROM:<a@example.net>
S: 250 2.1.0 Ok
C: RCPT TO:<x@example.org>
S: 550 5.1.1 no
C: RCPT TO:<y@example.org>
S: 550 5.1.1 no
C: QUIT
S: 221 2.0.0 Bye
"""


class Bench:
    def __init__(self, mailtap, root, traffic, folder, tap):
        self.mailtap, self.root, self.traffic, self.folder, self.tap = mailtap, root, traffic, folder, tap
        self.site = os.path.join(root, "pcaps", "site.yaml")

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def capture(self, name):
        return os.path.join(self.root, "pcaps", f"{name}.pcap")

    def made(self, name, text):
        path = os.path.join(self.folder, f"{name}.pcap")
        Script(self.file(f"{name}.txt", text)).write(path)
        return path

    def read(self, *arguments, site=None):
        """Its alerts, its counters, and what is wrong with it."""
        stats = os.path.join(self.folder, "stats")
        run = Run(self.mailtap, ["read", "--json", "--site", site or self.site, "--stats", stats, *arguments])
        with open(stats, encoding="utf-8") as file:
            counters = json.load(file)
        reasons = list(crash_reasons(run, okay=(0,))) + list(run.errors())
        return run.records()[1], counters, reasons


def named(alerts):
    return collections.Counter(alert["rule"]["name"] for alert in alerts)


def check_none(bench):
    alerts, counters, reasons = bench.read("--no-shipped-rules", bench.capture("vrfy-probe-hits"))
    bench.tap.check("Without a rule that asks for findings none is raised, though they are counted", reasons + [
        f"{named(alerts)} {counters['detect.alerts']}"] * (len(alerts) > 0 or counters["detect.alerts"] > 0
                                                          or counters["detect.observations"] == 0))


def check_filter(bench):
    capture = bench.made("asked", ASKED)
    before, _, reasons = bench.read(capture)
    after, counters, more = bench.read("--rules", bench.file("filter.yml", FILTER), capture)
    reasons += more
    if not named(before)["smtp_vrfy_probe"] or not named(before)["smtp_vrfy_expn_use"]:
        reasons.append(f"the capture shows nothing: {named(before)}")
    if any(name.startswith("smtp_vrfy") for name in named(after)):
        reasons.append(f"not left out: {named(after)}")
    if counters["rules.filtered"] != len(before) or counters["rules.filters"]["our_scanner"] != len(before):
        reasons.append(f"counted {counters['rules.filtered']}, {counters['rules.filters']} of {len(before)}")
    bench.tap.check("A filter leaves findings out, and is counted", reasons)


def check_own(bench):
    """The rule's words, the finding's message and evidence; graver than the rule where detect says so."""
    rules = ["--no-shipped-rules", "--rules", bench.file("own.yml", OWN)]
    reasons = []
    for name, level, severity in (("helo-literal", "low", 25), ("helo-own-name", "high", 75), ("vrfy-probe", "low", 25),
                                  ("vrfy-probe-hits", "high", 75)):
        ours, _, wrong = bench.read(*rules, bench.capture(name))
        shipped, _, more = bench.read(*finding_rules(), bench.capture(name))
        reasons += wrong + more
        shipped = [alert for alert in shipped if alert["rule"]["name"] in ("smtp_helo_forged", "smtp_vrfy_probe")]
        if len(ours) != len(shipped) or not ours:
            reasons.append(f"{name}: {named(ours)}, shipped {named(shipped)}")
            continue
        for one, other in zip(ours, shipped):
            rule = one.pop("rule")
            if rule["name"] != "own" or rule["description"] != "A rule of somebody's own" or "id" in rule:
                reasons.append(f"{name}: {rule}")
            if one.pop("threat") != {"technique": {"id": ["T1190"]}}:
                reasons.append(f"{name}: other techniques")
            if rule["category"] != other.pop("rule")["category"]:
                reasons.append(f"{name}: another category: {rule}")
            other.pop("threat")
            other["event"].pop("severity")
            if (rule["level"], one["event"].pop("severity")) != (level, severity) and one is ours[-1]:
                reasons.append(f"{name}: {rule['level']}")
            if one != other:
                reasons.append(f"{name}: {one} {other}")
    bench.tap.check("A rule of one's own gets findings as the shipped ones do, at its own level or what is graver", reasons)


def check_fields(bench):
    reasons = []
    for name, tests in KNOWN.items():
        text = FIELDS.replace("TESTS", ", ".join(f"'{key}': {value}" for key, value in tests.items()))
        rules = bench.file("fields.yml", text)
        alerts, _, wrong = bench.read("--no-shipped-rules", "--rules", rules, bench.capture(name))
        reasons += [f"{name}: {reason}" for reason in wrong] + [f"{name}: no alert by {tests}"] * (not alerts)
    bench.tap.check("Of each finding its fields are known", reasons)


def check_correlations(bench):
    rules = ["--no-shipped-rules", "--rules", bench.file("correlations.yml", CORRELATIONS)]
    capture = bench.made("both", ASKED + REFUSED + ASKED.replace("203.0.113.9", "203.0.113.10"))
    alerts, _, reasons = bench.read(*rules, capture)
    count = named(alert for alert in alerts if alert["rule"]["level"] != "informational")
    if count != {"asker": 2, "asked_and_refused": 1, "askers": 1}:
        reasons.append(f"{count}")
    joined = [alert for alert in alerts if alert["rule"]["name"] == "asked_and_refused"]
    found = [alert["event"]["id"] for alert in alerts if alert["rule"]["name"] == "asker"]
    if joined and not any(found[0] in line for line in joined[0]["mailtap"]["evidence"]):
        reasons.append(f"no evidence of the finding: {joined[0]}")
    counted = [alert for alert in alerts if alert["rule"]["name"] == "askers"]
    if counted and not any("mailtap.finding: vrfy_probe" in line for line in counted[0]["mailtap"]["evidence"]):
        reasons.append(f"no evidence of the finding: {counted[0]}")
    lone = bench.made("alone", ASKED)
    alerts, _, more = bench.read(*rules, lone)
    if named(alerts) != {"asker": 1}:
        reasons.append(f"one alone: {named(alerts)}")
    bench.tap.check("Findings feed correlations, with matches of records and among themselves", reasons + more)


def check_workers(bench):
    """Much probing, correlations of it, by any number of workers."""
    capture, site = os.path.join(bench.folder, "probing.pcap"), os.path.join(bench.folder, "probing.yaml")
    made = Run(bench.traffic, ["--profile", "probing", "--sessions", "2000", "--seed", "3", "--clients", "198.18.0.0/26",
                               "--output", capture, "--site", site])
    rules = ["--rules", bench.file("correlations.yml", CORRELATIONS)]
    outputs, reasons = [], list(crash_reasons(made, okay=(0,)))
    for workers in ("1", "2", "4"):
        alerts, counters, wrong = bench.read(*rules, "--workers", workers, capture, site=site)
        outputs.append([json.dumps(alert, sort_keys=True) for alert in alerts])
        reasons += wrong + [f"{workers}: {counters['rules.correlated_late']} late"] * (counters["rules.correlated_late"] > 0)
    if not all("asker" in "".join(output) for output in outputs):
        reasons.append("no finding was correlated")
    of_findings = [[alert for alert in output if '"smtp_vrfy_' in alert] for output in outputs]
    if of_findings[1] != of_findings[0] or of_findings[2] != of_findings[0]:
        reasons.append("alerts of findings, or their order")
    if sorted(outputs[1]) != sorted(outputs[0]) or sorted(outputs[2]) != sorted(outputs[0]):
        reasons.append("alerts")
    bench.tap.check("One, two and four workers raise the same alerts of findings, and of correlations of them", reasons)


def check_thresholds(bench):
    capture = bench.made("asked", ASKED)
    with open(bench.site, encoding="utf-8") as file:
        text = file.read()
    tight = bench.file("tight.yaml", text + "\nthresholds: {smtp_vrfy_probe: {count: 6}}\n")
    alerts, _, reasons = bench.read(*finding_rules(), capture, site=tight)
    if named(alerts)["smtp_vrfy_probe"]:
        reasons.append("five commands are an alert where six are needed")
    tested = Run(bench.mailtap, ["rules", "test", "smtp_vrfy_probe", "--site", tight, "--capture", capture]).stdout
    loose = Run(bench.mailtap, ["rules", "test", "smtp_vrfy_probe", "--capture", capture, "--site", bench.site]).stdout
    if b"matched 0 of 1 findings" not in tested or b"matched 1 of 2 findings" not in loose:
        reasons.append(f"test: {tested} {loose}")
    told = Run(bench.mailtap, ["rules", "explain", "smtp_vrfy_probe", "--site", tight]).stdout
    for words in (b"Finding vrfy_probe", b"smtp_vrfy_probe, count: 6 (", b"smtp_vrfy_probe, window: 600 (", b"can't see harvesting by RCPT"):
        reasons += [f"explain: no {words} in {told}"] * (words not in told)
    reasons += [f"explain: too much: {told}"] * (b"helo" in told)
    bench.tap.check("Thresholds of the site file decide in read and rules test, and rules explain says them", reasons)


def check_shown(bench):
    text = OWN + "fields: [smtp.helo.name, smtp.helo.findings, smtp.probes.vrfy.argument]\n"
    rules = ["--no-shipped-rules", "--rules", bench.file("shown.yml", text)]
    alerts, _, reasons = bench.read(*rules, bench.capture("helo-own-name"))
    for alert in alerts:
        evidence = alert["mailtap"]["evidence"]
        if " C: " not in evidence[0] or [line.split(" ", 1)[1].split(":")[0] for line in evidence[-3:]] != [
                "smtp.helo.name", "smtp.helo.findings", "smtp.helo.findings"]:
            reasons.append(f"{evidence}")
    hidden, _, more = bench.read(*rules, "--redact", "drop", bench.capture("helo-own-name"))
    reasons += more + [f"{alert['mailtap']['evidence']}" for alert in hidden
                       if not any(line.endswith(" smtp.helo.name") for line in alert["mailtap"]["evidence"])]
    bench.tap.check("Values of a rule's fields stand behind the lines of the finding",
                    reasons + ["no alert"] * (not alerts or not hidden))


def check_errors(bench):
    reasons = []
    for field, wanted in (("smtp.helo.kind", "field \"smtp.helo.kind\" is not known of a finding"),
                          ("smtp.transactions.message.subject", "is not known of a finding"),
                          ("mailtap.findin", "did you mean \"mailtap.finding\"?")):
        text = FIELDS.replace("TESTS", f"{field}: a")
        run = Run(bench.mailtap, ["rules", "check", bench.file("wrong.yml", text)])
        if run.code != 2 or wanted not in run.errors()[0]:
            reasons.append(f"{run.code}: {run.errors()}")
    bench.tap.check("A field that a finding has not is refused, with the reason", reasons)


def check_redaction(bench):
    rules = ["--rules", bench.file("correlations.yml", CORRELATIONS)]
    reasons, key = [], ["--redact-key-file", bench.file("key", "0123456789abcdef0123456789abcdef\n")]
    os.chmod(key[1], 0o600)
    for mode in ("hash", "drop"):
        alerts, _, wrong = bench.read(*rules, "--redact", mode, *key, bench.capture("relay-accepted"), bench.capture("vrfy-probe"))
        shown = json.dumps(alerts)
        reasons += wrong + [f"{mode}: {named(alerts)}"] * (not named(alerts)["smtp_open_relay_accepted"])
        reasons += [f"{mode}: an address in {shown}"] * ("@example" in shown)
    bench.tap.check("With --redact alerts of findings hold no addresses", reasons)


def main():
    tap = Tap()
    with scratch() as folder:
        bench = Bench(sys.argv[1], sys.argv[2], sys.argv[3], folder, tap)
        for check in (check_none, check_filter, check_own, check_fields, check_correlations, check_workers, check_thresholds,
                      check_shown, check_errors, check_redaction):
            check(bench)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
