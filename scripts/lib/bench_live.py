"""Measures live capture: scripts/bench live.

A sender on one processor, a receiver on another, net_memif between them. The
zero-loss rate is searched for by halving: the highest rate at which not one frame
is lost, counted end to end, at the sender (its queue was full) as at the receiver.
A trial with a loss is repeated once, because what else the machine does for a
moment is no rate of the receiver's.
dpdk-testpmd, which only receives, is measured beside mailtap in the same way and
in the same run. Each trial starts both programs anew.
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

    def __init__(self, sent, arrived, lost, peak=0, cpu=0.0):
        self.sent, self.arrived, self.lost, self.peak, self.cpu = sent, arrived, lost, peak, cpu
        self.seconds = max(sent["seconds"], 1e-9)
        self.rate = sent["frames"] / self.seconds
        self.bits = sent["bytes"] * 8 / self.seconds

    @property
    def missing(self):
        """Frames that were offered and not parsed, wherever they were lost."""
        return self.sent["dropped"] + max(self.lost, self.sent["frames"] - self.arrived)


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
            self.child = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

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
        return [self.mailtap, "live", "--quiet", "--port", self.device(), "--cores", RECEIVER_CORE, "--sessions",
                self.sessions, "--alerts", "/dev/null", "--stats", self.stats_path, *self.extra]

    def stats(self):
        with open(self.stats_path, encoding="utf-8") as lines:
            return json.loads(lines.read().splitlines()[-1])["counters"]

    def arrived(self):
        stats = self.stats()
        lost = sum(stats[name] for name in ("port.missed", "port.no_buffer", "port.errors", "port.too_large",
                                            "live.ring_full", "live.unused"))
        return stats["capture.frames"] - stats["port.too_large"] - stats["live.ring_full"], lost


def cpu_of(pid):
    """Seconds that the process has had."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as text:
            fields = text.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
                                  stderr=subprocess.PIPE, text=True)
        try:
            peak, cpu = self.watch(receiver, sender)
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
        return Trial(json.loads(self.line), arrived, lost, peak, cpu)

    def watch(self, receiver, sender):
        """Until the sender's line is there: the receiver's memory, and its CPU
        time per second of the last half of the sending."""
        peak, marks = 0, []
        os.set_blocking(sender.stdout.fileno(), False)
        self.line = ""
        while not self.line.endswith("\n") and sender.poll() is None and receiver.child.poll() is None:
            self.line += os.read(sender.stdout.fileno(), 65536).decode() if self.has_output(sender) else ""
            peak = max(peak, own_memory(receiver.child.pid))
            marks.append((time.monotonic(), cpu_of(receiver.child.pid)))
            time.sleep(0.02)
        time.sleep(0.2)  # what lies in the queue
        last = marks[-1] if marks else (1.0, 0.0)
        middle = next((mark for mark in marks if mark[0] >= last[0] - self.seconds / 2), last)
        elapsed = last[0] - middle[0]
        return peak, (last[1] - middle[1]) / elapsed if elapsed > 0 else 0.0

    @staticmethod
    def has_output(sender):
        return bool(select.select([sender.stdout], [], [], 0)[0])

    def is_lossless(self, kind, traffic, rate, flood):
        for _ in range(2):
            trial = self.send(self.receiver(kind), traffic, rate, flood=flood)
            if trial.missing == 0:
                return trial
        return None

    def zero_loss(self, kind, traffic, runs, flood=0):
        """(zero-loss trials, one a run; the most that was taken with back-pressure)"""
        full = self.send(self.receiver(kind), traffic, None, flood=flood)
        found = []
        low, high, steps = full.rate * 0.4, full.rate * 1.1, 5
        for run in range(runs):
            best = None
            for step in range(steps):
                rate = (low + high) / 2
                show(f"{traffic}: {kind}, run {run + 1} of {runs}, {rate / 1e6:.2f} Mpps")
                trial = self.is_lossless(kind, traffic, rate, flood)
                if trial:
                    best = trial if not best or trial.rate > best.rate else best
                    low = rate
                else:
                    high = rate
            if not best:
                best = self.is_lossless(kind, traffic, low, flood)
            if best:
                found.append(best)
                low, high, steps = best.rate * 0.8, best.rate * 1.15, 4
            else:
                low, high, steps = low * 0.4, low, 5
        show("")
        return found, full


