#!/usr/bin/env python3
"""Sigma rules: --rules of mailtap read, and mailtap rules.

    test_rules.py MAILTAP SOURCE-ROOT TRAFFIC-GENERATOR
"""

import json
import os
import struct
import sys

from harness import Run, Tap, scratch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rules"))

from script import Script  # noqa: E402

RULES = """title: Refused recipient
name: refused_recipient
id: 0f3c4a52-6d0e-4c8b-9a43-7c2e2f0b1d11
description: A recipient was refused
logsource: {product: mailtap, service: smtp, category: recipient}
detection:
    selection:
        smtp.transactions.recipients.code|gte: 500
        smtp.transactions.recipients.address|contains: '@'
    condition: selection
level: low
tags: [attack.t1595.002]
---
title: Delivered
logsource: {product: mailtap, service: smtp, category: transaction}
detection:
    selection: {smtp.transactions.outcome: delivered}
    condition: selection
level: informational
---
title: Greeted as ours
logsource: {product: mailtap, service: smtp, category: session}
detection:
    selection: {'smtp.helo.name|expand': '%local_domains%'}
    condition: selection
---
title: User
logsource: {product: mailtap, service: smtp, category: auth}
detection:
    selection: {smtp.auth.user|exists: true}
    condition: selection
---
title: Exim
logsource: {product: mailtap, service: smtp, category: session}
detection:
    selection: {'smtp.banner.text|re|i': 'esmtp exim'}
    condition: selection
level: informational
"""

SHIPPED_FILTER = "smtp_allowed_relays"

FILTER = """title: Not from there
logsource: {product: mailtap, service: smtp, category: recipient}
filter:
    rules: [refused_recipient]
    selection: {source.ip|cidr: 203.0.113.0/24}
    condition: selection
"""

SHOWN = """title: Shown
logsource: {product: mailtap, service: smtp, category: recipient}
detection:
    selection: {smtp.transactions.recipients.code|gte: 500}
    condition: selection
fields: [smtp.helo.name, smtp.transactions.from.address, smtp.auth.user, smtp.transactions.recipients.code]
---
title: Shown of many
correlation: {type: event_count, rules: [shown], group-by: [source.ip], timespan: 60s, generate: true, condition: {gte: 1}}
---
title: Unknown
logsource: {product: mailtap, service: smtp, category: recipient}
detection: {selection: {source.port: 25}, condition: selection}
fields: [smtp.helo.nmae]
"""

CORRELATIONS = """title: Mail
logsource: {product: mailtap, service: smtp, category: session}
detection: {s: {source.ip|exists: true}, condition: s}
---
title: Refused
logsource: {product: mailtap, service: smtp, category: recipient}
detection: {s: {smtp.transactions.recipients.code|gte: 500}, condition: s}
---
title: busy
correlation: {type: event_count, rules: [mail], group-by: [source.ip], timespan: 60s, condition: {gte: 2}}
---
title: harvest
level: high
correlation: {type: value_count, rules: [refused], group-by: [source.ip], timespan: 60s, generate: true,
              condition: {field: smtp.transactions.recipients.address, gte: 4}}
---
title: mean
correlation: {type: value_avg, rules: [mail], group-by: [destination.ip], timespan: 30s,
              condition: {field: source.bytes, gte: 700}}
---
title: both
correlation: {type: temporal_ordered, rules: [mail, refused], group-by: [destination.ip], timespan: 20s}
---
title: chain
correlation: {type: event_count, rules: [harvest], group-by: [destination.ip], timespan: 10m, generate: true,
              condition: {gte: 2}}
"""

EVENTS = """title: Asked
logsource: {product: mailtap, service: smtp, category: command}
detection: {s: {smtp.command.verb: [mail, rcpt, vrfy, data]}, condition: s}
---
title: Refused
logsource: {product: mailtap, service: smtp, category: reply}
detection: {s: {smtp.reply.code|gte: 500}, condition: s}
---
title: Handshake
logsource: {product: mailtap, service: smtp, category: tls}
detection: {s: {tls.client.version|exists: true}, condition: s}
---
title: Letter
logsource: {product: mailtap, service: smtp, category: message}
detection: {s: {smtp.transactions.bytes|gt: 0}, condition: s}
---
title: Hop
logsource: {product: mailtap, service: smtp, category: received}
detection: {s: {smtp.transactions.message.received_hops.by|exists: true}, condition: s}
---
title: Rate
logsource: {product: mailtap, service: smtp, category: statistics}
detection: {s: {mailtap.statistics.counters.session.records|gt: 0}, condition: s}
---
title: Commands a client
level: low
correlation: {type: event_count, rules: [asked], group-by: [source.ip], timespan: 60s, generate: true, condition: {gte: 3}}
---
title: Asked and refused
correlation: {type: temporal_ordered, rules: [asked, refused], group-by: [source.ip], timespan: 20s, generate: true}
"""

