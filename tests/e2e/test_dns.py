#!/usr/bin/env python3
"""--dns: what answers on port 53 say of clients, greetings and recipients.

    test_dns.py MAILTAP SOURCE-ROOT REPLAY

Captures are written here (dns_wire.py). The same records have to come from any
number of workers, and live.
"""

import json
import os
import subprocess
import sys

import live
from dns_wire import A, AAAA, CNAME, CUT, FAILED, MISSING, MX, PTR, SOA, TXT, Wire, address, ip_frame, mx, name, reverse, spf
from harness import Run, Tap, crash_reasons, scratch

CLIENT, SERVER = Wire.CLIENT, Wire.SERVER
SPF = "v=spf1 ip4:198.51.100.0/24 -all"


def story(wire, when=0.0, client=CLIENT, helo="mail.sender.example", is_v6=False):
    """What a careful server asks when this client comes."""
    kind = AAAA if is_v6 else A
    wire.ask(when, reverse(client), PTR, [name("mail.sender.example")])
    wire.ask(when + 0.01, "mail.sender.example", kind, [address(client)])
    if helo != "mail.sender.example":
        wire.ask(when + 0.02, helo, kind, [address("2001:db8::99" if is_v6 else "203.0.113.9")])
    wire.ask(when + 0.03, "sender.example", TXT, [spf("some=thing"), spf(SPF)])


def route(wire, when, server=SERVER, domain="here.example", is_v6=False):
    """What its client asked before."""
    wire.ask(when, domain, MX, [mx("mx1." + domain), mx("mx2." + domain, 20)], asker=CLIENT)
    wire.ask(when + 0.01, "mx1." + domain, AAAA if is_v6 else A, [address(server)], asker=CLIENT)


class Case:
    """One capture, and what its first record has to say."""

    def __init__(self, source=None, helo=None, reverse_=None, findings=(), mx_=None, destination=None, spf_=None):
        self.want = {"source": source, "helo": helo, "reverse": reverse_, "findings": sorted(findings), "mx": mx_,
                     "destination": destination, "spf": spf_}
        self.wire = Wire()

    @staticmethod
    def said(record):
        smtp, names = record["smtp"], record["smtp"].get("dns", {})
        transaction = smtp.get("transactions", [{}])[0]
        return {"source": record["source"].get("domain"), "helo": names.get("helo"), "reverse": names.get("reverse"),
                # every name here ends in .example, which is "localhost" for the test of that
                "findings": sorted(set(smtp["helo"].get("findings", [])) - {"localhost"}),
                "mx": [to.get("mx") for to in transaction.get("recipients", [])] or None,
                "destination": record["destination"].get("domain"),
                "spf": transaction.get("from", {}).get("spf")}


def known(**more):
    return Case(**{"source": "mail.sender.example", "helo": "confirmed", "reverse_": "confirmed", "mx_": [True],
                   "destination": "mx1.here.example", "spf_": SPF, **more})


def whole_story():
    case = known()
    route(case.wire, 0)
    story(case.wire, 1)
    case.wire.mail(2)
    return case


def story_of_ipv6():
    case = known()
    client, server = "2001:db8::5", "2001:db8::25"
    route(case.wire, 0, server=server, is_v6=True)
    story(case.wire, 1, client=client, is_v6=True)
    case.wire.mail(2, client=client, server=server)
    return case


def answers_during_the_session():
    case = known()
    end = case.wire.mail(0, step=0.2)
    story(case.wire, 0.3)
    route(case.wire, end + 0.5)
    return case


def answers_after_the_session():
    case = Case(mx_=[None])
    end = case.wire.mail(0)
    story(case.wire, end + 1.1)
    route(case.wire, end + 1.5)
    case.wire.mail(20, recipients=["x@other.example"], client="198.51.100.77")
    return case


def answers_that_hold_no_longer():
    case = Case(mx_=[None])
    case.wire.ask(0, reverse(CLIENT), PTR, [(None, PTR, 60, name("mail.sender.example"))])
    case.wire.mail(61)
    return case


def a_borrowed_name():
    case = known(helo="denied", findings=["no_forward_match", "ptr_mismatch", "big_company"])
    route(case.wire, 0)
    story(case.wire, 1, helo="mail-yw1.google.com")
    case.wire.mail(2, helo="mail-yw1.google.com")
    return case


