"""Measures live capture: scripts/bench live.

A sender on one processor, a receiver on another, net_memif between them. The
zero-loss rate is searched for by halving: the highest rate at which not one frame
is lost, counted end to end, at the sender (its queue was full) as at the receiver.
A trial with a loss is repeated, twice where it is the receiver's own, more often
where the thread that polls had to wait for its processor: what else the machine
does for a moment is no rate of the receiver's. This program keeps to the sender's
processor, where it costs some rate, but no frame.
What is compared is measured in turn: dpdk-testpmd, which only receives, and mailtap;
mail without a flood, and with one. The median of the ratios of turns counts. Each
trial starts both programs anew.
"""

import argparse
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

from bench import MIB, Failure, describe, own_memory, positive, show

SENDER_CORE, RECEIVER_CORE = "0", "1"
RING = "13"
LOOK_SECONDS = 0.05
ATTEMPTS_OWN, ATTEMPTS = 2, 6
DISTURBED_SECONDS = 0.0005  # at 10 Mpps more than half a queue
REST_MIB = 512  # tables, sessions and what waits (docs/performance.md)

# Name: what is sent, and how many sessions are loaded.
TRAFFIC = {
    "64-byte frames": ("size:60", 1000),
    "1500-byte frames": ("size:1500", 500),
    "ordinary": ("profile:ordinary", 2000),
    "modern": ("profile:modern", 2000),
    "probing": ("profile:probing", 20000),
}

LIMITS = {
    "64-byte frames: mailtap / testpmd": (0.25, "at least"),
    "1500-byte frames: mailtap / testpmd": (0.7, "at least"),
    "ordinary: mailtap, Gbit/s": (20.0, "at least"),
    "flood: legitimate frames / clean": (0.7, "at least"),
    "flood: sessions recorded intact, %": (99.9, "at least"),
    "flood: memory / cap": (1.05, "at most"),
    "adaptive: frames lost at 100 kpps": (0.0, "at most"),
    "adaptive: CPU at 100 kpps / busy": (0.9, "at most"),
}


class Trial:
    """One sending: what was sent, what arrived, how long it took."""

    def __init__(self, sent, arrived, lost, seen):
        self.sent, self.arrived, self.lost = sent, arrived, lost
        self.peak, self.cpu, self.waited = seen.peak, seen.cpu, seen.waited
        self.seconds = max(sent["seconds"], 1e-9)
        self.rate = sent["frames"] / self.seconds
        self.bits = sent["bytes"] * 8 / self.seconds
        self.legitimate = (sent["frames"] - sent["flood"]) / self.seconds

    @property
    def missing(self):
        """Frames that were offered and not parsed, wherever they were lost."""
        return self.sent["dropped"] + max(self.lost, self.sent["frames"] - self.arrived)


class Seen:
    """What was seen of a receiver while it received."""

    def __init__(self, peak=0, cpu=0.0, waited=0.0):
        self.peak, self.cpu, self.waited = peak, cpu, waited


