#!/usr/bin/env python3
"""mailtap's zeek and eve output beside what Zeek and Suricata wrote of the same
captures, column by column and key by key: NAME.expected/ next to a capture.

    test_formats.py FORMATS SOURCE-ROOT

FORMATS is the program of formats.c. Values are compared as they stand, sets without
their order; a column that one side leaves unset is compared too, but for those that
docs/formats.md says stay unset. Differences stand in differences.tsv, each with its
reason.
"""

import glob
import json
import os
import re
import subprocess
import sys

from peers import Differences, capture_files
from harness import Tap, shared_folder, skip_all

try:
    import yaml
except ImportError:
    yaml = None

# Scrubbed in the expectations, numbers of their own, or documented as unset.
NOT_COMPARED = {
    "smtp": {"ts", "uid", "fuids", "x_originating_ip", "is_webmail"},
    "conn": {"ts", "uid", "orig_bytes", "resp_bytes", "local_orig", "local_resp", "history", "orig_ip_bytes",
             "resp_ip_bytes", "tunnel_parents", "duration"},
    "ssl": {"ts", "uid", "version", "cipher", "curve", "server_name", "resumed", "last_alert", "next_protocol",
            "ssl_history", "cert_chain_fps", "client_cert_chain_fps", "sni_matches_cert"},
}
SETS = {"rcptto", "to", "cc"}
ID = ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p")