NAMED = """connect 203.0.113.5 192.0.2.25
S: 220 mx ESMTP
C: EHLO client.example.org
S: 250 mx
C: VRFY alice
S: 252 perhaps
C: EXPN Alice A. <alice@example.com>
S: 252 perhaps
C: MAIL FROM:<alice>
S: 250 Ok
C: XCLIENT LOGIN=alice
S: 503 no
C: QUIT
S: 221 bye
"""

NAMED_RULES = """title: Command
logsource: {product: mailtap, service: smtp, category: command}
detection: {s: {smtp.command.argument|exists: true}, condition: s}
---
title: Said
level: low
correlation: {type: event_count, rules: [command], group-by: [smtp.command.argument], timespan: 60s, condition: {gte: 1}}
"""

# The first connection is silent until the idle timeout, which comes before the last two VRFY.
SILENT = """connect 198.51.100.9 192.0.2.99 8025
S: 220 something
wait 600
connect 203.0.113.5 192.0.2.25
S: 220 mx ESMTP
C: EHLO client.example.org
S: 250 mx
wait 20
C: VRFY a
S: 252 perhaps
wait 20
C: VRFY b
S: 252 perhaps
C: QUIT
S: 221 bye
connect 203.0.113.5 192.0.2.25
S: 220 mx ESMTP
C: EHLO client.example.org
S: 250 mx
C: VRFY c
S: 252 perhaps
C: QUIT
S: 221 bye
"""

SILENT_RULES = """title: Command
logsource: {product: mailtap, service: smtp, category: command}
detection: {s: {smtp.command.verb: vrfy}, condition: s}
---
title: Session
logsource: {product: mailtap, service: smtp, category: session}
detection: {s: {source.ip|exists: true}, condition: s}
---
title: Three
level: low
correlation: {type: event_count, rules: [command], group-by: [source.ip], timespan: 60s, condition: {gte: 3}}
---
title: Ordered
level: low
correlation: {type: temporal_ordered, rules: [session, command], group-by: [source.ip], timespan: 600s}
"""

BROKEN = "title: Broken\nlogsource: {product: mailtap, service: smtp, category: session}\n" \
         "detection: {s: {smtp.helo.nmae: x}, condition: s}\n"


class Bench:
    def __init__(self, mailtap, root, traffic, folder, tap):
        self.mailtap, self.folder, self.tap, self.traffic = mailtap, folder, tap, traffic
        self.pcaps = os.path.join(root, "pcaps")
        self.denied = os.path.join(self.pcaps, "postfix-relay-denied.pcap")
        self.rules = self.file("rules/a.yml", RULES)

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run(self, *arguments):
        return Run(self.mailtap, list(arguments))

    def alerts(self, *arguments):
        run = self.run("read", "--alerts", "-", *arguments)
        return run, [json.loads(line) for line in run.stdout.splitlines()]


def named(alerts, name):
    return [alert for alert in alerts if alert["rule"]["name"] == name]


def check_alert(bench):
    run, alerts = bench.alerts("--rules", bench.rules, bench.denied)
    found = named(alerts, "refused_recipient")
    reasons = [] if run.code == 0 else [f"exit code {run.code}: {run.errors()}"]
    if len(found) != 1:
        bench.tap.check("A rule that matches raises an alert", reasons + [f"{len(found)} alerts"])
        return
    alert = found[0]
    expected = {
        "rule": {"name": "refused_recipient", "id": "0f3c4a52-6d0e-4c8b-9a43-7c2e2f0b1d11", "level": "low",
                 "category": "recipient", "description": "A recipient was refused"},
        "threat": {"technique": {"id": ["T1595.002"]}},
        "message": "Refused recipient: 203.0.113.8 to 10.25.0.25",
    }
    reasons += [f"{key}: {alert.get(key)}" for key, value in expected.items() if alert.get(key) != value]
    if alert["event"]["severity"] != 25:
        reasons.append(f"severity {alert['event']['severity']}")
    evidence = [line.split(" ", 1)[1] for line in alert["mailtap"]["evidence"]]
    if evidence != ["smtp.transactions.recipients.code: 554",
                    "smtp.transactions.recipients.address: someone@example.net"]:
        reasons.append(f"evidence: {evidence}")
    bench.tap.check("A rule that matches raises an alert with its names, level and evidence", reasons)