class Receiver:
    """A program at the server's end of the memif; arrived() after stop()."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = os.path.join(folder, "memif.sock")
        self.out = os.path.join(folder, "receiver.out")

    def device(self):
        return f"net_memif0,role=server,socket={self.socket},socket-abstract=no,bsize=2048,rsize={RING}"

    def start(self):
        if os.path.exists(self.socket):
            os.remove(self.socket)
        with open(self.out, "wb") as out:
            self.child = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, preexec_fn=use_all_processors)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(timeout=20)
        except subprocess.TimeoutExpired as late:
            self.child.kill()
            self.child.wait()
            raise Failure(f"{self.argv()[0]} did not end") from late

    def said(self):
        with open(self.out, encoding="utf-8", errors="replace") as text:
            return text.read()


class Testpmd(Receiver):
    name = "testpmd"

    def argv(self):
        return ["dpdk-testpmd", "--no-huge", "-m", "512", "--no-pci", f"--file-prefix=bench{os.getpid()}", "--lcores",
                f"0@{SENDER_CORE},1@{RECEIVER_CORE}", "--vdev", self.device(), "--", "--forward-mode=rxonly",
                "--total-num-mbufs=65536", "--rxd=4096", "--txd=512", "--auto-start", "--no-mlockall",
                "--stats-period=3600"]

    def arrived(self):
        """(frames, lost): every stream's or port's line says the same."""
        found = [int(number) for number in re.findall(r"RX-packets: (\d+)", self.said())]
        if not found:
            raise Failure(f"testpmd printed no statistics: {self.said()[-300:]}")
        return max(found), 0


class Mailtap(Receiver):
    name = "mailtap"

    def __init__(self, folder, build, extra=(), sessions="/dev/null"):
        super().__init__(folder)
        self.mailtap = os.path.join(build, "app", "mailtap")
        self.extra, self.sessions = list(extra), sessions
        self.stats_path = os.path.join(folder, "stats")

    def argv(self):
        return [self.mailtap, "live", "--quiet", "--no-shipped-rules", "--port", self.device(), "--cores", RECEIVER_CORE, "--sessions",
                self.sessions, "--alerts", "/dev/null", "--stats", self.stats_path, *self.extra]

    def stats(self):
        with open(self.stats_path, encoding="utf-8") as lines:
            return json.loads(lines.read().splitlines()[-1])["counters"]

    def arrived(self):
        stats = self.stats()
        lost = sum(stats[name] for name in ("port.missed", "port.no_buffer", "port.errors", "port.too_large",
                                            "live.ring_full", "live.unused"))
        return stats["capture.frames"] - stats["port.too_large"] - stats["live.ring_full"], lost


PROCESSORS = os.sched_getaffinity(0)


def use_all_processors():
    """In a child: what this program keeps to is not for it."""
    os.sched_setaffinity(0, PROCESSORS)


def cpu_of(pid):
    """Seconds that the process has had; of its thread that had most, the seconds
    that it waited for a processor."""
    had, waited, most = 0, 0, 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as text:
                ran, delay, _ = map(int, text.read().split())
            had += ran
            if ran > most:
                most, waited = ran, delay
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pass
    return had / 1e9, waited / 1e9


class Lab:
    def __init__(self, build, folder, seconds):
        self.build, self.folder, self.seconds = build, folder, seconds
        self.replay = os.path.join(build, "tests", "replay", "replay")

    def receiver(self, kind, extra=(), **options):
        return Testpmd(self.folder) if kind == "testpmd" else Mailtap(self.folder, self.build, extra, **options)

    def send(self, receiver, traffic, rate, loops=None, flood=0):
        """A trial; rate None: as fast as the receiver takes it, without loss."""
        source, sessions = TRAFFIC[traffic]
        argv = [self.replay, "--json", "--socket", receiver.socket, "--core", SENDER_CORE, "--ring", RING, "--sessions",
                str(sessions), "--linger", "60"]
        argv += ["--rate", str(rate)] if rate else ["--lossless"]
        argv += ["--loops", str(loops)] if loops else ["--loops", "1000000000", "--seconds", str(self.seconds)]
        argv += ["--flood", str(flood)] if flood else []
        receiver.start()
        sender = subprocess.Popen([*argv, source], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, preexec_fn=use_all_processors)
        try:
            seen = self.watch(receiver, sender)
            receiver.stop()
        finally:
            if receiver.child.poll() is None:
                receiver.child.kill()
                receiver.child.wait()
            sender.terminate()
            text, errors = sender.communicate(timeout=20)
        if not self.line:
            raise Failure(f"replay: {errors.strip() or text.strip()}; {receiver.name}: {receiver.said()[-300:]}")
        arrived, lost = receiver.arrived()
        return Trial(json.loads(self.line), arrived, lost, seen)

    def watch(self, receiver, sender):
        """Until the sender's line is there."""
        peak, marks = 0, []
        os.set_blocking(sender.stdout.fileno(), False)
        self.line = ""
        while not self.line.endswith("\n") and sender.poll() is None and receiver.child.poll() is None:
            self.line += os.read(sender.stdout.fileno(), 65536).decode() if self.has_output(sender) else ""
            peak = max(peak, own_memory(receiver.child.pid))
            marks.append((time.monotonic(), *cpu_of(receiver.child.pid)))
            time.sleep(LOOK_SECONDS)
        time.sleep(0.2)  # what lies in the queue
        last = marks[-1] if marks else (1.0, 0.0, 0.0)
        begin = next((mark for mark in marks if mark[0] >= last[0] - self.seconds), last)
        middle = next((mark for mark in marks if mark[0] >= last[0] - self.seconds / 2), last)
        elapsed = last[0] - middle[0]
        return Seen(peak, (last[1] - middle[1]) / elapsed if elapsed > 0 else 0.0, last[2] - begin[2])

    @staticmethod
    def has_output(sender):
        return bool(select.select([sender.stdout], [], [], 0)[0])

    def lossless(self, kind, traffic, rate, flood):
        """A trial without a loss, or None."""
        own = 0
        for _ in range(ATTEMPTS):
            trial = self.send(self.receiver(kind), traffic, rate, flood=flood)
            if trial.missing == 0:
                return trial
            own += trial.waited < DISTURBED_SECONDS
            if own == ATTEMPTS_OWN:
                break
        return None


