"""HTTP receivers, as doubles that speak their protocols: Elasticsearch's _bulk,
Splunk's HEC, ClickHouse's JSONEachRow, and webhooks; over TLS, with receivers
that refuse, are busy, slow, or away.

    test_output_http.py DRIVER
"""

import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

import receivers
from harness import Tap, scratch
from receivers import differences, feed, sums

TOKEN = "MAILTAP_TEST_TOKEN"


class Double:
    """An HTTP server with a way of its own to answer: answer(request) gives
    (status, headers, body), and has what came in request.body."""

    def __init__(self, answer, context=None):
        self.answer, self.requests, self.lock = answer, [], threading.Lock()
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.body = unpacked(self.headers.get("Content-Encoding"), body)
                with double.lock:
                    double.requests.append((time.monotonic(), self.path, dict(self.headers), self.body))
                    status, headers, reply = double.answer(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def unpacked(encoding, body):
    if encoding == "gzip":
        return zlib.decompress(body, 31)
    if encoding == "zstd":
        return subprocess.run(["zstd", "-dcq"], input=body, capture_output=True, check=True).stdout
    return body


def reply(status, value, **headers):
    return status, headers, json.dumps(value).encode()


class Elasticsearch:
    """_bulk create: an id that is there already is a conflict; judge(number) may
    say that an item fails, with a status."""

    def __init__(self, judge=lambda number: 201):
        self.documents, self.judge, self.conflicts = {}, judge, 0

    def __call__(self, request):
        if not request.path.startswith("/mail/_bulk"):
            return reply(404, {"error": "no handler"})
        lines = request.body.decode().split("\n")
        if lines.pop() != "" or len(lines) % 2:
            return reply(400, {"error": "The bulk request must be terminated by a newline"})
        items = [self.create(json.loads(action)["create"]["_id"], text) for action, text in zip(lines[::2], lines[1::2])]
        return reply(200, {"errors": any("error" in item for item in items), "items": [{"create": item} for item in items]})

    def create(self, name, text):
        number = json.loads(text)["n"]
        if name != f"doc-{number}":
            return {"status": 400, "error": {"type": "test", "reason": f"{name} is not the id of {number}"}}
        if name in self.documents:
            self.conflicts += 1
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "exists"}}
        status = self.judge(number)
        if status != 201:
            return {"status": status, "error": {"type": "mapper_parsing_exception", "reason": f"document {number}"}}
        self.documents[name] = text
        return {"status": 201}


def check_elasticsearch(tap, driver, folder, context, ca):
    store = Elasticsearch()
    double = Double(store, context)
    for packing in ("none", "gzip", "zstd"):
        store.documents.clear()
        run = feed(driver, f"ecs:elasticsearch+https://localhost:{double.port}/mail?ca={ca}&compress={packing}&token_env={TOKEN}",
                   count=3000, until_idle=20000)
        tap.check(f"Elasticsearch gets every document under its id (compression: {packing})",
                  [*sums(run, sent=3000, retried=0), *differences(list(store.documents.values()), range(1, 3001))])
    tokens = {headers.get("Authorization") for _, _, headers, _ in double.requests}
    tap.check("the API key comes from the environment", [] if tokens == {"ApiKey secret-token"} else [tokens])
    double.close()

    once = set()
    def judge(number):
        if number % 100 == 7:
            return 400
        if number % 50 == 3 and number not in once:
            once.add(number)
            return 429
        return 201
    store, letters = Elasticsearch(judge), os.path.join(folder, "refused.ndjson")
    double = Double(store)
    run = feed(driver, f"ecs:elasticsearch+http://127.0.0.1:{double.port}/mail?dead_letter={letters}&backoff_max=100ms",
               count=1000, until_idle=20000)
    double.close()
    wanted = [n for n in range(1, 1001) if n % 100 != 7]
    reasons = [*sums(run, sent=990, rejected=10),
               *differences([store.documents.get(f"doc-{n}", "") for n in wanted], wanted)]
    with open(letters, encoding="utf-8") as file:
        refused = [json.loads(line) for line in file]
    if [letter["document"]["n"] for letter in refused] != list(range(7, 1001, 100)):
        reasons.append(f"refused are {refused}")
    if any("mapper_parsing_exception: document" not in letter["reason"] or not letter["time"] for letter in refused):
        reasons.append(f"the reasons are {refused[:2]}")
    if store.conflicts:
        reasons.append(f"{store.conflicts} documents came again although they had been taken")
    tap.check("of a bulk that is taken in part, only what is pending is sent again, and what is refused is kept", reasons)


