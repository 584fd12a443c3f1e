#!/usr/bin/env python3
"""What the test suites of Zeek, Suricata, Arkime and nDPI expect of their captures,
beside mailtap's records: NAME.expected/ next to a capture.

    test_expected.py MAILTAP SOURCE-ROOT

Only what concerns mail is compared. Differences stand in differences.tsv, each
with its reason.
"""

import datetime
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
    text = re.sub(r"[^\x20-\x7e]+", "?", text.replace("\t", " "))
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
            elif not fields and line.startswith("ts\t"):
                fields = line.split("\t")
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


# Zeek: one row of files.log a part, of ssl.log a handshake, of x509.log a certificate


def rows_by_session(path, sessions):
    by_key = {key_of(session): session for session in sessions}
    for row in zeek_rows(path):
        key = (endpoint(row["id.orig_h"], row["id.orig_p"]), endpoint(row["id.resp_h"], row["id.resp_p"]))
        yield row, by_key.get(key)


def zeek_files_differences(path, sessions):
    seen = {}
    for row, session in rows_by_session(path, sessions):
        if session is None:
            yield "zeek files: no such session"
            continue
        parts = [part for one in session["smtp"].get("transactions", []) for part in one.get("message", {}).get("parts", [])]
        number = seen[id(session)] = seen.get(id(session), 0) + 1
        part = parts[number - 1] if number <= len(parts) else {}
        for field, mine in (("mime_type", part.get("magic_type")), ("filename", part.get("name")), ("seen_bytes", str(part.get("size")))):
            if zeek_value(row, field) != mine:
                yield f"zeek files {number} {field}: {zeek_value(row, field)} not {mine}"


def zeek_ssl_differences(path, sessions):
    for row, session in rows_by_session(path, sessions):
        tls = (session or {}).get("tls", {})
        server, client = tls.get("server", {}), tls.get("client", {})
        chains = [[one["hash"]["sha256"].lower() for one in ([side] if "hash" in side else []) + side.get("chain", [])]
                  for side in (server, client)]
        pairs = {
            "version": ({"1.0": "TLSv10", "1.1": "TLSv11", "1.2": "TLSv12", "1.3": "TLSv13"}.get(tls.get("version")), zeek_value(row, "version")),
            "cipher": (tls.get("cipher"), zeek_value(row, "cipher")),
            "server_name": (client.get("server_name"), zeek_value(row, "server_name")),
            "resumed": (tls.get("resumed", False), row["resumed"] == "T"),
            "last_alert": (tls.get("alert", {}).get("description"), zeek_value(row, "last_alert")),
            "next_protocol": (tls.get("next_protocol"), zeek_value(row, "next_protocol")),
            "established": (tls.get("established", False), row["established"] == "T"),
            "cert_chain_fps": (chains[0], (zeek_value(row, "cert_chain_fps") or "").split(",")),
            "client_cert_chain_fps": (chains[1], [one for one in (zeek_value(row, "client_cert_chain_fps") or "").split(",") if one]),
        }
        for field, (mine, theirs) in pairs.items():
            if mine != theirs:
                yield f"zeek ssl {field}: {theirs} not {mine}"


def seconds_of(text):
    return f"{datetime.datetime.fromisoformat(text[:19] + '+00:00').timestamp():.6f}" if text else None


def zeek_x509_differences(path, sessions):
    known = {}
    for session in sessions:
        for side in (session.get("tls", {}).get("server", {}), session.get("tls", {}).get("client", {})):
            for one in [{**side, **side.get("x509", {})}, *side.get("chain", [])]:
                known[one.get("hash", {}).get("sha256", "").lower()] = one
    for number, row in enumerate(zeek_rows(path), 1):
        one = known.get(row["fingerprint"], {})
        pairs = {
            "serial": (one.get("serial_number"), row["certificate.serial"]),
            "subject": (one.get("subject"), row["certificate.subject"]),
            "issuer": (one.get("issuer"), row["certificate.issuer"]),
            "not_valid_before": (seconds_of(one.get("not_before")), row["certificate.not_valid_before"]),
            "not_valid_after": (seconds_of(one.get("not_after")), row["certificate.not_valid_after"]),
        }
        if row["host_cert"] == "T":
            pairs["san.dns"] = (",".join(one.get("alternative_names", [])), row["san.dns"])
        for field, (mine, theirs) in pairs.items():
            if mine != theirs:
                yield f"zeek x509 {number} {field}: {theirs} not {mine}"


# What Zeek calls odd and how the record says it; None: a limit of Zeek's own.
WEIRD = {
    "smtp_invalid_bdat_command": "bdat_malformed",
    "smtp_huge_bdat_chunk": "bdat_malformed",
    "base64_illegal_encoding": None,
    "exceeded_mime_max_header_bytes": None,
    "smtp_too_many_rcptto_addresses": None,
    "smtp_max_path_length_exceeded": None,
    "smtp_too_many_to_addresses": None,
    "smtp_too_many_cc_addresses": None,
}


