"""Compares what two runs say of the same frames, without what depends on when
the frames came.

What is not compared, and why:

- `smtp.latency`, `smtp.silence` and a transaction's `latency`: times as well.
- `@timestamp`, `event.start`, `event.end`, `event.duration`, a transaction's
  `start` and `end`, the time that begins each line of `mailtap.evidence`: a port stamps frames when
  they arrive, not when they were captured.
- `event.id`, also where alerts are grouped by it: a digest of the connection and of its first frame's time.

Alerts of correlations are compared by rule, level, group and count: which event was
the last, and so what they say of it, follows from times.

Where the way itself changes something, a test compares with less:

- without_bytes: net_af_packet asks the kernel to put IPv4 fragments together, so
  the headers of the fragments are in no count of bytes.
- rule_and_group: with a queue for each worker, two connections of a client may be
  on different queues, whose frames are stamped when they are polled. Which of the
  two was first, and so which lines, count and level the alert has that counts a
  client's commands, is not known then; that there is an alert, and about whom, is.
"""

import collections
import json

TIMES_OF_EVENT = ("start", "end", "duration", "id")


def as_text(record):
    return json.dumps(record, sort_keys=True)


def without_times(record):
    """The record as text, with nothing in it that follows from times."""
    return as_text(strip(record))


def without_bytes(record):
    record = strip(record)
    for name in ("source", "destination", "network"):
        record[name] = {key: value for key, value in record[name].items() if key != "bytes"}
    return as_text(record)


def rule_and_group(alert):
    return as_text([alert["rule"]["name"], strip(alert)["mailtap"]["group_by"]])


def strip(record):
    if record.get("rule", {}).get("category") == "correlation":
        kept = {key: record["mailtap"][key] for key in ("count",) if key in record["mailtap"]}
        return {"rule": record["rule"], "mailtap": {"group_by": group_without_id(record), **kept}}
    record = dict(record)
    record.pop("@timestamp", None)
    record["event"] = {key: value for key, value in record["event"].items() if key not in TIMES_OF_EVENT}
    if "smtp" in record:
        record["smtp"] = {key: value for key, value in record["smtp"].items() if key not in ("latency", "silence")}
        record["smtp"]["transactions"] = [
            {key: value for key, value in transaction.items() if key not in ("start", "end", "latency")}
            for transaction in record["smtp"].get("transactions", [])
        ]
    if "mailtap" in record:
        record["mailtap"] = dict(record["mailtap"])
        record["mailtap"]["evidence"] = [line.partition(" ")[2] for line in record["mailtap"].get("evidence", [])]
        record["mailtap"]["group_by"] = group_without_id(record)
    return record


def group_without_id(record):
    return {key: value for key, value in record["mailtap"].get("group_by", {}).items() if key != "event.id"}


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def set_differences(expected, got, what, key=without_times):
    """Which records one has and the other has not; both are lists of records. Of
    alerts that are compared by rule and group it does not matter how many there are."""
    wanted, found = (collections.Counter(key(record) for record in records) for records in (expected, got))
    if key is rule_and_group:
        wanted, found = collections.Counter(set(wanted)), collections.Counter(set(found))
    lacking, strange = list((wanted - found).elements()), list((found - wanted).elements())
    if not lacking and not strange:
        return
    yield f"{what}: {len(expected)} expected, {len(got)} found, {len(lacking)} missing, {len(strange)} strange"
    for name, records in (("missing", lacking), ("strange", strange)):
        for text in sorted(records)[:2]:
            yield f"{name}: {text[:1500]}"
