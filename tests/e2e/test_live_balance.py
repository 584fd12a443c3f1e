#!/usr/bin/env python3
"""What happens to every frame of live capture, also under duress: the sum of
what was parsed, filtered, rejected by name and lost by cause is what was sent.

    test_live_balance.py MAILTAP SOURCE-ROOT REPLAY TRAFFIC [CHECK ...]
"""

import collections
import contextlib
import os
import signal
import struct
import subprocess
import sys
import time

import live
from harness import Run, Tap, crash_reasons, scratch
from same import as_text, read_lines, set_differences, strip

QUEUE = 1 << 12  # frames that may lie in a queue of net_memif (replay's default)
STRANGERS = 1_000_000
INTACT_SHARE = 0.999


class Bench:
    """The programs, the inputs, and what `read` says of them."""

    def __init__(self, mailtap, root, replay, traffic, folder):
        self.mailtap, self.root, self.replay, self.traffic, self.folder = mailtap, root, replay, traffic, folder
        self.inputs = {}

    def input(self, profile, sessions, *options):
        """(capture, site file, number of frames)"""
        name = f"{profile}-{sessions}"
        if name not in self.inputs:
            paths = os.path.join(self.folder, f"{name}.pcap"), os.path.join(self.folder, f"{name}.yaml")
            done = subprocess.run([self.traffic, "--profile", profile, "--sessions", str(sessions), "--mean-cap", "6000",
                                   *options, "--output", paths[0], "--site", paths[1]],
                                  check=True, capture_output=True, text=True)
            self.inputs[name] = (*paths, int(done.stderr.split()[2]))
        return self.inputs[name]

    def read(self, path, site):
        outputs = [os.path.join(self.folder, f"read.{kind}") for kind in ("sessions", "alerts")]
        run = Run(self.mailtap, ["read", "--site", site, "--sessions", outputs[0], "--alerts", outputs[1], path])
        reasons = list(crash_reasons(run, okay=(0,)))
        if reasons:
            raise live.Trouble(reasons[0])
        return [read_lines(path) for path in outputs]

    def live(self, folder, *arguments, **options):
        return live.Live(self.mailtap, folder, list(arguments), **options)

    def sender(self, run, folder, source, *arguments):
        return live.Sender(self.replay, run, folder, source, *arguments)


def finish(run, sent, number=signal.SIGTERM, may_wait=0, okay=(0, 1)):
    """Ends the run once it has had everything; what is wrong with its balance."""
    run.end(number)
    yield from run.crash_reasons(okay)
    yield from live.balance_reasons(sent, run.stats(), may_wait)


def settle(seconds=0.5):
    """What lies in the queues is polled within microseconds; loaded machines sleep."""
    time.sleep(seconds)


# --- plain sums ----------------------------------------------------------------

ETHERNET = bytes.fromhex("020000000001020000000002")


def ipv4(protocol, payload, total=None):
    size = 20 + len(payload) if total is None else total
    return ETHERNET + b"\x08\x00" + struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, protocol, 0,
                                                b"\xc6\x12\x00\x01", b"\x0a\x19\x00\x19") + payload


def tcp(src, dst, offset=5):
    return struct.pack(">HHIIBBHHH", src, dst, 1, 0, offset << 4, 2, 65535, 0, 0)


# Name of the counter, a frame that it counts.
JUNK = {
    "packet.reject.not_ip": ETHERNET + b"\x08\x06" + bytes(46),
    "packet.reject.not_tcp": ipv4(17, bytes(30)),
    "packet.reject.ip_length": ipv4(6, tcp(40000, 25), total=12),
    "packet.reject.tcp_truncated": ipv4(6, bytes(12)),
    "packet.reject.tcp_header": ipv4(6, tcp(40000, 25, offset=2)),
    "packet.not_mail_port": ipv4(6, tcp(40000, 443)),
}


def junk_capture(bench, copies):
    path = os.path.join(bench.folder, "junk.pcap")
    frames = [(10**9 + number, frame.ljust(60, b"\0"), max(60, len(frame)))
              for number, frame in enumerate(list(JUNK.values()) * copies)]
    return path, live.write_pcap(path, frames)


def check_junk(bench):
    """Rejected frames are counted each under its name."""
    path, count = junk_capture(bench, 50)
    with live.scratch_folder() as folder, bench.live(folder, "--port", live.memif(folder)) as run, \
            bench.sender(run, folder, path, "--loops", "20") as sender:
        sent = sender.result()["frames"]
        settle()
        yield from finish(run, sent)
        for name in JUNK:
            if run.stats()[name] != sent // len(JUNK):
                yield f"{name} is {run.stats()[name]} instead of {sent // len(JUNK)}"


