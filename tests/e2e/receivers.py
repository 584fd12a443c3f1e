"""What the tests of outputs share: running the driver, its sums, receivers that
can be slow, refuse, break and come back, and certificates."""

import json
import os
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time

RUN_SECONDS = 60


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds=20):
    """The condition's value once it is true; its last value when it never is."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


def document(number, size=200):
    """What the driver puts under this number."""
    text = f'{{"n":{number},"pad":"'
    step = f"{number}."
    while len(text) + len(step) + 2 < size:
        text += step
    return text + '"}'


class Feed:
    """One run of the driver."""

    def __init__(self, driver, specs, **options):
        arguments = [f"--{name.replace(chr(95), chr(45))}" + (f"={value}" if value != "" else "") for name, value in options.items()]
        environment = dict(os.environ, MAILTAP_TEST_TOKEN="secret-token")
        self.process = subprocess.Popen([driver, *arguments, *specs], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        self.stats, self.stderr, self.code = [], "", None

    def wait(self):
        try:
            out, err = self.process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            err += b"\nthe driver did not end"
        self.code, self.stderr = self.process.returncode, err.decode("utf-8", "replace")
        self.stdout = out
        self.stats = [json.loads(line) for line in out.decode("utf-8", "replace").splitlines()
                      if line.startswith('{"name"')]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def feed(driver, specs, **options):
    return Feed(driver, [specs] if isinstance(specs, str) else specs, **options).wait()


def sums(run, **expected):
    """What is wrong with the sums of a run's first output."""
    if run.code != 0 or not run.stats:
        yield f"exit code {run.code}: {run.stderr[-600:]}"
        return
    for s in run.stats:
        came = s["accepted"] + s["found"]
        went = sum(s[name] for name in ("queued", "spooled", "sent", "rejected", "shed", "damaged"))
        if came != went:
            yield f"{came} came and {went} are accounted for: {s}"
    for name, value in expected.items():
        if run.stats[0][name] != value:
            yield f"{name} is {run.stats[0][name]}, not {value}: {run.stats[0]}"


def differences(got, numbers, size=200):
    """Texts that should be exactly the documents of these numbers, in order."""
    wanted = [document(n, size) for n in numbers]
    if got == wanted:
        return
    yield f"{len(got)} documents came, {len(wanted)} should have"
    for index, (one, other) in enumerate(zip(got, wanted)):
        if one != other:
            yield f"at {index} came {one[:120]!r}, not {other[:120]!r}"
            return


class TcpReceiver:
    """Collects what comes by TCP (or a unix socket); can be told to read slowly."""

    def __init__(self, port=None, path=None, chunk=65536, pause=0.0, context=None):
        self.data, self.connections, self.chunk, self.pause = [], 0, chunk, pause
        receiver = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                receiver.connections += 1
                link = self.request
                mine = bytearray()
                receiver.data.append(mine)
                try:
                    if context is not None:
                        link = context.wrap_socket(link, server_side=True)
                    while True:
                        got = link.recv(receiver.chunk)
                        if not got:
                            return
                        mine.extend(got)
                        if receiver.pause:
                            time.sleep(receiver.pause)
                except OSError:
                    pass

        base = socketserver.ThreadingTCPServer if path is None else socketserver.ThreadingUnixStreamServer

        class Server(base):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", port or 0) if path is None else path, Handler)
        self.port = self.server.server_address[1] if path is None else None
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def bytes(self):
        return b"".join(bytes(part) for part in self.data)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def octet_counted(data):
    """Messages of RFC 6587, without a last one that is cut; ValueError when the counting is wrong."""
    messages, at = [], 0
    while at < len(data):
        if len(data) - at < 12 and bytes(data[at:]).isdigit():
            break
        blank = data.index(b" ", at, at + 12)
        size = int(data[at:blank])
        if blank + 1 + size > len(data):
            break
        messages.append(data[blank + 1:blank + 1 + size])
        at = blank + 1 + size
    return messages


class Certificates:
    """An authority, and certificates of it: for the receiver, for the client, and one that has expired."""

    def __init__(self, folder):
        self.folder = folder
        self.run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
                 "-subj", "/CN=test authority", "-days", "2")
        self.make("server", ["-days", "2"])
        self.make("client", ["-days", "2"])
        self.make("elsewhere", ["-days", "2"], names="DNS:elsewhere.example")
        self.make_expired()

    def run(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def request(self, name, names="DNS:localhost,IP:127.0.0.1"):
        self.run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                 "-subj", f"/CN={name}")
        with open(self.path("names"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")

    def make(self, name, validity, **options):
        self.request(name, **options)
        self.run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                 "-out", f"{name}.pem", "-extfile", "names", *validity)

    def make_expired(self):
        self.request("expired")
        with open(self.path("ca.conf"), "w", encoding="ascii") as conf:
            conf.write("[ca]\ndefault_ca=a\n[a]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
                       "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        open(self.path("index"), "w", encoding="ascii").close()
        with open(self.path("serial"), "w", encoding="ascii") as serial:
            serial.write("1000\n")
        self.run("ca", "-batch", "-config", "ca.conf", "-in", "expired.csr", "-cert", "ca.pem", "-keyfile", "ca.key",
                 "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", "names",
                 "-out", "expired.pem", "-notext")


def missing_program(*names):
    """The first of these programs that is not installed, or None; /usr/sbin counts."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return next((name for name in names if shutil.which(name, path=path) is None), None)


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def read_marks(path):
    """How many documents the driver had put, how many had left its memory, and how many were shed."""
    with open(path, "rb") as marks:
        # killed between making the file and giving it its size, it had put none
        return struct.unpack("=QQQ", marks.read(24) or bytes(24))
