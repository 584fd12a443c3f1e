#!/usr/bin/env python3
"""What parts hold: --hash and --urls, beside Python's email package, on mail that
it has written and on mail that is broken.

    test_content.py MAILTAP SOURCE-ROOT
"""

import base64
import email
import email.message
import email.policy
import hashlib
import json
import os
import random
import subprocess
import sys

from harness import Run, Tap, scratch
from test_mail_bombs import Capture

SMTP = email.policy.SMTP


def stuffed(content):
    """As DATA carries it: RFC 5321 section 4.5.2; the caller's CRLF dot CRLF follows."""
    return content.replace(b"\r\n.", b"\r\n..").removesuffix(b"\r\n")


def made_mail(rng, number):
    """Text, HTML, attachments of all sizes, a message in the message: truth is read back from its bytes."""
    mail = email.message.EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.net", f"number {number}"
    words = ["one", "https://www.example.org/a?b=c", "café", "-- dashes", ".dot", "=20", "From x", "long" * 30]
    text = "\n".join(" ".join(rng.choice(words) for _ in range(rng.randrange(1, 12))) for _ in range(rng.randrange(1, 30))) + "\n"
    mail.set_content(text, cte=rng.choice(["quoted-printable", "base64", "8bit"]))
    if rng.random() < 0.7:
        mail.add_alternative(f"<p><a href='https://html.example/{number}'>{text}</a></p>\n", subtype="html",
                             cte=rng.choice(["quoted-printable", "base64"]))
    for _ in range(rng.randrange(0, 4)):
        size = rng.choice([0, 1, 2, 3, 56, 57, 58, 1000, 20_000, 100_000])
        mail.add_attachment(rng.randbytes(size), maintype="application", subtype="octet-stream", filename=f"file-{size}.bin")
    if rng.random() < 0.3:
        inner = email.message.EmailMessage(policy=SMTP)
        inner["Subject"] = "inside"
        inner.set_content("inner text\n" * rng.randrange(1, 5))
        mail.add_attachment(inner)
    return mail.as_bytes(policy=SMTP)


def leaves(message):
    """The decoded octets of parts that hold no others; None for a message, which has no digest of its own."""
    if message.get_content_type() == "message/rfc822":
        return [None] + leaves(message.get_payload(0))
    if message.is_multipart():
        return [leaf for part in message.get_payload() for leaf in leaves(part)]
    return [message.get_payload(decode=True)]


class Bench:
    def __init__(self, mailtap, folder):
        self.mailtap, self.folder, self.made = mailtap, folder, 0

    def capture(self, name, content, segment=0):
        """segment: octets of one that holds content, if other than usual."""
        path = os.path.join(self.folder, name + ".pcap")
        self.made += 1
        capture = Capture(path, self.made * 1_000_000)
        capture.size = segment or capture.size
        capture.mail(stuffed(content))
        return path

    def parts(self, paths, *options):
        """Of each capture, in order."""
        found = []
        for path in paths:
            run = Run(self.mailtap, ["read", "--json", *options, path])
            if run.code != 0:
                raise RuntimeError(f"{path}: {run.code} {run.stderr}")
            [session], _alerts = run.records()
            found.append(session["smtp"]["transactions"][0]["message"].get("parts", []))
        return found


def digests_agree(bench, seed):
    rng = random.Random(seed)
    contents = [made_mail(rng, i) for i in range(40)]
    paths = [bench.capture(f"made-{i}", content) for i, content in enumerate(contents)]
    for content, parts in zip(contents, bench.parts(paths, "--hash")):
        truth = leaves(email.message_from_bytes(content, policy=SMTP))
        if len(truth) != len(parts):
            yield f"{len(parts)} parts instead of {len(truth)}"
            continue
        for leaf, part in zip(truth, parts):
            wanted = None if leaf is None else {"md5": hashlib.md5(leaf).hexdigest(), "sha256": hashlib.sha256(leaf).hexdigest()}
            if part.get("hash") != wanted:
                yield f"{part}: not {wanted}, size {leaf and len(leaf)}"
            if leaf is not None and part["size"] != len(leaf):
                yield f"{part}: its size is {len(leaf)}"
            if part.get("findings"):
                yield f"{part}: nothing is wrong with it"


