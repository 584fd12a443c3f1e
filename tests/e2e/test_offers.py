#!/usr/bin/env python3
"""What servers offered before (smtp.starttls.history_*), and which pairs used TLS before
(smtp.starttls.pair_*): the same as a plain count says, for any number of workers.

    test_offers.py MAILTAP SOURCE-ROOT
"""

import collections
import datetime
import json
import os
import random
import struct
import sys

from harness import Run, Tap, crash_reasons, scratch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rules"))

from script import PCAP_HEAD, START, Recorder  # noqa: E402

ROUND = 60


class Step:
    def __init__(self, *words, data=None, side=None):
        self.words, self.data, self.side = words, data, side


def time_of(frame):
    seconds, nanoseconds = struct.unpack_from("<II", frame)
    return seconds, nanoseconds


def session(start, client, server, is_offered, lasts):
    """Frames, and the minute of the answer to EHLO."""
    recorder = Recorder()
    recorder.now, recorder.port = start, 30000 + random.randrange(30000)
    recorder.do_connect(Step(client, server))
    for side, text in (("S", b"220 mx ESMTP\r\n"), ("C", b"EHLO client.example.org\r\n")):
        recorder.do_say(Step(data=text, side=side))
    recorder.do_say(Step(data=b"250-mx\r\n250-SIZE\r\n" + (b"250-STARTTLS\r\n" if is_offered else b"") + b"250 DSN\r\n",
                         side="S"))
    recorder.send_pending()
    minute = time_of(recorder.frames[-2])[0] // ROUND
    recorder.now += lasts
    recorder.do_say(Step(data=b"QUIT\r\n", side="C"))
    recorder.do_say(Step(data=b"221 Bye\r\n", side="S"))
    recorder.hang_up("C")
    return recorder.frames, minute


