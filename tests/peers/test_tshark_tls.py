#!/usr/bin/env python3
"""What TLS handshakes show, beside tshark: JA3, JA3S, server name, cipher, serial
number and names of the certificate.

    test_tshark_tls.py MAILTAP SOURCE-ROOT

Differences stand in differences.tsv, each with its reason.
"""

import os
import re
import shutil
import subprocess
import sys

from peers import Differences, capture_files, endpoint, key_of, read_sessions
from harness import Tap, shared_folder, skip_all

FIELDS = ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tls.handshake.ja3",
          "tls.handshake.ja3s", "tls.handshake.extensions_server_name", "tls.handshake.ciphersuite",
          "tls.handshake.type", "x509af.serialNumber", "x509ce.dNSName"]
SEPARATOR = "\x1e"
CLIENT_HELLO, SERVER_HELLO = "1", "2"


def tshark_rows(path):
    argv = ["tshark", "-n", "-r", path, "-Y", "tls.handshake", "-T", "fields", "-E", "separator=/t",
            "-E", f"aggregator={SEPARATOR}"]
    for field in FIELDS:
        argv += ["-e", field]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    for line in done.stdout.decode("utf-8", "replace").split("\n"):
        if line:
            yield dict(zip(FIELDS, (value.split(SEPARATOR) if value else [] for value in line.split("\t"))))


def tshark_handshakes(path):
    """{(client, server): facts}"""
    found = {}
    for row in tshark_rows(path):
        source = endpoint((row["ip.src"] + row["ipv6.src"])[-1], row["tcp.srcport"][-1])
        destination = endpoint((row["ip.dst"] + row["ipv6.dst"])[-1], row["tcp.dstport"][-1])
        if CLIENT_HELLO in row["tls.handshake.type"]:
            facts = found.setdefault((source, destination), {})
            facts.setdefault("ja3", row["tls.handshake.ja3"][0])
            facts.setdefault("name", (row["tls.handshake.extensions_server_name"] or [None])[0])
        if SERVER_HELLO in row["tls.handshake.type"]:
            facts = found.setdefault((destination, source), {})
            facts["ja3s"] = row["tls.handshake.ja3s"][-1]
        if row["x509af.serialNumber"]:
            facts = found.setdefault((destination, source), {})
            facts.setdefault("serial", re.sub("[^0-9A-F]", "", row["x509af.serialNumber"][0].upper().replace("0X", "")))
    return found


def our_handshakes(sessions):
    found = {}
    for session in sessions:
        tls = session.get("tls")
        if not tls:
            continue
        client, server = tls.get("client", {}), tls.get("server", {})
        facts = {"ja3": client.get("ja3"), "name": client.get("server_name"), "ja3s": server.get("ja3s"),
                 "serial": server.get("x509", {}).get("serial_number")}
        found[key_of(session)] = {key: value for key, value in facts.items() if value}
    return found


def compare(ours, theirs):
    for key in sorted(set(ours) & set(theirs), key=str):
        for fact in sorted(set(ours[key]) | set(theirs[key])):
            mine, other = ours[key].get(fact), theirs[key].get(fact)
            if fact == "serial" and mine and other:
                mine, other = mine.lstrip("0"), other.lstrip("0")
            if mine != other:
                yield f"{fact} {mine} instead of {other}"
    for key in sorted(set(ours) - set(theirs), key=str):
        if ours[key]:
            yield f"a handshake that tshark lacks: {sorted(ours[key])}"


def main():
    mailtap, root = sys.argv[1:3]
    if shutil.which("tshark") is None:
        skip_all("tshark is not installed")
    tap, listed = Tap(), Differences("tshark-tls")
    if shared_folder(root) is None:
        tap.skipped("captures of other projects", "they are not here (MAILTAP_SHARED or ../shared)")
    for name, path in capture_files(root, ("smtp",)):
        ours = our_handshakes(read_sessions(mailtap, path))
        if ours:
            tap.check(f"{name}: fingerprints, names and serial numbers are tshark's, or the difference is explained",
                      listed.unlisted(name, compare(ours, tshark_handshakes(path))))
    tap.check("every listed difference still exists", listed.stale())
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