def check_filter(bench):
    """--filter: what it does not select is counted as filtered."""
    path, site, count = bench.input("spam", 400)
    with live.scratch_folder() as folder, bench.live(
            folder, "--site", site, "--filter", "tcp port 587 or arp", "--port", live.memif(folder)) as run, \
            bench.sender(run, folder, path) as sender:
        sent = sender.result()["frames"]
        settle()
        yield from finish(run, sent)
        if run.stats()["capture.filtered"] == 0:
            yield "nothing was filtered"
        others = [session for session in run.sessions() if session["destination"]["port"] != 587]
        if others:
            yield f"a session that the filter excludes: {others[0]['destination']}"


# --- duress --------------------------------------------------------------------


def schedule_workers(run, policy):
    """All threads on one processor, where workers with SCHED_IDLE hardly get a turn beside the reader that polls."""
    processor = {min(os.sched_getaffinity(0))}
    for thread in os.listdir(f"/proc/{run.child.pid}/task"):
        with open(f"/proc/{run.child.pid}/task/{thread}/comm", encoding="ascii") as name:
            is_worker = name.read().startswith("worker")
        os.sched_setaffinity(int(thread), processor if policy == os.SCHED_IDLE else os.sched_getaffinity(0))
        with contextlib.suppress(PermissionError):  # the way back is root's; then they end slowly
            if is_worker:
                os.sched_setscheduler(int(thread), policy, os.sched_param(0))


def check_ring_full(bench):
    """A reader faster than its workers: what they could not take is counted."""
    with live.scratch_folder() as folder, bench.live(
            folder, "--workers", "2", "--spread", "software", "--port", live.memif(folder)) as run:
        run.wait_until_ready()
        schedule_workers(run, os.SCHED_IDLE)
        with bench.sender(run, folder, "profile:probing", "--loops", "1000", "--seconds", "2") as sender:
            sent = sender.result()["frames"]
        schedule_workers(run, os.SCHED_OTHER)
        settle(2)
        yield from finish(run, sent)
        stats = run.stats()
        if stats["live.ring_full"] == 0:
            yield "the workers were never behind, so nothing was tried"
        if stats["session.records"] != len(run.sessions()) + stats["export.shed"]:
            yield f"{stats['session.records']} records, {len(run.sessions())} written, {stats['export.shed']} shed"


def check_memory_refused(bench):
    """A pool that does not fit into --memory is refused with the arithmetic."""
    with live.scratch_folder() as folder, bench.live(folder, "--memory", "4M", "--port", live.memif(folder)) as run:
        code = run.wait()
        if code != 3:
            yield f"ended with {code} instead of 3"
        if not any("descriptors" in line and "4 MiB" in line for line in run.said()):
            yield f"no arithmetic: {run.said()[-2:]}"


def check_small_pool(bench):
    """The fewest buffers there can be, and traffic that makes frames wait: nothing
    stands still, and the sum is right."""
    with live.scratch_folder() as folder, bench.live(
            folder, "--memory", "24M", "--queue-size", "512", "--port", live.memif(folder)) as run, \
            bench.sender(run, folder, "profile:hostile", "--ring", "9", "--loops", "3", "--stall", "20") as sender:
        result = sender.result()
        if result["stalled"]:
            yield "mailtap stopped taking frames"
        settle()
        yield from finish(run, result["frames"])
        if run.stats()["stream.hold_refused"] == 0:
            yield "there were always enough buffers to hold, so nothing was tried"


def check_fifo(bench):
    """A sink that stops reading: every frame is parsed, what can't be written is counted."""
    with live.scratch_folder() as folder:
        fifo = os.path.join(folder, "sink")
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        with bench.live(folder, "--port", live.memif(folder), sessions=fifo) as run, \
                bench.sender(run, folder, "profile:probing", "--loops", "40") as sender:
            result = sender.result()
            if result["stalled"]:
                yield "the worker waited for the sink"
            settle()
            yield from finish(run, result["frames"], okay=(1,))
            stats, whole = run.stats(), drain(reader).count(b"\n")
        if stats["export.shed"] == 0:
            yield "nothing was shed, so the sink was no obstacle"
        lines = stats["session.records"] - stats["export.shed"]
        if whole != lines:
            yield f"{stats['session.records']} records, {stats['export.shed']} shed, {whole} whole lines in the pipe"