def run_format(program, name, path):
    """[(stream, text)], heads first."""
    run = subprocess.run([program, name, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    if run.returncode != 0:
        raise RuntimeError(f"{path}: {run.stderr.decode('utf-8', 'replace').strip()}")
    return [line.split("\t", 1) for line in run.stdout.decode("utf-8").split("\n") if line]


# Zeek


def read_log(lines):
    """([fields], [types], [rows]) of a log with its head; a log of btest without one
    has its fields in the first line."""
    fields, types, rows = None, None, []
    for line in lines:
        if line.startswith("#fields\t"):
            fields = line.split("\t")[1:]
        elif line.startswith("#types\t"):
            types = line.split("\t")[1:]
        elif line and not line.startswith("#"):
            if fields is None:
                fields = line.split("\t")
            else:
                rows.append(dict(zip(fields, line.split("\t"))))
    return fields or [], types, rows


def normal(field, value):
    return sorted(value.split(",")) if field in SETS else value


def head_differences(log, fields, types, our_fields, our_types):
    """Zeek's columns are the first of ours, in its order and with its types."""
    if types is None or fields[: len(ID)] == our_fields[: len(ID)]:
        return
    ours = [field for field in our_fields if field in fields]
    if ours != fields:
        yield f"{log}: columns {fields} not {our_fields}"
    for field, kind in zip(fields, types):
        if our_types[our_fields.index(field)] != kind:
            yield f"{log}: {field} is {kind}"


def row_key(log, row):
    key = tuple(row.get(field) for field in ID)
    return key + ((row["trans_depth"],) if log == "smtp" else ())


def log_differences(log, path, texts):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        fields, types, rows = read_log(file.read().split("\n"))
    our_fields, our_types, our_rows = read_log(text for stream, text in texts if stream == log)
    yield from head_differences(log, fields, types, our_fields, our_types)
    if not set(ID) <= set(fields):
        return  # only some columns, and none that says of which connection
    by_key = {}
    for row in our_rows:
        by_key.setdefault(row_key(log, row), row)
    for row in rows:
        if log == "conn" and row.get("proto") != "tcp":
            continue
        ours = by_key.get(row_key(log, row))
        label = f"zeek {log} {row.get('trans_depth', '')}".strip()
        if ours is None:
            if log != "conn" or row.get("service", "-").startswith("smtp"):
                yield f"{label}: no such line"
            continue
        for field in fields:
            if field in NOT_COMPARED[log]:
                continue
            if normal(field, row[field]) != normal(field, ours.get(field, "-")):
                yield f"{label} {field}: {row[field]} not {ours.get(field, '-')}"


# Suricata


def flatten(value, path=""):
    if isinstance(value, dict):
        for key, one in value.items():
            yield from flatten(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from flatten(one, f"{path}[{index}]")
    else:
        yield path, value


# URLs and hashes of content are written when they are asked for; alerts and files are of Suricata's own rules.
COMPARED = re.compile(r"(event_type|app_proto|proto|tx_id|src_ip|dest_ip|src_port|dest_port)$"
                      r"|smtp\.(helo|mail_from|rcpt_to\[\d+\])$"
                      r"|email\.(status|from|to\[\d+\]|cc\[\d+\]|attachment\[\d+\]|subject|message_id|date|x_mailer|received\[\d+\])$"
                      r"|tls\.from_proto$|flow\.(state|reason)$")


def differing(event, match):
    """Keys of the filter that this event has otherwise."""
    found = []
    for key, wanted in match.items():
        if COMPARED.match(key) and str(event.get(key)) != str(wanted):
            found.append(key)
        if key == "not-has-key":
            names = wanted if isinstance(wanted, list) else [wanted]
            found += [name for name in names if any(one == name or one.startswith((f"{name}.", f"{name}[")) for one in event)]
    return found


def eve_differences(path, texts):
    with open(path, encoding="utf-8") as file:
        test = yaml.safe_load(file)
    events = [dict(flatten(json.loads(text))) for _stream, text in texts]
    for number, check in enumerate(test.get("checks") or [], 1):
        rule = check.get("filter") or {}
        match = rule.get("match") or {}
        if match.get("event_type") not in ("smtp", "tls", "flow") or "count" not in rule:
            continue
        if "lt-version" in (rule.get("requires") or {}):
            continue
        if not any(COMPARED.match(key) and key != "event_type" for key in match) and len(match) > 1:
            continue  # only keys that are Suricata's own
        wrong = [differing(event, match) for event in events if event["event_type"] == match["event_type"]]
        got = sum(not one for one in wrong)
        if got != int(rule["count"]):
            nearest = min((one for one in wrong if one), key=len, default=[])
            yield f"suricata {os.path.basename(path)} check {number}: {rule['count']} events not {got} {' '.join(nearest)}".strip()


LOGS = {"smtp": "*__smtp.log", "conn": "*__conn.log", "ssl": "*__ssl.log"}


def zeek_difference_lists(path, texts):
    for log, pattern in LOGS.items():
        for expectation in sorted(glob.glob(os.path.join(glob.escape(f"{path}.expected"), pattern))):
            yield expectation, log_differences(log, expectation, texts)


def eve_difference_lists(path, texts):
    for expectation in sorted(glob.glob(os.path.join(glob.escape(f"{path}.expected"), "*__test.yaml"))):
        yield expectation, eve_differences(expectation, texts)


def main():
    program, root = sys.argv[1:3]
    if shared_folder(root) is None:
        skip_all("the captures of other projects are not here (MAILTAP_SHARED or ../shared)")
    tap, listed = Tap(), Differences("formats")
    for name, path in capture_files(root):
        kinds = []
        if glob.glob(os.path.join(glob.escape(f"{path}.expected"), "*.log")):
            kinds.append(("zeek", zeek_difference_lists))
        if glob.glob(os.path.join(glob.escape(f"{path}.expected"), "*__test.yaml")):
            if yaml is None:
                tap.skipped(f"{name}: EVE events", "python3-yaml is not installed")
            else:
                kinds.append(("eve", eve_difference_lists))
        for kind, lists in kinds:
            texts = run_format(program, kind, path)
            for expectation, differences in lists(path, texts):
                title = f"{name}: {kind} is as in {os.path.basename(expectation)}, or the difference is explained"
                tap.check(title, listed.unlisted(name, differences))
    tap.check("every listed difference still exists", listed.stale())
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