def borders_of_segments_do_not_matter(bench):
    inner = b"Subject: in\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\n--two\r\n--b--"
    content = b"Content-Type: message/rfc822\r\n\r\n" + inner
    wanted = [("1", None), ("1.1", hashlib.md5(b"one").hexdigest()), ("1.2", hashlib.md5(b"--two").hexdigest())]
    for size in (1400, 1, 7, 80):
        path = bench.capture(f"borders-{size}", content, size)
        [parts] = bench.parts([path], "--hash")
        found = [(part["path"], part.get("hash", {}).get("md5")) for part in parts]
        if found != wanted:
            yield f"segments of {size}: {found}"


def what_is_broken_off_leaves_nothing_to_the_next(bench):
    """A mail in chunks that RSET or EHLO ends, or that DATA takes the place of, and a whole one."""
    one = b"Subject: one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n"
    two = b"Subject: two\r\nContent-Type: text/plain\r\n\r\nsecond\r\n"
    envelope = [(b"MAIL FROM:<a@example.org>", b"250 Ok"), (b"RCPT TO:<b@example.net>", b"250 Ok")]
    begun = [(b"BDAT %d\r\n" % len(one) + one, b"250 Ok")]
    whole = [(b"DATA", b"354 go"), (two + b".", b"250 Ok")]
    for name, commands in [("rset", [(b"RSET", b"250 Ok"), *envelope]), ("ehlo", [(b"EHLO again", b"250 Ok"), *envelope]), ("data", [])]:
        path = os.path.join(bench.folder, f"off-{name}.pcap")
        folder = os.path.join(bench.folder, f"off-{name}")
        bench.made += 1
        capture = Capture(path, bench.made * 1_000_000)
        capture.say(False, b"220 mx.example.net ESMTP\r\n")
        for command, reply in [(b"EHLO a.example.org", b"250 CHUNKING"), *envelope, *begun, *commands, *whole, (b"QUIT", b"221 Bye")]:
            capture.say(True, command if command.startswith(b"BDAT") else command + b"\r\n")
            capture.say(False, reply + b"\r\n")
        capture.file.close()
        run = Run(bench.mailtap, ["read", "--json", "--hash", "--extract", folder, path])
        [session], _alerts = run.records()
        parts = [part for mail in session["smtp"]["transactions"] for part in mail["message"]["parts"]]
        if [part.get("findings") for part in parts] != [["incomplete"], None] or \
                parts[1].get("hash", {}).get("md5") != hashlib.md5(b"second\r\n").hexdigest():
            yield f"{name}: {parts}"
        files = [line["file"] for line in index_of(folder)]
        if not files[0].endswith("-1-1.part") or not files[1].endswith("-1.eml"):
            yield f"{name}: the first mail's files do not end first: {files}"


def only_what_is_asked_for(bench):
    path = bench.capture("plain", b"Subject: x\r\n\r\nsee https://user:secret@www.example.org/?mail=joe@example.com\r\n")
    for options, wanted in [((), []), (("--hash",), ["md5", "sha256"]), (("--hash=md5",), ["md5"]), (("--hash=sha256",), ["sha256"])]:
        [parts] = bench.parts([path], *options)
        found = sorted(key for part in parts for key in part.get("hash", {}))
        if found != wanted or any("urls" in part for part in parts):
            yield f"{options}: {parts}"
    [[part]] = bench.parts([path], "--urls")
    if part.get("urls") != ["https://user:secret@www.example.org/?mail=joe@example.com"] or "hash" in part:
        yield f"--urls: {part}"


def addresses_in_urls_are_taken_out(bench):
    text = b"http://joe:secret@mail.example.com/x?to=joe@example.com https://example.com/u/joe%40example.com mailto:joe@example.com\r\n"
    text += b"http://joe:secret" + b"x" * 500 + b"@mail.example.com/\r\n"  # cut in the login
    path = bench.capture("addresses", b"Subject: x\r\n\r\n" + text)
    for mode in ("local-part", "hash", "drop"):
        [[part]] = bench.parts([path], "--urls", "--redact", mode)
        told = " ".join(part.get("urls", []))
        if not part.get("urls") or "joe@" in told or "joe%40" in told or "joe:" in told or "secret" in told:
            yield f"{mode}: {part}"