def a_name_that_is_not_there():
    case = Case(helo="none", reverse_="none", findings=["no_dns"], mx_=[None])
    case.wire.ask(0, "mail.sender.example", A, [], MISSING)
    case.wire.ask(0, reverse(CLIENT), PTR, [], MISSING)
    case.wire.mail(1)
    return case


def a_name_with_neither_address_nor_mx():
    case = Case(helo="none", findings=["no_dns"], mx_=[None])
    for kind in (A, AAAA, MX):
        case.wire.ask(0, "mail.sender.example", kind, [])
    case.wire.mail(1)
    return case


def a_name_with_mx_alone():
    case = Case(helo="denied", findings=["no_forward_match"], mx_=[None])
    case.wire.ask(0, "mail.sender.example", A, [])
    case.wire.ask(0, "mail.sender.example", AAAA, [])
    case.wire.ask(0, "mail.sender.example", MX, [mx("elsewhere.example")])
    case.wire.mail(1)
    return case


def a_reverse_that_leads_elsewhere():
    case = Case(source="mail.sender.example", reverse_="denied", helo="denied", findings=["no_forward_match"], mx_=[None])
    case.wire.ask(0, reverse(CLIENT), PTR, [name("mail.sender.example")])
    case.wire.ask(0, "mail.sender.example", A, [address("203.0.113.9")])
    case.wire.mail(1)
    return case


def an_alias_of_a_reverse_zone():
    case = Case(source="relay.sender.example", mx_=[None])
    case.wire.ask(0, reverse(CLIENT), PTR, [(None, CNAME, 60, name("5.0-15.100.51.198.in-addr.arpa")),
                                            ("5.0-15.100.51.198.in-addr.arpa", PTR, 60, name("relay.sender.example"))])
    case.wire.mail(1)
    return case


def a_confirmed_name_among_several():
    case = Case(source="zz.sender.example", reverse_="confirmed", mx_=[None])
    case.wire.ask(0, reverse(CLIENT), PTR, [name("aa.sender.example"), name("zz.sender.example")])
    case.wire.ask(0, "zz.sender.example", A, [address("203.0.113.9"), address(CLIENT)])
    case.wire.mail(1)
    return case


def another_server_than_the_mx():
    case = Case(mx_=[False, None, False, True, False])
    route(case.wire, 0, server="192.0.2.99")
    case.wire.ask(0.1, "mx2.here.example", A, [address("192.0.2.98")])
    case.wire.ask(0.2, "nomail.example", MX, [mx("", 0)])
    case.wire.ask(0.3, "plain.example", MX, [])
    case.wire.ask(0.4, "plain.example", A, [address(SERVER)])
    case.wire.ask(0.5, "nobody.example", MX, [], MISSING)
    case.want["destination"] = "plain.example"
    case.wire.mail(1, recipients=["a@here.example", "a@unknown.example", "a@nomail.example", "a@Plain.Example",
                                  "a@nobody.example"])
    return case


def answers_nobody_asked_for():
    case = Case(mx_=[None])
    case.wire.ask(0, reverse(CLIENT), PTR, [name("mail.google.com")], is_asked=False)
    case.wire.ask(0, "mail.sender.example", A, [address(CLIENT)], is_asked=False)
    case.wire.mail(1)
    return case


def answers_that_say_nothing():
    case = Case(mx_=[None])
    case.wire.ask(0, reverse(CLIENT), PTR, [], FAILED)
    case.wire.ask(0, "mail.sender.example", A, [], CUT)
    case.wire.ask(0, "here.example", SOA, [b"x"])
    case.wire.mail(1)
    return case


def answers_over_tcp():
    case = Case(source="mail.sender.example", helo="confirmed", reverse_="confirmed", mx_=[None])
    case.wire.ask_tcp(0, reverse(CLIENT), PTR, [name("mail.sender.example")], cuts=(15, 40))
    many = [address(f"203.0.113.{n}") for n in range(20)]
    case.wire.ask_tcp(0.5, "mail.sender.example", A, [*many, address(CLIENT)], cuts=(200,))
    case.wire.mail(1)
    return case


