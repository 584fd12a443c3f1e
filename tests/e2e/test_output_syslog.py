"""Syslog as a target: real receivers (rsyslog; syslog-ng where it can be had), and
receivers of our own that are slow, go away, or have a certificate that is not good.

    test_output_syslog.py DRIVER FOLDER
"""

import datetime
import glob
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import receivers
from harness import Tap, scratch
from receivers import Feed, differences, feed, program, sums

HEAD = re.compile(rb'<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) mailtap (\d+) (session|alert) '
                  rb'\[mailtap@32473 id="doc-(\d+)" kind="(\w+)" client="192.0.2.1"( rule="rule_\d" level="\w+")?\] (.*)',
                  re.S)


def texts_of(messages):
    """Texts of RFC 5424 messages; ValueError when one is not of that form."""
    texts = []
    for message in messages:
        match = HEAD.fullmatch(message)
        if not match:
            raise ValueError(f"not of the form: {message[:200]!r}")
        number = int(match.group(6))
        severity = 6 - number // 10 % 5 if number % 10 == 0 else 6
        if int(match.group(1)) != 16 * 8 + severity:
            raise ValueError(f"priority of {message[:100]!r}")
        texts.append(match.group(9).decode())
    return texts


class Receiver:
    """A syslog daemon of Debian."""

    def __init__(self, arguments, port):
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.port = port

    def is_ready(self):
        def connects():
            if self.process.poll() is not None:
                return True
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        receivers.wait_for(connects)
        return self.process.poll() is None

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.communicate(timeout=20)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[0].decode("utf-8", "replace")


def rsyslog(folder, name, port, certificates=None):
    conf, out = os.path.join(folder, f"{name}.conf"), os.path.join(folder, f"{name}.log")
    tls, input_tls = "", ""
    if certificates:
        tls = (f'defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{certificates.path("ca.pem")}" '
               f'defaultNetstreamDriverCertFile="{certificates.path("server.pem")}" '
               f'defaultNetstreamDriverKeyFile="{certificates.path("server.key")}"')
        input_tls = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid"'
    with open(conf, "w", encoding="utf-8") as file:
        file.write(f'global(workDirectory="{folder}" maxMessageSize="64k" {tls})\n'
                   f'module(load="imtcp" {input_tls})\n'
                   'template(name="all" type="string" string="%syslogseverity% %app-name% %msgid% '
                   '%structured-data% %msg%\\n")\n'
                   f'input(type="imtcp" port="{port}" address="127.0.0.1" ruleset="r")\n'
                   f'ruleset(name="r") {{ action(type="omfile" file="{out}" template="all") }}\n')
    return Receiver([program("rsyslogd"), "-n", "-f", conf, "-i", os.path.join(folder, f"{name}.pid")], port), out


def syslog_ng(folder, name, port, binary):
    conf, out = os.path.join(folder, f"{name}.conf"), os.path.join(folder, f"{name}.log")
    with open(conf, "w", encoding="utf-8") as file:
        file.write('@version: 3.38\noptions { stats-freq(0); };\n'
                   f'source s {{ syslog(ip(127.0.0.1) port({port}) transport("tcp")); }};\n'
                   f'destination d {{ file("{out}" template("$LEVEL_NUM $PROGRAM $MSGID $SDATA $MSG\\n")); }};\n'
                   'log { source(s); destination(d); };\n')
    files = [f"--{what}={os.path.join(folder, name)}.{what}" for what in ("persist-file", "pidfile", "control")]
    return Receiver([*binary, "--foreground", "--no-caps", f"--cfgfile={conf}", *files], port), out


LINE = re.compile(r'(\d) mailtap (session|alert) \[mailtap@32473 id="doc-(\d+)" kind="\w+" client="192.0.2.1".*?\] (.*)')