def check_shown(bench):
    """`fields:` of a rule: what an analyst is to see."""
    path = bench.file("shown.yml", SHOWN)
    shown = ["smtp.helo.name: mail.example.com", "smtp.transactions.from.address: carol@example.com",
             "smtp.transactions.recipients.code: 554"]
    run, alerts = bench.alerts("--rules", path, bench.denied)
    reasons = []
    for name, expected in (("shown", shown), ("shown_of_many", [None, None] + shown)):
        found = named(alerts, name)
        said = [line.split(" ", 1)[1] for line in found[0]["mailtap"]["evidence"]] if found else []
        if len(said) != len(expected) or any(e and e != s for e, s in zip(expected, said)):
            reasons.append(f"{name}: {said}")
    if "shown.yml:14:10: unknown field \"smtp.helo.nmae\"; did you mean \"smtp.helo.name\"?" not in ''.join(run.errors()):
        reasons.append(f"of an unknown field: {run.errors()}")
    _, alerts = bench.alerts("--rules", path, "--redact", "drop", bench.denied)
    said = [line.split(" ", 1)[1] for alert in alerts for line in alert["mailtap"]["evidence"]
            if alert["rule"]["name"].startswith("shown")]
    if "smtp.transactions.from.address" not in said or any("@" in line for line in said):
        reasons.append(f"with --redact: {said}")
    bench.tap.check("An alert shows the values of the fields that its rule names, and hides them like others", reasons)


def check_workers(bench):
    sets = []
    for workers in ("1", "2", "4"):
        run, alerts = bench.alerts("--rules", bench.rules, "--workers", workers, bench.pcaps)
        sets.append(sorted(json.dumps(alert, sort_keys=True) for alert in alerts))
        if run.code not in (0, 1) or not named(alerts, "exim") or not named(alerts, "user"):
            bench.tap.check("Rules of every category match", [f"exit code {run.code}, {len(alerts)} alerts"])
            return
    bench.tap.check("Alerts of rules are the same for 1, 2 and 4 workers",
                    [] if sets[0] == sets[1] == sets[2] else [f"{[len(s) for s in sets]} alerts"])


def check_site(bench):
    site = bench.file("site.yaml", "home_networks: [10.0.0.0/8]\nlocal_domains: [example.org]\n")
    without = bench.run("rules", "list", bench.rules).stdout
    with_site = bench.run("rules", "list", "--site", site, bench.rules).stdout
    reasons = []
    if b"inactive: needs local_domains in the site file" not in without:
        reasons.append("without a site file the rule is not said to be inactive")
    if b"inactive" in with_site:
        reasons.append(f"with it: {with_site}")
    bench.tap.check("A rule that needs the site file is inactive without it", reasons)


def check_redaction(bench):
    _, alerts = bench.alerts("--rules", bench.rules, "--redact", "drop", bench.pcaps)
    found = named(alerts, "refused_recipient") + named(alerts, "user")
    text = json.dumps([[alert["message"], alert["mailtap"]["evidence"]] for alert in found])
    reasons = [f"found: {word}" for word in ("@", ": alice", ": bob") if word in text]
    if not named(alerts, "user"):
        reasons.append("no alert about a user")
    bench.tap.check("With --redact the evidence of rules holds no address and no user", reasons)


def check_filter(bench):
    path = bench.file("filter.yml", FILTER)
    stats = os.path.join(bench.folder, "stats.json")
    _, alerts = bench.alerts("--rules", bench.rules, "--rules", path, "--stats", stats, bench.denied)
    with open(stats, encoding="utf-8") as file:
        text = file.read()
    reasons = [f"alerts: {alerts}"] if named(alerts, "refused_recipient") else []
    if '"rules.filtered":1' not in text.replace(" ", ""):
        reasons.append(f"not counted: {text[:400]}")
    if json.loads(text).get("rules.filters") != {"not_from_there": 1, SHIPPED_FILTER: 0}:
        reasons.append(f"not counted by its name: {text[-200:]}")
    told = bench.run("read", "--rules", bench.rules, "--rules", path, bench.denied).stdout
    if b"by not_from_there" not in told:
        reasons.append(f"the summary does not say it: {told}")
    bench.tap.check("A filter leaves a match out and counts it", reasons)
    run = bench.run("rules", "test", "refused_recipient", "--capture", bench.denied, bench.rules, path)
    said = b"matched 1 of 1 sessions" in run.stdout and b"The filter not_from_there may leave" in run.stdout
    bench.tap.check("rules test names the filters of what matched", [] if said else [f"{run.stdout}"])
    run = bench.run("rules", "explain", "not_from_there", bench.rules, path)
    said = b"Of the rules   refused_recipient" in run.stdout and b"Level" not in run.stdout
    bench.tap.check("rules explain says of which rules a filter leaves something out", [] if said else [f"{run.stdout}"])
    long = "a filter with a title of more than sixty letters may differ at its end alone "
    filters = [FILTER.replace("Not from there", long + end).replace("refused_recipient", rule)
               for end, rule in (("one", "refused_recipient"), ("two", "others"))]
    others = RULES.split("---")[0].replace("refused_recipient", "others").replace("0f3c4a52", "0f3c4a53")
    path = bench.file("alike.yml", "---\n".join([others, *filters]))
    bench.run("read", "--rules", bench.rules, "--rules", path, "--stats", stats, bench.denied)
    with open(stats, encoding="utf-8") as file:
        counted = json.load(file).get("rules.filters")
    counted.pop(SHIPPED_FILTER)
    reasons = [] if list(counted.values()) == [1, 1] else [f"{counted}"]
    bench.tap.check("Filters whose names begin alike are counted apart", reasons)