def check_busy(tap, driver, folder):
    for status, name in ((429, "busy"), (503, "away")):
        store, said = Elasticsearch(), []
        def answer(request, status=status, said=said, store=store):
            if len(said) < 2:
                said.append(time.monotonic())
                return reply(status, {"error": "later"}, **{"Retry-After": "1"})
            said.append(time.monotonic())
            return store(request)
        double = Double(answer)
        run = feed(driver, f"ecs:elasticsearch+http://127.0.0.1:{double.port}/mail?backoff_max=100ms&spool={folder}/{name}",
                   count=500, until_idle=20000)
        double.close()
        reasons = [*sums(run, sent=500), *differences(list(store.documents.values()), range(1, 501))]
        pauses = [after - before for before, after in zip(said[:2], said[1:3])]
        if any(pause < 0.95 for pause in pauses):
            reasons.append(f"asked for one second, it waited {pauses}")
        if f"status {status}" not in run.stderr:
            reasons.append(run.stderr)
        tap.check(f"a receiver that is {name} ({status}) is asked again when it says so", reasons)


def check_lost_answer(tap, driver, folder):
    """The bulk is taken, but the answer is lost: the ids keep it from being there twice."""
    store, state = Elasticsearch(), {"cut": 0}
    def answer(request):
        result = store(request)
        if state["cut"] < 3:
            state["cut"] += 1
            request.connection.shutdown(socket.SHUT_RDWR)
        return result
    double = Double(answer)
    run = feed(driver, f"ecs:elasticsearch+http://127.0.0.1:{double.port}/mail?backoff_max=100ms&spool={folder}/cut",
               count=1000, until_idle=20000)
    double.close()
    reasons = [*sums(run, sent=1000, rejected=0), *differences(list(store.documents.values()), range(1, 1001))]
    if store.conflicts == 0:
        reasons.append("nothing was ever sent twice, so nothing is proven")
    tap.check("documents whose answer was lost are not there twice", reasons)


def check_kill(tap, driver, folder):
    """Killed while sending; what the next process sends again is under the same ids."""
    store = Elasticsearch()
    double = Double(store)
    spec = f"ecs:elasticsearch+http://127.0.0.1:{double.port}/mail?spool={folder}/http-kill&batch_max=20K&flush=2ms"
    owed, first = set(), 1
    for _ in range(5):
        mark = os.path.join(folder, "http-mark")
        run = receivers.Feed(driver, [spec], count=100000, first=first, rate=5000, mark=mark)
        time.sleep(0.3)
        run.kill()
        put, settled, _ = receivers.read_marks(mark)
        owed.update(range(first, first + settled))
        first += put + 100
    run = feed(driver, spec, until_idle=30000)
    double.close()
    missing = owed - {int(name[4:]) for name in store.documents}
    reasons = list(sums(run, spooled=0, rejected=0))
    if missing or not owed:
        reasons.append(f"of {len(owed)} documents {len(missing)} are lost: {sorted(missing)[:5]}")
    print(f"# {len(owed)} documents owed, {store.conflicts} were sent twice and taken once")
    tap.check("killed -9 five times, every document is there once", reasons)


