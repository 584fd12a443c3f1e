"""Compares what two runs say of the same frames, without what depends on when
the frames came.

What is not compared, and why:

- `@timestamp`, `event.start`, `event.end`, `event.duration`, a transaction's
  `start` and `end`, the time that begins each line of `mailtap.evidence`: a port stamps frames when
  they arrive, not when they were captured.
- `event.id`, also where alerts are grouped by it: a digest of the connection and of its first frame's time.
"""

import collections
import json

TIMES_OF_EVENT = ("start", "end", "duration", "id")


def without_times(record):
    """The record as text, with nothing in it that follows from times."""
    record = dict(record)
    record.pop("@timestamp", None)
    record["event"] = {key: value for key, value in record["event"].items() if key not in TIMES_OF_EVENT}
    if "smtp" in record:
        record["smtp"] = dict(record["smtp"])
        record["smtp"]["transactions"] = [
            {key: value for key, value in transaction.items() if key not in ("start", "end")}
            for transaction in record["smtp"].get("transactions", [])
        ]
    if "mailtap" in record:
        record["mailtap"] = dict(record["mailtap"])
        record["mailtap"]["evidence"] = [line.partition(" ")[2] for line in record["mailtap"].get("evidence", [])]
        group = record["mailtap"].get("group_by", {})
        record["mailtap"]["group_by"] = {key: value for key, value in group.items() if key != "event.id"}
    return json.dumps(record, sort_keys=True)


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def set_differences(expected, got, what):
    """Which records one has and the other has not; both are lists of records."""
    wanted = collections.Counter(without_times(record) for record in expected)
    found = collections.Counter(without_times(record) for record in got)
    lacking, strange = list((wanted - found).elements()), list((found - wanted).elements())
    if not lacking and not strange:
        return
    yield f"{what}: {len(expected)} expected, {len(got)} found, {len(lacking)} missing, {len(strange)} strange"
    for name, records in (("missing", lacking), ("strange", strange)):
        for text in sorted(records)[:2]:
            yield f"{name}: {text[:1500]}"
