#!/usr/bin/env python3
"""What app/share holds for Prometheus and Grafana, by Debian's Prometheus: the alert
rules are checked and each is made to fire; a running mailtap is scraped, and every
expression of the dashboard finds data, every rule evaluates.

    test_prometheus.py MAILTAP SOURCE-ROOT REPLAY
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from harness import Tap, skip_all
from live import Process, Sender, Trouble, memif, scratch_folder
from test_metrics import Bench, Metrics, unless

RULES = os.path.join("app", "share", "prometheus", "mailtap.rules.yaml")
RULE_TESTS = os.path.join("tests", "e2e", "rules.test.yaml")
DASHBOARD = os.path.join("app", "share", "grafana", "mailtap.json")
DATA_SECONDS = 90
# Parts of a histogram are told by the name of the whole.
PART = re.compile(r"_(bucket|sum|count)$")


def alert_names(bench):
    return re.findall(r"^ +- alert: (\w+)$", bench.read(RULES), re.M)


def rule_metrics(bench):
    return set(re.findall(r"\bmailtap_\w+", bench.read(RULES)))


def dashboard_expressions(bench):
    """(panel, expression) of each target, rows and their folded panels too."""
    panels = json.loads(bench.read(DASHBOARD))["panels"]
    for panel in [*panels, *(inner for panel in panels for inner in panel.get("panels", []))]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


# --- files -----------------------------------------------------------------------


def promtool(bench, *arguments):
    run = subprocess.run(["promtool", *arguments], cwd=bench.root, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        yield from (run.stdout + run.stderr).splitlines()


def every_alert_is_tried(bench):
    tests = bench.read(RULE_TESTS)
    for name in alert_names(bench):
        yield from unless(re.search(rf"\b{name}\b", tests), f"{RULE_TESTS} never makes {name} fire")


def dashboard_holds_together(bench):
    dashboard = json.loads(bench.read(DASHBOARD))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    yield from unless(len(set(numbers)) == len(numbers), f"panels share an id: {sorted(numbers)}")
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        yield from unless(place["x"] + place["w"] <= 24, f"{panel['title']} is wider than the page")
        yield from unless(not cells & taken, f"{panel['title']} covers another panel")
        taken |= cells
        for target in panel.get("targets", []):
            yield from unless("instance=~\"$instance\"" in target["expr"], f"{panel['title']} shows every instance")
            yield from unless(target["datasource"]["uid"] == "${datasource}", f"{panel['title']} has its own source")


# --- by a running Prometheus -------------------------------------------------------


class Prometheus(Process):
    """Scrapes one address each second."""

    def __init__(self, bench, target):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        config = bench.path("prometheus.yaml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                       "rule_files": [os.path.abspath(os.path.join(bench.root, RULES))],
                       "scrape_configs": [{"job_name": "mailtap", "static_configs": [{"targets": [target]}]}]}, file)
        super().__init__(bench.folder, "prometheus",
                         ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={bench.path('tsdb')}",
                          f"--web.listen-address={self.address}"])

    def ask(self, path, **query):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Trouble(f"{query}: {error.read().decode()[:300]}") from error

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def wait_for(self, expression):
        """Until it has a result."""
        end = time.monotonic() + DATA_SECONDS
        while time.monotonic() < end and not self.is_over():
            try:
                found = self.query(expression)
            except OSError:
                found = []  # it is not there yet
            if found:
                return found
            time.sleep(0.2)
        raise Trouble(f"prometheus never found {expression}; it said {self.said()[-3:]}")


def filled_in(expression):
    """As Grafana fills in its variables, for a scrape each second."""
    return expression.replace("$__rate_interval", "10s").replace("$instance", ".*")


def is_number(result):
    values = [float(sample["value"][1]) for sample in result]
    return any(value == value for value in values)  # NaN is not itself


def dashboard_finds_data(bench, prometheus):
    for title, expression in dashboard_expressions(bench):
        result = prometheus.query(filled_in(expression))
        yield from unless(result, f"{title}: nothing found by {expression}")
        yield from unless(not result or is_number(result), f"{title}: no number found by {expression}")


def rules_evaluate(bench, prometheus):
    loaded = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    yield from unless([rule["name"] for rule in loaded] == alert_names(bench), f"{len(loaded)} rules were loaded")
    for rule in loaded:
        yield from unless(rule["health"] == "ok", f"{rule['name']}: {rule['health']} {rule.get('lastError')}")
        yield from unless(rule["state"] != "firing", f"{rule['name']} fires at a run that does well")


def metrics_exist(bench, prometheus):
    known = set(prometheus.ask("label/__name__/values"))
    used = rule_metrics(bench)
    for _, expression in dashboard_expressions(bench):
        used |= set(re.findall(r"\bmailtap_\w+", expression))
    for name in sorted(used):
        is_part = any(PART.sub("", other) == name for other in known)
        yield from unless(name in known or is_part, f"there is no {name}")


def is_complete(bench, prometheus, scraped):
    """Prometheus has every sample of the page."""
    for name, kind in scraped.families().items():
        samples = prometheus.query(name + "_count" if kind == "histogram" else name)
        shown = len(re.findall(rf"^{name}(?:_count)?(?:\{{.*\}})? ", scraped.text, re.M))
        yield from unless(len(samples) == shown, f"of {name} {len(samples)} of {shown} samples arrived")


def by_prometheus(bench, replay):
    output = f"ecs:file:{bench.path('out.ndjson')}?spool={bench.path('spool')}"
    with Metrics(bench.mailtap, bench.folder, ["--port", memif(bench.folder), "--poll", "adaptive", "--output",
                                               output]) as run:
        target = run.url("").split("//")[1]
        capture = os.path.join(bench.root, "pcaps", "postfix-delivery.pcap")
        with Sender(replay, run, bench.folder, capture, "--loops", "1000000", "--rate", "500"), \
                Prometheus(bench, target) as prometheus:
            # the last of what traffic brings: a document that was delivered while it was looked
            prometheus.wait_for("rate(mailtap_output_delivery_seconds_count[10s]) > 0")
            prometheus.wait_for("sum(rate(mailtap_session_records_total[10s])) > 0")
            bench.check("every expression of the dashboard finds data", dashboard_finds_data, prometheus)
            bench.check("every rule is evaluated, and none fires at a run that does well", rules_evaluate, prometheus)
            bench.check("every metric of dashboard and rules exists", metrics_exist, prometheus)
            bench.check("Prometheus takes every sample of the page", is_complete, prometheus, run.scrape())
            health = prometheus.ask("targets")["activeTargets"][0]
            yield from unless(health["health"] == "up", f"the target is {health['health']}: {health['lastError']}")
        run.end()
        yield from run.crash_reasons(okay=(0, 1))


def main():
    mailtap, root, replay = os.path.abspath(sys.argv[1]), sys.argv[2], os.path.abspath(sys.argv[3])
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        skip_all("Prometheus is missing (package prometheus)")
    tap = Tap()
    with scratch_folder() as folder:
        bench = Bench(mailtap, root, folder, tap)
        bench.check("promtool accepts the alert rules", promtool, "check", "rules", RULES)
        bench.check("each alert fires where it should", promtool, "test", "rules", RULE_TESTS)
        bench.check("no alert is left untried", every_alert_is_tried)
        bench.check("the dashboard's panels hold together", dashboard_holds_together)
        bench.check("a running mailtap is scraped", by_prometheus, replay)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
