"""Mail over TLS from the first byte on (port 465), by OpenSSL at both ends.

Each case of CASES is a connection: what the server allows and the client asks
for. The certificate is made anew, so digests and dates differ at each run; what
pcaps/expected/ says of them is what stays.
"""

import os
import socket
import ssl
import subprocess
import threading

CLIENT, SERVER, PORT = "203.0.113.30", "10.25.0.28", 465
NAME = "mx.example.org"
V = ssl.TLSVersion

# name: (server's versions, client's versions, does the handshake succeed)
CASES = {
    "smtps-tls12": ((V.TLSv1_2, V.TLSv1_2), (V.TLSv1_2, V.TLSv1_3), True),
    "smtps-tls13": ((V.TLSv1_2, V.TLSv1_3), (V.TLSv1_2, V.TLSv1_3), True),
    "smtps-refused": ((V.TLSv1_3, V.TLSv1_3), (V.TLSv1_2, V.TLSv1_2), False),
    "smtps-unknown-ca": ((V.TLSv1_2, V.TLSv1_2), (V.TLSv1_2, V.TLSv1_2), False),
}


def make_certificate(folder):
    key, certificate = os.path.join(folder, "tls.key"), os.path.join(folder, "tls.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", "365", "-subj",
                    f"/C=DE/O=Example, Inc./CN={NAME}", "-addext",
                    f"subjectAltName=DNS:{NAME},DNS:mail.example.org,IP:10.25.0.28"], check=True, capture_output=True)
    return key, certificate


def serve(listener, context):
    connection, _ = listener.accept()
    with connection:
        try:
            with context.wrap_socket(connection, server_side=True) as channel:
                channel.sendall(b"220 mx.example.org ESMTP\r\n")
                channel.recv(512)
                channel.sendall(b"221 2.0.0 Bye\r\n")
                channel.recv(512)
        except (ssl.SSLError, ConnectionError):
            pass  # what the client wanted to happen


def talk(channel, context):
    try:
        with context.wrap_socket(channel, server_hostname=NAME) as secure:
            secure.recv(512)
            secure.sendall(b"QUIT\r\n")
            secure.recv(512)
        return True
    except (ssl.SSLError, ConnectionError):
        return False


def play(lab, folder, name):
    server_versions, client_versions, is_good = CASES[name]
    key, certificate = make_certificate(folder)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.minimum_version, server.maximum_version = server_versions
    server.set_alpn_protocols(["smtp"])
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if name != "smtps-unknown-ca":
        client.load_verify_locations(certificate)
    client.minimum_version, client.maximum_version = client_versions
    client.set_alpn_protocols(["smtp"])
    with lab.home.socket(socket.AF_INET) as listener, lab.outside.socket(socket.AF_INET) as channel:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((SERVER, PORT))
        listener.listen(1)
        thread = threading.Thread(target=serve, args=(listener, server))
        thread.start()
        channel.bind((CLIENT, 0))
        channel.settimeout(10)
        channel.connect((SERVER, PORT))
        if talk(channel, client) != is_good:
            raise RuntimeError(f"{name}: the handshake did not end as it should")
        channel.close()
        thread.join()