def answers_in_fragments():
    case = Case(helo="confirmed", mx_=[None])
    many = [address(f"203.0.113.{n}") for n in range(20)]
    case.wire.ask(0, "mail.sender.example", A, [*many, address(CLIENT)])
    when, frame, _ = case.wire.frames.pop()
    datagram = frame[34:]
    for off in range(0, len(datagram), 160):
        more = 0x2000 if off + 160 < len(datagram) else 0
        piece = ip_frame(Wire.RESOLVER, Wire.ASKER, 17, datagram[off:off + 160], 77, more | off // 8)
        case.wire.frames.append((when + off, piece, len(piece)))
    case.wire.mail(1)
    return case


def answers_in_a_tunnel():
    case = whole_story()
    vxlan = b"\x08\0\0\0\0\0\x2a\0"
    frames = []
    for when, frame, _ in case.wire.frames:
        outer = b"\x12\x34\x12\xb5" + (16 + len(frame)).to_bytes(2, "big") + b"\0\0" + vxlan + frame
        outer = ip_frame("10.9.9.1", "10.9.9.2", 17, outer)
        frames.append((when, outer, len(outer)))
    case.wire.frames = frames
    return case


CASES = [whole_story, story_of_ipv6, answers_during_the_session, answers_after_the_session,
         answers_that_hold_no_longer, a_borrowed_name, a_name_that_is_not_there, a_name_with_neither_address_nor_mx,
         a_name_with_mx_alone, a_reverse_that_leads_elsewhere, an_alias_of_a_reverse_zone,
         a_confirmed_name_among_several, another_server_than_the_mx, answers_nobody_asked_for,
         answers_that_say_nothing, answers_over_tcp, answers_in_fragments, answers_in_a_tunnel]


class Bench:
    def __init__(self, mailtap, folder):
        self.mailtap, self.folder = mailtap, folder
        self.path = os.path.join(folder, "x.pcap")

    def read(self, *options):
        stats = os.path.join(self.folder, "stats.json")
        run = Run(self.mailtap, ["read", "--json", "--stats", stats, *options, self.path])
        reasons = list(crash_reasons(run, okay=(0,)))
        records, alerts = run.records() if not reasons else ([], [])
        with open(stats, encoding="utf-8") as file:
            counters = json.load(file)
        return sorted(records, key=as_text), sorted(alerts, key=as_text), counters.get("counters", counters), reasons


def as_text(record):
    return json.dumps(record, sort_keys=True)


def without_names(record):
    record = json.loads(as_text(record))
    record["source"].pop("domain", None)
    record["destination"].pop("domain", None)
    smtp = record["smtp"]
    for key in ("dns", "helo"):
        smtp.pop(key, None)
    for transaction in smtp.get("transactions", []):
        transaction["from"].pop("spf", None)
        for recipient in transaction.get("recipients", []):
            recipient.pop("mx", None)
    return record


def check_case(bench, make):
    case = make()
    live.write_pcap(bench.path, case.wire.frames)
    records, _, counters, reasons = bench.read("--dns")
    first = min(records, key=lambda record: record["@timestamp"], default=None)
    if first is None or Case.said(first) != case.want:
        reasons.append(f"expected {case.want}, got {first and Case.said(first)}")
    for workers in ("2", "4"):
        again, _, _, more = bench.read("--dns", "--workers", workers)
        reasons += more + ([f"{workers} workers write other records"] if again != records else [])
    plain, _, without, more = bench.read()
    reasons += more
    if [without_names(record) for record in records] != [without_names(record) for record in plain]:
        reasons.append("the rest of the records differs from a run without --dns")
    if any(value for key, value in without.items() if key.startswith("dns.")):
        reasons.append("DNS is counted without --dns")
    if counters["dns.frames"] == 0:
        reasons.append("no frame is counted")
    return reasons


def crowd():
    """Many clients whose names change, questions for all of them, in between."""
    wire = Wire()
    for n in range(600):
        client, when = f"198.51.100.{n % 97 + 1}", n * 0.7
        host = f"host-{n % 97}.sender{n // 200}.example"
        if n % 3:
            wire.ask(when, reverse(client), PTR, [(None, PTR, 20 + n % 50, name(host))])
            wire.ask(when + 0.1, host, A, [(None, A, 10 + n % 40, address(client if n % 5 else "203.0.113.1"))])
        if n % 4:
            wire.ask(when + 0.2, f"d{n % 10}.example", MX, [mx(f"mx{n % 7}.example")], asker=client)
            wire.ask(when + 0.3, f"mx{n % 7}.example", A, [address(SERVER)], asker=client)
        wire.mail(when + 0.4 + n % 11 / 10, helo=host, client=client, recipients=[f"x@d{n % 10}.example"], step=0.05)
    return wire


def check_crowd(bench):
    live.write_pcap(bench.path, crowd().frames)
    records, alerts, counters, reasons = bench.read("--dns")
    if len({record["source"].get("domain") for record in records}) < 50:
        reasons.append("hardly a client is named")
    for workers in ("2", "3", "4"):
        again = bench.read("--dns", "--workers", workers)
        reasons += again[3]
        if (again[0], again[1]) != (records, alerts):
            reasons.append(f"{workers} workers: other records or alerts")
        for key in ("dns.frames", "dns.questions", "dns.answers", "dns.unasked"):
            if again[2][key] != counters[key]:
                reasons.append(f"{workers} workers: {key} is {again[2][key]}, with one it is {counters[key]}")
    return reasons


def check_alert(bench):
    case = a_borrowed_name()
    live.write_pcap(bench.path, case.wire.frames)
    site = os.path.join(bench.folder, "site.yaml")
    with open(site, "w", encoding="ascii") as file:
        file.write("home_networks: [192.0.2.0/24]\nlocal_domains: [here.example]\n")
    _, alerts, _, reasons = bench.read("--dns", "--site", site)
    found = [alert for alert in alerts if alert["rule"]["name"] == "smtp_helo_forged"]
    if len(found) != 1 or "big_company" not in found[0]["message"]:
        reasons.append(f"alerts: {[alert['rule']['name'] for alert in alerts]}")
    return reasons


def check_redacted(bench):
    case = whole_story()
    live.write_pcap(bench.path, case.wire.frames)
    key = os.path.join(bench.folder, "key")
    with open(key, "w", encoding="ascii") as file:
        file.write("0123456789abcdef0123456789abcdef\n")
    os.chmod(key, 0o600)
    reasons = []
    for mode in ("hash", "drop"):
        records, _, _, more = bench.read("--dns", "--redact", mode, "--redact-key-file", key)
        reasons += more
        said = as_text(records)
        if "a@sender.example" in said or "rcpt@" in said:
            reasons.append(f"{mode} leaves an address in")
    return reasons


def names_of(records):
    return sorted(as_text(Case.said(record)) for record in records)


def check_live(bench, replay, way, workers, spread):
    live.write_pcap(bench.path, whole_story().wire.frames)
    expected = names_of(bench.read("--dns")[0])
    count = sum(1 for _ in live.frames_of(bench.path))
    with live.scratch_folder() as folder:
        port = f"net_pcap0,rx_pcap={bench.path}" if way == "net_pcap" else live.memif(folder)
        arguments = ["--dns", "--workers", workers, "--spread", spread, "--count", str(count), "--duration", "20s",
                     "--port", port]
        with live.Live(bench.mailtap, folder, arguments) as run:
            if way == "net_pcap":
                run.wait(30)
            else:
                queues = "2" if spread == "device" else "1"
                with live.Sender(replay, run, folder, bench.path, "--queues", queues, "--rate", "1000", "--lossless"):
                    run.wait(30)
            reasons = list(run.crash_reasons()) + list(live.balance_reasons(count, run.stats()))
            if names_of(run.sessions()) != expected:
                reasons.append(f"expected {expected}, got {names_of(run.sessions())}")
    return reasons


LIVE = [("net_pcap", "1", "auto"), ("net_memif", "1", "auto"), ("net_memif", "2", "software"),
        ("net_memif", "2", "device")]


def attempt(what, *arguments):
    try:
        return what(*arguments)
    except (live.Trouble, OSError, subprocess.SubprocessError) as trouble:
        return [f"{type(trouble).__name__}: {trouble}"]


def main():
    mailtap, _, replay = sys.argv[1:4]
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, folder)
        for make in CASES:
            tap.check(f"{make.__name__.replace('_', ' ')}: as expected, by 1, 2 and 4 workers", check_case(bench, make))
        tap.check("a crowd of clients is called the same by any number of workers", check_crowd(bench))
        tap.check("a borrowed name is an alert", check_alert(bench))
        tap.check("redacted records with names hold no address", check_redacted(bench))
        for way, workers, spread in LIVE:
            tap.check(f"live over {way}, {workers} workers, spread {spread}: the names of the file",
                      attempt(check_live, bench, replay, way, workers, spread))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