def check_splunk(tap, driver, folder):
    events, state = [], {"requests": 0}
    def answer(request):
        state["requests"] += 1
        if request.headers["Authorization"] != "Splunk secret-token" or request.path != "/services/collector/event":
            return reply(403, {"text": "Invalid token", "code": 4})
        batch = [json.loads(line) for line in request.body.decode().splitlines()]
        bad = next((i for i, event in enumerate(batch) if event["event"]["n"] in (17, 400)), None)
        if bad is not None:
            return reply(400, {"text": "Invalid data format", "code": 6, "invalid-event-number": bad})
        events.extend(batch)
        return reply(200, {"text": "Success", "code": 0})
    double = Double(answer)
    letters = os.path.join(folder, "splunk.refused")
    run = feed(driver, f"ecs:splunk+http://127.0.0.1:{double.port}?token_env={TOKEN}&index=mail&host=tap1&dead_letter={letters}",
               count=500, until_idle=20000)
    double.close()
    wanted = [n for n in range(1, 501) if n not in (17, 400)]
    reasons = [*sums(run, sent=498, rejected=2)]
    if [event["event"]["n"] for event in events] != wanted:
        reasons.append(f"{len(events)} events came")
    if any(event["fields"]["mailtap_id"] != f"doc-{event['event']['n']}" or event["host"] != "tap1" or event["index"] != "mail"
           or event["sourcetype"] != "mailtap:ecs" or abs(event["time"] - time.time()) > 60 for event in events):
        reasons.append(f"the events are {events[:1]}")
    tap.check("Splunk gets every event but those that it calls invalid, which are kept", reasons)
    double = Double(answer)
    run = feed(driver, f"ecs:splunk+http://127.0.0.1:{double.port}?token_env=HOME&backoff_max=100ms", count=5, grace=300)
    double.close()
    tap.check("a wrong token is said and buries nothing",
              [*sums(run, sent=0, rejected=0, shed=5), *([] if "status 403" in run.stderr else [run.stderr])])


def check_renewed_token(tap, driver, folder):
    """An old token is refused; on SIGHUP the new one is read, also while the old one is being refused."""
    token, wanted = os.path.join(folder, "token"), ["first"]
    def answer(request):
        right = request.headers["Authorization"] == f"Bearer {wanted[0]}"
        return (200, {}, b"") if right else (401, {}, b"no")
    double = Double(answer)
    write(token, "first\n")
    run = receivers.Feed(driver, [f"ecs:http://127.0.0.1:{double.port}/in?token_file={token}&backoff_max=20s&body=array"],
                         count=400, rate=1000, until_idle=20000)
    receivers.wait_for(lambda: double.requests)
    wanted[0] = "second"
    reasons = [] if receivers.wait_for(lambda: refusals(double, "first")) else ["the old token was never refused"]
    write(token, "second\n")
    run.process.send_signal(signal.SIGHUP)
    run.wait()
    double.close()
    got = [json.loads(line)["n"] for line in texts_taken(double, "second")]
    reasons += sums(run, sent=400)
    if not got or got[-1] != 400 or "secrets and certificates were read again" not in run.stderr:
        reasons.append(f"with the second token came {got[-3:]}; said {run.stderr[-300:]}")
    tap.check("a token that has changed is read again on SIGHUP, at once", reasons)

    double = Double(lambda request: (200, {}, b""))
    run = receivers.Feed(driver, [f"ecs:http://127.0.0.1:{double.port}/in?token_file={token}"], count=2000, rate=1000)
    receivers.wait_for(lambda: double.requests)
    os.unlink(token)
    run.process.send_signal(signal.SIGHUP)
    run.wait()
    double.close()
    tokens = {headers.get("Authorization") for _, _, headers, _ in double.requests}
    reasons = [*sums(run, sent=2000), *([] if tokens == {"Bearer second"} else [f"sent {tokens}"])]
    if "No such file or directory; what was read before stays in force" not in run.stderr:
        reasons.append(f"said {run.stderr[-300:]}")
    tap.check("a token that can't be read again stays, and that is said", reasons)


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def refusals(double, token):
    with double.lock:
        return sum(headers["Authorization"] == f"Bearer {token}" for _, _, headers, _ in double.requests) > 1