def urls_of_utf_16_are_found(bench):
    text = "see https://www.example.org/a?b=c and http://中.example/é, or not\r\n<a href='https://end.example/'>"
    for charset, codec in (("utf-16", "utf-16"), ("utf-16le", "utf-16-le"), ("UTF-16BE", "utf-16-be"), ("utf-16", "utf-16-le")):
        for subtype in ("plain", "html"):
            body = base64.encodebytes(text.encode(codec)).replace(b"\n", b"\r\n")
            head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            path = bench.capture(f"wide-{codec}-{subtype}-{charset}", head.encode() + body, 100)
            [[part]] = bench.parts([path], "--urls")
            wanted = ["https://www.example.org/a?b=c", "http://中.example/é", "https://end.example/"]
            found = [url.rstrip("'>") for url in part.get("urls", [])]
            if found != wanted or part.get("hash"):
                yield f"{charset} {subtype}: {part}"


def marker_is_found(bench):
    marker = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTI" + b"VIRUS-TEST-FILE!$H+H*"
    mail = email.message.EmailMessage(policy=SMTP)
    mail["Subject"] = "a test"
    mail.set_content("see the file\n")
    mail.add_attachment(b"zip" * 999 + marker, maintype="application", subtype="zip", filename="a.zip")
    [parts] = bench.parts([bench.capture("marker", mail.as_bytes(policy=SMTP))], "--hash")
    if [part.get("findings") for part in parts] != [None, ["test_marker"]]:
        yield parts


PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154")
EXE = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes.fromhex("6486") + bytes(18) + bytes.fromhex("0b02") + bytes(300)
TYPED = [  # octets, declared as, found to be, a mismatch
    (PNG, "image/png", "image/png", False),
    (PNG, "image/jpeg", "image/png", False),
    (PNG, "application/octet-stream", "image/png", False),
    (PNG, "text/html", "image/png", True),
    (PNG, "application/pdf", "image/png", True),
    (b"%PDF-1.4\n%....\n" + b"1 0 obj\n" * 400, "application/pdf", "application/pdf", False),
    (b"%PDF-1.4\n%....\n" + b"1 0 obj\n" * 4, "image/gif", "application/pdf", True),
    (EXE, "image/png", None, True),
    (EXE, "application/octet-stream", None, False),
    (b"words and words\n" * 5, "text/csv", "text/plain", False),
    (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>\n", "image/svg+xml", "image/svg+xml", False),
]


def types_are_told(bench):
    mail = email.message.EmailMessage(policy=SMTP)
    mail["Subject"] = "types"
    mail.set_content("words of the message\n")
    for data, declared, _found, _differs in TYPED:
        main_type, _, sub_type = declared.partition("/")
        mail.add_attachment(data, maintype=main_type, subtype=sub_type, filename="a") if main_type != "text" else \
            mail.add_attachment(data, maintype="application", subtype="x", filename="a")
    content = mail.as_bytes(policy=SMTP)
    for _data, declared, _found, _differs in TYPED:
        if declared.startswith("text/"):
            content = content.replace(b"Content-Type: application/x\r\n", b"Content-Type: " + declared.encode() + b"\r\n", 1)
    path = bench.capture("types", content)
    for options in ([], ["--workers", "2"]):
        [[text, *parts]] = bench.parts([path], "--magic", *options)
        if text.get("magic_type") != "text/plain" or len(parts) != len(TYPED):
            yield f"{text}: {len(parts)}"
        for part, (_data, declared, found, differs) in zip(parts, TYPED):
            if part["content_type"] != declared or part.get("magic_type") is None or (found and part["magic_type"] != found):
                yield f"{part}: not {declared} and {found}"
            if part.get("findings", []) != (["type_mismatch"] if differs else []):
                yield f"{part}: differs {differs}"


def fields_of(message, path=()):
    """(path, name, value as it stood but unfolded) of a header and those of messages in the message."""
    where = ".".join(map(str, path)) or None
    found = [(where, name, "".join(str(value).splitlines()).strip(" \t")) for name, value in message.raw_items()]
    nested = []

    def walk(part, path, is_message):
        if part.get_content_maintype() == "multipart":
            for number, child in enumerate(part.get_payload(), 1):
                walk(child, (*path, number), False)
            return
        path = (*path, 1) if is_message else path
        if part.get_content_type() == "message/rfc822":
            nested.extend(fields_of(part.get_payload(0), path))

    walk(message, path, True)
    return found + nested


def fields_are_listed(bench):
    rng = random.Random(5)
    contents = []
    for i in range(20):
        mail = email.message_from_bytes(made_mail(rng, i), policy=SMTP)
        mail["X-Words"] = " ".join(rng.choice(["plain", "grüß", "日本語", '"quoted"', "(comment)"]) for _ in range(rng.randrange(1, 40)))
        mail["Cc"] = ", ".join(f'"Lee, {rng.choice(["Ann", "Zoë"])}" <a{n}@example.com>' for n in range(rng.randrange(1, 12)))
        contents.append(mail.as_bytes(policy=SMTP))
    for i, content in enumerate(contents):
        path = bench.capture(f"fields-{i}", content, rng.choice([0, 3, 50]))
        [session], _alerts = Run(bench.mailtap, ["read", "--json", "--message", "fields,lines", path]).records()
        message = session["smtp"]["transactions"][0]["message"]
        found = [(field.get("path"), field["name"], field.get("raw", field["value"])) for field in message["header"]]
        wanted = fields_of(email.message_from_bytes(content, policy=email.policy.compat32))
        if found != wanted or message["header_total"] != len(wanted):
            yield f"{found}\nnot\n{wanted}"
        words = email.message_from_bytes(content, policy=SMTP)["X-Words"]
        if [str(words)] != [field["value"] for field in message["header"] if field["name"] == "X-Words"]:
            yield f"{words!r} is not what {message['header']} says"


def long_headers_are_cut(bench):
    """A field too long, more fields than are listed, and a header that leaves the next envelope its room."""
    long = b"X-Long: " + b"l" * 2500 + b"\r\n"
    many = b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(300))
    large = b"".join(b"X-%d: %s\r\n" % (i, b"v" * 900) for i in range(100))
    for name, header, total, listed in (("long", long, 1, 1), ("many", many, 300, 256), ("large", large, 100, None)):
        path = bench.capture(f"cut-{name}", header + b"\r\nbody\r\n")
        [session], _alerts = Run(bench.mailtap, ["read", "--json", "--message", "fields", path]).records()
        message = session["smtp"]["transactions"][0]["message"]
        fields = message["header"]
        octets = sum(len(field["value"]) for field in fields)
        if "smtp.transactions.message.header" not in session["smtp"]["truncated"] or message["header_total"] != total:
            yield f"{name}: {session['smtp'].get('truncated')} {message['header_total']}"
        if listed and len(fields) != listed or octets > 40_000 or len(fields) == 0:
            yield f"{name}: {len(fields)} fields of {octets} octets"
        if [field.get("cut") for field in fields] != [True if name == "long" else None] * len(fields):
            yield f"{name}: {fields[0]}"
    [session], _alerts = Run(bench.mailtap, ["read", "--json", path]).records()
    if "header" in session["smtp"]["transactions"][0].get("message", {}) or "truncated" in session["smtp"]:
        yield "fields are listed although nobody asked"
    if Run(bench.mailtap, ["read", "--message", "full,field", path]).code != 2:
        yield "--message takes any word"


