#!/usr/bin/env python3
"""Certificates of both sides, beside OpenSSL: handshakes that Python's ssl module
makes, with chains that openssl has made.

    test_tls_certificates.py MAILTAP SOURCE-ROOT
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys

from harness import Run, Tap, scratch, skip_all
from test_mail_bombs import Capture

NAMES = {"root": "Test Root", "middle": "Test Middle, Inc", "server": "mx.example.net", "client": "relay.example.org"}
ISSUERS = {"root": "root", "middle": "root", "server": "middle", "client": "root"}


def openssl(*argv):
    subprocess.run(["openssl", *argv], check=True, capture_output=True)


def make_certificates(folder):
    for name in ("root", "middle", "server", "client"):
        path = os.path.join(folder, name)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{path}.key",
                "-out", f"{path}.csr", "-subj", f"/C=DE/O=Example/CN={NAMES[name]}")
        with open(f"{path}.ext", "w", encoding="ascii") as file:
            if name in ("root", "middle"):
                file.write("basicConstraints=critical,CA:TRUE\n")
            else:
                file.write(f"subjectAltName=DNS:{NAMES[name]},DNS:other.example.org,IP:192.0.2.25\n")
        issuer = os.path.join(folder, ISSUERS[name])
        signer = ["-signkey", f"{path}.key"] if name == "root" else ["-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial"]
        openssl("x509", "-req", "-in", f"{path}.csr", "-days", "365", "-extfile", f"{path}.ext", "-out", f"{path}.crt", *signer)
    for name, chain in (("server", ("server", "middle", "root")), ("client", ("client", "root"))):
        with open(os.path.join(folder, f"{name}.chain"), "wb") as file:
            for one in chain:
                with open(os.path.join(folder, f"{one}.crt"), "rb") as part:
                    file.write(part.read())


def handshake(folder, version, has_client, capture):
    """Both sides in memory; what they say goes into the capture."""
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)]
    for context, name in zip(contexts, ("client", "server")):
        context.minimum_version = context.maximum_version = version
        context.load_verify_locations(os.path.join(folder, "root.crt"))
        if name == "server" or has_client:
            context.load_cert_chain(os.path.join(folder, f"{name}.chain"), os.path.join(folder, f"{name}.key"))
    contexts[1].verify_mode = ssl.CERT_OPTIONAL
    wires = [ssl.MemoryBIO(), ssl.MemoryBIO()]  # to the client, to the server
    client = contexts[0].wrap_bio(wires[0], wires[1], server_hostname=NAMES["server"])
    server = contexts[1].wrap_bio(wires[1], wires[0], server_side=True)
    # what one side writes is read by the other in the next turn, and by the capture before
    done = set()
    for _turn in range(10):
        for side, is_client in ((client, True), (server, False)):
            to = wires[1] if is_client else wires[0]
            before = to.pending
            try:
                side.do_handshake()
                done.add(is_client)
            except ssl.SSLWantReadError:
                pass
            if to.pending > before:
                said = to.read()
                capture.say(is_client, said)
                to.write(said)
    if done != {True, False}:
        raise RuntimeError("the handshake did not come to its end")


def record_of(mailtap, folder, name, version, has_client, segment):
    path = os.path.join(folder, f"{name}.pcap")
    capture = Capture(path)
    capture.size = segment
    capture.say(False, b"220 mx.example.net ESMTP\r\n")
    for command, reply in ((b"EHLO relay.example.org", b"250-mx.example.net\r\n250 STARTTLS"), (b"STARTTLS", b"220 go")):
        capture.say(True, command + b"\r\n")
        capture.say(False, reply + b"\r\n")
    handshake(folder, version, has_client, capture)
    capture.file.close()
    [session], _alerts = Run(mailtap, ["read", "--json", path]).records()
    return session


def wanted_of(folder, name):
    with open(os.path.join(folder, f"{name}.crt"), encoding="ascii") as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    escaped = {one: text.replace(",", "\\,") for one, text in NAMES.items()}
    said = subprocess.run(["openssl", "x509", "-in", os.path.join(folder, f"{name}.crt"), "-noout", "-serial"], check=True,
                          capture_output=True, text=True).stdout
    return {"subject": f"CN={escaped[name]},O=Example,C=DE", "issuer": f"CN={escaped[ISSUERS[name]]},O=Example,C=DE",
            "hash": {"sha256": hashlib.sha256(der).hexdigest().upper()}, "serial": said.strip().split("=")[1].lstrip("0")}


def shown(one):
    return {"subject": one.get("subject"), "issuer": one.get("issuer"), "hash": one.get("hash"),
            "serial": one.get("serial_number", one.get("x509", {}).get("serial_number", "")).lstrip("0")}


def chains_are_shown(mailtap, folder):
    for segment in (1400, 100, 1):
        session = record_of(mailtap, folder, f"both-{segment}", ssl.TLSVersion.TLSv1_2, True, segment)
        for side, names in (("server", ("server", "middle", "root")), ("client", ("client", "root"))):
            facts = session["tls"][side]
            found = [shown(one) for one in (facts, *facts.get("chain", []))]
            wanted = [wanted_of(folder, name) for name in names]
            if found != wanted:
                yield f"segments of {segment}, {side}: {found} not {wanted}"
            if facts["x509"].get("alternative_names") != [NAMES[side], "other.example.org", "192.0.2.25"]:
                yield f"segments of {segment}, {side}: {facts['x509']}"
            for one in facts.get("chain", []):
                if not one["not_before"] < one["not_after"]:
                    yield f"segments of {segment}, {side}: {one}"
        if session["tls"].get("established") is not True or session["smtp"].get("anomalies"):
            yield f"segments of {segment}: {session['tls'].get('established')} {session['smtp'].get('anomalies')}"


def a_client_without_one_is_no_anomaly(mailtap, folder):
    session = record_of(mailtap, folder, "none", ssl.TLSVersion.TLSv1_2, False, 1400)
    client = session["tls"]["client"]
    if {"subject", "hash", "chain", "x509"} & client.keys() or session["smtp"].get("anomalies"):
        yield f"{client} {session['smtp'].get('anomalies')}"


def what_1_3_hides_is_not_there(mailtap, folder):
    session = record_of(mailtap, folder, "hidden", ssl.TLSVersion.TLSv1_3, True, 1400)
    if "subject" in session["tls"]["server"] or "subject" in session["tls"]["client"] or session["smtp"].get("anomalies"):
        yield f"{session['tls']} {session['smtp'].get('anomalies')}"


def formats_carry_them(mailtap, folder):
    run = Run(mailtap, ["read", "--quiet", "--output", f"zeek:dir:{folder}/zeek", "--output", f"eve:dir:{folder}/eve", os.path.join(folder, "both-1400.pcap")])
    text = ""
    for where in ("zeek", "eve"):
        for name in sorted(os.listdir(os.path.join(folder, where))):
            with open(os.path.join(folder, where, name), encoding="utf-8") as file:
                text += file.read()
    prints = {name: wanted_of(folder, name)["hash"]["sha256"].lower() for name in NAMES}
    for wanted in (",".join(prints[name] for name in ("server", "middle", "root")), f"{prints['client']},{prints['root']}",
                   '"client":{"subject":"CN=relay.example.org,O=Example,C=DE"'):
        if wanted not in text:
            yield f"{wanted} stands nowhere; {run.code} {run.stderr}"


def main(mailtap):
    if shutil.which("openssl") is None:
        skip_all("openssl is not installed")
    tap = Tap()
    with scratch() as folder:
        make_certificates(folder)
        tap.check("chains of both sides are shown as OpenSSL made them, cut anywhere", chains_are_shown(mailtap, folder))
        tap.check("a client without a certificate is no anomaly", a_client_without_one_is_no_anomaly(mailtap, folder))
        tap.check("what TLS 1.3 hides is not there", what_1_3_hides_is_not_there(mailtap, folder))
        tap.check("Zeek's and Suricata's formats carry them", formats_carry_them(mailtap, folder))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