def drain(reader):
    pieces = []
    while True:
        try:
            piece = os.read(reader, 1 << 20)
        except BlockingIOError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(reader)
    return b"".join(pieces)


def check_sigterm(bench):
    """SIGTERM under load: what was taken is finished, every line is whole."""
    with live.scratch_folder() as folder, bench.live(folder, "--port", live.memif(folder)) as run, \
            bench.sender(run, folder, "profile:ordinary", "--loops", "100000", "--stall", "2") as sender:
        time.sleep(2)
        run.end()
        yield from run.crash_reasons((0, 1))
        sent = sender.finish()["frames"]
        stats = run.stats()
        # what lay in the queue when polling ended is gone with it
        yield from live.balance_reasons(sent, stats, may_wait=QUEUE)
        if stats["capture.frames"] < 1000:
            yield f"only {stats['capture.frames']} frames: there was no load"
        if stats["session.records"] != len(run.sessions()) + stats["export.shed"]:
            yield f"{stats['session.records']} records, {len(run.sessions())} written, {stats['export.shed']} shed"


def check_sighup(bench):
    """SIGHUP under load, with a good and with a broken site file: not a packet less."""
    with live.scratch_folder() as folder:
        site = os.path.join(folder, "site.yaml")
        with open(site, "w", encoding="ascii") as file:
            file.write("home_networks: [10.25.0.0/24]\n")
        # in the lossless mode a packet that mailtap loses shows in the sum, one that waits does not
        with bench.live(folder, "--site", site, "--port", live.memif(folder)) as run, \
                bench.sender(run, folder, "profile:probing", "--loops", "1000000", "--seconds", "4") as sender:
            time.sleep(1)
            with open(site, "w", encoding="ascii") as file:
                file.write("home_networks: [198.18.0.0/15, 10.25.0.0/24]\n")
            run.signal(signal.SIGHUP)
            time.sleep(1)
            with open(site, "w", encoding="ascii") as file:
                file.write("home_networks: [10.25.0.0/24]\nhome_netwroks: []\n")
            run.signal(signal.SIGHUP)
            run.wait_for_line(r"SIGHUP: .*in force", 5)
            run.wait_for_line(r"SIGHUP: .*site\.yaml:2.*old", 5)
            if run.is_over():
                yield "a broken site file ended the run"
            sent = sender.result()["frames"]
            settle()
            yield from finish(run, sent)
            lost = [name for name in (*live.LOST, "live.ring_full") if run.stats()[name]]
            if lost:
                yield f"packets were lost: {lost}"


def check_tap(bench):
    """Two ports as a tap, a direction on each: the records of the file. There is no
    word about time but when a queue is polled, so a machine that stands still for
    longer than a round trip swaps what was said; then it is said more slowly."""
    for workers, spread in (("1", "auto"), ("2", "device"), ("2", "software")):
        for rate in ("700", "200"):
            reasons = list(tap_at(bench, workers, spread, rate))
            if not reasons:
                break
        yield from (f"{workers} workers, {spread}: {reason}" for reason in reasons)


def tap_at(bench, workers, spread, rate):
    path, site, count = bench.input("ordinary", 30)
    sessions, alerts = bench.read(path, site)
    queues = workers if spread == "device" else "1"
    with live.scratch_folder() as folder, bench.live(
            folder, "--site", site, "--workers", workers, "--spread", spread, "--count", str(count), "--duration",
            "30s", "--port", live.memif(folder, 0), "--port", live.memif(folder, 1)) as run, \
            bench.sender(run, folder, path, "--tap", "--queues", queues, "--rate", rate, "--lossless"):
        run.wait()
        yield from run.crash_reasons()
        yield from set_differences(sessions, run.sessions(), "sessions")
        yield from set_differences(alerts, run.alerts(), "alerts")
        yield from live.balance_reasons(count, run.stats())


def conversation(session):
    """What was said, whoever said it: every loop of the sender has other clients.
    helo is left out, because its findings compare it with the client's address."""
    return as_text({name: value for name, value in strip(session)["smtp"].items() if name != "helo"})


def conversation_from_data(session):
    """The same of a session whose SYN may have been forgotten: what came before the
    first command, the banner too, is then not known to be of it."""
    return as_text({name: value for name, value in strip(session)["smtp"].items()
                    if name not in ("helo", "pickup", "banner")})


