#!/usr/bin/env python3
"""Commands, parameters and reply codes of every capture, beside tshark's.

    test_tshark.py MAILTAP SOURCE-ROOT CACHE-FOLDER

tshark runs once a capture; its answer is kept in the cache under the hash of
the file. Differences stand in differences.tsv, each with its reason.
"""

import collections
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

from peers import Differences, capture_files, endpoint, key_of, read_lines, read_sessions
from harness import Tap, shared_folder, skip_all

FIELDS = ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "smtp.command_line",
          "smtp.response.code", "frame.protocols"]
SEPARATOR = "\x1e"  # between values of one field: commands of one frame
MAIL_WORDS = re.compile(rb"EHLO |HELO |MAIL FROM|RCPT TO", re.IGNORECASE)


def tshark_rows(path):
    argv = ["tshark", "-n", "-r", path, "-o", "smtp.desegment_lines:TRUE", "-d", "tcp.port==2525,smtp", "-Y", "smtp",
            "-T", "fields", "-E", "separator=/t", "-E", f"aggregator={SEPARATOR}"]
    for field in FIELDS:
        argv += ["-e", field]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return [line.split("\t") for line in done.stdout.decode("utf-8", "replace").split("\n") if line]


def cached_rows(path, cache):
    with open(path, "rb") as file:
        name = hashlib.sha256(file.read() + repr(FIELDS).encode()).hexdigest()
    kept = os.path.join(cache, f"{name}.json")
    if os.path.exists(kept):
        with open(kept, encoding="utf-8") as file:
            return json.load(file)
    rows = tshark_rows(path)
    with open(f"{kept}.{os.getpid()}", "w", encoding="utf-8") as file:
        json.dump(rows, file)
    os.replace(f"{kept}.{os.getpid()}", kept)
    return rows


def innermost(protocols, four, six):
    """The address of the last IP header of a frame: tunnels have several."""
    layers = [layer for layer in protocols.split(":") if layer in ("ip", "ipv6")]
    return (six if layers[-1:] == ["ipv6"] else four).split(SEPARATOR)[-1]


def tshark_lines(rows):
    """{(client, server): (command lines, reply codes)}"""
    talks = {}
    for ip4_from, ip6_from, port_from, ip4_to, ip6_to, port_to, commands, codes, protocols in rows:
        first = endpoint(innermost(protocols, ip4_from, ip6_from), port_from)
        second = endpoint(innermost(protocols, ip4_to, ip6_to), port_to)
        if commands:
            talk = talks.setdefault((first, second), ([], []))
            # a separator that stands inside a line is one of its own bytes
            talk[0].extend(re.sub(r"(\\r)?(\\n)?$", "", line)
                           for line in re.split(rf"(?<=\\n){SEPARATOR}", commands))
        if codes:
            talk = talks.setdefault((second, first), ([], []))
            talk[1].extend(int(code) for code in codes.split(SEPARATOR))
    return talks


def known_verbs(root):
    with open(os.path.join(root, "lib", "smtp", "verbs.def"), encoding="utf-8") as file:
        return dict(re.findall(r'^MT_VERB\(\w+, "([^"]+)", "(\w+)"', file.read(), re.MULTILINE))


def plain(line):
    """A command line as both can print it: bytes beyond ASCII and escapes of
    either program become one mark, an AUTH's initial response is left out."""
    line = re.sub(r"\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[0-7]{3}|\\[abfnrtv]|[^\x20-\x7e]", "?", line)
    line = re.sub(r"\?+", "?", line.replace("\\\\", "\\").replace('\\"', '"')).strip()
    words = line.split()
    return " ".join(words[:2]) if words and words[0].upper() == "AUTH" else line


def verb_of(line, verbs):
    return verbs.get((line.split() or [""])[0].upper(), "unknown")


def signed(differences):
    """Counter of mailtap minus tshark, as text: mail+1 250-2."""
    return " ".join(f"{key}{count:+d}" for key, count in sorted(differences.items(), key=str) if count)


def difference(ours, theirs):
    left = collections.Counter(ours)
    left.subtract(collections.Counter(theirs))
    return left


def compare(sessions, talks, tshark, verbs):
    """What mailtap says of each connection minus what tshark says of it."""
    commands, codes = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    addresses = collections.defaultdict(list)
    for session in sessions:
        key, smtp = key_of(session), session.get("smtp", {})
        commands[key].update(smtp.get("commands", {}))
        codes[key].update({int(code): count for code, count in smtp.get("codes", {}).items()})
        for transaction in smtp.get("transactions", []):
            addresses[key] += [transaction.get("from", {}).get("address")]
            addresses[key] += [one["address"] for one in transaction.get("recipients", [])]
    for key in set(commands) | set(codes) | set(tshark):
        their_lines, their_codes = tshark.get(key, ([], []))
        their_verbs = collections.Counter(verb_of(line, verbs) for line in their_lines)
        text = signed(difference(commands[key], their_verbs))
        if text:
            yield f"commands {text}"
        text = signed(difference(codes[key], collections.Counter(their_codes)))
        if text:
            yield f"codes {text}"
        our_lines, our_codes = talks.get(key, ([], []))
        text = signed(difference(map(plain, our_lines), map(plain, their_lines)))
        if text:
            # the text may be long, and other people's: its verbs and a digest name it
            short = signed(difference((verb_of(line, verbs) for line in our_lines),
                                      (verb_of(line, verbs) for line in their_lines)))
            yield f"lines {short} [{hashlib.sha256(text.encode()).hexdigest()[:8]}]", text[:2000]
        if collections.Counter(our_codes) != collections.Counter(codes[key]):
            yield f"codes of the transcript and the record: {signed(difference(our_codes, codes[key]))}"
        if not any(commands[key][verb] != their_verbs[verb] for verb in ("mail", "rcpt")):
            yield from address_differences(addresses[key], their_lines)


def address_differences(ours, their_lines):
    """Addresses of the records that no MAIL or RCPT of tshark's holds."""
    paths = " ".join(plain(line) for line in their_lines if re.match(r"(mail|rcpt)", line, re.IGNORECASE))
    for address in ours:
        if address and plain(address) not in paths:
            yield f"address {plain(address)}"


def main():
    mailtap, root, cache = sys.argv[1:4]
    if shutil.which("tshark") is None:
        skip_all("tshark is not installed")
    os.makedirs(cache, exist_ok=True)
    tap, verbs, listed = Tap(), known_verbs(root), Differences("tshark")
    if shared_folder(root) is None:
        tap.skipped("captures of other projects", "they are not here (MAILTAP_SHARED or ../shared)")
    for name, path in capture_files(root, ("smtp", "nasty")):
        sessions = read_sessions(mailtap, path)
        if name.startswith("nasty/") and not any(s.get("smtp", {}).get("commands") for s in sessions):
            # no mail for us; tshark's opinion is asked for only where words of mail can be seen
            with open(path, "rb") as file:
                if not MAIL_WORDS.search(file.read()):
                    continue
        found = compare(sessions, read_lines(mailtap, path), tshark_lines(cached_rows(path, cache)), verbs)
        tap.check(f"{name}: commands, parameters and codes are tshark's, or the difference is explained",
                  listed.unlisted(name, found))
    tap.check("every listed difference still exists", listed.stale())
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
