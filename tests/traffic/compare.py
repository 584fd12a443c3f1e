#!/usr/bin/env python3
"""Compares what mailtap says with what the traffic generator knows.

    compare.py truth TRUTH SESSIONS [ALERTS]   every session, every field
    compare.py same A B                        two outputs hold the same lines

SESSIONS and ALERTS are NDJSON files as `mailtap read --sessions --alerts`
writes them; the output of --json, where both are mixed, serves as SESSIONS.

A field that the truth names must be there and equal. A field that it does not
name must be absent, unless the truth lists its path in "open" or it follows
from other fields (then the relation is checked). In place of a value the truth
may hold
    {"$any": [values]}                  one of them; "$absent": the field is missing
    {"$names": {"must": [], "may": []}} a set of names; may "*": any further ones
    "$nonempty"                         a list with something in it
"""

import base64
import collections
import hashlib
import ipaddress
import json
import re
import struct
import sys
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

SHOWN = 12

# Constant in every record.
CONSTANTS = {
    "ecs.version": "8.17.0",
    "event.category": ["email", "network"],
    "event.dataset": "mailtap.session",
    "event.kind": "event",
    "observer.type": "sensor",
    "network.transport": "tcp",
}
# Checked by relation, or free.
FREE = {
    "@timestamp",
    "event.duration",
    "event.id",
    "observer.name",
    "observer.version",
    "network.bytes",
    "network.packets",
    "network.community_id",
    "smtp.bytes",
    "smtp.command_size",
    "smtp.fingerprint",
    "smtp.latency",
    "smtp.pipelined",
    "smtp.silence",
    "smtp.transactions[].chunks",
    "smtp.transactions[].latency",
    "smtp.transactions[].message.content_type",
    "smtp.transactions[].message.parts",
    "smtp.transactions[].message.findings",
    "smtp.transactions[].message.received_findings",
    "smtp.transactions[].message.received_hops",
    "smtp.transactions[].message.received_total",
    "smtp.transactions[].recipients[].foreign",
    "smtp.transactions[].recipients[].form",
}
# As the generator writes them.
RECEIVED = re.compile(r"from (\S+) by (\S+) with (\S+) id (\S+); (.*)")
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
LATENCIES = ("greeting", "helo", "mail", "rcpt", "data", "content")