def check_errors(bench):
    folder = os.path.dirname(bench.file("two/b.yml", BROKEN))
    bench.file("two/a.yml", RULES)
    run, alerts = bench.alerts("--rules", folder, bench.denied)
    said = "b.yml:3:17: unknown field \"smtp.helo.nmae\"; did you mean \"smtp.helo.name\"?"
    reasons = [] if run.code == 1 else [f"exit code {run.code}"]
    reasons += [] if any(said in line for line in run.errors()) else [f"said {run.errors()}"]
    reasons += [] if named(alerts, "refused_recipient") else ["the other rules are gone"]
    bench.tap.check("One bad file is named, and the others are used", reasons)
    run = bench.run("read", "--strict", "--rules", folder, bench.denied)
    bench.tap.check("With --strict a bad file ends the run", [] if run.code == 2 else [f"exit code {run.code}"])
    run = bench.run("read", "--rules", os.path.join(folder, "none"), bench.denied)
    bench.tap.check("A path that is not there is a usage error",
                    [] if run.code == 2 and "none" in run.errors()[0] else [f"{run.code}: {run.errors()}"])
    run = bench.run("rules", "check", folder)
    reasons = [] if run.code == 2 else [f"exit code {run.code}"]
    reasons += [] if any(said in line for line in run.errors()) else [f"said {run.errors()}"]
    bench.tap.check("rules check exits with 2 and names file, line and column", reasons)
    run = bench.run("rules", "check", bench.rules)
    bench.tap.check("rules check exits with 0 when all is well", [] if run.code == 0 else [f"{run.code}: {run.errors()}"])
    path = bench.file("counted.yml", CORRELATIONS)
    run = bench.run("rules", "check", path)
    reasons = [] if run.stdout == b"2 rules, 5 correlations, 0 filters: 7 active, 0 inactive; 0 errors\n" else [f"{run.stdout}"]
    bench.tap.check("rules check counts rules, correlations and filters, and what of them is active", reasons)


def bad_files():
    """What must be refused: name, content, and where and how that is said."""
    head = "title: {}\nlogsource: {{product: mailtap, service: smtp, category: session}}\ndetection:\n"

    def rule(name, detection):
        return head.format(name) + detection + "\n"

    def correlation(name, of):
        return f"title: {name}\ncorrelation: {{type: event_count, rules: [{of}], timespan: 5m, condition: {{gte: 2}}}}\n"

    right = "  s: {smtp.helo.name: x}\n  condition: s"
    long = "x" * 9_000_000
    return {
        "field": (rule("field", "  s: {smtp.helo.nam: x}\n  condition: s"),
                  '4:7: unknown field "smtp.helo.nam"; did you mean "smtp.helo.name"?'),
        "modifier": (rule("modifier", "  s: {smtp.helo.name|startwith: x}\n  condition: s"),
                     '4:22: unknown modifier "startwith"; did you mean "startswith"?'),
        "regex": (rule("regex", "  s: {'smtp.helo.name|re': '[a'}\n  condition: s"),
                  '4:29: bad regular expression "[a": missing terminating ] for character class, at its byte 3'),
        "contradiction": (rule("contradiction", "  s: {source.port|gt: 10}\n  t: {source.port|lt: 5}\n  condition: s and t"),
                          "6:14: condition: contradicts itself, no event can match"),
        "missing": (correlation("missing", "nobody"), '2:42: there is no rule "nobody"'),
        "double": (f"id: 5638F7C0-ac70-491d-8465-2a65075e0d86\n{rule('one', right)}---\n"
                   f"id: 5638f7c0-ac70-491d-8465-2a65075e0d86\n{rule('two', right)}",
                   '8:5: the id "5638f7c0-ac70-491d-8465-2a65075e0d86" is that of '),
        "cycle": ("---\n".join([correlation("a", "b"), correlation("b", "c"), correlation("c", "a")]),
                  "2:42: the correlation refers to itself: a > b > c > a"),
        "large": (" " * (10 * 1024 * 1024 + 1), "1:1: larger than 10 MiB, which no rules are"),
        "aliases": ("a: &a [x, x]\nb: [*a, *a]\n", "1:7: found an anchor; anchors and aliases have no meaning here"),
        "flow": ("[" * 200_000, "1:17: nested more than 16 levels deep"),
        "block": ("".join(" " * i + "a:\n" for i in range(3000)), "17:17: nested more than 16 levels deep"),
        "many": ("title: x\na: [" + "1," * 1_500_000 + "]\n", "2:1999995: more than 1000000 values"),
        "scalar": (f"title: '{long}'\n", "1:9: title: longer than 256 characters"),
        "value": (rule("value", f"  s: {{smtp.helo.name: {long}}}\n  condition: s"), "4:23: longer than 4096 bytes"),
        "tag": ("title: !!binary aGk=\n", "1:17: found a tag; tags have no meaning here"),
        "bytes": (b"title: \xff\xfe\n", "1:8: byte 0xff is not UTF-8"),
        "nothing": ("# nothing\n", "1:1: no rule in it"),
        "syntax": ("title: [a\nb: c\n", "3:1: flow sequence without a closing bracket"),
    }


