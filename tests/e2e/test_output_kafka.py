"""Kafka as a target, with the mock cluster of librdkafka: three brokers that stop,
come back, hand over and refuse.

    test_output_kafka.py DRIVER FOLDER KAFKA-MOCK
"""

import json
import os
import subprocess
import sys
import time

from harness import Tap, scratch
from receivers import Feed, differences, feed, sums

PARTITIONS, BROKERS = 4, 3
MSG_SIZE_TOO_LARGE, NOT_ENOUGH_REPLICAS = 10, 19


class Cluster:
    def __init__(self, mock):
        self.process = subprocess.Popen([mock], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.brokers = self.process.stdout.readline().strip()

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        if words[0] != "dump":
            said = self.process.stdout.readline().strip()
            if said != "NO_ERROR":
                raise RuntimeError(f"{words}: {said}")

    def messages(self):
        """(partition, key, id, value) of each message."""
        self.tell("dump")
        found = []
        while (line := self.process.stdout.readline().rstrip("\n")) != ".":
            found.append(tuple(line.split("\t")))
        return found

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)


def asked_again(run):
    """Whether librdkafka alone may have sent a batch twice, or behind its successor: with the same sequence
    number, which a broker would put right and the mock cluster does not look at. What we send again counts."""
    return bool(run.stats) and run.stats[0]["retried"] == 0


def wrong(messages, count, is_loose=False):
    """One client is one key, so one partition, in order."""
    if {(key, name) for _, key, name, _ in messages} != {("192.0.2.1", f"doc-{n}") for n in range(1, count + 1)}:
        yield f"{len(messages)} messages came, {len({m[2] for m in messages})} ids of {count}"
    values = [m[3] for m in messages]
    if is_loose:
        values = sorted(set(values), key=lambda value: json.loads(value)["n"])
    yield from differences(values, range(1, count + 1))
    if len({m[0] for m in messages}) != 1:
        yield "one client's documents are in several partitions"


def check_plain(tap, driver, mock):
    for packing in ("none", "zstd"):
        cluster = Cluster(mock)
        run = feed(driver, f"ecs:kafka://{cluster.brokers}/mail?compression.type={packing}", count=5000, until_idle=20000)
        tap.check(f"Kafka gets every document once, in order, under its client's key (compression: {packing})",
                  [*sums(run, sent=5000, retried=0), *wrong(cluster.messages(), 5000)])
        cluster.close()


def check_moves(tap, driver, mock, folder):
    cluster = Cluster(mock)
    run = Feed(driver, [f"ecs:kafka://{cluster.brokers}/mail?spool={folder}/moves&backoff_max=100ms"], count=10000,
               rate=3000, until_idle=30000)
    time.sleep(0.5)
    for turn in range(4):
        for partition in range(PARTITIONS):
            cluster.tell("leader", partition, (partition + turn) % BROKERS + 1)
        time.sleep(0.3)
    for broker in range(1, BROKERS + 1):
        cluster.tell("down", broker)
        time.sleep(0.3)
        cluster.tell("up", broker)
        time.sleep(0.2)
    run.wait()
    tap.check("when leaders change and brokers stop, every document is there once",
              [*sums(run, sent=10000, shed=0, rejected=0), *wrong(cluster.messages(), 10000, asked_again(run))])
    cluster.close()


def check_away(tap, driver, mock, folder):
    cluster = Cluster(mock)
    for broker in range(1, BROKERS + 1):
        cluster.tell("down", broker)
    # Who is busy may have no answer within a second, and what has none is sent again: only brokers that are away
    # are not waited for.
    patient = f"ecs:kafka://{cluster.brokers}/mail?spool={folder}/away&backoff_max=100ms"
    spec = f"{patient}&timeout=1s"
    run = feed(driver, spec, count=2000, grace=1500)
    tap.check("all brokers away: it waits in the spool, and that is said",
              [*sums(run, sent=0, spooled=2000), *([] if "brokers" in run.stderr.lower() or "refused" in run.stderr else [run.stderr])])
    run = feed(driver, spec, check="")
    tap.check("with --check brokers that are away are an error", [] if run.code == 3 else [f"{run.code}: {run.stderr}"])
    for broker in range(1, BROKERS + 1):
        cluster.tell("up", broker)
    run = feed(driver, patient, until_idle=20000)
    tap.check("when they are back, the next process sends it",
              [*sums(run, found=2000, sent=2000), *wrong(cluster.messages(), 2000, asked_again(run))])
    cluster.close()


def check_refused(tap, driver, mock, folder):
    cluster, letters = Cluster(mock), os.path.join(folder, "kafka.refused")
    run = feed(driver, f"ecs:kafka://{cluster.brokers}/mail?dead_letter={letters}&message.max.bytes=5000", count=3, size=9000,
               until_idle=10000)
    with open(letters, encoding="utf-8") as file:
        refused = file.read()
    tap.check("what is too large goes to the dead letters",
              [*sums(run, sent=0, rejected=3), *([] if refused.count("doc-") == 3 else [refused[:300]])])
    cluster.tell("refuse", NOT_ENOUGH_REPLICAS, 2)
    run = feed(driver, f"ecs:kafka://{cluster.brokers}/mail?backoff_max=100ms", count=500, until_idle=20000)
    tap.check("what a broker can't take now is sent again",
              [*sums(run, sent=500, rejected=0), *wrong(cluster.messages(), 500)])
    cluster.close()


def check_properties(tap, driver):
    cases = {"compresion.codec=zstd": "did you mean compression.codec?", "compression.type=zst": "Invalid value",
             "sasl.password=x": "sasl.password_file=PATH"}
    reasons = []
    for key, words in cases.items():
        run = feed(driver, f"ecs:kafka://localhost:9092/mail?{key}", check="")
        if run.code != 2 or words not in run.stderr:
            reasons.append(f"{key}: {run.code}: {run.stderr}")
    tap.check("what librdkafka does not know is a usage error with the nearest name", reasons)


def main():
    driver, mock = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[3])
    tap = Tap()
    with scratch() as folder:
        check_properties(tap, driver)
        check_plain(tap, driver, mock)
        check_moves(tap, driver, mock, folder)
        check_away(tap, driver, mock, folder)
        check_refused(tap, driver, mock, folder)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
