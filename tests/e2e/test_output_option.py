#!/usr/bin/env python3
"""mailtap read --output: what reaches a target is what --json shows, in every
form, for any number of workers; what is wrong is said and has its exit code.

    test_output_option.py MAILTAP SOURCE-ROOT
"""

import http.server
import json
import os
import sys
import threading

from harness import Run, Tap, crash_reasons, scratch

FORMATS = ["ecs", "zeek", "zeek-json", "eve", "cef", "leef", "ocsf", "csv", "tsv"]


def lines_of(folder):
    """All lines of all files in the folder, each with its file's name; the times
    at which a file was begun are left out."""
    found = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            found += [(name, line) for line in file.read().split(b"\n") if line and not line.startswith(b"#open")]
    return found


class Bench:
    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.folder, self.tap = mailtap, folder, tap
        self.pcaps = os.path.join(root, "pcaps")
        self.one = os.path.join(self.pcaps, "relay-suspected.pcap")
        self.count = 0

    def path(self, name):
        self.count += 1
        return os.path.join(self.folder, f"{self.count}-{name}")

    def read(self, *arguments, capture=None):
        return Run(self.mailtap, ["read", "--quiet", *arguments, capture or self.pcaps])

    def native_is_what_json_shows(self):
        shown = Run(self.mailtap, ["read", "--json", self.pcaps])
        wanted = sorted(line for line in shown.stdout.split(b"\n") if line)
        for workers in "1", "2":
            path = self.path("native.json")
            run = self.read("--workers", workers, "--output", f"ecs:file:{path}")
            reasons = list(crash_reasons(run, (0,)))
            if not reasons:
                with open(path, "rb") as file:
                    got = sorted(line for line in file.read().split(b"\n") if line)
                if got != wanted:
                    reasons = [f"{len(wanted)} lines by --json, {len(got)} by --output, or other ones"]
            self.tap.check(f"ecs by --output is what --json shows, {workers} workers", reasons)

    def every_format_is_the_same_for_any_number_of_workers(self):
        specs, folders = {"1": [], "2": []}, {"1": {}, "2": {}}
        for workers in specs:
            for name in FORMATS:
                folders[workers][name] = self.path(name)
                specs[workers] += ["--output", f"{name}:dir:{folders[workers][name]}"]
            run = self.read("--workers", workers, *specs[workers])
            self.tap.check(f"nine outputs at once, {workers} workers", crash_reasons(run, (0,)))
        for name in FORMATS:
            one, two = (sorted(lines_of(folders[workers][name])) for workers in ("1", "2"))
            reasons = [] if one == two else [f"{len(one)} lines with one worker, {len(two)} with two, or other ones"]
            if len(one) < 60:
                reasons.append(f"only {len(one)} lines")
            self.tap.check(f"{name}: the same lines for one worker and for two", reasons)

    def filters_choose(self):
        all_alerts, high = self.path("alerts.json"), self.path("high.json")
        run = self.read("--output", f"ecs:file:{all_alerts}?only=alerts", "--output",
                        f"ecs:file:{high}?only=alerts&level=high")
        reasons = list(crash_reasons(run, (0,)))
        if not reasons:
            kinds = {path: [json.loads(line) for line in open(path, encoding="utf-8")] for path in (all_alerts, high)}
            if any(record["event"]["kind"] != "alert" for record in kinds[all_alerts]):
                reasons.append("only=alerts let a session through")
            wanted = [r for r in kinds[all_alerts] if r["rule"]["level"] in ("high", "critical")]
            if kinds[high] != wanted or not wanted or len(wanted) == len(kinds[all_alerts]):
                reasons.append(f"{len(kinds[all_alerts])} alerts, {len(wanted)} of them high: {len(kinds[high])} came")
        self.tap.check("only= and level= choose", reasons)

    def bad_requests_are_refused(self):
        wrong = [
            ("nope:-", 2, "no format nope"),
            ("ecs", 2, "ecs"),
            ("ecs:nope://x", 2, "nope"),
            ("ecs:file:/tmp/x?rotat=1", 2, "did you mean rotate"),
            ("ecs:-?level=hihg", 2, "high"),
            ("csv:-?fields=smtp.helo.nam", 2, "smtp.helo.name"),
        ]
        for spec, code, words in wrong:
            run = self.read("--output", spec, capture=self.one)
            reasons = []
            if run.code != code:
                reasons.append(f"exit code {run.code}, should be {code}")
            if len(run.errors()) != 1 or words not in run.errors()[0] or run.stdout:
                reasons.append(f"said: {run.errors()}")
            self.tap.check(f"--output {spec} is refused in one line", reasons)
        run = self.read("--require-outputs", "--output", "ecs:https://127.0.0.1:9/x", capture=self.one)
        said = run.errors()
        reasons = [] if run.code == 3 and len(said) == 1 else [f"exit code {run.code}, said {said}"]
        self.tap.check("--require-outputs refuses to start without its receiver", reasons)

    def outputs_of_a_configuration_file_are_those_of_the_command_line(self):
        by_option, by_file, more = self.path("option.csv"), self.path("file.csv"), self.path("more.json")
        config = self.path("mailtap.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"outputs:\n  - format: csv\n    target: file:{by_file}\n    only: alerts\n")
            file.write("    fields: ['@timestamp', rule.name, source.ip]\n")
        run = self.read("--output", f"csv:file:{by_option}?only=alerts&fields=@timestamp,rule.name,source.ip")
        reasons = list(crash_reasons(run, (0,)))
        run = self.read("--config", config, "--output", f"ecs:file:{more}")
        reasons += crash_reasons(run, (0,))
        if not reasons:
            texts = [open(path, encoding="utf-8").read() for path in (by_option, by_file)]
            if texts[0] != texts[1] or texts[0].count("\n") < 10:
                reasons.append(f"{len(texts[0])} bytes by --output, {len(texts[1])} by the file, or other ones")
            if os.path.getsize(more) < 10000:
                reasons.append("--output beside --config wrote next to nothing")
        self.tap.check("outputs of --config are those of --output, which adds to them", reasons)

    def a_configuration_file_that_is_wrong_is_told_with_its_place(self):
        config = self.path("mailtap.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("workers: 1\noutputs:\n  - format: ecs\n    target: file:/x\n    rotat: 1G\n")
        run = self.read("--config", config, capture=self.one)
        wanted = f"mailtap: {config}:5:5: outputs: there is no key rotat for this target; did you mean rotate?"
        reasons = [] if run.code == 2 and run.errors() == [wanted] else [f"code {run.code}, said {run.errors()}"]
        self.tap.check("a wrong key of an output in a file is told with line, column and the nearest", reasons)

    def a_spool_keeps_what_a_receiver_misses(self):
        spool = self.path("spool")
        wanted = len([line for line in Run(self.mailtap, ["read", "--json", self.one]).stdout.split(b"\n") if line])
        spec = f"http://127.0.0.1:{{}}/in?spool={spool}&backoff_max=50ms&timeout=1s"
        run = self.read("--output", "ecs:" + spec.format(9), capture=self.one)
        reasons = []
        if run.code != 0 or not any("wait in the spool" in line for line in run.errors()):
            reasons.append(f"receiver away: exit code {run.code}, said {run.errors()}")
        bodies = []

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = self.read("--output", "ecs:" + spec.format(server.server_port), capture=self.one)
        server.shutdown()
        got = [json.loads(line) for body in bodies for line in body.split(b"\n") if line]
        if run.code != 0 or len(got) != 2 * wanted:
            reasons.append(f"receiver back: exit code {run.code}, {len(got)} documents of {2 * wanted}: {run.errors()}")
        self.tap.check("what a receiver missed comes with the next run", reasons)


def main():
    mailtap, root = sys.argv[1:3]
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, root, folder, tap)
        bench.native_is_what_json_shows()
        bench.every_format_is_the_same_for_any_number_of_workers()
        bench.filters_choose()
        bench.bad_requests_are_refused()
        bench.outputs_of_a_configuration_file_are_those_of_the_command_line()
        bench.a_configuration_file_that_is_wrong_is_told_with_its_place()
        bench.a_spool_keeps_what_a_receiver_misses()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