def check_bad_input(bench):
    """Each is refused with its place; together they do not keep the others from being used."""
    for name, (content, said) in bad_files().items():
        path = bench.file(f"bad/{name}.yml", content if isinstance(content, str) else "")
        if isinstance(content, bytes):
            with open(path, "wb") as file:
                file.write(content)
        run = bench.run("rules", "check", path)
        reasons = [] if run.code == 2 else [f"exit code {run.code}"]
        reasons += [] if run.errors()[:1] and run.errors()[0].startswith(f"mailtap: {path}:{said}") else [f"{run.errors()[:3]}"]
        bench.tap.check(f"rules check says what is wrong, and where: {name}", reasons)
    folder = os.path.join(bench.folder, "bad")
    os.mkfifo(os.path.join(folder, "pipe.yml"))
    os.symlink("nowhere", os.path.join(folder, "link.yml"))
    bench.file("bad/zz.yml", RULES)
    run, alerts = bench.alerts("--no-shipped-rules", "--rules", folder, bench.denied)
    said = "\n".join(run.errors())
    reasons = [] if run.code == 1 else [f"exit code {run.code}"]
    reasons += [] if named(alerts, "refused_recipient") else ["the right rules are not used"]
    reasons += [f"{name} is not named" for name in [*bad_files(), "pipe", "link"] if f"/bad/{name}.yml" not in said]
    bench.tap.check("Files that are bad in every way leave the others to be used, and read ends with 1", reasons)
    run = bench.run("read", "--strict", "--no-shipped-rules", "--rules", folder, bench.denied)
    bench.tap.check("With --strict nothing is read then", [] if run.code == 2 and not run.stdout else [f"{run.code}"])


def check_words(bench):
    run = bench.run("rules", "explain", "refused_recipient", bench.rules)
    reasons = [] if run.code == 0 else [f"exit code {run.code}"]
    for word in (b"each recipient of each transaction", b"smtp.transactions.recipients.code >= 500", b"T1595.002"):
        reasons += [] if word in run.stdout else [f"{word} is missing"]
    bench.tap.check("rules explain says what a rule looks at", reasons)
    run = bench.run("rules", "test", "refused_recipient", "--capture", bench.denied, bench.rules)
    reasons = [] if run.code == 0 and b"matched 1 of 1 sessions" in run.stdout else [f"{run.code}: {run.stdout}"]
    bench.tap.check("rules test shows what matched", reasons)
    near = os.path.join(bench.pcaps, "postfix-delivery.pcap")
    run = bench.run("rules", "test", "refused_recipient", "--capture", near, bench.rules)
    reasons = [] if b"matched 0 of" in run.stdout and b"1 of 2 parts" in run.stdout else [f"{run.stdout}"]
    reasons += [] if b"not    smtp.transactions.recipients.code|gte; it is \"250\"" in run.stdout else [f"{run.stdout}"]
    bench.tap.check("rules test shows how near it came", reasons)
    for arguments in (["rules"], ["rules", "chekc"], ["rules", "explain"], ["rules", "explain", "gone", bench.rules],
                      ["rules", "test", "user", bench.rules], ["rules", "list", "--what"]):
        run = bench.run(*arguments)
        bench.tap.check(f"mailtap {' '.join(arguments[:3])} without what it needs is a usage error",
                        [] if run.code == 2 and run.errors() else [f"exit code {run.code}"])