def zeek_weird_differences(path, sessions):
    for row, session in rows_by_session(path, sessions):
        if row["id.resp_p"] in ("-", "443"):
            continue
        name = row["name"]
        if name not in WEIRD:
            yield f"zeek weird {name}: nobody compares it"
        elif WEIRD[name] and WEIRD[name] not in (session or {}).get("smtp", {}).get("anomalies", []):
            yield f"zeek weird {name}: not {(session or {}).get('smtp', {}).get('anomalies')}"


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


# Arkime: sessions of sets; what only its own plugins, databases and packet counters say is left out by name


def lower(values):
    return {value.lower() for value in values if value}


def fields_of(messages, *names):
    """Values as they stood of these fields of the outer headers."""
    return [field.get("raw", field["value"]) for message in messages for field in message.get("header", [])
            if "path" not in field and field["name"].lower() in names]


def arkime_mail(session):
    """What the record says, by the names of Arkime's fields."""
    smtp = session.get("smtp", {})
    transactions = smtp.get("transactions", [])
    messages = [one.get("message", {}) for one in transactions]
    headers = [field for message in messages for field in message.get("header", []) if "path" not in field]
    hops = [hop for message in messages for hop in message.get("received_hops", [])]
    parts = [part for message in messages for part in message.get("parts", [])]
    senders = [one.get("from", {}).get("address") for one in transactions]
    senders += [address_of(one) for message in messages for one in message.get("from", [])]
    receivers = [rcpt["address"] for one in transactions for rcpt in one.get("recipients", [])]
    receivers += [address_of(one) for message in messages for key in ("to", "cc") for one in message.get(key, [])]
    return {
        "smtpHello": lower([smtp.get("helo", {}).get("name", "")]),
        "src": lower(senders),
        "dst": lower(receivers),
        "subject": {plain(one.get("subject")) for one in messages},
        "id": {plain(one.get("message_id")) for one in messages},
        "useragent": {plain(one.get("user_agent")) for one in messages},
        "contentType": {plain(one) for one in fields_of(messages, "content-type")},
        "mimeVersion": {plain(one) for one in fields_of(messages, "mime-version")},
        "header": lower(field["name"] for field in headers),
        "headerField": lower(field["name"] for field in headers),
        "headerValue": {plain(field.get("raw", field["value"])) for field in headers},
        "header-x-elnk-trace": {plain(one) for one in fields_of(messages, "x-elnk-trace")},
        "filename": {part.get("name") for part in parts},
        "md5": {part.get("hash", {}).get("md5") for part in parts},
        "sha256": {part.get("hash", {}).get("sha256") for part in parts},
        "bodyMagic": {part.get("magic_type") for part in parts},
        "host": lower(hop.get(where, {}).get(key, "") for hop in hops for where, key in (("from", "name"), ("from", "host")))
        | lower(hop.get("by", "") for hop in hops) | lower([smtp.get("helo", {}).get("name", "")]),
        "ip": {hop.get("from", {}).get("ip") for hop in hops} | {one.get("originating_ip") for one in messages},
    }


ARKIME_MAIL_LEFT_OUT = {"ASN", "GEO", "RIR"}  # of its own databases
ARKIME_SAME = {"smtpHello", "src", "dst", "subject", "id"}  # neither may say more


def arkime_session(session):
    tls = session.get("tls", {})
    smtp = session.get("smtp", {})
    return {
        "community_id": {session["network"]["community_id"]},
        "packets": {session["network"]["packets"]},
        "bytes": {session["network"]["bytes"]},
        "source packets": {session["source"]["packets"]},
        "destination packets": {session["destination"]["packets"]},
        "user": lower(name for auth in smtp.get("auth", []) for name in (auth.get("user", ""), auth.get("user", "").split("\\")[-1])),
        "codes": {f"smtp:statuscode:{code}" for code in smtp.get("codes", {})},
        "protocol": {session["network"].get("protocol")} | ({"tls"} if tls else set()),
        "tls cipher": {tls.get("cipher")},
        "tls ja3": {tls.get("client", {}).get("ja3")},
        "tls ja3s": {tls.get("server", {}).get("ja3s")},
        "tls ja4": {tls.get("client", {}).get("ja4")},
        "tls version": {{"1.0": "TLSv1", "1.1": "TLSv1.1", "1.2": "TLSv1.2", "1.3": "TLSv1.3"}.get(tls.get("version"))},
        "cert serial": lower([tls.get("server", {}).get("x509", {}).get("serial_number", "")])
        | lower(one.get("serial_number", "") for one in tls.get("server", {}).get("chain", [])),
    }