def received(path):
    """Texts in the daemon's file; what is none stays as it is, so that it shows."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")[:-1]
    return [match.group(4) if match else line for line, match in zip(lines, map(LINE.fullmatch, lines))]


def count_lines(path):
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as file:
        return file.read().count(b"\n")


def check_daemon(tap, driver, name, daemon, out, spec):
    if not daemon.is_ready():
        tap.failed_with(f"{name} gets every message as it was sent", ["it does not start", daemon.end()])
        return
    run = feed(driver, spec, count=5000, size=300, until_idle=20000)
    receivers.wait_for(lambda: count_lines(out) >= 5000)
    said = daemon.end()
    reasons = [*sums(run, sent=5000, retried=0), *differences(received(out) if os.path.exists(out) else [], range(1, 5001), 300)]
    tap.check(f"{name} gets every message as it was sent", reasons + ([said[-500:]] if reasons else []))


def check_rsyslog(tap, driver, folder, certificates):
    if receivers.missing_program("rsyslogd"):
        tap.skipped("rsyslog gets every message as it was sent", "rsyslogd is not installed")
        return
    port = receivers.free_port()
    daemon, out = rsyslog(folder, "tcp", port)
    check_daemon(tap, driver, "rsyslog by TCP", daemon, out, f"ecs:syslog+tcp://127.0.0.1:{port}")
    port = receivers.free_port()
    daemon, out = rsyslog(folder, "tls", port, certificates)
    keys = "&".join(f"{key}={certificates.path(name)}" for key, name in
                    (("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key")))
    check_daemon(tap, driver, "rsyslog by TLS with a client certificate", daemon, out,
                 f"ecs:syslog+tls://localhost:{port}?{keys}")


def check_syslog_ng(tap, driver, folder, packages):
    name = "syslog-ng by TCP"
    binary = [program("syslog-ng")] if program("syslog-ng") else unpacked_syslog_ng(packages)
    if binary is None:
        tap.skipped(f"{name} gets every message as it was sent", "its package can't be had, or unpacked")
        return
    port = receivers.free_port()
    daemon, out = syslog_ng(folder, "ng", port, binary)
    check_daemon(tap, driver, name, daemon, out, f"ecs:syslog+tcp://127.0.0.1:{port}")


def unpacked_syslog_ng(folder):
    """It can't be installed beside rsyslog, so it runs from where it is unpacked; None when that fails."""
    root = os.path.join(folder, "root")
    binary = os.path.join(root, "usr", "sbin", "syslog-ng")
    if not os.path.exists(binary):
        os.makedirs(root, exist_ok=True)
        packages = ["syslog-ng-core", "libivykis0", "libnet1", "libjson-c5", "libpcre3", "libwrap0", "libnsl2", "libtirpc3"]
        try:
            subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *packages], cwd=folder,
                           check=True, capture_output=True, timeout=120)
            for name in os.listdir(folder):
                if name.endswith(".deb"):
                    subprocess.run(["dpkg-deb", "-x", name, "root"], cwd=folder, check=True, capture_output=True)
        except (OSError, subprocess.SubprocessError):
            return None
    own = os.path.join(root, "usr", "lib", "syslog-ng")
    path = ":".join([own, *glob.glob(os.path.join(root, "usr", "lib", "*-linux-gnu")),
                     *glob.glob(os.path.join(root, "lib", "*-linux-gnu"))])
    return ["env", f"LD_LIBRARY_PATH={path}", binary, f"--module-path={os.path.join(own, '3.38')}"]


def check_own(tap, driver):
    receiver = receivers.TcpReceiver()
    run = feed(driver, f"ecs:syslog+tcp://127.0.0.1:{receiver.port}", count=1000)
    receiver.close()
    try:
        reasons = [*sums(run, sent=1000), *differences(texts_of(receivers.octet_counted(receiver.bytes())), range(1, 1001))]
    except ValueError as error:
        reasons = [error]
    tap.check("messages are of RFC 5424, with octet counting, priority and structured data", reasons)
    receiver = receivers.TcpReceiver()
    run = feed(driver, f"ecs:syslog+tcp://127.0.0.1:{receiver.port}?rfc=3164&host=tap1&facility=4", count=20)
    receiver.close()
    lines = receiver.bytes().decode().split("\n")[:-1]
    form = re.compile(r"<\d+>[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d tap1 mailtap\[\d+\]: (.*)")
    matches = [form.fullmatch(line) for line in lines]
    reasons = [f"not of the form: {line}" for line, match in zip(lines, matches) if not match]
    tap.check("and of RFC 3164 on request",
              reasons or [*sums(run, sent=20), *differences([match.group(1) for match in matches], range(1, 21))])


def check_udp(tap, driver):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        link.settimeout(5)
        port = link.getsockname()[1]
        run = feed(driver, f"ecs:syslog://127.0.0.1:{port}", count=200)
        try:
            reasons = [*sums(run, sent=200), *differences(texts_of([link.recv(65536) for _ in range(200)]), range(1, 201))]
        except (ValueError, TimeoutError) as error:
            reasons = [error]
        tap.check("a datagram is a message", reasons)
        with scratch() as folder:
            path = os.path.join(folder, "refused")
            run = feed(driver, f"ecs:syslog://127.0.0.1:{port}?datagram_max=1000&dead_letter={path}", count=3, size=2000)
            with open(path, encoding="utf-8") as file:
                refused = file.read()
        tap.check("what no datagram may hold goes to the dead letters with the reason",
                  [*sums(run, sent=0, rejected=3), *([] if refused.count("a datagram may have 1000") == 3 else [refused[:500]])])