def check_correlations(bench):
    """Alerts of correlations, and their order, are the same for any number of workers."""
    rules = bench.file("correlations.yml", CORRELATIONS)
    for profile in ("spam", "hostile"):
        capture = os.path.join(bench.folder, profile + ".pcap")
        made = Run(bench.traffic, ["--output", capture, "--profile", profile, "--sessions", "1500", "--clients",
                                   "198.18.0.0/24", "--seed", "7"])
        reasons = [] if made.code == 0 else [f"the generator: {made.errors()}"]
        seen = []
        for workers in ("1", "2", "4"):
            _, alerts = bench.alerts("--no-shipped-rules", "--rules", rules, "--workers", workers, capture)
            seen.append([alert for alert in alerts if alert["rule"]["category"] == "correlation"])
        names = {alert["rule"]["name"] for alert in seen[0]}
        if profile == "spam" and names != {"busy", "harvest", "mean", "both", "chain"}:
            reasons.append(f"only {names}")
        if not seen[0]:
            reasons.append("no alerts")
        reasons += [f"{n} workers: other alerts" for n, other in ((2, seen[1]), (4, seen[2])) if other != seen[0]]
        bench.tap.check(f"Alerts of correlations are the same for 1, 2 and 4 workers: {profile}", reasons)
    check_damaged_time(bench, rules)
    found = [alert for alert in seen[0] + seen[1] if alert["rule"]["name"] == "busy"]
    alert = found[0]["mailtap"]
    reasons = [] if list(alert["group_by"]) == ["source.ip"] and alert["window"] == 60 else [f"{alert}"]
    reasons += [] if " first: " in alert["evidence"][0] and " last: " in alert["evidence"][1] else [f"{alert}"]
    bench.tap.check("An alert of a correlation says its group, window, first and last event", reasons)


def check_damaged_time(bench, rules):
    """One frame of the year 2106 among the others: correlations say what they say without it."""
    capture = os.path.join(bench.folder, "spam.pcap")
    with open(capture, "rb") as file:
        data = bytearray(file.read())
    at = 24
    for _ in range(9000):
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    struct.pack_into("<I", data, at, 0xffffffff)
    damaged = os.path.join(bench.folder, "damaged-time.pcap")
    with open(damaged, "wb") as file:
        file.write(data)

    def said(path, workers):
        _, alerts = bench.alerts("--no-shipped-rules", "--rules", rules, "--workers", workers, path)
        return [alert for alert in alerts if alert["rule"]["category"] == "correlation"]

    seen = [said(damaged, workers) for workers in ("1", "2", "4")]
    reasons = [] if seen[0] and seen[0] == seen[1] == seen[2] else [f"{[len(alerts) for alerts in seen]} alerts"]
    for alerts in (seen[0], said(capture, "1")):
        seen.append(sorted((alert["rule"]["name"], alert["message"]) for alert in alerts))
    reasons += [] if seen[3] == seen[4] else ["others than without the damage"]
    stats = os.path.join(bench.folder, "damaged.json")
    bench.run("read", "--no-shipped-rules", "--stats", stats, damaged)
    with open(stats, encoding="utf-8") as file:
        counted = json.load(file).get("capture.time_ahead")
    reasons += [] if counted == 1 else [f"capture.time_ahead is {counted}"]
    bench.tap.check("A frame of the year 2106 changes no alert of a correlation, for 1, 2 and 4 workers", reasons)


def check_events(bench):
    """What is judged while a session goes on does not depend on who has it."""
    rules = bench.file("events.yml", EVENTS)
    for profile, count in (("spam", "1200"), ("hostile", "600"), ("pcaps", "")):
        capture = bench.pcaps
        reasons = []
        if count:
            capture = os.path.join(bench.folder, f"events-{profile}.pcap")
            made = Run(bench.traffic, ["--output", capture, "--profile", profile, "--sessions", count, "--clients",
                                       "198.18.0.0/24", "--seed", "11"])
            reasons = [] if made.code == 0 else [f"the generator: {made.errors()}"]
        seen, ordered = [], []
        for workers in ("1", "2", "4"):
            _, alerts = bench.alerts("--no-shipped-rules", "--rules", rules, "--workers", workers, capture)
            seen.append(sorted(json.dumps(alert, sort_keys=True) for alert in alerts))
            ordered.append([alert for alert in alerts if alert["rule"]["category"] == "correlation"])
        names = {alert["rule"]["name"] for alert in map(json.loads, seen[0])}
        wanted = {"asked", "refused", "letter", "rate", "commands_a_client", "asked_and_refused"}
        wanted |= {"handshake", "hop"} if not count else set()
        reasons += [f"no alert of {name}" for name in sorted(wanted - names)]
        reasons += [f"{n} workers: other alerts" for n, other in ((2, seen[1]), (4, seen[2])) if other != seen[0]]
        reasons += ["correlations in another order"] if ordered[1:] != ordered[:1] * 2 else []
        bench.tap.check(f"Alerts about commands, replies, handshakes, messages, hops and statistics are the same for "
                        f"1, 2 and 4 workers: {profile}", reasons)


