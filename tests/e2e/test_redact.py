#!/usr/bin/env python3
"""mailtap --redact: no address of a capture is in anything that is written, in
any format, and one address has one name as long as the key is the same.

    test_redact.py MAILTAP SOURCE-ROOT
"""

import os
import re
import sys

from harness import Run, Tap, crash_reasons, scratch, shared_folder

FORMATS = ["ecs", "zeek", "zeek-json", "eve", "cef", "leef", "ocsf", "csv", "tsv"]
KEY = "00112233445566778899aabbccddeeff"
LOCAL = re.compile(rb"[A-Za-z0-9._%+=-]+$")
DOMAIN = re.compile(rb"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
# Whatever has an @ inside a word; formats escape it in their own ways, none writes it otherwise.
BEFORE_AT = re.compile(rb"[^\s\"'<>(),;:|\\]+$")
AFTER_AT = re.compile(rb"[^\s\"'<>(),;|\\]+")
NAME = {
    "local-part": re.compile(rb"u-[0-9a-f]{16}@"),
    "hash": re.compile(rb"u-[0-9a-f]{16}@d-[0-9a-f]{1,16}"),  # CEF and LEEF cut long fields, names as well
    "drop": re.compile(rb"(?!)"),
}


def around_at(text, before, after):
    """What stands on both sides of each @; a pattern over the whole would take its time on binary data."""
    at = text.find(b"@")
    while at >= 0:
        left, right = before.search(text[max(at - 80, 0):at]), after.match(text[at + 1:at + 256])
        if left and right:
            yield left.group() + b"@" + right.group()
        at = text.find(b"@", at + 1)


def addresses_of(text):
    return {word.lower() for word in around_at(text, LOCAL, DOMAIN)}


def captures(folder):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not name.endswith((".md", ".yaml")):
            yield path


def addresses_in(paths):
    """Addresses in the bytes of captures: also those that a segment border cuts are seen, as their parts."""
    found = set()
    for path in paths:
        with open(path, "rb") as file:
            found |= addresses_of(file.read())
    return found


def walk(value, path=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from walk(item, path)
    elif isinstance(value, str):
        yield path, value


def bare_names(records):
    """What was asked for by VRFY and EXPN without an @, where it is long enough to be told from a word."""
    return {value.lower() for record in records for path, value in walk(record)
            if path.endswith(".argument") and "@" not in value and len(value) > 3 and value.isalnum()}


class Bench:
    def __init__(self, mailtap, folder, tap):
        self.mailtap, self.folder, self.tap = mailtap, folder, tap
        self.key = os.path.join(folder, "key")
        with open(self.key, "w", encoding="ascii") as file:
            file.write(KEY + "\n")

    def read(self, mode, source, *more):
        return Run(self.mailtap, ["read", "--quiet", "--redact", mode, "--redact-key-file", self.key, *more, *source])

    @staticmethod
    def said(stderr, source):
        for folder in source:
            stderr = stderr.replace(folder.encode(), b"")
        return stderr

    def all_outputs(self, mode, source, name):
        """Everything that a run writes: {what: bytes}."""
        folder = os.path.join(self.folder, f"{name}-{mode}")
        os.mkdir(folder)
        wanted = []
        for form in FORMATS:
            wanted += ["--output", f"{form}:dir:{os.path.join(folder, form)}"]
        run = self.read(mode, source, "--stats", os.path.join(folder, "stats"), "--workers", "2",
                        "--message", "fields", *wanted)
        told = {"the summary": run.stdout, "standard error": self.said(run.stderr, source)}
        for where, _folders, names in os.walk(folder):
            for file_name in names:
                path = os.path.join(where, file_name)
                with open(path, "rb") as file:
                    told[os.path.relpath(path, folder)] = file.read()
        shown = Run(self.mailtap, ["dialogue", "--redact", mode, "--redact-key-file", self.key, *source])
        told["dialogue"] = shown.stdout
        told["dialogue's standard error"] = self.said(shown.stderr, source)
        return run, told

    def nothing_shows(self, mode, source, name):
        plain = Run(self.mailtap, ["read", "--json", *source])
        sessions, alerts = plain.records()
        input_addresses = addresses_of(plain.stdout)
        for folder in source:
            input_addresses |= addresses_in(captures(folder))
        names = bare_names(sessions + alerts)
        run, told = self.all_outputs(mode, source, name)
        reasons = list(crash_reasons(run, (0, 1)))
        if not input_addresses:
            reasons.append("the captures hold no address: nothing is shown by this")
        if len(told) < len(FORMATS) + 5:
            reasons.append(f"only {sorted(told)} was written")
        for what, text in told.items():
            for word in around_at(text, BEFORE_AT, AFTER_AT):
                if not NAME[mode].search(word):
                    reasons.append(f"{what}: {word[:120]!r}")
            if mode != "local-part":
                shown = addresses_of(text) & input_addresses
                reasons += [f"{what}: {address!r}" for address in sorted(shown)]
                for verb in (b"VRFY ", b"EXPN "):
                    for rest in text.split(verb)[1:]:
                        word = re.match(rb"[A-Za-z0-9]*", rest).group().decode().lower()
                        if word in names:
                            reasons.append(f"{what}: {verb.decode()}{word}")
        self.tap.check(f"{mode}: no address of {name} is in any output ({len(input_addresses)} addresses)",
                       reasons[:20])

    def records_stay_apart_from_that(self, source, name):
        """Only texts change: as many records, with the same ids and counts, for any number of workers."""
        plain = Run(self.mailtap, ["read", "--json", *source]).records()
        for mode in "local-part", "hash", "drop":
            one = self.read(mode, source, "--json").records()
            two = self.read(mode, source, "--json", "--workers", "2").records()
            reasons = []
            if [s["event"]["id"] for s in one[0]] != [s["event"]["id"] for s in plain[0]]:
                reasons.append("sessions are missing or have other ids")
            if sorted(a["rule"]["name"] for a in one[1]) != sorted(a["rule"]["name"] for a in plain[1]):
                reasons.append("alerts are missing")
            if one[0] != two[0] or sorted(map(str, one[1])) != sorted(map(str, two[1])):
                reasons.append("two workers write something else")
            for before, after in zip(plain[0], one[0]):
                if before["smtp"].get("codes") != after["smtp"].get("codes"):
                    reasons.append(f"{before['event']['id']}: counts differ")
            self.tap.check(f"{mode}: the records of {name} are the same but for their texts", reasons[:10])

    def names_are_stable(self, capture):
        first, again = (self.read("hash", [capture], "--json").stdout for _ in range(2))
        other_key = os.path.join(self.folder, "other-key")
        with open(other_key, "w", encoding="ascii") as file:
            file.write(KEY[::-1])
        other = Run(self.mailtap, ["read", "--json", "--redact", "hash", "--redact-key-file", other_key, capture])
        site = os.path.join(self.folder, "site.yaml")
        with open(site, "w", encoding="ascii") as file:
            file.write(f'redact_key: "{KEY}"\n')
        by_site = Run(self.mailtap, ["read", "--json", "--redact", "hash", "--site", site, capture])
        config = os.path.join(self.folder, "config.yaml")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"redact: hash\nredact_key_file: {self.key}\n")
        by_config = Run(self.mailtap, ["read", "--json", "--config", config, capture])
        self.tap.check("the same key gives the same names", [] if first == again else ["two runs differ"])
        self.tap.check("another key gives other names",
                       [] if other.stdout != first and other.code == 0 else ["they are the same"])
        self.tap.check("the key may stand in the site file", [] if by_site.stdout == first else by_site.errors()[:3]
                       or ["the records differ"])
        self.tap.check("mode and key file may stand in the configuration file",
                       [] if by_config.stdout == first else by_config.errors()[:3] or ["the records differ"])

    def no_key_is_told_of(self, capture):
        one, two = (Run(self.mailtap, ["read", "--json", "--redact", "hash", capture]) for _ in range(2))
        dropped = Run(self.mailtap, ["read", "--json", "--redact", "drop", capture])
        reasons = []
        if one.stdout == two.stdout:
            reasons.append("two runs without a key give the same names")
        if "no key" not in "".join(one.errors()) or one.code != 0:
            reasons.append(f"nothing was said: {one.errors()}")
        if dropped.errors():
            reasons.append(f"drop needs no key: {dropped.errors()}")
        self.tap.check("without a key names differ from run to run, and that is said", reasons)

    def what_is_wrong_is_said(self, capture):
        short = os.path.join(self.folder, "short")
        with open(short, "w", encoding="ascii") as file:
            file.write("1234\n")
        bad_site = os.path.join(self.folder, "bad.yaml")
        with open(bad_site, "w", encoding="ascii") as file:
            file.write("redact_key: topsecret\n")
        for name, arguments, part in [
                ("a mode that is none", ["--redact", "md5"], "local-part, hash or drop"),
                ("a key file that is not there", ["--redact", "hash", "--redact-key-file", "/nowhere/key"], "/nowhere/key"),
                ("a key file without a key", ["--redact", "hash", "--redact-key-file", short], "32 hexadecimal digits"),
                ("a wrong key in the site file", ["--redact", "hash", "--site", bad_site], "bad.yaml:1:13")]:
            run = Run(self.mailtap, ["read", *arguments, capture])
            said = run.errors()
            reasons = [] if run.code == 2 and len(said) == 1 and part in said[0] else [f"exit {run.code}: {said}"]
            if "topsecret" in "".join(said):
                reasons.append("the message shows the key")
            self.tap.check(f"{name} is one message and exit code 2", reasons)


def main():
    mailtap, root = sys.argv[1:3]
    tap = Tap()
    pcaps = os.path.join(root, "pcaps")
    with scratch() as folder:
        bench = Bench(mailtap, folder, tap)
        sources = [("pcaps", [pcaps])]
        shared = shared_folder(root)
        if shared is None:
            tap.skipped("captures of other projects", "they are not here (MAILTAP_SHARED or ../shared)")
        else:
            mail = os.path.join(shared, "smtp")
            sources.append(("other projects", [os.path.join(mail, name) for name in sorted(os.listdir(mail))]))
        for name, source in sources:
            for mode in "local-part", "hash", "drop":
                bench.nothing_shows(mode, source, name)
        bench.records_stay_apart_from_that([pcaps], "pcaps")
        one = os.path.join(pcaps, "postfix-delivery.pcap")
        bench.names_are_stable(one)
        bench.no_key_is_told_of(one)
        bench.what_is_wrong_is_said(one)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
