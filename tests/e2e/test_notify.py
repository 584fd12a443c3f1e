#!/usr/bin/env python3
"""mailtap read --notify: what people are told of alerts, by a program and by a
webhook, and what becomes of messages when these misbehave.

    test_notify.py MAILTAP SOURCE-ROOT
"""

import http.server
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time

from harness import Run, Tap, crash_reasons, scratch


class Hook:
    """A webhook: keeps requests; answers[n] is the n-th answer, then 200."""

    def __init__(self, answers=()):
        self.requests, self.answers = [], list(answers)
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.requests.append((self.path, self.headers["Content-Type"], body))
                status, headers = hook.answers.pop(0) if hook.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.server.shutdown()
        self.server.server_close()


class Bench:
    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.folder, self.tap = mailtap, folder, tap
        self.pcaps = os.path.join(root, "pcaps")
        self.one = os.path.join(self.pcaps, "helo-own-name.pcap")  # of one alert
        self.count = 0
        self.alerts = [json.loads(line) for line in Run(mailtap, ["read", "--json", self.pcaps]).stdout.splitlines()
                       if b'"kind":"alert"' in line]

    def path(self, name):
        self.count += 1
        return os.path.join(self.folder, f"{self.count}-{name}")

    def program(self, text):
        path = self.path("program")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, stat.S_IRWXU)
        return path

    def read(self, spec, *more, capture=None):
        return Run(self.mailtap, ["read", "--quiet", "--notify", spec, *more, capture or self.pcaps])

    def a_program_is_given_text_and_environment(self):
        out = self.path("out")
        program = self.program(f'{{ echo "$MAILTAP_RULE|$MAILTAP_LEVEL|$MAILTAP_CLIENT|$MAILTAP_TIME|$1|$2"; cat; '
                               f'echo; echo "fds: $(ls /proc/self/fd | tr "\\n" " ")"; env | wc -l; }} >>{out}\n')
        run = self.read(f"text:exec:{program}?each_max=100&all_max=1000&args=one,two words")
        reasons = list(crash_reasons(run, (0,)))
        text = open(out, encoding="utf-8").read() if os.path.exists(out) else ""
        heads = re.findall(r"^(\w+)\|(\w+)\|([^|]*)\|([^|]*)\|one\|two words$", text, re.M)
        wanted = [(a["rule"]["name"], a["rule"]["level"], a["source"]["ip"], a["@timestamp"]) for a in self.alerts]
        if sorted(heads) != sorted(wanted) or not wanted:
            reasons.append(f"{len(wanted)} alerts, told: {len(heads)}, or other ones: {heads[:3]}")
        # 0, 1 and 2, the folder that ls has open, and what the shell opened
        if not re.search(r"^fds: 0 1 2 3 $", text, re.M):
            reasons.append(f"the program has other files open: {re.findall('^fds.*', text, re.M)[:1]}")
        for word in ("[HIGH] ", "\nWhen:  ", "\nWho:   client ", "\nDo:    "):
            if word not in text:
                reasons.append(f"nothing says {word!r}")
        self.tap.check("a program is told each alert, on standard input and in its environment", reasons)

    def what_is_held_back_is_told_in_a_sum(self):
        out = self.path("out")
        run = self.read(f"text:exec:{self.program(f'cat >>{out}; echo >>{out}')}?all_max=2&each_max=1")
        reasons = list(crash_reasons(run, (0,)))
        text = open(out, encoding="utf-8").read()
        told = text.count("\nWhen:  ")
        more = re.search(r"^\[\w+\] (\d+) more alerts? in the last ", text, re.M)
        if told != 2 or not more or told + int(more[1]) != len(self.alerts):
            reasons.append(f"{len(self.alerts)} alerts, {told} told, sum: {more and more[0]}")
        if not any(f"{len(self.alerts) - 2} alerts were told in a sum only" in line for line in run.errors()):
            reasons.append(f"said: {run.errors()}")
        self.tap.check("what a limit holds back is counted and told in one sum", reasons)

    def a_program_that_never_ends_is_killed(self):
        pids, dead = self.path("pids"), self.path("dead.ndjson")
        program = self.program(f"echo $$ >>{pids}\nsleep 1000 &\necho $! >>{pids}\necho stuck >&2\nsleep 1000\n")
        run = self.read(f"text:exec:{program}?timeout=300ms&all_max=2&dead_letter={dead}")
        reasons = [] if run.code == 1 else [f"exit code {run.code}: {run.errors()}"]
        letters = [json.loads(line) for line in open(dead, encoding="utf-8")]
        if len(letters) != 3 or any("did not end within 300 ms and was killed: stuck" not in letter["reason"]
                                    for letter in letters):
            reasons.append(f"dead letters: {[letter['reason'] for letter in letters]}")
        left = [pid for pid in open(pids, encoding="utf-8").read().split() if is_running(pid)]
        if left:
            reasons.append(f"still running: {left}")
        self.tap.check("a program that does not end is killed with its children, and the message kept", reasons)

    def a_program_that_never_stops_complaining_is_killed(self):
        pids, dead = self.path("pids"), self.path("dead.ndjson")
        # two of them, so that the pipe is never empty
        program = self.program(f"echo $$ >>{pids}\necho loud >&2\nyes >&2 &\necho $! >>{pids}\nyes >&2\n")
        run = self.read(f"text:exec:{program}?timeout=300ms&all_max=1&dead_letter={dead}", capture=self.one)
        reasons = [] if run.code == 1 else [f"exit code {run.code}: {run.errors()}"]
        letters = [json.loads(line) for line in open(dead, encoding="utf-8")] if os.path.exists(dead) else []
        if not letters or any("did not end within 300 ms and was killed: loud" not in letter["reason"]
                              for letter in letters):
            reasons.append(f"dead letters: {[letter['reason'] for letter in letters]}")
        left = [pid for pid in open(pids, encoding="utf-8").read().split() if is_running(pid)]
        if left:
            reasons.append(f"still running: {left}")
        self.tap.check("a program that never stops complaining is killed like one that does not end", reasons)

    def a_program_is_waited_for_where_ends_are_ignored(self):
        run = Run(self.mailtap, ["read", "--quiet", "--notify", f"text:exec:{self.program('cat >/dev/null')}",
                                 self.one], preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.tap.check("how a program ended is known also to a run that was started with SIGCHLD ignored",
                       list(crash_reasons(run, (0,))))

    def a_program_says_what_becomes_of_a_message(self):
        dead, flag = self.path("dead.ndjson"), self.path("flag")
        program = self.program(f"test -e {flag} || {{ touch {flag}; echo later >&2; exit 75; }}\n"
                               "test \"$MAILTAP_LEVEL\" != high || { echo 'too hot' >&2; exit 3; }\n")
        run = self.read(f"text:exec:{program}?each_max=99&all_max=999&backoff_max=20ms&dead_letter={dead}")
        high = sum(alert["rule"]["level"] == "high" for alert in self.alerts)
        letters = [json.loads(line) for line in open(dead, encoding="utf-8")] if os.path.exists(dead) else []
        reasons = []
        if len(letters) != high or any(l["reason"] != "the program ended with 3: too hot" for l in letters):
            reasons.append(f"{high} high alerts, dead letters: {[letter['reason'] for letter in letters]}")
        if run.code != 1 or not any("refused" in line for line in run.errors()):
            reasons.append(f"exit code {run.code}, said {run.errors()}")
        self.tap.check("75 means again, another code that the message is refused, with its words", reasons)

    def a_webhook_is_sent_one_message_a_request(self):
        for form, kind in (("json", "application/json"), ("slack", "application/json"),
                           ("teams", "application/json"), ("text", "text/plain; charset=utf-8")):
            reasons = []
            # the first two requests are put off
            with Hook([(429, {"Retry-After": "1"}), (503, {})]) as hook:
                run = self.read(f"{form}:{hook.url}/in?each_max=99&all_max=999&backoff_max=20ms")
                reasons += crash_reasons(run, (0,))
            if len(hook.requests) != len(self.alerts) + 2 or {r[1] for r in hook.requests} != {kind}:
                reasons.append(f"{len(self.alerts)} alerts and two refusals: {len(hook.requests)} requests, "
                               f"{ {r[1] for r in hook.requests} }")
            if form != "text":
                bodies = [json.loads(body) for _path, _type, body in hook.requests]
                if form == "json" and sorted(b["alert"]["rule"]["name"] for b in bodies[2:]) != sorted(
                        alert["rule"]["name"] for alert in self.alerts):
                    reasons.append("other alerts came")
            self.tap.check(f"a webhook is sent {form}, one message a request, again when it says so", reasons)

    def a_secret_url_stands_in_a_file_or_in_the_configuration(self):
        with Hook() as hook:
            secret, config = self.path("url"), self.path("mailtap.yaml")
            with open(secret, "w", encoding="utf-8") as file:
                file.write(f"{hook.url}/secret?api=1&sig=x\n")
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"notify:\n  - format: slack\n    target: {hook.url}\n    url: {hook.url}/other?a=b&c=d\n"
                           "    level: high\n")
            run = self.read(f"slack:{hook.url}?url_file={secret}&level=high", "--config", config)
            reasons = list(crash_reasons(run, (0,)))
            paths = {path for path, _type, _body in hook.requests}
            if paths != {"/secret?api=1&sig=x", "/other?a=b&c=d"}:
                reasons.append(f"posted to {paths}")
        with Hook([(404, {}), (400, {})]) as hook:  # to --require-outputs, and to the alert
            run = Run(self.mailtap, ["read", "--quiet", "--notify", f"slack:{hook.url}/T0/hush", "--require-outputs",
                                     self.one])
            if not any("refuses document" in line for line in run.errors()) or run.code != 1:
                reasons.append(f"the refusal is not said: exit code {run.code}, {run.errors()}")
            if b"hush" in run.stderr:
                reasons.append(f"the URL is shown: {run.errors()}")
        self.tap.check("a webhook's URL may be a secret, and is not shown", reasons)

    def other_outputs_do_not_wait_for_people(self):
        native = self.path("native.json")
        program = self.program("sleep 1000\n")
        process = subprocess.Popen([self.mailtap, "read", "--quiet", "--output", f"ecs:file:{native}", "--notify",
                                    f"text:exec:{program}?timeout=60s", self.pcaps], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        wanted = len(Run(self.mailtap, ["read", "--json", self.pcaps]).stdout.splitlines())
        got = 0
        while got < wanted and time.monotonic() < end:
            time.sleep(0.05)
            got = open(native, "rb").read().count(b"\n") if os.path.exists(native) else 0
        still = process.poll() is None
        process.kill()
        process.wait()
        reasons = [] if got == wanted and still else [f"{got} of {wanted} records, still notifying: {still}"]
        self.tap.check("records are written while a program that is told of alerts hangs", reasons)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def main():
    mailtap, root = sys.argv[1:3]
    tap = Tap()
    with scratch() as folder:
        bench = Bench(mailtap, root, folder, tap)
        bench.a_program_is_given_text_and_environment()
        bench.what_is_held_back_is_told_in_a_sum()
        bench.a_program_that_never_ends_is_killed()
        bench.a_program_that_never_stops_complaining_is_killed()
        bench.a_program_is_waited_for_where_ends_are_ignored()
        bench.a_program_says_what_becomes_of_a_message()
        bench.a_webhook_is_sent_one_message_a_request()
        bench.a_secret_url_stands_in_a_file_or_in_the_configuration()
        bench.other_outputs_do_not_wait_for_people()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