def without_end(path, port):
    """Leaves out what the capture holds of that server port behind its first four frames."""
    with open(path, "rb") as file:
        data = file.read()
    kept, at, seen = [data[:24]], 24, 0
    while at < len(data):
        end = at + 16 + struct.unpack_from("<I", data, at + 8)[0]
        seen += port in struct.unpack_from(">HH", data, at + 16 + 34)
        if seen <= 4 or port not in struct.unpack_from(">HH", data, at + 16 + 34):
            kept.append(data[at:end])
        at = end
    with open(path, "wb") as file:
        file.write(b"".join(kept))


def check_event_order(bench):
    text = bench.file("silent.txt", SILENT)
    rules = bench.file("silent.yml", SILENT_RULES)
    Script(text).write(text + ".pcap")
    without_end(text + ".pcap", 8025)
    found = [bench.alerts("--no-shipped-rules", "--rules", rules, "--workers", "1", *option, text + ".pcap")[1]
             for option in ([], ["--any-port"])]
    reasons = [] if named(found[0], "three") and found[0] == found[1] else [f"{found}"]
    bench.tap.check("Commands keep their order when a connection that was no mail is let go between them", reasons)


def check_event_words(bench):
    rules = bench.file("event-words.yml", EVENTS)
    for name, unit in (("asked", b" commands"), ("refused", b" replies"), ("rate", b" of 1 intervals"),
                       ("hop", b" sessions")):
        run = bench.run("rules", "test", name, "--capture", bench.denied, rules)
        reasons = [] if run.code == 0 and unit in run.stdout else [f"{run.code}: {run.stdout}"]
        bench.tap.check(f"rules test counts what a rule looks at: {name}", reasons)
    run = bench.run("rules", "test", "refused", "--capture", bench.denied, rules)
    near = b"smtp.reply.code|gte; it is \"554\"" in run.stdout
    bench.tap.check("rules test shows the reply that matched", [] if near else [f"{run.stdout}"])
    run = bench.run("rules", "explain", "asked", rules)
    bench.tap.check("rules explain says what a rule of commands can't see",
                    [] if b"It can't see its reply and what comes later" in run.stdout else [f"{run.stdout}"])
    needs = bench.file("needs.yml", """title: needs
logsource: {product: mailtap, service: smtp, category: session}
detection: {s: {'source.ip|cidr|expand': '%home_networks%', smtp.dns.helo: denied}, condition: s}
""")
    run = bench.run("rules", "explain", "needs", needs)
    said = b"Needs          of the site file: home_networks" in run.stdout and b"Sees more with --dns" in run.stdout
    bench.tap.check("rules explain says what a rule needs of the site file and of options",
                    [] if said else [f"{run.stdout}"])
    late = bench.file("late.yml", EVENTS.replace("smtp.command.verb", "smtp.transactions.outcome"))
    run = bench.run("rules", "check", late)
    said = b"is not known before the session is over" in b"\n".join(
        line.encode() if isinstance(line, str) else line for line in run.errors())
    bench.tap.check("rules check says that a field is not known yet", [] if said and run.code == 2 else [f"{run.errors()}"])


def check_correlation_memory(bench):
    rules = bench.file("memory.yml", CORRELATIONS)
    run = bench.run("read", "--correlation-memory", "much", bench.denied)
    bench.tap.check("A size of the correlations' memory that is none is a usage error",
                    [] if run.code == 2 and "--correlation-memory" in run.errors()[0] else [f"{run.code}: {run.errors()}"])
    stats = os.path.join(bench.folder, "memory.json")
    capture = os.path.join(bench.folder, "many.pcap")
    made = Run(bench.traffic, ["--output", capture, "--profile", "probing", "--sessions", "12000", "--clients",
                               "198.18.0.0/15"])
    reasons = [] if made.code == 0 else [f"the generator: {made.errors()}"]
    run = bench.run("read", "--no-shipped-rules", "--rules", rules, "--correlation-memory", "4M", "--stats", stats, capture)
    with open(stats, encoding="utf-8") as file:
        text = file.read().replace(" ", "")
    reasons += [] if run.code in (0, 1) else [f"exit code {run.code}: {run.errors()}"]
    reasons += ["no group gave way"] if '"rules.correlated_evicted":0' in text else []
    reasons += ["matches were lost"] if '"rules.correlated_shed":0' not in text else []
    bench.tap.check("When the correlations' memory is used up old groups give way, and that is counted", reasons)


