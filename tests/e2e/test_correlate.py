"""Correlations of several sensors, by way of Kafka: one sensor with all the traffic,
and three with its parts, give the alerts that `mailtap read` gives of the whole, with
members of the group that share the work, come, go and are killed. The brokers are
the mock cluster of librdkafka.

    test_correlate.py MAILTAP ROOT TRAFFIC KAFKA-MOCK
"""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time

from harness import Run, Tap, scratch
from test_output_kafka import Cluster, BROKERS, PARTITIONS

SENSORS = 3
GROUP_AUTHORIZATION_FAILED = 30
PATIENCE = 90  # seconds until something that should come is given up

RULES = """
title: A session
name: a_session
logsource: {product: mailtap, service: smtp, category: session}
detection:
    selection: {destination.port: 25}
    condition: selection
---
title: A recipient
name: a_recipient
logsource: {product: mailtap, service: smtp, category: recipient}
detection:
    selection: {smtp.transactions.recipients.code|gte: 200}
    condition: selection
---
title: Refused recipient
name: a_refusal
logsource: {product: mailtap, service: smtp, category: recipient}
detection:
    selection: {smtp.transactions.recipients.code|gte: 500}
    condition: selection
---
title: Many sessions of one client
name: many_sessions
level: medium
correlation:
    type: event_count
    rules: [a_session]
    group-by: [source.ip]
    timespan: 20s
    condition: {gte: 12}
---
title: Many clients of one server
name: many_clients
level: low
correlation:
    type: value_count
    rules: [a_recipient]
    group-by: [destination.ip]
    timespan: 30s
    condition: {field: source.ip, gte: 4}
---
title: Bytes on average
name: bytes_average
level: low
correlation:
    type: value_avg
    rules: [a_session]
    group-by: [destination.ip]
    timespan: 15s
    condition: {field: source.bytes, gte: 1}
---
title: Refusals of one client at one server
name: refusals
correlation:
    type: event_count
    rules: [a_refusal]
    group-by: [source.ip, destination.ip]
    timespan: 30s
    condition: {gte: 2}
---
title: Refusals of one client at several servers
name: refusals_everywhere
level: high
correlation:
    type: value_count
    rules: [refusals]
    group-by: [source.ip]
    timespan: 60s
    condition: {field: destination.ip, gte: 2}
---
title: Refusals, and nothing in common
name: refusals_unlike
level: high
correlation:
    type: event_count
    rules: [refusals_of_server]
    group-by: [source.ip]
    timespan: 60s
    condition: {gte: 1}
---
title: Refusals of one server
name: refusals_of_server
correlation:
    type: event_count
    rules: [a_refusal]
    group-by: [destination.ip]
    timespan: 20s
    condition: {gte: 5}
"""


def flow_of(frame):
    """What both directions of a connection have in common."""
    kind = struct.unpack(">H", frame[12:14])[0]
    if kind == 0x0800:
        at, ends = 14 + (frame[14] & 15) * 4, (frame[26:30], frame[30:34])
    else:
        at, ends = 54, (frame[22:38], frame[38:54])
    ports = (frame[at:at + 2], frame[at + 2:at + 4])
    return tuple(sorted(zip(ends, ports)))


def split(capture, folder, count):
    """The capture's flows, dealt to so many captures."""
    with open(capture, "rb") as file:
        data = file.read()
    paths = [os.path.join(folder, f"part-{n}.pcap") for n in range(count)]
    parts = [bytearray(data[:24]) for _ in paths]
    of, at = {}, 24
    while at < len(data):
        size = struct.unpack("<I", data[at + 8:at + 12])[0]
        flow = flow_of(data[at + 16:at + 16 + size])
        parts[of.setdefault(flow, len(of) % count)] += data[at:at + 16 + size]
        at += 16 + size
    for path, part in zip(paths, parts):
        with open(path, "wb") as file:
            file.write(part)
    return paths


def alerts_of(text):
    """Of NDJSON; without who observed it."""
    found = []
    for line in text.splitlines():
        alert = json.loads(line)
        alert.pop("observer")
        found.append(json.dumps(alert, sort_keys=True))
    return sorted(found)


def differences(found, expected):
    missing, more = list(expected), []
    for alert in found:
        if alert in missing:
            missing.remove(alert)
        else:
            more.append(alert)
    for what, alerts in (("missing", missing), ("too many", more)):
        if alerts:
            yield f"{len(alerts)} {what} of {len(expected)}, such as {alerts[0][:900]}"


