#!/usr/bin/env python3
"""What Zeek, Suricata and Arkime's own test suites expect of their captures,
beside mailtap's records: NAME.expected/ next to a capture.

    test_expected.py MAILTAP SOURCE-ROOT

Only what concerns mail is compared. Differences stand in differences.tsv, each
with its reason.
"""

import email.header
import glob
import json
import os
import re
import sys

from peers import Differences, capture_files, endpoint, key_of, read_sessions
from harness import Tap, shared_folder, skip_all

try:
    import yaml
except ImportError:
    yaml = None


def plain(text):
    """Header text as all programs would print it: words decoded, no quotes,
    no brackets, single blanks."""
    if text is None:
        return None
    try:
        text = str(email.header.make_header(email.header.decode_header(text)))
    except (LookupError, UnicodeError, ValueError):
        pass
    text = re.sub(r"[^\x20-\x7e]+", "?", text)
    return " ".join(re.sub(r'["<>\\]', "", text).split())


def address_of(text):
    found = re.search(r"<([^<>]*)>\s*$", text)
    return (found.group(1) if found else text).strip().lower()


def strip_path(text):
    return re.sub(r"^<|>$", "", text)


# Zeek: one row of smtp.log a transaction


def zeek_rows(path):
    fields = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file.read().split("\n"):
            if line.startswith("#fields\t"):
                fields = line.split("\t")[1:]
            elif line and not line.startswith("#"):
                yield dict(zip(fields, line.split("\t")))


def zeek_value(row, field):
    value = row.get(field, "-")
    return None if value in ("-", "(empty)") else value


def zeek_differences(path, sessions):
    by_key = {key_of(session): session["smtp"] for session in sessions if "smtp" in session}
    for row in zeek_rows(path):
        key = (endpoint(row["id.orig_h"], row["id.orig_p"]), endpoint(row["id.resp_h"], row["id.resp_p"]))
        smtp = by_key.get(key)
        label = f"zeek {row['trans_depth']}"
        if smtp is None:
            yield f"{label}: no such session"
            continue
        depth = int(row["trans_depth"]) - 1
        transactions = smtp.get("transactions", [])
        ours = transactions[depth] if depth < len(transactions) else {}
        message = ours.get("message", {})
        sender = zeek_value(row, "mailfrom")
        pairs = {
            "helo": (smtp.get("helo", {}).get("name"), zeek_value(row, "helo")),
            "mailfrom": (ours.get("from", {}).get("address"), sender and strip_path(sender)),
            "rcptto": (sorted(one["address"] for one in ours.get("recipients", [])) or None,
                       sorted(strip_path(one) for one in (zeek_value(row, "rcptto") or "").split(",") if one) or None),
            "tls": (smtp.get("starttls", {}).get("outcome") == "established", row.get("tls") == "T"),
        }
        for field, our_field in (("subject", "subject"), ("msg_id", "message_id"), ("date", "date"),
                                 ("in_reply_to", "in_reply_to"), ("user_agent", "user_agent")):
            pairs[field] = (plain(message.get(our_field)), plain(zeek_value(row, field)))
        for field, (mine, theirs) in pairs.items():
            if mine != theirs:
                yield f"{label} {field}: {theirs} not {mine}"


# Suricata: filters on events; one SMTP event a transaction


def suricata_events(sessions):
    for session in sessions:
        smtp = session.get("smtp", {})
        base = {"smtp.helo": smtp.get("helo", {}).get("name"), "src_port": session["source"]["port"],
                "dest_port": session["destination"]["port"]}
        if not smtp.get("transactions"):
            if smtp.get("commands"):
                yield dict(base, tx_id=0)
            continue
        for number, transaction in enumerate(smtp["transactions"]):
            message = transaction.get("message", {})
            event = dict(base, tx_id=number)
            event["smtp.mail_from"] = f"<{transaction.get('from', {}).get('address', '')}>"
            for index, one in enumerate(transaction.get("recipients", [])):
                event[f"smtp.rcpt_to[{index}]"] = f"<{one['address']}>"
            for field in ("from", "to", "cc"):
                event[f"email.{field}"] = ", ".join(message.get(field, []))
                for index, one in enumerate(message.get(field, [])):
                    event[f"email.{field}[{index}]"] = one
            for theirs, ours in (("subject", "subject"), ("message_id", "message_id"), ("date", "date"),
                                 ("x_mailer", "user_agent")):
                event[f"email.{theirs}"] = message.get(ours)
            yield event