def crowd(count, minutes, servers):
    """A capture of sessions that overlap, and what a plain count says of each by its client."""
    random.seed(count)
    frames, said = [], []
    for i in range(count):
        client = f"203.{i >> 16}.{i >> 8 & 255}.{i & 255}"
        server = f"10.25.1.{random.randrange(servers)}"
        is_offered = random.random() < 0.9
        start = START + random.random() * 60 * minutes
        if random.random() < 0.2:  # quiet times
            start += 60 * random.choice((200, 2000, 20000))
        own, minute = session(start, client, server, is_offered, random.choice((0, 1, 100, 500)))
        frames += own
        said.append((minute, client, server, is_offered))
    frames.sort(key=time_of)
    expected, half = {}, 7 * 24 * 60 // 2
    for minute, client, server, is_offered in said:
        if is_offered:
            continue
        before = [(m, o) for m, _, s, o in said
                  if s == server and m <= minute - 2 and m // half >= minute // half - 1]
        offers = [m for m, o in before if o]
        if offers:
            expected[client] = (len(before), len(offers), 100 * len(offers) // len(before), max(offers) * ROUND)
    return b"".join([PCAP_HEAD] + frames), expected


def pair_session(start, client, server, is_tls):
    """Frames, and the minute of MAIL or of the server's side of TLS."""
    recorder = Recorder()
    recorder.now, recorder.port = start, 30000 + random.randrange(30000)
    recorder.do_connect(Step(client, server))
    for side, text in (("S", b"220 mx ESMTP\r\n"), ("C", b"EHLO client.example.org\r\n"),
                       ("S", b"250-mx\r\n250 STARTTLS\r\n")):
        recorder.do_say(Step(data=text, side=side))
    if is_tls:
        steps = (("C", b"STARTTLS\r\n"), ("S", b"220 Go\r\n"), ("C", b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"),
                 ("S", b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"))
    else:
        steps = (("C", b"MAIL FROM:<a@example.org>\r\n"), ("S", b"250 Ok\r\n"))
    for side, text in steps:
        recorder.do_say(Step(data=text, side=side))
    recorder.send_pending()
    minute = time_of(recorder.frames[-1 if is_tls else -2])[0] // ROUND
    recorder.hang_up("C")
    return recorder.frames, minute


def pairs(count, minutes, clients):
    """The same of pairs: what a plain count says of each session in clear, by its time."""
    random.seed(count)
    frames, said = [], []
    for i in range(count):
        client, server = f"203.0.113.{random.randrange(clients)}", f"10.25.1.{random.randrange(2)}"
        is_tls = random.random() < 0.8
        own, minute = pair_session(START + random.random() * 60 * minutes, client, server, is_tls)
        frames += own
        said.append((minute, (client, server), is_tls, time_of(own[0])))
    frames.sort(key=time_of)
    said.sort()
    expected, known = {}, {}
    for minute, pair, is_tls, time in said:
        noted = known.setdefault(pair, [])
        before = [(m, t) for m, t in noted if m <= minute - 2]
        if is_tls or before:
            noted.append((minute, is_tls))
        tls = [m for m, t in before if t]
        if tls and not is_tls:
            expected[time] = (len(tls), 100 * len(tls) // len(before), max(tls) * ROUND)
    return b"".join([PCAP_HEAD] + frames), expected


def pair_reasons(mailtap, capture, workers, expected):
    run = Run(mailtap, ["read", "--json", "--workers", str(workers), capture])
    reasons = list(crash_reasons(run, okay=(0,)))
    found = {}
    for line in run.stdout.splitlines():
        record = json.loads(line)
        starttls = record.get("smtp", {}).get("starttls", {})
        if record["event"]["kind"] == "event" and "pair_tls" in starttls:
            time = record["@timestamp"]
            found[seconds_of(time), int(time[20:29])] = (starttls["pair_tls"], starttls["pair_share"],
                                                         seconds_of(starttls["pair_last"]))
    for time in sorted(set(found) | set(expected)):
        if found.get(time) != expected.get(time):
            reasons.append(f"{workers} workers: {time} has {found.get(time)}, should have {expected.get(time)}")
    return reasons[:5]


def seconds_of(text):
    return int(datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp())


def reasons_of(mailtap, capture, workers, expected):
    run = Run(mailtap, ["read", "--json", "--workers", str(workers), capture])
    reasons = list(crash_reasons(run, okay=(0,)))
    found = collections.OrderedDict()
    for line in run.stdout.splitlines():
        record = json.loads(line)
        history = record.get("smtp", {}).get("starttls", {})
        if record["event"]["kind"] == "event" and "history_answers" in history:
            found[record["source"]["ip"]] = (history["history_answers"], history["history_offered"],
                                             history["history_share"], seconds_of(history["history_last"]))
    for client in sorted(set(found) | set(expected)):
        if found.get(client) != expected.get(client):
            reasons.append(f"{workers} workers: {client} has {found.get(client)}, should have {expected.get(client)}")
    return reasons[:5]


def main():
    mailtap = sys.argv[1]
    tap = Tap()
    with scratch() as folder:
        for count, minutes, servers in ((40, 5, 1), (2000, 90, 12), (600, 3000, 40)):
            capture = os.path.join(folder, f"{count}.pcap")
            data, expected = crowd(count, minutes, servers)
            with open(capture, "wb") as file:
                file.write(data)
            reasons = [] if expected else ["nobody has a history"]
            for workers in (1, 2, 3, 4):
                reasons += reasons_of(mailtap, capture, workers, expected)
            tap.check(f"{count} clients of {servers} servers in {minutes} minutes: as counted by hand, for any number "
                      "of workers", reasons)
        for count, minutes, clients in ((60, 20, 1), (2000, 120, 30)):
            capture = os.path.join(folder, f"pairs-{count}.pcap")
            data, expected = pairs(count, minutes, clients)
            with open(capture, "wb") as file:
                file.write(data)
            reasons = [] if expected else ["no pair is known"]
            for workers in (1, 2, 3, 4):
                reasons += pair_reasons(mailtap, capture, workers, expected)
            tap.check(f"{count} sessions of {clients} clients with 2 servers: pairs with TLS as counted by hand, for any "
                      "number of workers", reasons)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