class Search:
    """For the zero-loss rate of one receiver and traffic, again and again: each
    time it is looked for near where it was."""

    def __init__(self, lab, kind, traffic, flood=0):
        self.lab, self.kind, self.traffic, self.flood = lab, kind, traffic, flood
        self.trials, self.full, self.low = [], None, 0.0

    def run(self):
        """The highest trial without a loss, or None; kept in trials."""
        if not self.full:
            self.full = self.lab.send(self.lab.receiver(self.kind), self.traffic, None, flood=self.flood)
            self.low, self.high, self.steps = self.full.rate * 0.4, self.full.rate * 1.1, 5
        best, low, high = None, self.low, self.high
        for _ in range(self.steps):
            rate = (low + high) / 2
            show(f"{self.traffic}{' and a flood' if self.flood else ''}: {self.kind}, {rate / 1e6:.2f} Mpps")
            trial = self.lab.lossless(self.kind, self.traffic, rate, self.flood)
            if trial:
                best = trial if not best or trial.rate > best.rate else best
                low = rate
            else:
                high = rate
        best = best or self.lab.lossless(self.kind, self.traffic, low, self.flood)
        if best:
            self.low, self.high, self.steps = best.rate * 0.8, best.rate * 1.15, 4
        else:
            self.low, self.high, self.steps = low * 0.4, low, 5
        self.trials.append(best)
        show("")
        return best


def in_turn(searches, runs):
    for _ in range(runs):
        for search in searches:
            search.run()