class Member:
    """A `mailtap correlate` of its own."""

    number = 0

    def __init__(self, bench, cluster, *arguments, alerts=None):
        Member.number += 1
        self.alerts = alerts or os.path.join(bench.folder, f"alerts-{Member.number}")
        self.stats = os.path.join(bench.folder, f"stats-{Member.number}")
        self.log = os.path.join(bench.folder, f"log-{Member.number}")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [bench.mailtap, "correlate", "--from", f"kafka://{cluster.brokers}/mail?session.timeout.ms=6000&heartbeat.interval.ms=500",
                 "--alerts", self.alerts, "--stats", self.stats, *bench.rules, *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def wait(self, seconds=PATIENCE):
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"it did not end in {seconds} s: {self.said()}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def partitions(self):
        lines = [line for line in self.said().splitlines() if "partitions are this member's" in line]
        return int(lines[-1].split()[2]) if lines else 0

    def written(self):
        if not os.path.exists(self.alerts):
            return []
        with open(self.alerts, encoding="utf-8") as file:
            text = file.read()
        return alerts_of(text[:text.rfind("\n") + 1])  # a line may be on its way

    def counter(self, name):
        if not os.path.exists(self.stats):
            return 0  # it did not come to its end, which is said elsewhere
        with open(self.stats, encoding="utf-8") as file:
            return json.load(file)[name]


def until(what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


class Bench:
    def __init__(self, mailtap, traffic, mock, folder):
        self.mailtap, self.mock, self.folder = mailtap, mock, folder
        path = os.path.join(folder, "rules.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(RULES)
        self.rules = ["--rules", path, "--no-shipped-rules"]
        self.capture = os.path.join(folder, "whole.pcap")
        made = Run(traffic, ["--output", self.capture, "--profile", "spam", "--sessions", "3000", "--clients",
                             "198.18.0.0/27", "--servers", "10.25.0.0/30", "--concurrency", "40"])
        if made.code != 0:
            raise RuntimeError(made.stderr)
        self.parts = split(self.capture, folder, SENSORS)
        read = Run(mailtap, ["read", self.capture, "--alerts", "-", *self.rules])
        self.expected = [a for a in alerts_of(read.stdout.decode()) if '"category": "correlation"' in a]

    def cluster(self):
        return Cluster(self.mock)

    def read(self, cluster, capture, sensor, *arguments):
        return subprocess.Popen([self.mailtap, "read", capture, "--correlate-to",
                                 f"kafka://{cluster.brokers}/mail?backoff_max=200ms", "--observer", sensor, "--quiet",
                                 "--alerts", "/dev/null", *self.rules, *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def send(self, cluster, captures, *arguments):
        """All sensors at once; what went wrong."""
        runs = [self.read(cluster, capture, f"sensor-{n}", *arguments) for n, capture in enumerate(captures)]
        for run in runs:
            said = run.communicate(timeout=PATIENCE)[1].decode("utf-8", "replace")
            if run.returncode != 0:
                yield f"a sensor ended with {run.returncode}: {said}"


def check_same(bench, tap):
    reasons = []
    if len(bench.expected) < 100:
        reasons.append(f"only {len(bench.expected)} alerts: the capture shows nothing")
    names = {json.loads(alert)["rule"]["name"] for alert in bench.expected}
    if len(names) < 5:
        reasons.append(f"only {names}")
    tap.check("the capture has enough to find", reasons)
    for name, captures in (("one sensor with all the traffic gives the alerts of read", [bench.capture]),
                           ("three sensors with its parts give them too", bench.parts)):
        cluster = bench.cluster()
        reasons = list(bench.send(cluster, captures))
        member = Member(bench, cluster, "--sensors", str(len(captures)), "--until-end")
        code = member.wait()
        reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
        reasons += differences(member.written(), bench.expected)
        late = member.counter("rules.correlated_late")
        reasons += [f"{late} late"] if late else []
        tap.check(name, reasons)
        cluster.close()


def lines_of(path):
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as file:
        return file.read().count(b"\n")


def check_killed(bench, tap):
    """One member, killed again and again while it says what there is to say."""
    cluster, chance = bench.cluster(), random.Random(8)
    reasons = list(bench.send(cluster, bench.parts))
    path, between = os.path.join(bench.folder, "killed"), 0
    arguments = ["--sensors", str(SENSORS), "--state-interval", "100ms", "--observer", "one"]
    for turn in range(4):
        member = Member(bench, cluster, *arguments, alerts=path)
        size = len(bench.expected) // 5
        target = size * turn + chance.randrange(1, size)
        if not until(lambda: lines_of(path) >= target):  # noqa: B023
            reasons.append(f"it went no further than {lines_of(path)} alerts: {member.said()}")
        member.kill()
        between += lines_of(path) < len(bench.expected)
    member = Member(bench, cluster, *arguments, "--until-end", alerts=path)
    code = member.wait()
    reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    reasons += differences(member.written(), bench.expected)
    reasons += [] if between else ["no member was killed while it had something to say"]
    tap.check("a member killed again and again loses no alert and repeats none", reasons)
    cluster.close()


def check_restart(bench, tap):
    """Stopped when two of three sensors have spoken: what was known is taken up."""
    cluster, arguments = bench.cluster(), ["--sensors", str(SENSORS), "--observer", "one"]
    path = os.path.join(bench.folder, "restarted")
    reasons = list(bench.send(cluster, bench.parts[:2]))
    member = Member(bench, cluster, *arguments, alerts=path)
    reasons += [] if until(lambda: member.partitions() == PARTITIONS) else ["it has not got all partitions"]
    time.sleep(2)
    code = member.stop()
    reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    reasons += [] if member.counter("correlate.states") else ["no state was put down"]
    reasons += bench.send(cluster, bench.parts[2:])
    member = Member(bench, cluster, *arguments, "--until-end", alerts=path)
    code = member.wait()
    reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    reasons += [] if member.counter("correlate.states_read") else ["no state was taken up"]
    reasons += differences(member.written(), bench.expected)
    tap.check("a member that is started again takes up what it knew", reasons)
    cluster.close()


def union(members):
    return sorted(alert for member in members for alert in member.written())


def check_two(bench, tap):
    cluster = bench.cluster()
    members = [Member(bench, cluster, "--sensors", str(SENSORS), "--until-end") for _ in range(2)]
    reasons = [] if until(lambda: [m.partitions() for m in members] == [PARTITIONS // 2] * 2) else ["no halves"]
    reasons += bench.send(cluster, bench.parts)
    for member in members:
        code = member.wait()
        reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    reasons += [] if all(m.written() for m in members) else ["one of them has said nothing"]
    reasons += differences(union(members), bench.expected)
    tap.check("two members that share the partitions give them", reasons)
    cluster.close()


def check_handover(bench, tap):
    """One is there, another comes while it has windows open, the first one goes."""
    cluster = bench.cluster()
    arguments = ["--sensors", str(SENSORS)]
    first = Member(bench, cluster, *arguments)
    reasons = [] if until(lambda: first.partitions() == PARTITIONS) else ["the first has not got all"]
    reasons += bench.send(cluster, bench.parts[:1])
    runs = [bench.read(cluster, capture, f"late-{n}") for n, capture in enumerate(bench.parts[1:])]
    second = Member(bench, cluster, *arguments)  # with --until-end it may be at its end before the first goes
    for run in runs:
        run.communicate(timeout=PATIENCE)
    reasons += [] if until(lambda: second.partitions() > 0) else ["the second has got none"]
    code = first.stop()
    reasons += [] if code == 0 else [f"exit code {code} of the first: {first.said()}"]
    until(lambda: not set(bench.expected) - set(union([first, second])))
    code = second.stop()
    reasons += [] if code == 0 else [f"exit code {code} of the second: {second.said()}"]
    found = union([first, second])
    if "Group rebalance in progress" in first.said() + second.said():
        # The mock cluster takes no offsets while it rebalances: what was said since
        # the last ones is said again, by another member and under the same id.
        found = sorted(set(found))
    reasons += differences(found, bench.expected)
    tap.check("a member that comes and one that goes hand over what they know", reasons)
    cluster.close()


def check_away(bench, tap):
    cluster = bench.cluster()
    for broker in range(1, BROKERS + 1):
        cluster.tell("down", broker)
    member = Member(bench, cluster, "--sensors", str(SENSORS), "--until-end")
    runs = [bench.read(cluster, capture, f"sensor-{n}") for n, capture in enumerate(bench.parts)]
    time.sleep(3)
    for broker in range(1, BROKERS + 1):
        cluster.tell("up", broker)
    reasons = []
    for run in runs:
        said = run.communicate(timeout=PATIENCE)[1].decode("utf-8", "replace")
        reasons += [] if run.returncode == 0 else [f"a sensor ended with {run.returncode}: {said}"]
    code = member.wait()
    reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    reasons += differences(member.written(), bench.expected)
    tap.check("brokers that are away for a while cost nothing", reasons)
    cluster.close()


def check_foreign(bench, tap):
    cluster = bench.cluster()
    for partition, message in enumerate((b"hello", b"mtev\2\1", b"mtev\2\2" + b"\xff" * 40, b"mtev\1" + bytes(40))):
        cluster.tell("put", partition, message.hex())
    reasons = list(bench.send(cluster, [bench.capture]))
    member = Member(bench, cluster, "--until-end")
    code = member.wait()
    reasons += [] if code == 1 else [f"exit code {code}: {member.said()}"]
    reasons += [] if member.counter("correlate.foreign") == 4 else [f"{member.counter('correlate.foreign')} of 4 counted"]
    for words in ("it is no event of mailtap", "it is of another version of events"):
        reasons += [] if words in member.said() else [f"not said: {words}: {member.said()}"]
    reasons += differences(member.written(), bench.expected)
    tap.check("foreign and damaged messages are counted, named and left out", reasons)
    cluster.close()


def check_other_rules(bench, tap):
    cluster, path = bench.cluster(), os.path.join(bench.folder, "other.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(RULES.replace("timespan: 20s\n    condition: {gte: 12}", "timespan: 21s\n    condition: {gte: 12}"))
    run = bench.read(cluster, bench.capture, "tap-7")
    run.communicate(timeout=PATIENCE)
    keep, bench.rules = bench.rules, ["--rules", path, "--no-shipped-rules"]
    member = Member(bench, cluster, "--until-end")
    bench.rules = keep
    code = member.wait()
    reasons = [] if code == 1 else [f"exit code {code}: {member.said()}"]
    reasons += differences(member.written(), [a for a in bench.expected if '"name": "many_sessions"' not in a])
    reasons += [] if "sensor tap-7 for many_sessions is left out" in member.said() else [member.said()]
    reasons += [] if member.counter("correlate.other_rules") else ["not counted"]
    tap.check("events made for other rules are named and left out; the others count", reasons)
    cluster.close()


FINDINGS = """
title: Forged greeting
name: a_forgery
logsource: {product: mailtap, service: smtp, category: finding}
detection:
    selection: {mailtap.finding: helo_forged}
    condition: selection
---
title: Forged greetings of one client
name: forgeries
correlation:
    type: value_count
    rules: [a_forgery]
    group-by: [source.ip]
    timespan: 30s
    condition: {field: smtp.helo.name, gte: 2}
"""


def check_findings(bench, tap):
    """A finding that one session makes is the same whichever sensor has the session."""
    cluster, path = bench.cluster(), os.path.join(bench.folder, "findings.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(FINDINGS)
    keep, bench.rules = bench.rules, ["--rules", path, "--no-shipped-rules"]
    expected = alerts_of(Run(bench.mailtap, ["read", bench.capture, "--alerts", "-", *bench.rules]).stdout.decode())
    reasons = [] if len(expected) > 20 else [f"only {len(expected)} alerts"]
    reasons += list(bench.send(cluster, bench.parts))
    member = Member(bench, cluster, "--sensors", str(SENSORS), "--until-end")
    bench.rules = keep
    code = member.wait()
    reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    reasons += differences(member.written(), expected)
    tap.check("findings of three sensors are correlated as those of one", reasons)
    cluster.close()


def check_gone(bench, tap):
    """A sensor that has spoken once, and never again."""
    cluster = bench.cluster()
    mark = b"mtev\2\2" + struct.pack("<QQ", 99, 1) + b"\4gone" + struct.pack("<Q", 1)
    for partition in range(PARTITIONS):
        cluster.tell("put", partition, mark.hex())
    time.sleep(1)
    reasons = list(bench.send(cluster, [bench.capture]))
    member = Member(bench, cluster, "--until-end", "--sensors", "2", "--sensor-timeout", "500ms")
    code = member.wait()
    reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    gone = member.counter("correlate.sensors_gone")
    reasons += [] if gone == PARTITIONS else [f"missed {gone} times"]
    reasons += differences(member.written(), bench.expected)
    tap.check("a sensor that says nothing any more is not waited for, and that is counted", reasons)
    cluster.close()


def check_forgotten(bench, tap):
    """Partitions are given, and what is committed of them can't be had for a while."""
    cluster = bench.cluster()
    reasons = list(bench.send(cluster, [bench.capture]))
    cluster.tell("forget", GROUP_AUTHORIZATION_FAILED, 12)
    member = Member(bench, cluster, "--until-end")
    code = member.wait()
    reasons += [] if code == 0 else [f"exit code {code}: {member.said()}"]
    reasons += [] if "what was committed can't be had" in member.said() else [f"not said: {member.said()}"]
    reasons += differences(member.written(), bench.expected)
    tap.check("a member that can't be told where to begin asks for its partitions again", reasons)
    cluster.close()


def main():
    mailtap, traffic, mock = (os.path.abspath(sys.argv[i]) for i in (1, 3, 4))
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, traffic, mock, folder)
        for check in (check_same, check_killed, check_restart, check_two, check_handover, check_away, check_foreign,
                      check_other_rules, check_findings, check_gone, check_forgotten):
            check(bench, tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