def texts_taken(double, token):
    return [json.dumps(document) for _, _, headers, body in double.requests
            if headers["Authorization"] == f"Bearer {token}" for document in json.loads(body)]


def check_dead_letters(tap, driver, folder):
    letters = os.path.join(folder, "letters")
    double = Double(Elasticsearch(lambda number: 400))
    run = feed(driver, f"ecs:elasticsearch+http://127.0.0.1:{double.port}/mail?dead_letter={letters}&dead_letter_max=16K",
               count=500, until_idle=20000)
    double.close()
    kept, reasons = [], [*sums(run, rejected=500)]
    for name in (letters + ".1", letters):
        with open(name, encoding="utf-8") as file:
            kept += [json.loads(line)["document"]["n"] for line in file]
        if os.path.getsize(name) > 16384:
            reasons.append(f"{name} has {os.path.getsize(name)} bytes")
    if run.stats and run.stats[0]["forgotten"] != 500 - len(kept):
        reasons.append(f"{len(kept)} are kept of 500, forgotten is {run.stats[0]['forgotten']}")
    if kept != list(range(501 - len(kept), 501)) or not 20 < len(kept) < 200:
        reasons.append(f"kept are {kept}")
    tap.check("dead letters have a limit: the latest are kept, and what is forgotten is counted", reasons)
    # a folder stands where the full file would go
    letters = os.path.join(folder, "stuck")
    os.mkdir(letters + ".1")
    double = Double(Elasticsearch(lambda number: 400))
    run = feed(driver, f"ecs:elasticsearch+http://127.0.0.1:{double.port}/mail?dead_letter={letters}&dead_letter_max=16K",
               count=500, until_idle=20000)
    double.close()
    with open(letters, encoding="utf-8") as file:
        kept = [json.loads(line)["document"]["n"] for line in file]
    reasons = [*sums(run, rejected=500, forgotten=500 - len(kept))]
    if kept != list(range(1, len(kept) + 1)) or os.path.getsize(letters) > 16384:
        reasons.append(f"kept are {kept}, in {os.path.getsize(letters)} bytes")
    tap.check("a file of dead letters that can't be put aside grows no further", reasons)
    double = Double(Elasticsearch(lambda number: 400))
    run = feed(driver, f"ecs:elasticsearch+http://127.0.0.1:{double.port}/mail", count=20, until_idle=20000)
    double.close()
    tap.check("without a file for them all refused documents are counted as forgotten", sums(run, rejected=20, forgotten=20))
    told = run.stderr.count("refuses document")
    reasons = [] if told == 1 else [f"{told} lines about 20 documents that were refused within ten seconds"]
    tap.check("a receiver that refuses everything is told of once, not for each document", reasons)


def check_clickhouse(tap, driver):
    rows, tokens, state = [], [], {"first": True}
    def answer(request):
        url = urllib.parse.urlsplit(request.path)
        query = urllib.parse.parse_qs(url.query)
        if query["query"] != ["INSERT INTO mail.smtp FORMAT JSONEachRow"]:
            return reply(404, "no such table")
        token = query["insert_deduplication_token"][0]
        if state["first"]:
            state["first"] = False
            tokens.append(token)
            rows.extend(request.body.decode().splitlines())
            return reply(500, "lost after the insertion")
        if token not in tokens:
            tokens.append(token)
            rows.extend(request.body.decode().splitlines())
        return 200, {}, b""
    double = Double(answer)
    run = feed(driver, f"ecs:clickhouse+http://127.0.0.1:{double.port}/mail.smtp?backoff_max=100ms&user=default&password_env={TOKEN}",
               count=1000, until_idle=20000)
    double.close()
    tap.check("ClickHouse gets every row once, also when an insertion is repeated",
              [*sums(run, sent=1000), *differences(rows, range(1, 1001))])