def figure(trials):
    """The median of the runs, by rate."""
    return sorted(trials, key=lambda trial: trial.rate)[(len(trials) - 1) // 2] if trials else None


def measure_traffic(lab, traffic, runs):
    results = {}
    print(f"\n{traffic}")
    print(f"  {'':10} {'zero loss, Mpps':>16} {'Gbit/s':>8} {'of the runs':>24} {'with back-pressure':>20}")
    for kind in ("testpmd", "mailtap"):
        trials, full = lab.zero_loss(kind, traffic, runs)
        best = figure(trials)
        all_rates = ", ".join(f"{trial.rate / 1e6:.2f}" for trial in trials)
        results[kind] = {
            "mpps": best.rate / 1e6 if best else 0.0,
            "gbits": best.bits / 1e9 if best else 0.0,
            "all_mpps": [trial.rate / 1e6 for trial in trials],
            "pushed_back_mpps": full.rate / 1e6,
        }
        print(f"  {kind:10} {results[kind]['mpps']:16.3f} {results[kind]['gbits']:8.2f} {all_rates:>24} "
              f"{full.rate / 1e6:20.3f}", flush=True)
    if results["testpmd"]["mpps"]:
        print(f"  mailtap / testpmd: {results['mailtap']['mpps'] / results['testpmd']['mpps']:.2f}")
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


def measure_flood(lab, clean_mpps, runs):
    """As many SYNs of strangers as there is ordinary mail."""
    print("\nSYN flood: behind every frame of ordinary mail the SYN of a stranger")
    trials, _ = lab.zero_loss("mailtap", "ordinary", runs, flood=1)
    best = figure(trials)
    rate = best.rate if best else 0.0
    sessions = TRAFFIC["ordinary"][1]
    path, loops = os.path.join(lab.folder, "sessions"), 10
    base = lab.send(lab.receiver("mailtap", sessions=path), "ordinary", rate / 2 if rate else None, loops=1)
    whole = count_intact(path)
    trial = lab.send(lab.receiver("mailtap", sessions=path), "ordinary", rate * 0.95 if rate else None, loops=loops, flood=1)
    share = 100.0 * count_intact(path) / (whole * loops) if whole else 0.0
    os.remove(path)
    cap = cap_of(lab.receiver("mailtap").said())
    print(f"  zero loss {rate / 1e6:.3f} Mpps, {rate / 2e6:.3f} of them legitimate; without the flood {clean_mpps:.3f}")
    print(f"  {share:.2f} % of {whole * loops} intact sessions recorded at 0.95 of that rate ({trial.missing} frames lost)")
    print(f"  peak of memory {trial.peak / MIB:.0f} MiB" + (f", cap {cap / MIB:.0f} MiB" if cap else ""))
    return {"mpps": rate / 1e6, "legitimate_mpps": rate / 2e6, "intact_percent": share, "peak_bytes": trial.peak,
            "cap_bytes": cap, "sessions_loaded": sessions, "clean_intact": whole, "clean_frames": base.sent["frames"]}


def measure_idle(lab):
    """What polling costs when there is little to do."""
    print("\nCPU of mailtap, in percent of one processor")
    results, seconds, lab.seconds = {}, lab.seconds, 4.0
    for poll in ("busy", "adaptive"):
        for name, rate in (("no traffic", 32 / 4.0), ("100 kpps", 100_000)):
            show(f"{poll}, {name}")
            trial = lab.send(lab.receiver("mailtap", extra=("--poll", poll)), "probing", rate)
            results[f"{poll}, {name}"] = {"cpu": trial.cpu, "missing": trial.missing}
            show("")
            print(f"  {poll:10} {name:12} {trial.cpu * 100:6.1f} %   {trial.missing} frames lost", flush=True)
    lab.seconds = seconds
    return results


def figures(results):
    found = {}
    for traffic in ("64-byte frames", "1500-byte frames"):
        table = results["traffic"].get(traffic)
        if table and table["testpmd"]["mpps"]:
            found[f"{traffic}: mailtap / testpmd"] = table["mailtap"]["mpps"] / table["testpmd"]["mpps"]
    if "ordinary" in results["traffic"]:
        clean = results["traffic"]["ordinary"]["mailtap"]
        found["ordinary: mailtap, Gbit/s"] = clean["gbits"]
        if results.get("flood") and clean["mpps"]:
            found["flood: legitimate frames / clean"] = results["flood"]["legitimate_mpps"] / clean["mpps"]
    if results.get("flood"):
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
        for traffic in chosen.traffic.split(","):
            if traffic not in TRAFFIC:
                raise Failure(f"--traffic: there is no {traffic}")
            results["traffic"][traffic] = measure_traffic(lab, traffic, chosen.runs)
        if not chosen.skip_flood and "ordinary" in results["traffic"]:
            results["flood"] = measure_flood(lab, results["traffic"]["ordinary"]["mailtap"]["mpps"], chosen.runs)
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