def arkime_expected(body):
    tls = body.get("tls", {})
    return {
        "community_id": {body["network"]["community_id"]},
        "packets": {body["network"]["packets"]},
        "bytes": {body["network"]["bytes"]},
        "source packets": {body["source"]["packets"]},
        "destination packets": {body["destination"]["packets"]},
        "user": lower(body.get("user", [])),
        "codes": {tag for tag in body.get("tags", []) if tag.startswith("smtp:statuscode:")},
        "protocol": set(body.get("protocol", [])) & {"smtp", "tls", "lmtp"},
        "tls cipher": set(tls.get("cipher", [])),
        "tls ja3": set(tls.get("ja3", [])),
        "tls ja3s": set(tls.get("ja3s", [])),
        "tls ja4": set(tls.get("ja4", [])),
        "tls version": set(tls.get("version", [])),
        "cert serial": lower(one["serial"] for one in body.get("cert", [])),
    }


def shown(values):
    return sorted(value if len(value) <= 80 else f"{value[:40]}, {len(value)} octets" for value in values)


def arkime_differences(path, sessions):
    by_key = {key_of(session): session for session in sessions}
    with open(path, encoding="utf-8") as file:
        bodies = [one["body"] for one in json.load(file).get("sessions3", [])]
    for body in bodies:
        mail = body.get("email")
        if mail is None and "smtp" not in body.get("protocol", []):
            continue
        source, destination = body["source"], body["destination"]
        session = by_key.get((endpoint(source["ip"], source["port"]), endpoint(destination["ip"], destination["port"])))
        if session is None:
            yield "arkime: no such session"
            continue
        ours = arkime_mail(session)
        for field, wanted in (mail or {}).items():
            if field.endswith("Cnt") or field in ARKIME_MAIL_LEFT_OUT:
                continue
            if field not in ours:
                yield f"arkime {field}: nobody compares it"
                continue
            wanted = lower(wanted) if field in ("smtpHello", "src", "dst", "host", "header", "headerField") else \
                {plain(one) if isinstance(one, str) else one for one in wanted}
            mine, theirs = ours[field] - {"", None}, wanted - {"", None}
            if theirs - mine or (field in ARKIME_SAME and mine != theirs):
                yield f"arkime {field}: {shown(theirs - mine)} not {shown(mine - theirs) if field in ARKIME_SAME else []}"
        ours, theirs = arkime_session(session), arkime_expected(body)
        for field, wanted in theirs.items():
            if wanted - ours[field]:
                yield f"arkime {field}: {sorted(wanted - ours[field])} not {sorted(map(str, ours[field] - wanted))}"


# nDPI: a line a connection


def ndpi_differences(path, sessions):
    protocols = {"SMTP": "smtp", "SMTPS": "smtps"}
    by_ends = {frozenset(key_of(session)): session for session in sessions}
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    for line in re.findall(r"^\t\d+\tTCP .*$", text, re.M):
        ends, proto = re.search(r"TCP (\S+) <-> (\S+) ", line).groups(), re.search(r"\[proto: [\d.]+/([^\]]+)\]", line).group(1)
        if proto not in protocols:
            continue
        session = by_ends.get(frozenset(ends))
        if session is None:
            yield f"ndpi {proto}: no such session"
            continue
        counts = re.search(r"\[(\d+) pkts/(\d+) bytes <-> (\d+) pkts/(\d+) bytes\]", line)
        tls, smtp = session.get("tls", {}), session.get("smtp", {})
        sides = (session["source"], session["destination"])
        pairs = {
            "protocol": (session["network"].get("protocol"), protocols[proto]),
            "counts": ([value for side in sides for value in (side["packets"], side["bytes"])], [int(one) for one in counts.groups()]),
        }
        for name, pattern, mine in (("ja3", r"\[JA3C: (\w+)\]", tls.get("client", {}).get("ja3")),
                                    ("ja4", r"\[JA4: (\w+)\]", tls.get("client", {}).get("ja4")),
                                    ("version", r"\[TLSv([\d.]+)\]", tls.get("version", tls.get("client", {}).get("version"))),
                                    ("host", r"\[Hostname/SNI: ([^\]]+)\]", smtp.get("banner", {}).get("text", "").split(" ")[0].lower())):
            found = re.search(pattern, line)
            if found:
                pairs[name] = (mine, found.group(1))
        for field, (mine, theirs) in pairs.items():
            if mine != theirs:
                yield f"ndpi {proto} {field}: {theirs} not {mine}"


READERS = (("*__smtp.log", zeek_differences), ("*__files.log", zeek_files_differences), ("*__ssl.log", zeek_ssl_differences),
           ("*__x509.log", zeek_x509_differences), ("*__weird.log", zeek_weird_differences),
           ("*__test.yaml", suricata_differences), ("*.test", arkime_differences), ("*.pcap*.out", ndpi_differences))
EVERYTHING = ("--message", "fields,lines", "--hash", "--urls", "--magic")


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
                    tap.check(title, listed.unlisted(name, reader(expectation, read_sessions(mailtap, path, *EVERYTHING))))
    tap.check("every listed difference still exists", listed.stale())
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