def check_webhook(tap, driver):
    got = []
    def answer(request):
        if len(request.body) > 5000:
            return reply(413, "too large")
        got.extend(json.loads(request.body))
        return reply(202, {})
    double = Double(answer)
    run = feed(driver, f"ecs:http://127.0.0.1:{double.port}/hook?body=array&token_env={TOKEN}", count=200, until_idle=20000)
    bearer = {headers.get("Authorization") for _, _, headers, _ in double.requests}
    double.close()
    reasons = list(sums(run, sent=200, rejected=0))
    if [one["n"] for one in got] != list(range(1, 201)) or bearer != {"Bearer secret-token"}:
        reasons.append(f"{len(got)} came, with {bearer}")
    tap.check("a webhook gets arrays, smaller ones when they are too large for it", reasons)
    lines = []
    def lines_answer(request):
        lines.extend(request.body.decode().splitlines())
        return reply(200, {})
    double = Double(lines_answer)
    run = feed(driver, f"cef:http://127.0.0.1:{double.port}/hook", count=200, until_idle=20000)
    double.close()
    tap.check("or lines, in any format", [*sums(run, sent=200), *differences(lines, range(1, 201))])


def check_slow(tap, driver, folder):
    """Reads one byte at a time, and is given up at the end."""
    receiver = receivers.TcpReceiver(chunk=1, pause=0.05)
    started = time.monotonic()
    run = feed(driver, f"ecs:elasticsearch+http://127.0.0.1:{receiver.port}/mail?spool={folder}/slow-http", count=20000,
               size=1000, rate=100000, grace=500)
    took = time.monotonic() - started
    receiver.close()
    reasons = list(sums(run, shed=0, sent=0, spooled=20000))
    if took > 20:
        reasons.append(f"it took {took:.0f} s")
    tap.check("a receiver that reads byte by byte holds up nobody: all of it is in the spool", reasons)


def check_tls(tap, driver, certificates):
    ca = certificates.path("ca.pem")
    cases = [("expired", "expired", f"ca={ca}", "certificate has expired"),
             ("signed by nobody known", "server", "", "unable to get local issuer certificate"),
             ("for another name", "elsewhere", f"ca={ca}", "no alternative certificate subject name matches")]
    for name, which, keys, words in cases:
        double = Double(Elasticsearch(), server_context(certificates, which))
        run = feed(driver, f"ecs:elasticsearch+https://localhost:{double.port}/mail?backoff_max=100ms&{keys}", count=5, grace=400)
        double.close()
        tap.check(f"a certificate that is {name} is not accepted, in words",
                  [*sums(run, sent=0, shed=5), *([] if words in run.stderr else [run.stderr])])
    context = server_context(certificates, "server")
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    store = Elasticsearch()
    double = Double(store, context)
    run = feed(driver, f"ecs:elasticsearch+https://localhost:{double.port}/mail?ca={ca}&cert={certificates.path('client.pem')}"
                       f"&key={certificates.path('client.key')}", count=50, until_idle=10000)
    double.close()
    tap.check("a client certificate is shown to who asks for it", sums(run, sent=50))
    run = feed(driver, "ecs:https://no-such-host.invalid/x?backoff_max=100ms", count=5, grace=400)
    tap.check("a name that can't be looked up is said",
              [*sums(run, sent=0, shed=5), *([] if "Could not resolve host" in run.stderr else [run.stderr])])


def server_context(certificates, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path(f"{name}.pem"), certificates.path(f"{name}.key"))
    return context


def main():
    driver = os.path.abspath(sys.argv[1])
    tap = Tap()
    with scratch() as folder:
        certificates = receivers.Certificates(folder)
        check_elasticsearch(tap, driver, folder, server_context(certificates, "server"), certificates.path("ca.pem"))
        check_busy(tap, driver, folder)
        check_lost_answer(tap, driver, folder)
        check_kill(tap, driver, folder)
        check_splunk(tap, driver, folder)
        check_renewed_token(tap, driver, folder)
        check_dead_letters(tap, driver, folder)
        check_clickhouse(tap, driver)
        check_webhook(tap, driver)
        check_slow(tap, driver, folder)
        check_tls(tap, driver, certificates)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
