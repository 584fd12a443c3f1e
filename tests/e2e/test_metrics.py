#!/usr/bin/env python3
"""--metrics of mailtap live: what is refused, the three pages, that docs/operations.md
names every metric, and that requests do no harm. On virtual devices: no root.

    test_metrics.py MAILTAP SOURCE-ROOT
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from harness import Run, Tap, crash_reasons
from live import Live, Trouble, scratch_folder
from test_bad_input import can_nobody_run

NULL = ["--port", "net_null0,size=64", "--poll", "adaptive"]
SCRAPE_SECONDS = 30
NOBODY = 65534


class Scrape:
    """One page: its status, and samples by name and labels when it is one of metrics."""

    def __init__(self, url):
        try:
            with urllib.request.urlopen(url, timeout=SCRAPE_SECONDS) as answer:
                self.status, self.type, body = answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            self.status, self.type, body = error.code, error.headers["Content-Type"], error.read()
        self.text = body.decode()

    def families(self):
        """{name: type}"""
        return dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.text, re.M))

    def samples(self):
        """{name{labels}: value}"""
        return {name: float(value) for name, value in re.findall(r"^([a-z][^#\n]*) (\S+)$", self.text, re.M)}


class Metrics(Live):
    """mailtap live with --metrics at a free port."""

    def __init__(self, mailtap, folder, arguments, name="mailtap", address="127.0.0.1:0"):
        super().__init__(mailtap, folder, [*arguments, "--metrics", address], name=name)

    def url(self, path="/metrics"):
        return re.search(r"metrics at (http://\S+)", self.wait_for_line("metrics at http")).group(1) + path

    def scrape(self, path="/metrics"):
        return Scrape(self.url(path))

    def wait_for(self, path, condition):
        """The page that meets it."""
        end = time.monotonic() + SCRAPE_SECONDS
        while True:
            page = self.scrape(path)
            if condition(page):
                return page
            if time.monotonic() > end:
                raise Trouble(f"{path} still is: {page.status} {page.text[:2000]}")
            time.sleep(0.1)


class Bench:
    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.root, self.folder, self.tap = mailtap, root, folder, tap

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, *parts):
        with open(os.path.join(self.root, *parts), encoding="utf-8") as file:
            return file.read()

    def check(self, title, function, *arguments):
        """function yields reasons against it; Trouble is one."""
        try:
            reasons = list(function(self, *arguments))
        except (Trouble, OSError, ValueError, KeyError, IndexError, AttributeError) as error:
            reasons = [f"{type(error).__name__}: {error}"]
        self.tap.check(title, reasons)


def unless(condition, reason):
    if not condition:
        yield reason


# --- what is refused ------------------------------------------------------------


def refused(bench, address, code, *says):
    run = Run(bench.mailtap, ["live", *NULL, "--duration", "100ms", "--metrics", address])
    yield from crash_reasons(run, okay=(code,))
    line = run.errors()[-1] if run.errors() else ""
    for word in ("--metrics", *says):
        yield from unless(word in line, f"{word!r} is not in: {line}")


def taken(bench):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        yield from refused(bench, f"127.0.0.1:{port}", 3, f"127.0.0.1:{port}", "in use", "another port")


def other_verbs(bench):
    run = Run(bench.mailtap, ["read", "--metrics", "127.0.0.1:0", bench.root + "/pcaps/relay-suspected.pcap"])
    yield from crash_reasons(run, okay=(2,))
    yield from unless("mailtap live" in run.errors()[-1], f"it says {run.errors()[-1:]}")


def not_asked_for(bench):
    """No socket that listens."""
    with Live(bench.mailtap, bench.folder, NULL, name="quiet") as run:
        run.wait_until_ready()
        listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=False).stdout
        yield from unless(f"pid={run.child.pid}," not in listening, f"it listens: {listening}")
        yield from unless(run.end() == 0, f"it said {run.said()[-3:]}")


def low_port_by_root(bench):
    """Below 1024, and nobody answers there once devices are open."""
    for port in range(700, 1000):
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            break
    with Metrics(bench.mailtap, bench.folder, [*NULL, "--user", "nobody"], name="low",
                 address=f"127.0.0.1:{port}") as run:
        # the service manager's socket in this folder is root's: /ready says it too
        ready = run.wait_for("/ready", lambda page: page.status == 200)
        yield from unless(run.url() == f"http://127.0.0.1:{port}/metrics", run.url())
        with open(f"/proc/{run.child.pid}/status", encoding="ascii") as status:
            user = re.search(r"^Uid:\s+(\d+)", status.read(), re.M).group(1)
        yield from unless(int(user) == NOBODY, f"it is user {user}, and says {ready.text}")
        yield from unless(run.end() == 0, f"exit code {run.child.returncode}: {run.said()[-3:]}")


def configuration(bench):
    config = bench.path("metrics.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write("live:\n  port: net_null0,size=64\n  metrics: '127.0.0.1:0'\n")
    run = Run(bench.mailtap, ["live", "--config", config, "--duration", "100ms"])
    yield from crash_reasons(run, okay=(0,))
    yield from unless(any("metrics at http://127.0.0.1:" in line for line in run.errors()), f"it says {run.errors()}")
    with open(config, "a", encoding="utf-8") as file:
        file.write("  poll: adaptive\n")
    run = Run(bench.mailtap, ["live", "--config", config, "--metrics", "[::1]", "--duration", "100ms"])
    yield from crash_reasons(run, okay=(2,))


# --- pages -----------------------------------------------------------------------


def pages(bench):
    with Metrics(bench.mailtap, bench.folder, NULL, name="pages") as run:
        run.wait_until_ready()
        ready = run.wait_for("/ready", lambda page: page.status == 200)
        yield from unless(json.loads(ready.text) == {"status": "ready", "outputs_open": True, "ports_open": True,
                                                     "rules_loaded": True}, ready.text)
        health = run.scrape("/health")
        yield from unless(health.status == 200 and json.loads(health.text)["status"] == "ok", health.text)
        yield from unless(health.type == "application/json", f"/health is {health.type}")
        name = "mailtap_capture_frames_total"
        page = run.wait_for("/metrics", lambda page: page.samples().get(name, 0) > 0)
        yield from unless(page.type.startswith("text/plain; version=0.0.4"), f"/metrics is {page.type}")
        more = run.wait_for("/metrics", lambda later: later.samples()[name] > page.samples()[name])
        down = [key for key, value in page.samples().items()
                if more.families().get(key.split("{")[0]) == "counter" and more.samples()[key] < value]
        yield from unless(not down, f"counters that fell: {down}")
        yield from unless(run.scrape("/").status == 404, "there is something at /")
        yield from unless(run.end() == 0, f"exit code {run.child.returncode}: {run.said()[-3:]}")


def sixth_version(bench):
    if not os.path.exists("/proc/net/if_inet6"):
        bench.tap.skipped("IPv6", "this machine has none")
        return
    with Metrics(bench.mailtap, bench.folder, NULL, name="six", address="[::1]:0") as run:
        run.wait_until_ready()
        yield from unless(run.url().startswith("http://[::1]:"), run.url())
        yield from unless(run.scrape("/health").status == 200, "no answer at ::1")
        port = int(run.url("").rsplit(":", 1)[1])
        with socket.socket() as fourth:
            yield from unless(fourth.connect_ex(("127.0.0.1", port)) != 0, "it listens at 127.0.0.1 too")
        run.end()


FILTERED_RULE = """title: Any
name: any
logsource: {product: mailtap, service: smtp, category: session}
detection: {s: {source.ip|exists: true}, condition: s}
---
title: Not these
name: not_these
logsource: {product: mailtap, service: smtp, category: session}
filter: {rules: [any], s: {source.ip: 192.0.2.1}, condition: not s}
"""


def documented(bench):
    """docs/operations.md names what is there, and nothing else."""
    page = bench.read("docs", "operations.md")
    table = page.split("| Metric | Type | Labels | |", 1)[1].split("\n\n", 1)[0]
    named = {name: (kind, [label.strip() for label in labels.split(",") if label.strip()])
             for name, kind, labels in re.findall(r"^\| `(mailtap_\w+)` \| (\w+) \| ([^|]*) \|", table, re.M)}
    counters = page.split("| Counter | Counts |", 1)[1].split("\n\n", 1)[0]
    counters = {f"mailtap_{name.replace('.', '_')}_total" for name in re.findall(r"^\| `([^`]+)` \|", counters, re.M)}
    spool, rules = bench.path("spool"), bench.path("filtered.yml")
    with open(rules, "w", encoding="utf-8") as file:
        file.write(FILTERED_RULE)
    with Metrics(bench.mailtap, bench.folder, [*NULL, "--rules", rules, "--output", f"ecs:file:{bench.path('o')}?spool={spool}"],
                 name="documented") as run:
        run.wait_until_ready()
        shown = run.wait_for("/metrics", lambda page: "mailtap_port_up{" in page.text)
        run.end()
    for name, kind in shown.families().items():
        if name not in named:
            yield from unless(name in counters and kind == "counter", f"{name} is not in docs/operations.md")
            continue
        yield from unless(named[name][0] == kind, f"{name} is a {kind}, in docs/operations.md a {named[name][0]}")
        sample = re.search(rf"^{name}(?:_bucket)?(?:\{{(.*?)\}})? ", shown.text, re.M)
        labels = [label for label in re.findall(r'(\w+)="', sample.group(1) or "") if label != "le"]
        yield from unless(named[name][1] == labels, f"{name} has the labels {labels}, not {named[name][1]}")
        yield from unless(name.endswith("_total") == (kind == "counter"), f"{name} is a {kind} by that name")
    for name in named:
        yield from unless(name in shown.families(), f"{name} is in docs/operations.md and not on the page")


def crowd(bench):
    """Requests while frames come: nothing is lost that would not be."""
    sent = ["--port", f"net_pcap0,rx_pcap={bench.root}/pcaps/relay-suspected.pcap,infinite_rx=1"]
    with Metrics(bench.mailtap, bench.folder, [*sent, "--poll", "adaptive"], name="crowd") as run:
        run.wait_until_ready()
        address = ("127.0.0.1", int(run.url("").rsplit(":", 1)[1]))
        idle = [socket.create_connection(address) for _ in range(100)]
        for _ in range(50):
            yield from unless(run.scrape("/metrics").status == 200, "no answer")
        for one in idle:
            one.close()
        yield from unless(run.scrape("/health").status == 200, "it is not healthy")
        code = run.end()
        yield from unless(code in (0, 1), f"exit code {code}: {run.said()[-3:]}")
        yield from run.crash_reasons(okay=(0, 1))


def ending(bench):
    """What can't be delivered keeps the end waiting; the pages say so."""
    with Metrics(bench.mailtap, bench.folder,
                 ["--port", f"net_pcap0,rx_pcap={bench.root}/pcaps/relay-suspected.pcap", "--poll", "adaptive",
                  "--output", "ecs:http://127.0.0.1:1/x"], name="ending") as run:
        run.wait_until_ready()
        run.wait_for("/metrics", lambda page: page.samples().get("mailtap_capture_frames_total", 0) > 0)
        run.signal(signal.SIGTERM)
        ready = run.wait_for("/ready", lambda page: page.status == 503)
        yield from unless(json.loads(ready.text)["status"] == "ending", ready.text)
        yield from unless(run.scrape("/health").status == 200, "it is not healthy while it ends")
        yield from unless(run.wait() == 1, f"exit code {run.child.returncode}")
        with open(run.paths["stats"], encoding="utf-8") as file:
            last = json.loads(file.read().splitlines()[-1])
        output = last["outputs"][0]
        yield from unless(output["accepted"] > 0 and output["shed"] == output["accepted"] and not output["up"],
                          f"the last line of --stats says {output}")
        with open(run.out, encoding="utf-8") as file:
            text = file.read()
        told = re.search(r"^Outputs +ecs:http://127\.0\.0\.1:1/x: 0 documents delivered,.* (\d+) lost$", text, re.M)
        yield from unless(told and int(told.group(1)) == output["shed"], f"the summary says {text[-400:]}")