def check_broken(tap, driver, folder):
    """The receiver goes away again and again; each time it comes back."""
    port = receivers.free_port()
    spec = f"ecs:syslog+tcp://127.0.0.1:{port}?spool={folder}/broken&backoff_max=100ms&timeout=2s"
    run = Feed(driver, [spec], count=20000, rate=10000, until_idle=20000)
    parts = []
    for _ in range(4):
        receiver = BreakingReceiver(port, limit=200000)
        receivers.wait_for(lambda one=receiver: one.is_over, 2)
        parts += receiver.parts
        receiver.close()
    last = receivers.TcpReceiver(port=port)
    run.wait()
    last.close()
    parts += [bytes(part) for part in last.data]
    reasons = list(sums(run, sent=20000, shed=0))
    numbers = []
    for part in parts:
        numbers += [int(HEAD.fullmatch(message).group(6)) for message in receivers.octet_counted(part)]
    missing = set(range(1, 20001)) - set(numbers)
    if missing:
        reasons.append(f"{len(missing)} documents are lost: {sorted(missing)[:5]}...")
    if run.stats and run.stats[0]["retried"] == 0:
        reasons.append("nothing was ever sent again, so nothing is proven")
    print(f"# {len(numbers) - len(set(numbers))} of 20000 came twice, under the same id")
    tap.check("a connection that breaks costs nothing but documents that come twice", reasons)


class BreakingReceiver:
    """Reads some bytes, then resets the connection; all that it read counts."""

    def __init__(self, port, limit, context=None, pause=0):
        self.parts, self.is_over, self.limit, self.context, self.pause = [], False, limit, context, pause
        self.listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            link, _ = self.listener.accept()
        except OSError:
            return
        if self.context:
            link = self.context.wrap_socket(link, server_side=True)
        mine = bytearray()
        while len(mine) < self.limit:
            got = link.recv(4096)
            if not got:
                break
            mine.extend(got)
        time.sleep(self.pause)
        # what lies unread in the kernel is lost, and the sender has to find that out
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        link.close()
        self.parts.append(bytes(mine))
        self.is_over = True

    def close(self):
        self.listener.close()
        self.thread.join(5)


def check_slow(tap, driver, folder):
    receiver = receivers.TcpReceiver(chunk=1, pause=0.02)
    started = time.monotonic()
    run = feed(driver, f"ecs:syslog+tcp://127.0.0.1:{receiver.port}?spool={folder}/slow", count=30000, size=1000,
               rate=100000, grace=300)
    took = time.monotonic() - started
    receiver.close()
    reasons = list(sums(run, shed=0))
    if run.stats and run.stats[0]["spooled"] + run.stats[0]["sent"] != 30000:
        reasons.append(f"not all are spooled or sent: {run.stats}")
    if took > 20:
        reasons.append(f"it took {took:.0f} s")
    tap.check("a receiver that reads byte by byte holds up nobody", reasons)


def check_certificates(tap, driver, certificates):
    ca = f"ca={certificates.path('ca.pem')}"
    cases = [
        ("an expired certificate", "expired", ca, "certificate has expired"),
        ("an authority that nobody knows", "server", "", "unable to get local issuer certificate"),
        ("a certificate for another name", "elsewhere", ca, "hostname mismatch"),
    ]
    for name, which, keys, words in cases:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.path(f"{which}.pem"), certificates.path(f"{which}.key"))
        receiver = receivers.TcpReceiver(context=context)
        run = feed(driver, f"ecs:syslog+tls://localhost:{receiver.port}?{keys}", check="")
        unverified = feed(driver, f"ecs:syslog+tls://localhost:{receiver.port}?verify=0", count=10)
        receiver.close()
        reasons = list(sums(unverified, sent=10))
        if run.code != 3 or "is not accepted: " not in run.stderr or words not in run.stderr:
            reasons.append(f"{run.code}: {run.stderr}")
        tap.check(f"{name} is said in words, and taken only when nothing is verified", reasons)