def flood(bench, strangers, loops, key):
    """So many SYNs of strangers behind every frame; which share of the sessions
    was recorded as it is without them."""
    path, site, _ = bench.input("ordinary", 2000)
    expected = collections.Counter(key(session) for session in bench.read(path, site)[0])
    expected = collections.Counter({text: count * loops for text, count in expected.items()})
    with live.scratch_folder() as folder, bench.live(folder, "--site", site, "--port", live.memif(folder)) as run, \
            bench.sender(run, folder, path, "--flood", str(strangers), "--flood-sources", str(STRANGERS), "--loops",
                         str(loops)) as sender:
        result = sender.result()
        settle(1)
        yield from finish(run, result["frames"])
        if result["flood"] < STRANGERS:
            yield f"only {result['flood']} SYNs"
        lacking = (expected - collections.Counter(key(session) for session in run.sessions())).total()
        share = 1 - lacking / expected.total()
        if share < INTACT_SHARE:
            yield f"{share * 100:.2f} % of {expected.total()} sessions were recorded intact"


def check_flood(bench):
    """As many SYNs as there is mail, from a million sources: at least 99.9 % of the
    sessions are recorded as they are without."""
    return flood(bench, 1, 17, conversation)


def check_heavy_flood(bench):
    """Seventeen times as many SYNs as there is mail, in a third of a second: more
    than are remembered during a handshake, so some sessions begin with their first
    data (pickup). Nothing else may be missing of them."""
    return flood(bench, 17, 1, conversation_from_data)


# --- ports that go and return --------------------------------------------------


def check_return(bench, netlab):
    """A port that disappears and returns: the mail of before and of after is recorded."""
    path, site, count = bench.input("ordinary", 40)
    again = os.path.join(bench.folder, "again.pcap")
    live.write_pcap(again, ((when, frame[:26] + b"\xc6\x20" + frame[28:] if frame[26:27] == b"\xc6" else
                             frame[:30] + b"\xc6\x20" + frame[32:], size)
                            for when, frame, size in live.frames_of(path)))
    expected = sum(len(bench.read(capture, site)[0]) for capture in (path, again))
    with live.scratch_folder() as folder, live.Cable(netlab) as cable, bench.live(
            folder, "--site", site, "--interface", cable.NEAR, prefix=cable.near.command([])) as run:
        run.wait_until_ready()
        sent = cable.send(path)
        settle(1)
        cable.unplug()
        run.wait_for_line(r"has gone", 15)
        cable.plug()
        run.wait_for_line(r"is back", 15)
        sent += cable.send(again)
        settle(1)
        yield from finish(run, sent)
        if len(run.sessions()) != expected:
            yield f"{len(run.sessions())} sessions instead of {expected}"


CHECKS = {
    "junk": (check_junk, "frames that are rejected are each counted under the reason"),
    "filter": (check_filter, "frames that --filter leaves out are counted"),
    "ring": (check_ring_full, "a reader that is faster than its workers loses nothing uncounted"),
    "memory": (check_memory_refused, "buffers that do not fit into --memory are refused with the arithmetic"),
    "pool": (check_small_pool, "a small pool of buffers loses nothing uncounted, and nothing stands still"),
    "fifo": (check_fifo, "a sink that stops reading costs records that are counted, and no packet"),
    "sigterm": (check_sigterm, "SIGTERM under load finishes everything that was taken"),
    "sighup": (check_sighup, "SIGHUP under load loses no packet, with a good and with a broken site file"),
    "tap": (check_tap, "two ports as a tap give the records of the file"),
    "flood": (check_flood, "SYNs of a million strangers leave as much ordinary mail intact"),
    "heavy-flood": (check_heavy_flood, "seventeen times as many SYNs as mail cost no more than the memory of a SYN"),
    "return": (check_return, "a port that disappears and returns is captured from again"),
}


def attempt(check, *arguments):
    try:
        return list(check(*arguments))
    except (live.Trouble, OSError, subprocess.SubprocessError) as trouble:
        return [f"{type(trouble).__name__}: {trouble}"]


def main():
    mailtap, root, replay, traffic, *wanted = sys.argv[1:]
    tap, netlab, lacking = Tap(), live.netlab_of(root), live.why_no_namespaces()
    with scratch() as folder:
        bench = Bench(mailtap, root, replay, traffic, folder)
        for name, (check, title) in CHECKS.items():
            if wanted and name not in wanted:
                continue
            if name != "return":
                tap.check(title, attempt(check, bench))
            elif lacking:
                tap.skipped(title, lacking)
            else:
                tap.check(title, attempt(check, bench, netlab))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