def main():
    mailtap, root = os.path.abspath(sys.argv[1]), sys.argv[2]
    tap = Tap()
    with scratch_folder() as folder:
        bench = Bench(mailtap, root, folder, tap)
        bench.check("an address that is none is told with examples", refused, "9105", 2, "127.0.0.1:9105", "[::1]:9105")
        bench.check("a name is no address", refused, "localhost:9105", 2, "localhost", "IP address")
        bench.check("an address of another machine stops the start", refused, "192.0.2.1:9105", 3, "192.0.2.1:9105",
                    "no interface")
        bench.check("an address that is in use stops the start", taken)
        bench.check("--metrics is an option of mailtap live", other_verbs)
        bench.check("nothing listens unless it is asked for", not_asked_for)
        bench.check("the configuration file names it too, and the command line wins", configuration)
        if os.geteuid() != 0 or not can_nobody_run(bench.mailtap):
            tap.skipped("a port below 1024 is taken before root is given up", "needs root, and a path nobody can walk")
        else:
            bench.check("a port below 1024 is taken before root is given up", low_port_by_root)
        bench.check("a run answers with its counters, its health and whether it is ready", pages)
        bench.check("IPv6 is listened to alone", sixth_version)
        bench.check("docs/operations.md names every metric, and no other", documented)
        bench.check("a crowd of requests does no harm", crowd)
        bench.check("while a run ends it is not ready, and says what became of its outputs", ending)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