def check_correlation_words(bench):
    rules = bench.file("words.yml", CORRELATIONS.replace("gte: 4", "gte: 2"))
    listed = bench.run("rules", "list", rules).stdout
    reasons = [] if listed.count(b"active: only feeds correlations") == 1 else [f"{listed}"]
    bench.tap.check("rules list says which rules only feed correlations", reasons)
    spam = os.path.join(bench.folder, "spam.pcap")
    run = bench.run("rules", "test", "busy", "--capture", spam, rules)
    reasons = [] if run.code == 0 else [f"{run.code}: {run.errors()}"]
    for word in (b"events within 60 s", b" first: ", b"alerts of 1500 sessions", b"mail matched in 1500 sessions"):
        reasons += [] if word in run.stdout else [f"{word} is missing: {run.stdout[-600:]}"]
    bench.tap.check("rules test shows the alerts of a correlation and how often its rules matched", reasons)
    run = bench.run("rules", "explain", "chain", rules)
    bench.tap.check("rules explain says what a correlation counts", [] if b"at least 2 events" in run.stdout
                    and b"Grouped by     destination.ip" in run.stdout else [f"{run.stdout}"])
    told = bench.run("read", "--no-shipped-rules", "--rules", rules, spam).stdout
    bench.tap.check("The summary says how much was held back", [] if b"held back because" in told else [f"{told}"])


def check_correlation_privacy(bench):
    rules = bench.file("private.yml", CORRELATIONS.replace("gte: 4", "gte: 1").replace(
        "rules: [refused], group-by: [source.ip]", "rules: [refused], group-by: [smtp.transactions.from.address]"))
    _, alerts = bench.alerts("--no-shipped-rules", "--rules", rules, "--redact", "drop", bench.pcaps)
    found = named(alerts, "harvest")
    reasons = [] if found else ["no alert"]
    reasons += [f"an address in {alert}" for alert in found if "@" in json.dumps([alert["message"], alert["mailtap"]])]
    bench.tap.check("With --redact groups and values of correlations hold no address", reasons)
    text = bench.file("named.txt", NAMED)
    Script(text).write(text + ".pcap")
    rules = bench.file("named.yml", NAMED_RULES)
    reasons = []
    for mode in ("local-part", "hash", "drop"):
        _, alerts = bench.alerts("--no-shipped-rules", "--rules", rules, "--redact", mode, text + ".pcap")
        found = named(alerts, "said")
        reasons += [] if found else [f"{mode}: no alert"]
        reasons += [f"{mode}: {alert['mailtap']}" for alert in found if "alice" in json.dumps(alert["mailtap"]).lower()]
    bench.tap.check("With --redact groups by what commands name hold no local part that stands alone", reasons)


def check_shipped(bench):
    """The shipped rules are used unless they are not wanted."""
    talker = os.path.join(bench.folder, "early.pcap")
    Script(os.path.join(os.path.dirname(__file__), "..", "rules", "smtp_early_talker", "must_alert.txt")).write(talker)
    run, alerts = bench.alerts(talker)
    bench.tap.check("The shipped rules are used without being asked for",
                    [] if run.code == 0 and named(alerts, "smtp_early_talker") else [f"{run.code}: {alerts}"])
    run, alerts = bench.alerts("--no-shipped-rules", "--rules", bench.rules, talker)
    bench.tap.check("With --no-shipped-rules they are not",
                    [] if run.code == 0 and not named(alerts, "smtp_early_talker") else [f"{run.code}: {alerts}"])
    listed = bench.run("rules", "list").stdout
    words = (b"smtp_vrfy_probe", b"built in", b"smtp_early_talker", b"T1589.002")
    bench.tap.check("mailtap rules list without files shows the shipped and the built-in rules",
                    [f"{word} is missing" for word in words if word not in listed])
    listed = bench.run("rules", "list", bench.rules).stdout
    both = bench.run("rules", "list", "--shipped", bench.rules).stdout
    bench.tap.check("With files it shows these, and all with --shipped",
                    [] if b"early_talker" not in listed and b"early_talker" in both and b"Delivered" not in both
                    and b"delivered" in both else [f"{listed}{both}"])


def main():
    tap = Tap()
    with scratch() as folder:
        bench = Bench(sys.argv[1], sys.argv[2], sys.argv[3], folder, tap)
        for check in (check_alert, check_shown, check_workers, check_site, check_redaction, check_filter, check_errors, check_bad_input,
                      check_words,
                      check_correlations, check_correlation_words, check_correlation_memory,
                      check_correlation_privacy, check_events, check_event_order, check_event_words, check_shipped):
            check(bench)
    tap.finish()


main()