COMPARED = re.compile(r"smtp\.(helo|mail_from|rcpt_to\[\d+\])|email\.(from|to|cc)(\[\d+\])?$"
                      r"|email\.(subject|message_id|date|x_mailer)$|(src|dest)_port$|tx_id$")


def suricata_matches(event, match):
    for key, wanted in match.items():
        if COMPARED.match(key) and plain(str(wanted)) != plain(str(event.get(key, ""))):
            return False
        if key == "not-has-key":
            names = wanted if isinstance(wanted, list) else [wanted]
            if any(COMPARED.match(name) and event.get(name) for name in names):
                return False
    return True


def suricata_differences(path, sessions):
    with open(path, encoding="utf-8") as file:
        test = yaml.safe_load(file)
    events = list(suricata_events(sessions))
    for number, check in enumerate(test.get("checks") or [], 1):
        rule = check.get("filter") or {}
        match = rule.get("match") or {}
        if match.get("event_type") != "smtp" or "count" not in rule or "lt-version" in (rule.get("requires") or {}):
            continue
        if not any(COMPARED.match(key) for key in match) and set(match) != {"event_type"}:
            continue  # only fields that are Suricata's own
        got = sum(suricata_matches(event, match) for event in events)
        if got != int(rule["count"]):
            yield f"suricata {os.path.basename(path)} check {number}: {rule['count']} events not {got}"


# Arkime: sessions with sets of addresses, lower case


def arkime_differences(path, sessions):
    by_key = {key_of(session): session for session in sessions}
    with open(path, encoding="utf-8") as file:
        bodies = [one["body"] for one in json.load(file).get("sessions3", [])]
    for body in bodies:
        mail = body.get("email")
        if mail is None:
            continue
        source, destination = body["source"], body["destination"]
        session = by_key.get((endpoint(source["ip"], source["port"]), endpoint(destination["ip"], destination["port"])))
        if session is None:
            yield "arkime: no such session"
            continue
        smtp = session.get("smtp", {})
        transactions = smtp.get("transactions", [])
        messages = [one.get("message", {}) for one in transactions]
        senders = {one.get("from", {}).get("address", "").lower() for one in transactions}
        senders |= {address_of(one) for message in messages for one in message.get("from", [])}
        receivers = {rcpt["address"].lower() for one in transactions for rcpt in one.get("recipients", [])}
        receivers |= {address_of(one) for message in messages for key in ("to", "cc") for one in message.get(key, [])}
        pairs = {
            "smtpHello": ({smtp.get("helo", {}).get("name", "").lower()}, set(mail.get("smtpHello", []))),
            "src": (senders, {one.lower() for one in mail.get("src", [])}),
            "dst": (receivers, {one.lower() for one in mail.get("dst", [])}),
            "subject": ({plain(one.get("subject")) for one in messages}, {plain(one) for one in mail.get("subject", [])}),
            "id": ({plain(one.get("message_id")) for one in messages}, {plain(one) for one in mail.get("id", [])}),
            "community_id": ({session["network"]["community_id"]}, {body["network"]["community_id"]}),
        }
        for field, (mine, theirs) in pairs.items():
            mine, theirs = mine - {"", None}, theirs - {"", None}
            if mine != theirs:
                yield f"arkime {field}: {sorted(theirs - mine)} not {sorted(mine - theirs)}"


READERS = (("*__smtp.log", zeek_differences), ("*__test.yaml", suricata_differences), ("*.test", arkime_differences))


def main():
    mailtap, root = sys.argv[1:3]
    if shared_folder(root) is None:
        skip_all("the captures of other projects are not here (MAILTAP_SHARED or ../shared)")
    tap, listed = Tap(), Differences("expected")
    for name, path in capture_files(root):
        for pattern, reader in READERS:
            for expectation in sorted(glob.glob(os.path.join(glob.escape(f"{path}.expected"), pattern))):
                title = f"{name}: what {os.path.basename(expectation)} expects, or the difference is explained"
                if reader is suricata_differences and yaml is None:
                    tap.skipped(title, "python3-yaml is not installed")
                elif reader is arkime_differences and "/arkime/" not in path:
                    continue  # other projects' *.test files are scripts
                else:
                    tap.check(title, listed.unlisted(name, reader(expectation, read_sessions(mailtap, path))))
    tap.check("every listed difference still exists", listed.stale())
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