def index_of(folder):
    with open(os.path.join(folder, "index.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def files_of(folder):
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


def messages_become_files(bench):
    rng = random.Random(21)
    contents = [made_mail(rng, 100 + i) for i in range(12)]
    paths = [bench.capture(f"files-{i}", content) for i, content in enumerate(contents)]
    folders = [os.path.join(bench.folder, f"files-{workers}") for workers in (1, 2)]
    for workers, folder in enumerate(folders, 1):
        run = Run(bench.mailtap, ["read", "--quiet", "--workers", str(workers), "--extract", folder, *paths])
        if run.code != 0:
            yield f"{workers} workers: {run.code} {run.stderr}"
    one, two = (files_of(folder) for folder in folders)
    if sorted(index_of(folders[0]), key=str) != sorted(index_of(folders[1]), key=str):
        yield "two workers write another index than one"
    del one["index.jsonl"], two["index.jsonl"]
    if one != two:
        yield f"two workers write other files than one: {sorted(one)} {sorted(two)}"
    mails = sorted(data for name, data in one.items() if name.endswith(".eml"))
    if mails != sorted(contents):
        yield f"{len(mails)} messages, which are not those that were sent"
    wanted = sorted(leaf for content in contents for leaf in leaves(email.message_from_bytes(content, policy=SMTP)) if leaf)
    if wanted != sorted(data for name, data in one.items() if name.endswith(".part")):
        yield "parts are not what their mails hold"
    for line in index_of(folders[0]):
        if line["size"] != len(one[line["file"]]) or line.keys() & {"incomplete", "cut", "existing", "failed"}:
            yield f"{line}: {len(one[line['file']])}"
    again = Run(bench.mailtap, ["read", "--quiet", "--extract", folders[0], *paths])
    if again.code != 0 or files_of(folders[0]).items() < one.items() or not index_of(folders[0])[-1].get("existing"):
        yield "what was written once is not left as it is"


def limits_of_files_hold(bench):
    path = bench.capture("large", b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 1000)
    folder = os.path.join(bench.folder, "limits")
    run = Run(bench.mailtap, ["read", "--quiet", "--extract", folder, "--extract-file-max", "5000", "--extract-total-max", "7K", path])
    sizes = sorted(len(data) for name, data in files_of(folder).items() if name != "index.jsonl")
    if run.code != 0 or sum(sizes) != 7 * 1024 or sizes[-1] > 5000 or not all(line.get("cut") for line in index_of(folder)):
        yield f"{run.code} {run.stderr}: {sizes}"
    # a file system without room: every write fails, and the run goes on
    run = Run(bench.mailtap, ["read", "--quiet", "--json", "--extract", "/proc/self/fdinfo", path])
    if run.code != 3 or b"/proc/self/fdinfo" not in run.stderr:
        yield f"a folder that can't be written: {run.code} {run.stderr}"


def full_disks_are_told(bench):
    path = bench.capture("full", b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 10_000)
    folder = os.path.join(bench.folder, "full")
    os.mkdir(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", folder], capture_output=True, check=False).returncode != 0:
        return
    try:
        run = Run(bench.mailtap, ["read", "--json", "--quiet", "--extract", folder, path])
        sessions, _alerts = run.records()
        if run.code != 1 or b"No space left" not in run.stderr or len(sessions) != 1:
            yield f"{run.code} {run.stderr}, {len(sessions)} records"
    finally:
        subprocess.run(["umount", folder], check=False)


def lists_are_cut(bench):
    text = b"".join(b"http://n%d.example/ http://again.example/\r\n" % i for i in range(200)) + b"http://" + b"x" * 600
    path = bench.capture("many", b"Subject: x\r\n\r\n" + text + b"\r\n")
    run = Run(bench.mailtap, ["read", "--json", "--urls", path])
    [session], _alerts = run.records()
    [part] = session["smtp"]["transactions"][0]["message"]["parts"]
    if len(part["urls"]) != 64 or part["urls_total"] != 401:
        yield f"{len(part['urls'])} of {part['urls_total']}"
    if "smtp.transactions.message.parts.urls" not in session["smtp"].get("truncated", []):
        yield session["smtp"].get("truncated")


def wrong_options_are_named(bench):
    for options, word in [(["--hash=sha1"], b"sha1"), (["--hash="], b"--hash"), (["--message", "headers", "--hash"], b"--message headers"),
                          (["--extract", "x", "--redact", "hash"], b"--redact"), (["--extract-file-max", "1M"], b"--extract DIR"),
                          (["--extract", "x", "--extract-file-max", "0"], b"--extract-file-max")]:
        run = Run(bench.mailtap, ["read", *options, "x.pcap"])
        if run.code != 2 or word not in run.stderr:
            yield f"{options}: {run.code} {run.stderr}"


def main(mailtap):
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, folder)
        tap.check("digests and sizes of parts are those of Python's email package", digests_agree(bench, 20))
        tap.check("where segments end makes no difference to what parts are", borders_of_segments_do_not_matter(bench))
        tap.check("a mail that is broken off leaves nothing to the next", what_is_broken_off_leaves_nothing_to_the_next(bench))
        tap.check("nothing is decoded that was not asked for", only_what_is_asked_for(bench))
        tap.check("addresses in URLs, also before a host, are taken out with --redact", addresses_in_urls_are_taken_out(bench))
        tap.check("URLs of text in UTF-16 are found", urls_of_utf_16_are_found(bench))
        tap.check("the test marker is found behind base64", marker_is_found(bench))
        tap.check("types are told by the first octets, and what contradicts them", types_are_told(bench))
        tap.check("all header fields are listed as Python's email package reads them", fields_are_listed(bench))
        tap.check("long headers are cut, marked and counted", long_headers_are_cut(bench))
        tap.check("messages and parts become files, the same by any number of workers", messages_become_files(bench))
        tap.check("limits of files hold", limits_of_files_hold(bench))
        if os.geteuid() == 0:
            tap.check("a full disk is told and costs no record", full_disks_are_told(bench))
        else:
            tap.skipped("a full disk is told and costs no record", "only root can make a small file system")
        tap.check("lists of URLs are cut, their number is not", lists_are_cut(bench))
        tap.check("options that mean nothing are named", wrong_options_are_named(bench))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