def check_renewed_authority(tap, driver, certificates, folder):
    """The receiver's certificate is of an authority that the file does not have yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("server.pem"), certificates.path("server.key"))
    receiver = receivers.TcpReceiver(context=context)
    trusted = os.path.join(folder, "trusted.pem")
    certificates.run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", os.path.join(folder, "other.key"),
                     "-out", trusted, "-subj", "/CN=another authority", "-days", "2")
    run = Feed(driver, [f"ecs:syslog+tls://localhost:{receiver.port}?ca={trusted}&backoff_max=20s"], count=100,
               until_idle=20000)
    is_refused = receivers.wait_for(lambda: receiver.connections > 1)
    shutil.copy(certificates.path("ca.pem"), trusted)
    run.process.send_signal(signal.SIGHUP)
    run.wait()
    receiver.close()
    reasons = [*sums(run, sent=100), *([] if is_refused else ["it never connected"])]
    if "is not accepted: " not in run.stderr or "secrets and certificates were read again" not in run.stderr:
        reasons.append(f"said {run.stderr[-400:]}")
    tap.check("an authority that was put into the file later is taken on SIGHUP", reasons)


def check_renewed_while_broken(tap, driver, certificates):
    """A receiver dies with unread bytes, and SIGHUP comes before another one is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("server.pem"), certificates.path("server.key"))
    port = receivers.free_port()
    run = Feed(driver, [f"ecs:syslog+tls://localhost:{port}?ca={certificates.path('ca.pem')}&backoff_max=100ms&resend=16M"],
               count=20000, rate=10000, until_idle=20000)
    first = BreakingReceiver(port, limit=200000, context=context, pause=0.5)
    is_broken = receivers.wait_for(lambda: first.is_over, 20)
    first.close()
    time.sleep(0.5)  # until the break is noticed; nothing depends on it but what is proven
    run.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    last = receivers.TcpReceiver(port=port, context=context)
    run.wait()
    last.close()
    numbers = []
    for part in [*first.parts, *map(bytes, last.data)]:
        numbers += [int(HEAD.fullmatch(message).group(6)) for message in receivers.octet_counted(part)]
    missing = set(range(1, 20001)) - set(numbers)
    reasons = list(sums(run, sent=20000, shed=0))
    if missing or not is_broken:
        reasons.append(f"{len(missing)} documents are lost: {sorted(missing)[:5]}...; broken: {is_broken}")
    if "secrets and certificates were read again" not in run.stderr:
        reasons.append(f"said {run.stderr[-400:]}")
    tap.check("what a dead receiver had not read is sent again also when SIGHUP came meanwhile", reasons)


def check_names(tap, driver):
    run = feed(driver, "ecs:syslog+tcp://no-such-host.invalid:514?timeout=1s&backoff_max=100ms", count=5, grace=500)
    tap.check("a name that can't be looked up is said, and is no reason not to start",
              [*sums(run, sent=0, shed=5), *([] if "can't be looked up" in run.stderr else [run.stderr])])
    run = feed(driver, f"ecs:syslog+tcp://127.0.0.1:{receivers.free_port()}", check="")
    tap.check("with --check an unreachable receiver is an error",
              [] if run.code == 3 and "Connection refused" in run.stderr else [f"{run.code}: {run.stderr}"])


def check_latency(tap, driver, folder):
    """How long an alert takes at rest: told, not judged."""
    for spool in "", f"&spool={os.path.join(folder, 'latency.spool')}":
        with socket.create_server(("127.0.0.1", 0)) as server:
            arrivals, parts = [], []

            def collect():
                link, _ = server.accept()
                with link:
                    while got := link.recv(65536):
                        arrivals.append(time.time())
                        parts.append(got)

            thread = threading.Thread(target=collect)
            thread.start()
            run = feed(driver, f"ecs:syslog+tcp://127.0.0.1:{server.getsockname()[1]}?only=alerts{spool}", count=300, rate=200)
            thread.join()
        took = []
        for when, part in zip(arrivals, parts):
            for message in receivers.octet_counted(part):
                stamp = re.match(rb"<\d+>1 (\S+) ", message)[1].decode()
                took.append(when - datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp())
        took.sort()
        if took:
            print(f"# an alert {'by a spool' if spool else 'without a spool'}: median {took[len(took) // 2] * 1e3:.1f} ms, "
                  f"worst {took[-1] * 1e3:.1f} ms of {len(took)}")
        tap.check(f"alerts {'by a spool' if spool else 'without a spool'} come one by one while there is little to do",
                  [*sums(run, sent=30), *([] if len(took) == 30 else [f"{len(took)} of 30 came"])])


def main():
    driver = os.path.abspath(sys.argv[1])
    tap = Tap()
    with scratch() as folder:
        certificates = receivers.Certificates(folder)
        check_own(tap, driver)
        check_udp(tap, driver)
        check_certificates(tap, driver, certificates)
        check_renewed_authority(tap, driver, certificates, folder)
        check_renewed_while_broken(tap, driver, certificates)
        check_names(tap, driver)
        check_latency(tap, driver, folder)
        check_slow(tap, driver, folder)
        check_broken(tap, driver, folder)
        check_rsyslog(tap, driver, folder, certificates)
        check_syslog_ng(tap, driver, folder, os.path.abspath(sys.argv[2]))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
