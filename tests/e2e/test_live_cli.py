#!/usr/bin/env python3
"""mailtap live from its command line: what it refuses and why, signals, outputs,
statistics, the service manager, privileges. On virtual devices of the driver
library (net_null, net_pcap): no huge pages, no network.

    test_live_cli.py MAILTAP SOURCE-ROOT
"""

import fcntl
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from harness import Run, Tap, crash_reasons
from live import Process, Trouble, scratch_folder
from same import without_times
from test_bad_input import can_nobody_run

READY_SECONDS = 60
NOBODY = 65534
KEPT = 1 << 12 | 1 << 13 | 1 << 14  # CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK
NULL = ["--port", "net_null0,size=64", "--poll", "adaptive"]
F_SETPIPE_SZ = 1031


class Live(Process):
    """mailtap live as a service manager starts it."""

    def __init__(self, bench, name, arguments, **environment):
        path = os.path.join(bench.folder, f"{name}.notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o777)
        self.told = []
        super().__init__(bench.folder, name, [bench.mailtap, "live", *arguments],
                         env={**os.environ, "NOTIFY_SOCKET": path, **environment})

    def __exit__(self, *unused):
        super().__exit__(*unused)
        self.socket.close()

    def wait_until_told(self, what):
        """Until the service manager is told so."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if select.select([self.socket], [], [], 0.05)[0]:
                self.told.append(self.socket.recv(4096).decode())
                if what in self.told[-1].split("\n"):
                    return self
            elif self.is_over():
                break
        raise Trouble(f"{self.name} did not tell {what}, but {self.told}; it said {self.said()[-5:]}")

    def output(self):
        with open(self.out, encoding="utf-8") as file:
            return file.read()


class Bench:
    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.root, self.folder, self.tap = mailtap, root, folder, tap
        self.capture = os.path.join(root, "pcaps", "relay-suspected.pcap")
        self.site = os.path.join(folder, "site.yaml")
        shutil.copyfile(os.path.join(root, "pcaps", "site.yaml"), self.site)
        self.pcap = ["--port", f"net_pcap0,rx_pcap={self.capture}"]

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def expect(self, title, code, arguments, *says):
        """Refused before anything is polled: exit code, and one line that holds every word."""
        run = Run(self.mailtap, ["live", *arguments])
        reasons = list(crash_reasons(run, okay=(code,)))
        errors = [line for line in run.errors() if line]
        if not errors or not errors[-1].startswith("mailtap: "):
            reasons.append(f"does not begin with the program's name: {errors[-1:]}")
        reasons += [f"{word!r} is not in: {errors[-1:]}" for word in says if word not in "".join(errors[-1:])]
        if run.stdout:
            reasons.append(f"there is something on standard output: {run.stdout[:80]}")
        self.tap.check(title, reasons)

    def check(self, title, function, *arguments):
        """function yields reasons against it; Trouble is one."""
        try:
            reasons = list(function(self, *arguments))
        except (Trouble, OSError, ValueError, KeyError, IndexError) as error:
            reasons = [f"{type(error).__name__}: {error}"]
        self.tap.check(title, reasons)


def unless(condition, reason):
    if not condition:
        yield reason


# --- what is refused ------------------------------------------------------------


def options_that_are_refused(bench):
    port = ["--port", "net_null0"]
    bench.expect("without a port or an interface both are named, and how to find one", 2, [],
                 "--interface", "--port", "mailtap devices")
    bench.expect("a file is not captured from", 2, port + [bench.capture], bench.capture, "mailtap read")
    bench.expect("an unknown option is named", 2, port + ["--prot", "x"], "--prot")
    bench.expect("an option of another verb is told so", 2, port + ["--session", "1"], "mailtap dialogue")
    for option in ("port", "interface", "cores", "duration", "user", "stats"):
        bench.expect(f"--{option} without a value is told so", 2, [f"--{option}"], f"--{option}", "value")
    for option, value in (("spread", "rss"), ("poll", "fast"), ("queue-size", "63"), ("queue-size", "1k"),
                          ("frame-max", "9601"), ("memory", "1M"), ("memory", "much"), ("interval", "10ms"),
                          ("interval", "1w"), ("duration", "0"), ("duration", "soon"), ("count", "0"),
                          ("count", "-1"), ("workers", "65"), ("fail-on", "bad"), ("overlap", "both"),
                          ("ports", "0")):
        bench.expect(f"--{option} {value} is told with what is expected", 2, port + [f"--{option}", value],
                     f"--{option}", value)
    bench.expect("the same port twice is told", 2, port + port, "net_null0", "twice")
    bench.expect("the same interface twice is told", 2, ["--interface", "x", "--interface", "x"], "twice")
    bench.expect("more than 16 ports are told", 2,
                 [word for i in range(17) for word in ("--port", f"net_null{i}")], "16")
    bench.expect("an empty name is told", 2, ["--interface", ""], "empty")
    bench.expect("an interval without statistics is told", 2, port + ["--interval", "5s"], "--stats")
    bench.expect("statistics among records are told", 2, port + ["--json", "--stats", "-"], "--stats")
    bench.expect("statistics in the file of the records are told", 2,
                 port + ["--sessions", bench.path("x"), "--stats", bench.path("x")], "--stats", bench.path("x"))


def files_that_are_refused(bench):
    port = ["--port", "net_null0"]
    broken = bench.file("broken.yaml", "home_networks: [10.0.0.0/8\n")
    wrong = bench.file("wrong.yaml", "live:\n  spread: rss\n")
    missing = bench.path("missing.yaml")
    away = bench.path("away/x")
    bench.expect("a broken site file is told with its place", 2, port + ["--site", broken], broken + ":")
    bench.expect("a missing site file is told", 2, port + ["--site", missing], missing, "No such file")
    bench.expect("a wrong word of --config is told with its place", 2, port + ["--config", wrong],
                 wrong + ":2:11", "auto, device or software")
    for option in ("sessions", "alerts", "stats"):
        bench.expect(f"--{option} that can't be written is told", 3, port + [f"--{option}", away], away)
    bench.expect("--config more often than eight times is told", 2,
                 port + ["--config", bench.file("empty.yaml", "")] * 9, "--config")


def users_that_are_refused(bench):
    user = ["--port", "net_null0", "--user"]
    bench.expect("a user who does not exist is told with the command that makes one", 2, user + ["no-such-user"],
                 "no-such-user", "useradd")
    title = "who is not root can't become somebody else"
    if os.geteuid() != 0:
        bench.expect(title, 2, user + ["root"], "--user", "root")
    elif not can_nobody_run(bench.mailtap):
        bench.tap.skipped(title, f"nobody cannot reach {bench.mailtap}")
    else:
        run = subprocess.run([bench.mailtap, "live", *user, "root"], capture_output=True, check=False,
                             user=NOBODY, group=NOBODY, extra_groups=[])
        bench.tap.check(title, unless(run.returncode == 2 and b"--user" in run.stderr,
                                      f"{run.returncode}: {run.stderr}"))


def rights_that_are_missing(bench):
    title = "who may not capture from an interface is told what gives the right, before anything is polled"
    if not can_nobody_run(bench.mailtap):
        bench.tap.skipped(title, f"nobody cannot reach {bench.mailtap}")
        return
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    run = subprocess.run([bench.mailtap, "live", "--interface", "lo"], capture_output=True, check=False, **who)
    lines = run.stderr.decode().splitlines()
    words = ("no right to capture from lo", "run mailtap as root", "setcap cap_net_raw")
    bench.tap.check(title, unless(run.returncode == 3 and len(lines) == 1 and all(word in lines[0] for word in words),
                                  f"{run.returncode}: {lines}"))


def devices_that_are_refused(bench):
    bench.expect("an interface that does not exist is told with those that do", 2,
                 ["--interface", "nosuch0"], "nosuch0", "lo")
    bench.expect("a device that does not exist is told", 3, ["--port", "net_nosuch0"], "net_nosuch0")
    bench.expect("a wrong list of cores is told", 2, ["--port", "net_null0", "--cores", "5-1"], "5-1")
    bench.expect("a filter that is none is told", 2, ["--port", "net_null0", "--filter", "tcp prot 25"],
                 "tcp prot 25")


# --- what a run does ------------------------------------------------------------


def counter_names(bench):
    with open(os.path.join(bench.root, "docs", "operations.md"), encoding="utf-8") as page:
        table = page.read().split("| Counter | Counts |", 1)[1]
    return re.findall(r"^\| `([^`]+)` \|", table.split("\n\n", 1)[0], re.M)


def a_run_ends_after_its_duration(bench):
    run = Run(bench.mailtap, ["live", *NULL, "--duration", "300ms"])
    yield from crash_reasons(run, okay=(0,))
    text = run.stdout.decode()
    yield from unless(re.search(r"^Capture +[0-9,]+ frames", text), f"no frames in: {text[:200]}")
    yield from unless("\nLost         0 frames (0 %)\n" in text, f"no losses in: {text[:400]}")


def a_run_ends_after_its_count(bench):
    stats = bench.path("count.json")
    run = Run(bench.mailtap, ["live", *NULL, "--count", "1000", "--stats", stats])
    yield from crash_reasons(run, okay=(0,))
    with open(stats, encoding="utf-8") as file:
        last = json.loads(file.read().splitlines()[-1])
    got = sum(last["counters"][name] for name in last["counters"] if name.startswith("packet.reject."))
    got += last["counters"]["packet.segments"] + last["counters"]["packet.not_mail_port"]
    yield from unless(got == 1000, f"{got} frames were looked at")


def records_are_those_of_the_file(bench):
    read = Run(bench.mailtap, ["read", "--json", "--site", bench.site, bench.capture])
    live = Run(bench.mailtap, ["live", *bench.pcap, "--json", "--site", bench.site, "--duration", "1s"])
    yield from crash_reasons(live, okay=(0,))
    for kind, there, here in zip(("sessions", "alerts"), read.records(), live.records()):
        yield from unless(len(there) > 0 and sorted(map(without_times, there)) == sorted(map(without_times, here)),
                          f"{kind}: {len(here)} live, {len(there)} read, or not the same")


def files_of(folder):
    """Octets of what was written, and the index without what stands for times: names of files are made of ids."""
    octets, index = [], []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
        if name == "index.jsonl":
            index = [json.loads(line) for line in text.decode().splitlines()]
        else:
            octets.append(text)
    lines = sorted(json.dumps({key: line[key] for key in ("path", "type", "name", "size", "incomplete", "cut") if key in line})
                   for line in index)
    return sorted(octets), lines


def without_kinds(record):
    """What libmagic says may come too late where a capture is played faster than it was taken: docs/operations.md."""
    for mail in record.get("smtp", {}).get("transactions", []):
        for name in ("parts", "attachments"):
            for part in mail.get("message", {}).get(name, []):
                part.pop("magic_type", None)
    return without_times(record)


def what_messages_hold_is_that_of_the_file(bench):
    """Every look into messages at once; files are written whole before the run ends."""
    known = 0
    for name in ("postfix-delivery", "postfix-smtp-source", "exim-auth"):
        capture = os.path.join(bench.root, "pcaps", f"{name}.pcap")
        looks = ["--json", "--hash", "--urls", "--magic", "--message", "lines,fields", "--extract"]
        read = Run(bench.mailtap, ["read", *looks, bench.path(f"{name}-read"), capture])
        live = Run(bench.mailtap, ["live", "--port", f"net_pcap0,rx_pcap={capture}", *looks, bench.path(f"{name}-live"), "--duration", "1s"])
        yield from crash_reasons(live, okay=(0,))
        [octets, index], wanted = files_of(bench.path(f"{name}-live")), files_of(bench.path(f"{name}-read"))
        yield from unless(len(octets) > 2 and (octets, index) == tuple(wanted), f"{name}: {len(octets)} files, {index} not {wanted[1]}")
        yield from unless(sorted(map(without_kinds, read.records()[0])) == sorted(map(without_kinds, live.records()[0])),
                          f"{name}: records of {len(live.records()[0])} sessions are not those of the file")
        known += live.stdout.count(b"magic_type")
    yield from unless(known > 0, "nothing is said of types")


def an_alert_decides_the_exit_code(bench):
    run = Run(bench.mailtap, ["live", *bench.pcap, "--site", bench.site, "--duration", "1s", "--fail-on", "medium"])
    yield from unless(run.code == 4, f"exit code {run.code}: {run.errors()[-3:]}")


def options_come_from_a_configuration(bench):
    config = bench.file("live.yaml", "observer: tap-7\nlive:\n  port: net_null0\n  poll: adaptive\n  interval: 1s\n"
                                     f"stats: {bench.path('config.json')}\n")
    run = Run(bench.mailtap, ["live", "--config", config, "--duration", "1200ms"])
    yield from crash_reasons(run, okay=(0,))
    with open(bench.path("config.json"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    yield from unless(len(lines) == 2, f"{len(lines)} lines of statistics")
    yield from unless(lines[0]["observer"]["name"] == "tap-7", f"observer {lines[0]['observer']}")
    yield from unless(lines[0]["ports"][0]["name"] == "net_null0", f"ports {lines[0]['ports']}")
    # the command line wins
    other = Run(bench.mailtap, ["live", "--config", config, "--port", "net_null3", "--duration", "100ms"])
    yield from unless("net_null3" in other.stdout.decode() and "net_null0" not in other.stdout.decode(),
                      f"captured from: {other.stdout.decode()[:200]}")


STATISTICS_RULE = """title: Interval
logsource: {product: mailtap, service: smtp, category: statistics}
detection: {s: {mailtap.statistics.interval|gt: 0, mailtap.statistics.lost_permille: 0}, condition: s}
"""


def rules_are_held_against_each_interval(bench):
    rules = bench.file("statistics.yml", STATISTICS_RULE)
    alerts, stats = bench.path("interval-alerts.json"), bench.path("interval-stats.json")
    run = Run(bench.mailtap, ["live", *bench.pcap, "--no-shipped-rules", "--rules", rules, "--alerts", alerts, "--stats",
                              stats, "--interval", "1s", "--duration", "4s"])
    yield from crash_reasons(run, okay=(0,))
    with open(alerts, encoding="utf-8") as file:
        found = [alert for alert in map(json.loads, file) if alert["rule"]["name"] == "interval"]
    yield from unless(len(found) >= 2, f"{len(found)} alerts")
    for alert in found:
        yield from unless("source" not in alert and "id" not in alert["event"], f"an alert of a session: {alert}")
        yield from unless(alert["message"] == "Interval", f"says {alert['message']}")


def statistics_are_lines_of_every_counter(bench):
    stats = bench.path("stats.json")
    with Live(bench, "stats", [*NULL, "--stats", stats, "--interval", "1s"]) as run:
        for _ in range(2):
            run.wait_until_told("WATCHDOG=1")
        run.signal(signal.SIGTERM)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}: {run.said()[-3:]}")
    with open(stats, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    yield from unless(len(lines) >= 2, f"{len(lines)} lines")
    names = counter_names(bench)
    for line in lines:
        yield from unless(list(line["counters"]) == names, "the counters are not those of docs/operations.md")
        for member in ("@timestamp", "uptime_s", "interval_s", "sessions_open", "rates", "ports", "workers"):
            yield from unless(member in line, f"{member} is missing")
    yield from unless(lines[0]["rates"]["frames_per_s"] > 0, "no frames a second")
    frames = [line["counters"]["capture.frames"] for line in lines]
    yield from unless(frames == sorted(frames), f"totals do not grow: {frames}")


def devices_are_listed(bench):
    """Every interface of this machine stands in the table and in the JSON, and whatever is missing has its command."""
    run, plain = Run(bench.mailtap, ["devices", "--json"]), Run(bench.mailtap, ["devices"])
    yield from crash_reasons(run, okay=(0,))
    yield from crash_reasons(plain, okay=(0,))
    text = plain.stdout.decode()
    found = json.loads(run.stdout)
    names = {device["name"] for device in found["devices"]}
    lacking = set(os.listdir("/sys/class/net")) - {"bonding_masters"} - names
    yield from unless(not lacking, f"not listed: {lacking}")
    for device in found["devices"]:
        row = [line for line in text.splitlines() if device.get("option", device["name"]) in line]
        yield from unless(row and device.get("missing", "nothing") in row[0], f"{device} is not so in the table: {row}")
        yield from unless(f"{device['name']}: {device.get('mend')}" in text or "mend" not in device,
                          f"no way is said to mend {device}")
    host = found["host"]
    yield from unless(f"{host['processors']} processor" in text, str(host))
    yield from unless(host["huge_pages"]["total"] > 0 or any("sysctl vm.nr_hugepages=" in note for note in host["notes"]),
                      f"no way is said to have huge pages: {host['notes']}")
    yield from unless(all(note in text for note in host["notes"]), "notes are not those of the table")
    refused = Run(bench.mailtap, ["devices", "eth0"])
    yield from unless(refused.code == 2 and "takes no 'eth0'" in refused.errors()[0], f"{refused.errors()[:2]}")
    with open("/dev/full", "wb") as full:
        code = subprocess.run([bench.mailtap, "devices"], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode
    yield from unless(code == 1, f"exit code {code} where nothing can be written")


def telemetry_answers_with_everything(bench):
    """Every counter, worker and port by the driver library's socket. Its folder is this run's own."""
    folder = tempfile.mkdtemp(dir="/tmp", prefix="mt-")
    try:
        with Live(bench, "telemetry", [*NULL, "--workers", "1"], RUNTIME_DIRECTORY=folder) as run:
            run.wait_until_told("READY=1")
            for _ in range(2):
                run.wait_until_told("WATCHDOG=1")
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.settimeout(30)
                client.connect(f"{folder}/dpdk/mailtap/dpdk_telemetry.v2")
                client.recv(65536)
                said = {what: ask(client, f"/mailtap/{what}") for what in ("counters", "workers", "ports")}
            run.signal(signal.SIGTERM)
            yield from unless(run.wait() == 0, f"exit code {run.child.returncode}: {run.said()[-3:]}")
    finally:
        shutil.rmtree(folder)
    names = [re.sub(r"[^A-Za-z0-9]", "_", name) for name in counter_names(bench)]
    yield from unless(sorted(said["counters"]) == sorted(names),
                      f"lacks {set(names) - set(said['counters'])}, has {set(said['counters']) - set(names)}")
    yield from unless(said["counters"].get("capture_frames", 0) > 0, "no frames are counted")
    yield from unless(said["workers"].get("worker_0_frames", 0) > 0 and "sessions_open" in said["workers"],
                      f"workers: {said['workers']}")
    yield from unless(said["ports"].get("net_null0_frames", 0) > 0 and said["ports"].get("net_null0_missed") == 0
                      and "net_null0_queue_0_frames" in said["ports"], f"ports: {said['ports']}")


def ask(client, command):
    client.send(command.encode())
    return json.loads(client.recv(65536))[command]


def the_service_manager_is_told(bench):
    with Live(bench, "service", [*NULL, "--site", bench.site]) as run:
        run.wait_until_told("READY=1")
        run.wait_until_told("WATCHDOG=1")
        yield from unless("packets/s" in run.told[-1], f"no status in {run.told[-1]}")
        run.signal(signal.SIGHUP)
        run.wait_until_told("READY=1")
        yield from unless(any(told.startswith("RELOADING=1\nMONOTONIC_USEC=") for told in run.told),
                          f"not told of reloading: {run.told}")
        run.signal(signal.SIGTERM)
        run.wait_until_told("STOPPING=1")
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}")


def sighup_reads_again_or_keeps(bench):
    site = bench.file("hup.yaml", "home_networks: [10.0.0.0/8]\n")
    with Live(bench, "hup", [*NULL, "--site", site]) as run:
        run.wait_until_told("READY=1")
        run.signal(signal.SIGHUP)
        run.wait_for_line("SIGHUP: site and thresholds were read again")
        bench.file("hup.yaml", "home_network: [10.0.0.0/8]\n")
        run.signal(signal.SIGHUP)
        said = run.wait_for_line("SIGHUP: .*hup.yaml:1:1: unknown key")
        yield from unless("home_networks" in said and "old site" in said, said)
        os.unlink(site)
        run.signal(signal.SIGHUP)
        run.wait_for_line("SIGHUP: .*No such file.*old site")
        run.signal(signal.SIGTERM)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}")


def sighup_with_a_broken_rule_keeps_the_old_ones(bench):
    with open(os.path.join(bench.root, "app", "share", "rules", "smtp_auth_on_25.yml"), encoding="utf-8") as file:
        good = file.read()
    rule = bench.file("rule.yml", good)
    with Live(bench, "rule", [*NULL, "--no-shipped-rules", "--rules", rule]) as run:
        run.wait_until_told("READY=1")
        run.signal(signal.SIGHUP)
        run.wait_for_line("SIGHUP: site and thresholds were read again")
        bench.file("rule.yml", good.replace("detection:", "detektion:"))
        run.signal(signal.SIGHUP)
        run.wait_for_line(r"rule\.yml:\d+:1: detection is missing.*detektion")
        run.wait_for_line("SIGHUP: the rules have errors; the old site, thresholds and rules stay")
        bench.file("rule.yml", good)
        run.signal(signal.SIGHUP)
        run.wait_for_line("SIGHUP: site and thresholds were read again", count=2)
        run.signal(signal.SIGTERM)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}")


def sighup_without_files_says_so(bench):
    with Live(bench, "nohup", NULL) as run:
        run.wait_until_told("READY=1")
        run.signal(signal.SIGHUP)
        run.wait_for_line("SIGHUP: nothing to read again.*--site.*--config")
        run.signal(signal.SIGINT)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}")


def sigusr2_puts_files_aside(bench):
    with Live(bench, "nousr2", NULL) as run:
        run.wait_until_told("READY=1")
        run.signal(signal.SIGUSR2)
        run.wait_for_line("SIGUSR2: there are no outputs")
        run.signal(signal.SIGTERM)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}")
    folder = bench.path("logs")
    with Live(bench, "usr2", [*NULL, "--output", f"zeek:dir:{folder}"]) as run:
        run.wait_until_told("READY=1")
        run.signal(signal.SIGHUP)
        run.wait_for_line("SIGHUP: outputs open their files anew and read secrets and certificates again")
        run.signal(signal.SIGUSR2)
        run.wait_for_line("SIGUSR2: outputs put their files aside")
        run.signal(signal.SIGTERM)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}")


def sigusr1_prints_statistics(bench):
    with Live(bench, "usr1", NULL) as run:
        run.wait_until_told("WATCHDOG=1")
        run.signal(signal.SIGUSR1)
        run.wait_for_line(r"statistics after \d+ s: 0 frames lost \(0 %\)")
        run.wait_for_line(r"^  port net_null0 \(net_null, up\): [0-9,]+ frames, 0 lost \(0 %\)")
        run.wait_for_line(r"^  capture.frames +[0-9,]+$")
        yield from unless(not any("port.missed" in line for line in run.said()), "shows what is zero")
        run.signal(signal.SIGTERM)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}")


def full_pipe(bench, name):
    """The path of a FIFO that takes nothing, and its descriptor."""
    path = bench.path(name)
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(end, F_SETPIPE_SZ, 4096)
    try:
        while True:
            os.write(end, b"x" * 4096)
    except BlockingIOError:
        return path, end


def a_target_that_takes_nothing_is_given_up(bench):
    path, end = full_pipe(bench, "stuck")
    with Live(bench, "stuck-run", [*bench.pcap, "--sessions", path, "--duration", "1s"]) as run:
        code = run.wait()
        yield from unless(code == 1, f"exit code {code}: {run.said()[-3:]}")
        run.wait_for_line(re.escape(path) + ".*2 records were not written")
        yield from unless("2 records or alerts that could not be written" in run.output(), run.output()[:400])
    os.close(end)


def a_second_signal_ends_at_once(bench):
    path, end = full_pipe(bench, "second")
    with Live(bench, "second-run", [*bench.pcap, "--sessions", path]) as run:
        run.wait_until_told("READY=1")
        run.wait_until_told("WATCHDOG=1")
        run.signal(signal.SIGTERM)
        run.wait_until_told("STOPPING=1")
        time.sleep(0.2)  # for the thread that waits for the second one
        run.signal(signal.SIGINT)
        code = run.wait()
        yield from unless(code == 1, f"exit code {code}: {run.said()[-3:]}")
        run.wait_for_line("ended at once by a second signal")
    os.close(end)


# --- privileges -----------------------------------------------------------------


def threads_of(run):
    """Of each thread: its user and effective capabilities; the main thread first."""
    tasks = f"/proc/{run.child.pid}/task"
    for task in sorted(os.listdir(tasks), key=int):
        with open(os.path.join(tasks, task, "status"), encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file.read().splitlines())
        yield (status["Uid"].split(), status["Groups"].split(), int(status["CapEff"], 16),
               status["NoNewPrivs"].strip())


def root_becomes_somebody_else(bench):
    site = bench.file("secret.yaml", "home_networks: [10.0.0.0/8]\n")
    os.chmod(site, 0o600)
    with Live(bench, "user", [*NULL, "--user", "nobody", "--site", site]) as run:
        run.wait_until_told("READY=1")
        threads = list(threads_of(run))
        for uids, _groups, capabilities, no_new in threads:
            yield from unless(set(uids) == {str(NOBODY)}, f"a thread is still {uids}")
            yield from unless(capabilities & ~KEPT == 0, f"a thread may {capabilities:x}")
            yield from unless(no_new == "1", "a thread may get new privileges")
        yield from unless(all(thread[2] == 0 for thread in threads[1:]), "a thread beside the first one may something")
        yield from unless("0" not in threads[0][1], f"groups {threads[0][1]}")
        run.signal(signal.SIGHUP)
        said = run.wait_for_line("SIGHUP: .*secret.yaml.*Permission denied")
        yield from unless("user nobody" in said and "old site" in said, said)
        run.signal(signal.SIGTERM)
        yield from unless(run.wait() == 0, f"exit code {run.child.returncode}: {run.said()[-3:]}")


def main():
    mailtap, root = sys.argv[1], sys.argv[2]
    tap = Tap()
    with scratch_folder() as folder:
        os.chmod(folder, 0o755)
        bench = Bench(mailtap, root, folder, tap)
        options_that_are_refused(bench)
        files_that_are_refused(bench)
        users_that_are_refused(bench)
        rights_that_are_missing(bench)
        devices_that_are_refused(bench)
        for title, function in (
            ("a run ends after its duration and lost 0 %", a_run_ends_after_its_duration),
            ("a run ends after its count", a_run_ends_after_its_count),
            ("records and alerts are those of the file", records_are_those_of_the_file),
            ("what messages hold, and the files written of them, are those of the file", what_messages_hold_is_that_of_the_file),
            ("--fail-on decides the exit code", an_alert_decides_the_exit_code),
            ("options come from --config, and the command line wins", options_come_from_a_configuration),
            ("--stats writes lines with every counter", statistics_are_lines_of_every_counter),
            ("mailtap devices lists every interface, and how to mend what is missing", devices_are_listed),
            ("the driver library's telemetry answers with every counter, worker and port",
             telemetry_answers_with_everything),
            ("rules about statistics are held against each interval", rules_are_held_against_each_interval),
            ("the service manager is told of the start, of life, of reloading and of the end",
             the_service_manager_is_told),
            ("SIGHUP reads the site file again, or keeps the old one and says why", sighup_reads_again_or_keeps),
            ("SIGHUP with a broken rule keeps the old ones and says why", sighup_with_a_broken_rule_keeps_the_old_ones),
            ("SIGUSR2 puts the outputs' files aside", sigusr2_puts_files_aside),
            ("SIGHUP without anything to read says so", sighup_without_files_says_so),
            ("SIGUSR1 prints statistics", sigusr1_prints_statistics),
            ("a target that takes nothing is given up at the end, and that is said",
             a_target_that_takes_nothing_is_given_up),
            ("a second signal ends at once", a_second_signal_ends_at_once),
        ):
            bench.check(title, function)
        title = "root becomes the user of --user and keeps little"
        if os.geteuid() == 0:
            bench.check(title, root_becomes_somebody_else)
        else:
            tap.skipped(title, "only root can become somebody else")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