def ratio(above, below, rate):
    """The median of the ratios of turns in which both found a rate."""
    found = sorted(rate(one) / rate(other) for one, other in zip(above.trials, below.trials) if one and other)
    return found[(len(found) - 1) // 2] if found else 0.0


def figure(trials):
    """The median of the runs that found one, by rate."""
    trials = [trial for trial in trials if trial]
    return sorted(trials, key=lambda trial: trial.rate)[(len(trials) - 1) // 2] if trials else None


def measure_traffic(lab, traffic, runs):
    results = {}
    print(f"\n{traffic}")
    print(f"  {'':10} {'zero loss, Mpps':>16} {'Gbit/s':>8} {'of the runs':>24} {'with back-pressure':>20}")
    searches = [Search(lab, kind, traffic) for kind in ("testpmd", "mailtap")]
    in_turn(searches, runs)
    for search in searches:
        best = figure(search.trials)
        rates = [trial.rate / 1e6 if trial else 0.0 for trial in search.trials]
        results[search.kind] = {
            "mpps": best.rate / 1e6 if best else 0.0,
            "gbits": best.bits / 1e9 if best else 0.0,
            "all_mpps": rates,
            "pushed_back_mpps": search.full.rate / 1e6,
        }
        all_rates = ", ".join(f"{rate:.2f}" for rate in rates)
        print(f"  {search.kind:10} {results[search.kind]['mpps']:16.3f} {results[search.kind]['gbits']:8.2f} {all_rates:>24} "
              f"{search.full.rate / 1e6:20.3f}", flush=True)
    results["ratio"] = ratio(searches[1], searches[0], lambda trial: trial.rate)
    print(f"  mailtap / testpmd, median of the turns: {results['ratio']:.2f}")
    return results


def is_intact(session):
    smtp = session["smtp"]
    return (smtp["pickup"] == "syn" and smtp["direction"] == "both" and smtp["end"] in ("quit", "fin", "rst")
            and not any(smtp.get("missing_bytes", {}).values()))


def count_intact(path):
    with open(path, encoding="utf-8") as lines:
        return sum(is_intact(json.loads(line)) for line in lines)


def cap_of(text):
    """The packet buffers that mailtap says it has, and what everything else may take."""
    found = re.search(r"(\d+) MiB of packet buffers", text)
    return (int(found.group(1)) + REST_MIB) * MIB if found else None


def measure_intact(lab, rate):
    """Sessions under a flood that are recorded as without one, in a trial in which
    no frame was lost: what the flood itself costs them. At 0.95 of the rate, or
    what is below it and loses none; else as it is, with the loss."""
    path, loops = os.path.join(lab.folder, "sessions"), 10
    lab.send(lab.receiver("mailtap", sessions=path), "ordinary", None, loops=1)
    whole = count_intact(path)
    for share in (0.95, 0.95, 0.9, 0.85, 0.8, 0.7):
        show(f"sessions under a flood, at {share:g} of {rate / 1e6:.2f} Mpps")
        trial = lab.send(lab.receiver("mailtap", sessions=path), "ordinary", rate * share if rate else None, loops=loops,
                         flood=1)
        if trial.missing == 0:
            break
    show("")
    percent = 100.0 * count_intact(path) / (whole * loops) if whole else 0.0
    os.remove(path)
    print(f"  {percent:.2f} % of {whole * loops} intact sessions recorded at {share:g} of that rate "
          f"({trial.missing} frames lost)", flush=True)
    return {"intact_percent": percent, "intact_at": share, "intact_lost": trial.missing, "clean_intact": whole}, trial


def measure_flood(lab, runs):
    """As many SYNs of strangers as there is ordinary mail."""
    print("\nSYN flood: behind every frame of ordinary mail the SYN of a stranger")
    clean, flooded = Search(lab, "mailtap", "ordinary"), Search(lab, "mailtap", "ordinary", flood=1)
    in_turn([clean, flooded], runs)
    best, without = figure(flooded.trials), figure(clean.trials)
    share = ratio(flooded, clean, lambda trial: trial.legitimate)
    rate, legitimate = (best.rate, best.legitimate) if best else (0.0, 0.0)
    print(f"  zero loss {rate / 1e6:.3f} Mpps, {legitimate / 1e6:.3f} of them legitimate; without the flood "
          f"{without.rate / 1e6 if without else 0.0:.3f}; ratio, median of the turns: {share:.2f}", flush=True)
    intact, trial = measure_intact(lab, rate)
    cap = cap_of(lab.receiver("mailtap").said())
    print(f"  peak of memory {trial.peak / MIB:.0f} MiB" + (f", cap {cap / MIB:.0f} MiB" if cap else ""))
    return {"mpps": rate / 1e6, "legitimate_mpps": legitimate / 1e6, "share": share, "peak_bytes": trial.peak,
            "cap_bytes": cap, "sessions_loaded": TRAFFIC["ordinary"][1], **intact}


def measure_idle(lab):
    """What polling costs when there is little to do."""
    print("\nCPU of mailtap, in percent of one processor")
    results, seconds, lab.seconds = {}, lab.seconds, 4.0
    for poll in ("busy", "adaptive"):
        for name, rate in (("no traffic", 32 / 4.0), ("100 kpps", 100_000)):
            for _ in range(ATTEMPTS):
                show(f"{poll}, {name}")
                trial = lab.send(lab.receiver("mailtap", extra=("--poll", poll)), "probing", rate)
                if trial.missing == 0 or trial.waited < DISTURBED_SECONDS:
                    break
            results[f"{poll}, {name}"] = {"cpu": trial.cpu, "missing": trial.missing}
            show("")
            print(f"  {poll:10} {name:12} {trial.cpu * 100:6.1f} %   {trial.missing} frames lost", flush=True)
    lab.seconds = seconds
    return results


def figures(results):
    found = {}
    for traffic in ("64-byte frames", "1500-byte frames"):
        table = results["traffic"].get(traffic)
        if table:
            found[f"{traffic}: mailtap / testpmd"] = table["ratio"]
    if "ordinary" in results["traffic"]:
        found["ordinary: mailtap, Gbit/s"] = results["traffic"]["ordinary"]["mailtap"]["gbits"]
    if results.get("flood"):
        found["flood: legitimate frames / clean"] = results["flood"]["share"]
        found["flood: sessions recorded intact, %"] = results["flood"]["intact_percent"]
        if results["flood"]["cap_bytes"]:
            found["flood: memory / cap"] = results["flood"]["peak_bytes"] / results["flood"]["cap_bytes"]
    if results.get("idle"):
        found["adaptive: frames lost at 100 kpps"] = float(results["idle"]["adaptive, 100 kpps"]["missing"])
        busy = results["idle"]["busy, 100 kpps"]["cpu"]
        if busy:
            found["adaptive: CPU at 100 kpps / busy"] = results["idle"]["adaptive, 100 kpps"]["cpu"] / busy
    return found


def print_limits(results):
    found, is_missed = figures(results), False
    print()
    for name, (limit, sense) in LIMITS.items():
        if name not in found:
            print(f"  ----  {name}: not measured")
            continue
        is_met = found[name] <= limit if sense == "at most" else found[name] >= limit
        is_missed |= not is_met
        print(f"  {'PASS' if is_met else 'MISS'}  {name}: {found[name]:.2f} ({sense} {limit:g})")
    return is_missed


def options():
    parser = argparse.ArgumentParser(prog="scripts/bench live", description="Measures live capture over net_memif beside dpdk-testpmd.")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of each trial (1)")
    parser.add_argument("--runs", type=positive, default=3, metavar="N", help="medians are of N searches (3)")
    parser.add_argument("--traffic", default=",".join(TRAFFIC), metavar="LIST", help=f"of {', '.join(TRAFFIC)}")
    parser.add_argument("--skip-flood", action="store_true", help="without the SYN flood")
    parser.add_argument("--skip-idle", action="store_true", help="without CPU at idle")
    parser.add_argument("--json", metavar="FILE", help="write the raw results there")
    parser.add_argument("--check", action="store_true", help="exit 1 if a limit is missed")
    parser.add_argument("--build", default="build-bench", metavar="FOLDER", help="where the programs are (build-bench)")
    return parser.parse_args()


def bench(chosen):
    if (os.cpu_count() or 1) < 2:
        raise Failure("two processors are needed, one for the sender and one for the receiver")
    results = {"machine": describe(), "traffic": {}}
    with tempfile.TemporaryDirectory(prefix="mt-bench-") as folder:
        lab = Lab(chosen.build, folder, chosen.seconds)
        os.sched_setaffinity(0, {int(SENDER_CORE)})
        for traffic in filter(None, chosen.traffic.split(",")):
            if traffic not in TRAFFIC:
                raise Failure(f"--traffic: there is no {traffic}")
            results["traffic"][traffic] = measure_traffic(lab, traffic, chosen.runs)
        if not chosen.skip_flood:
            results["flood"] = measure_flood(lab, chosen.runs)
        if not chosen.skip_idle:
            results["idle"] = measure_idle(lab)
    is_missed = print_limits(results)
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
    return 1 if is_missed and chosen.check else 0


def main():
    try:
        return bench(options())
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