def nanoseconds(text):
    """RFC 3339 UTC with nine decimals."""
    if len(text) != 30 or text[19] != "." or text[29] != "Z":
        raise ValueError(f"not a time with nine decimals: {text}")
    whole = datetime.strptime(text[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    return int(whole.timestamp()) * 1_000_000_000 + int(text[20:29])


def community_id(source, source_port, destination, destination_port):
    """Community ID v1, seed 0, TCP."""
    a = (ipaddress.ip_address(source).packed, source_port)
    b = (ipaddress.ip_address(destination).packed, destination_port)
    if a > b:
        a, b = b, a
    data = struct.pack("!H", 0) + a[0] + b[0] + struct.pack("!BBHH", 6, 0, a[1], b[1])
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


def without_empty(value):
    """An object without members stands for a field that is absent."""
    if isinstance(value, dict):
        kept = {k: without_empty(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v != {}}
    if isinstance(value, list):
        return [without_empty(v) for v in value]
    return value


def get(record, path):
    for step in path.split("."):
        if not isinstance(record, dict) or step not in record:
            return None
        record = record[step]
    return record


ABSENT = object()


class Comparison:
    """The differences of one session."""

    def __init__(self, open_paths):
        self.open = open_paths
        self.differences = []

    def say(self, path, expected, actual):
        def shown(value):
            return "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False)

        self.differences.append(f"{path}: expected {shown(expected)}, got {shown(actual)}")

    def is_open(self, path):
        while path:
            if path in self.open:
                return True
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return False

    def check_names(self, path, names, actual):
        actual = [] if actual is ABSENT else actual
        if not isinstance(actual, list):
            self.say(path, names, actual)
            return
        must, may = set(names["must"]), names.get("may", [])
        extra = set() if may == "*" else set(actual) - must - set(may)
        if must - set(actual) or extra or len(actual) != len(set(actual)):
            self.say(path, names, actual)

    def check_any(self, path, choices, actual):
        for choice in choices:
            if choice == "$absent":
                if actual is ABSENT:
                    return
            elif actual is not ABSENT and choice == actual:
                return
        self.say(path, {"any of": choices}, actual)

    def check_object(self, path, expected, actual):
        for key in expected:
            below = f"{path}.{key}" if path else key
            self.check(below, expected[key], actual.get(key, ABSENT))
        for key in actual:
            below = f"{path}.{key}" if path else key
            if key not in expected:
                self.check_extra(below, actual[key])

    def check_extra(self, path, value):
        """A field that the truth does not name."""
        if self.is_open(path) or re.sub(r"\[\d+\]", "[]", path) in FREE:
            return
        if path in CONSTANTS:
            if value != CONSTANTS[path]:
                self.say(path, CONSTANTS[path], value)
            return
        deeper = [p for p in list(self.open) + list(CONSTANTS) + list(FREE) if p.startswith(path + ".")]
        if isinstance(value, dict) and deeper:
            for key in value:
                self.check_extra(f"{path}.{key}", value[key])
            return
        self.say(path, ABSENT, value)

    def check(self, path, expected, actual):
        if self.is_open(path):
            return
        if isinstance(expected, dict) and "$any" in expected:
            self.check_any(path, expected["$any"], actual)
        elif isinstance(expected, dict) and "$names" in expected:
            self.check_names(path, expected["$names"], actual)
        elif expected == "$nonempty":
            if not isinstance(actual, list) or not actual:
                self.say(path, "a list", actual)
        elif isinstance(expected, dict):
            if all(isinstance(v, dict) and ("$any" in v or "$names" in v) for v in expected.values()):
                # Nothing certain below: the object itself may be missing.
                actual = {} if actual is ABSENT else actual
            if isinstance(actual, dict):
                self.check_object(path, expected, actual)
            elif not all(self.is_open(f"{path}.{key}") for key in expected):
                self.say(path, expected, actual)
        elif isinstance(expected, list):
            if not isinstance(actual, list) or len(actual) != len(expected):
                self.say(path, expected, actual)
                return
            for i, (e, a) in enumerate(zip(expected, actual)):
                self.check(f"{path}[{i}]", e, a)
        elif actual is ABSENT or actual != expected or isinstance(actual, bool) != isinstance(expected, bool):
            self.say(path, expected, actual)


def check_emptiness(value, path, differences):
    """Absent is absent, never null, [] or {}."""
    if value is None or value == [] or value == {}:
        differences.append(f"{path}: {value!r} stands where the field should be absent")
    elif isinstance(value, dict):
        for key, below in value.items():
            check_emptiness(below, f"{path}.{key}" if path else key, differences)
    elif isinstance(value, list):
        for below in value:
            check_emptiness(below, path + "[]", differences)


def hop_of(text):
    """What a Received field of the generator says, None if it is none of its own."""
    match = RECEIVED.fullmatch(text)
    if not match:
        return None
    time = parsedate_to_datetime(match[5]).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
    return {"from": {"name": match[1]}, "by": match[2], "with": match[3], "id": match[4], "time": time}


def message_faults(transaction, helo):
    """What does not fit together in a message, whose text the generator wrote."""
    message = transaction.get("message", {})
    received, hops = message.get("received", []), message.get("received_hops", [])
    if message.get("received_total", 0) < max(len(received), len(hops)):
        yield "received_total: less than there are"
    for i, text in enumerate(received):
        hop = hop_of(text)
        if hop and (i >= len(hops) or hops[i] != hop):
            yield f"received_hops[{i}]: not what stands in {text!r}"
    is_ours = hops and hops[0].get("by") == helo.get("name") and "local_domain" in helo.get("findings", [])
    if message.get("received_findings", []) != (["local_by"] if is_ours else []):
        yield f"received_findings: {message.get('received_findings')}"
    if message.get("content_type", "text/plain") != "text/plain":
        yield "content_type: the generator writes text/plain"
    for part in message.get("parts", []):
        if part.get("path") != "1" or part.get("content_type") != message.get("content_type"):
            yield f"parts: {part!r} is not all of the message"
        # of BDAT only accepted chunks count
        if part.get("size", 0) > transaction.get("bytes", part.get("size", 0)) and transaction.get("mode") != "bdat":
            yield f"parts: {part!r} is larger than the message"


def time_faults(record):
    """Latencies and silences lie within the session."""
    smtp, duration = record.get("smtp", {}), get(record, "event.duration")
    times = {"silence": smtp.get("silence", 1)}
    for where in (smtp, *smtp.get("transactions", [])):
        times.update(where.get("latency", {}))
    for name, time in times.items():
        if name != "silence" and name not in LATENCIES or not 0 < time <= max(duration, 1):
            yield f"latency or silence {name}: {time} ns in a session of {duration}"
    if smtp.get("pipelined", 2) < 2:
        yield "pipelined: one command waits for nobody"
    for side, text in smtp.get("fingerprint", {}).items():
        if side not in ("client", "server") or not FINGERPRINT.fullmatch(text):
            yield f"fingerprint.{side}: {text!r}"


def octet_faults(record):
    """Octets of lines are fewer than those of packets, and phases are parts of the
    whole. Accepted chunks make the message, where nothing is missing."""
    smtp = record.get("smtp", {})
    octets = smtp.get("bytes", {})
    for side, name in (("source", "commands"), ("destination", "replies")):
        if not octets.get(f"opening_{name}", 0) <= octets.get(name, 0) <= record[side]["bytes"]:
            yield f"bytes of {name}: {octets!r} in {record[side]['bytes']}"
    if not 510 < smtp.get("command_size", 511) <= 12288:
        yield f"command_size: {smtp['command_size']}"
    if octets.get("greeting", 0) > octets.get("replies", 0):
        yield f"bytes.greeting: {octets!r}"
    is_whole = smtp.get("direction") == "both" and "missing_bytes" not in smtp and "truncated" not in smtp
    for transaction in smtp.get("transactions", []):
        accepted = sum(chunk["size"] for chunk in transaction.get("chunks", []) if chunk.get("code", 0) // 100 == 2)
        answered = all("code" in chunk for chunk in transaction.get("chunks", []))
        if (transaction.get("mode") == "bdat") != ("chunks" in transaction) and is_whole:
            yield f"chunks: {transaction.get('chunks')!r} of mode {transaction.get('mode')}"
        if "chunks" in transaction and is_whole and answered and accepted != transaction.get("bytes", 0):
            yield f"chunks: {accepted} octets accepted, bytes {transaction.get('bytes', 0)}"


def check_relations(record, differences):
    """What one field says about another."""
    differences.extend(time_faults(record))
    differences.extend(octet_faults(record))
    for transaction in record.get("smtp", {}).get("transactions", []):
        differences.extend(message_faults(transaction, get(record, "smtp.helo") or {}))

    def equal(path, expected):
        if get(record, path) != expected:
            differences.append(f"{path}: {get(record, path)!r}, but the other fields make it {expected!r}")

    start, end = get(record, "event.start"), get(record, "event.end")
    source, destination = record["source"], record["destination"]
    equal("@timestamp", start)
    equal("event.duration", nanoseconds(end) - nanoseconds(start))
    equal("network.bytes", source["bytes"] + destination["bytes"])
    equal("network.packets", source["packets"] + destination["packets"])
    equal(
        "network.community_id",
        community_id(source["ip"], source["port"], destination["ip"], destination["port"]),
    )
    for side in (source, destination):
        if str(ipaddress.ip_address(side["ip"])) != side["ip"]:
            differences.append(f"address not in the form of RFC 5952: {side['ip']}")
    for path in ("event.id", "observer.name", "observer.version", *CONSTANTS):
        if get(record, path) is None:
            differences.append(f"{path}: absent")


def normal(session):
    """Addresses as RFC 5952 has them, so that they compare as text."""
    for side in ("source", "destination"):
        session[side]["ip"] = str(ipaddress.ip_address(session[side]["ip"]))
    return without_empty(session)


def key_of(record):
    source, destination = record["source"], record["destination"]
    return (source["ip"], source["port"], destination["ip"], destination["port"], record["event"]["start"])


def named(key):
    return f"{key[0]}:{key[1]} > {key[2]}:{key[3]} at {key[4]}"


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                raise ValueError(f"{path}:{number}: the last line has no end")
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from None


def read_truth(path):
    sessions, alerts = {}, None
    for line in read_lines(path):
        if "alerts" in line:
            alerts = line["alerts"]
            continue
        line["session"] = normal(line["session"])
        key = key_of(line["session"])
        if key in sessions:
            raise ValueError(f"{path}: two sessions {named(key)}")
        sessions[key] = line
    return sessions, alerts


def compare_session(truth, record):
    comparison = Comparison(set(truth["open"]))
    comparison.check("", truth["session"], record)
    check_emptiness(record, "", comparison.differences)
    check_relations(record, comparison.differences)
    return comparison.differences


class Report:
    """Prints the first differences, counts all."""

    def __init__(self):
        self.count = 0
        self.kinds = collections.Counter()

    def add(self, title, lines):
        self.count += 1
        for line in lines:
            self.kinds[line.split(":")[0]] += 1
        if self.count > SHOWN:
            return
        print(title)
        for line in lines[:SHOWN]:
            print("    " + line)

    def close(self, checked):
        if self.count > SHOWN:
            print(f"... and {self.count - SHOWN} more")
        if self.count:
            print("by field: " + ", ".join(f"{name} {n}" for name, n in self.kinds.most_common(20)))
        print(f"{checked} compared, {self.count} differ")
        return 1 if self.count else 0


def check_alerts(expected, alerts, ids, report):
    counts = collections.Counter(alert["rule"]["name"] for alert in alerts)
    for rule, (low, high) in expected.items():
        wanted = str(low) if low == high else f"{low} to {high}"
        if not low <= counts[rule] <= high:
            report.add(f"alerts {rule}", [f"count: expected {wanted}, got {counts[rule]}"])
    for rule in counts.keys() - expected.keys():
        report.add(f"alerts {rule}", ["count: the truth knows no such rule"])
    for alert in alerts:
        if alert["event"]["id"] not in ids:
            report.add(f"alert {alert['rule']['name']}", ["event.id: names no session"])


def compare_truth(truth_path, sessions_path, alerts_path):
    truth, expected_alerts = read_truth(truth_path)
    report = Report()
    seen, ids, alerts = set(), set(), []
    for record in read_lines(sessions_path):
        if get(record, "event.dataset") == "mailtap.alert":
            alerts.append(record)
            continue
        key = key_of(record)
        if key not in truth:
            report.add(f"unexpected session {named(key)}", [])
            continue
        differences = compare_session(truth[key], record)
        if key in seen or get(record, "event.id") in ids:
            differences.append("event.id: a second record of this session, or of this id")
        seen.add(key)
        ids.add(get(record, "event.id"))
        if differences:
            report.add(f"#{truth[key]['number']} {truth[key]['story']}: {named(key)}", differences)
    for key in truth.keys() - seen:
        report.add(f"missing session #{truth[key]['number']} {truth[key]['story']}: {named(key)}", [])
    if alerts_path:
        alerts += list(read_lines(alerts_path))
    check_alerts(expected_alerts or {}, alerts, ids, report)
    return report.close(len(truth))


def compare_same(a_path, b_path):
    report = Report()
    counts = collections.Counter()
    total = 0
    for path, step in ((a_path, 1), (b_path, -1)):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                total += 1
                counts[line] += step
    for line, count in counts.items():
        if count:
            report.add(f"only in {a_path if count > 0 else b_path}", [line.strip()[:400]])
    return report.close(total)


def main():
    arguments = sys.argv[1:]
    if len(arguments) in (3, 4) and arguments[0] == "truth":
        return compare_truth(arguments[1], arguments[2], arguments[3] if len(arguments) == 4 else None)
    if len(arguments) == 3 and arguments[0] == "same":
        return compare_same(arguments[1], arguments[2])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
