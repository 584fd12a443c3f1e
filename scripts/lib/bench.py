"""Measures mailtap beside the floor program and its peers: scripts/bench.

Every program reads the same captures, already in memory, one after the other,
all of them again for each run. What counts is the CPU time of the process, user
and system, as wait4 gives it; wall time would measure what else the machine
does. Figures of one run are ratios on one machine: docs/performance.md.
"""

import argparse
import glob
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

PROFILES = ["ordinary", "modern", "spam", "probing"]
TSHARK_FRAMES = 60_000
MIB = 1 << 20

# (what, unit, limit, smaller is better), in the order of the report.
LIMITS = {
    "ordinary: mailtap / floor": (3.0, "at most"),
    "ordinary: ndpiReader / mailtap": (2.5, "at least"),
    "ordinary: tshark / mailtap": (90.0, "at least"),
    "probing: mailtap / floor": (6.0, "at most"),
    "probing: ndpiReader / mailtap": (6.0, "at least"),
    "ordinary: shipped rules / no rules": (1.10, "at most"),
    "spam: shipped rules / no rules": (1.25, "at most"),
    "a million sessions: peak memory, MiB": (512.0, "at most"),
    "a capture of 10 kB: wall, ms": (40.0, "at most"),
    "spam: workers writing a file / workers writing nothing": (1.15, "at most"),
}


class Failure(Exception):
    pass


class Usage:
    """What a process used."""

    def __init__(self, cpu, wall, status, peak):
        self.cpu, self.wall, self.status, self.peak = cpu, wall, status, peak


def own_memory(pid):
    """Anonymous, shared and huge-page memory: everything but mapped files."""
    kib = 0
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(("RssAnon:", "RssShmem:", "HugetlbPages:")):
                    kib += int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return kib * 1024


def measure(arguments, allowed=(0,), sample=False):
    """Runs a program to its end; with sample, looks at its memory every 5 ms."""
    with tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        peak = 0
        if sample:
            while True:
                peak = max(peak, own_memory(child.pid))
                pid, status, usage = os.wait4(child.pid, os.WNOHANG)
                if pid:
                    break
                time.sleep(0.005)
        else:
            _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in allowed:
            errors.seek(0)
            text = errors.read().decode(errors="replace").strip().splitlines()
            reason = text[-1] if text else "no message"
            raise Failure(f"{' '.join(arguments)}: exit code {child.returncode}: {reason}")
    return Usage(usage.ru_utime + usage.ru_stime, wall, child.returncode, peak)


# --- inputs ---------------------------------------------------------------------


class Capture:
    def __init__(self, path, frames, size):
        self.path, self.frames, self.bytes = path, frames, size


def generate(traffic, path, options):
    """Makes a capture; the generator's last line says how much it is."""
    done = subprocess.run(
        [traffic, "--output", path, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise Failure(f"{traffic}: {done.stderr.strip()}")
    words = done.stderr.split()
    return Capture(path, int(words[2]), int(words[4]))


def cached(folder, traffic, name, options):
    """The same, unless it is there and the generator has not changed since."""
    path = os.path.join(folder, name + ".pcap")
    note = path + ".json"
    wanted = {"options": options, "generator": os.stat(traffic).st_mtime_ns}
    try:
        with open(note, encoding="utf-8") as text:
            known = json.load(text)
        if known["wanted"] == wanted and os.path.exists(path):
            return Capture(path, known["frames"], known["bytes"])
    except (FileNotFoundError, ValueError, KeyError):
        pass
    show(f"making {name}")
    capture = generate(traffic, path, options)
    with open(note, "w", encoding="utf-8") as text:
        json.dump({"wanted": wanted, "frames": capture.frames, "bytes": capture.bytes}, text)
    return capture


def profile_capture(folder, traffic, profile, megabytes):
    options = ["--profile", profile, "--seed", "1", "--mean-cap", "50000"]
    sample = generate(traffic, "/dev/null", [*options, "--sessions", "2000"])
    sessions = max(1, megabytes * 1_000_000 * 2000 // sample.bytes)
    return cached(folder, traffic, f"{profile}-{megabytes}", [*options, "--sessions", str(sessions)])


def head_of(capture, frames, path):
    """The first frames of a capture, for programs that take too long for all."""
    size = os.path.getsize(capture.path)
    at, taken, wire = 24, 0, 0
    with open(capture.path, "rb") as source:
        while taken < frames and at + 16 <= size:
            source.seek(at)
            length = struct.unpack("<IIII", source.read(16))[2]
            at += 16 + length
            wire += length
            taken += 1
        source.seek(0)
        with open(path, "wb") as target:
            left = at
            while left:
                piece = source.read(min(left, MIB))
                target.write(piece)
                left -= len(piece)
    return Capture(path, taken, wire)


def small_capture(folder, traffic, size):
    """Whole frames of ordinary sessions, at most `size` bytes of file."""
    path = os.path.join(folder, "small.pcap")
    whole = generate(traffic, path + ".whole", ["--sessions", "20", "--concurrency", "2", "--cap", "800"])
    frames, at = 0, 24
    with open(whole.path, "rb") as source:
        data = source.read()
    while at + 16 <= len(data):
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        if at > size:
            break
        frames += 1
    return head_of(whole, frames, path)


def warm(path):
    """Into the page cache."""
    with open(path, "rb") as file:
        while file.read(4 * MIB):
            pass


# --- programs --------------------------------------------------------------------


class Program:
    """arguments_of gives the command line for a capture; start is what the
    program uses for a capture without frames, taken off where only a part of
    the input is read."""

    def __init__(self, name, arguments_of, is_slow=False, allowed=(0,)):
        self.name, self.arguments_of, self.is_slow, self.allowed = name, arguments_of, is_slow, allowed
        self.start = 0.0


def programs(build, scratch):
    mailtap = os.path.join(build, "app", "mailtap")
    floor = os.path.join(build, "tests", "bench", "floor")
    null = ["--sessions", "/dev/null", "--alerts", "/dev/null"]
    bare = ["--no-shipped-rules", *null]  # the limits are of reading; what the rules cost has its own
    found, absent = [], []
    if os.path.exists(floor):
        found.append(Program("floor", lambda path: [floor, path]))
    else:
        absent.append("floor: only for x86-64")
    for workers in ("1", "2"):
        name = "mailtap" if workers == "1" else "mailtap, 2 workers"
        found.append(Program(name, lambda path, n=workers: [mailtap, "read", "--workers", n, *bare, path]))
    found.append(Program("mailtap, rules", lambda path: [mailtap, "read", "--workers", "1", *null, path]))
    peers = {
        "ndpiReader": Program("ndpiReader", lambda path: ["ndpiReader", "-q", "-i", path]),
        "tshark": Program(
            "tshark",
            lambda path: [
                "tshark", "-n", "-r", path, "-Y", "smtp", "-T", "fields", "-e", "frame.time_epoch", "-e", "ip.src",
                "-e", "ip.dst", "-e", "smtp.req.command", "-e", "smtp.req.parameter", "-e", "smtp.response.code",
            ],
            is_slow=True,
        ),
        "suricata": Program(
            "suricata",
            lambda path: ["suricata", "-r", path, "-l", scratch, "-S", "/dev/null", "--runmode", "single"],
        ),
    }  # fmt: skip
    for name, program in peers.items():
        if shutil.which(name):
            found.append(program)
        else:
            absent.append(f"{name}: not installed")
    return found, absent


def median(values):
    return statistics.median(values)


def show(text):
    """Progress, for whoever watches."""
    if sys.stderr.isatty():
        print(f"\r{text:<60}\r", end="", file=sys.stderr, flush=True)


def measure_profile(profile, capture, short, tools, runs):
    """CPU seconds per frame of each program: medians of interleaved runs."""
    samples = {tool.name: [] for tool in tools}
    walls = {tool.name: [] for tool in tools}
    for capture_read in (capture, short):
        warm(capture_read.path)
    for number in range(runs):
        for tool in tools:
            read = short if tool.is_slow else capture
            show(f"{profile}: run {number + 1} of {runs}, {tool.name}")
            usage = measure(tool.arguments_of(read.path), tool.allowed)
            samples[tool.name].append(max(usage.cpu - tool.start, 1e-6))
            walls[tool.name].append(usage.wall)
    show("")
    results = {}
    for tool in tools:
        read = short if tool.is_slow else capture
        cpu = median(samples[tool.name])
        results[tool.name] = {
            "cpu_seconds": cpu,
            "all_cpu_seconds": samples[tool.name],
            "wall_seconds": median(walls[tool.name]),
            "frames": read.frames,
            "bytes": read.bytes,
            "ns_per_frame": cpu / read.frames * 1e9,
        }
    return results


def print_profile(profile, capture, results):
    print(f"\n{profile}: {capture.frames} frames, {capture.bytes / 1e6:.0f} MB, {capture.bytes / capture.frames:.0f} bytes a frame")
    print(f"  {'':20} {'CPU s':>8} {'ns/frame':>9} {'Mpps':>8} {'Gbit/s':>8} {'x floor':>8} {'x mailtap':>9}")
    base = results.get("floor", {}).get("ns_per_frame")
    ours = results["mailtap"]["ns_per_frame"]
    for name, result in results.items():
        ns = result["ns_per_frame"]
        note = "" if result["frames"] == capture.frames else f"  (its first {result['frames']} frames, start-up taken off)"
        floors = f"{ns / base:8.2f}" if base else f"{'-':>8}"
        gigabits = result["bytes"] * 8 / result["cpu_seconds"] / 1e9
        print(
            f"  {name:20} {result['cpu_seconds']:8.3f} {ns:9.1f} {1e3 / ns:8.3f} {gigabits:8.2f} {floors} {ns / ours:9.2f}{note}"
        )
    if "mailtap, 2 workers" in results:
        gain = results["mailtap"]["wall_seconds"] / results["mailtap, 2 workers"]["wall_seconds"]
        print(f"  second worker: {gain:.2f} x by wall time ({os.cpu_count()} processors)")


def measure_million(folder, traffic, tools, sessions):
    mailtap = next(tool for tool in tools if tool.name == "mailtap")
    options = ["--profile", "idle", "--sessions", str(sessions)]
    open_at_once = cached(folder, traffic, f"idle-{sessions}", [*options, "--concurrency", str(sessions)])
    warm(open_at_once.path)
    usage = measure(mailtap.arguments_of(open_at_once.path), sample=True)
    print(f"\n{sessions} sessions open at once: {open_at_once.frames} frames, {open_at_once.bytes / 1e6:.0f} MB")
    print(f"  peak of RssAnon + RssShmem + HugetlbPages: {usage.peak / MIB:.0f} MiB, {usage.peak / sessions:.0f} bytes a session")
    print(f"  CPU {usage.cpu:.2f} s, {usage.cpu / open_at_once.frames * 1e9:.0f} ns a frame")
    return {
        "sessions": sessions,
        "peak_bytes": usage.peak,
        "cpu_seconds": usage.cpu,
        "ns_per_frame": usage.cpu / open_at_once.frames * 1e9,
    }


def measure_small(folder, traffic, tools, runs):
    mailtap = next(tool for tool in tools if tool.name == "mailtap")
    capture = small_capture(folder, traffic, 10_000)
    warm(capture.path)
    walls = [measure(mailtap.arguments_of(capture.path)).wall for _ in range(runs)]
    size = os.path.getsize(capture.path)
    print(f"\na capture of {size} bytes, {capture.frames} frames: {median(walls) * 1e3:.1f} ms wall, median of {runs}")
    return {"bytes": size, "wall_ms": median(walls) * 1e3}


# --- outputs ---------------------------------------------------------------------


def worker_seconds(arguments):
    """CPU seconds of the threads named worker N, as the scheduler counts them,
    looked at until the process has ended; and of all threads."""
    child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    threads = {}
    while child.poll() is None:
        for task in glob.glob(f"/proc/{child.pid}/task/*"):
            try:
                with open(task + "/comm", encoding="ascii", errors="replace") as comm:
                    name = comm.read().strip()
                with open(task + "/schedstat", encoding="ascii") as stat:
                    threads[task] = (name, int(stat.read().split()[0]) / 1e9)
            except (OSError, IndexError, ValueError):
                pass
        time.sleep(0.002)
    text = child.stderr.read().decode(errors="replace")
    if child.returncode != 0:
        raise Failure(f"{' '.join(arguments)}: exit code {child.returncode}: {text.strip()[-200:]}")
    workers = [seconds for name, seconds in threads.values() if name.startswith("worker")]
    if not workers:
        raise Failure("no thread is named worker")
    return sum(workers), sum(seconds for _, seconds in threads.values())


def measure_outputs(build, folder, traffic, scratch, runs, megabytes):
    """What a worker pays for a file of every session, beside encoding them for nothing."""
    mailtap = os.path.join(build, "app", "mailtap")
    capture = profile_capture(folder, traffic, "spam", megabytes)
    warm(capture.path)
    path = os.path.join(scratch, "sessions.json")
    spool = os.path.join(scratch, "spool")
    ways = {
        "nothing": ["--sessions", "/dev/null"],
        "a file": ["--output", f"ecs:file:{path}?memory_max=1G"],
        "a file by a spool": ["--output", f"ecs:file:{path}?memory_max=1G&spool={spool}&spool_max=8G"],
    }
    samples = {name: [] for name in ways}
    totals = {name: [] for name in ways}
    sessions = 0
    for number in range(runs):
        for name, way in ways.items():
            show(f"outputs: run {number + 1} of {runs}, {name}")
            workers, total = worker_seconds([mailtap, "read", "--quiet", "--no-shipped-rules", "--workers", "2", *way, capture.path])
            samples[name].append(workers)
            totals[name].append(total)
            if name != "nothing" and os.path.exists(path):
                with open(path, "rb") as lines:
                    sessions = sum(block.count(b'"dataset":"mailtap.session"') for block in lines)
                os.unlink(path)
    show("")
    base = median(samples["nothing"])
    print(f"\noutputs: spam, {sessions} sessions, CPU of two workers")
    results = {}
    for name, values in samples.items():
        rate = sessions / median(values) if sessions else 0
        results[name] = {"worker_seconds": median(values), "all_seconds": median(totals[name]), "ratio": median(values) / base}
        print(f"  to {name:18} {median(values):7.3f} s, {median(values) / base:5.2f} x, "
              f"{rate:9.0f} sessions a worker second; all threads {median(totals[name]):.3f} s")
    return results


def figures(results):
    """What the limits speak of; what was not measured is missing."""
    found = {}
    for profile in ("ordinary", "probing"):
        table = results["profiles"].get(profile)
        if not table:
            continue
        ours = table["mailtap"]["ns_per_frame"]
        for peer in ("floor", "ndpiReader", "tshark"):
            if peer not in table:
                continue
            if peer == "floor":
                found[f"{profile}: mailtap / floor"] = ours / table[peer]["ns_per_frame"]
            else:
                found[f"{profile}: {peer} / mailtap"] = table[peer]["ns_per_frame"] / ours
    for profile in ("ordinary", "spam"):
        table = results["profiles"].get(profile, {})
        if "mailtap, rules" in table:
            ratio = table["mailtap, rules"]["ns_per_frame"] / table["mailtap"]["ns_per_frame"]
            found[f"{profile}: shipped rules / no rules"] = ratio
    if results.get("million"):
        found["a million sessions: peak memory, MiB"] = results["million"]["peak_bytes"] / MIB
    if results.get("outputs"):
        found["spam: workers writing a file / workers writing nothing"] = results["outputs"]["a file"]["ratio"]
    if results.get("small"):
        found["a capture of 10 kB: wall, ms"] = results["small"]["wall_ms"]
    return found


def print_limits(results):
    found = figures(results)
    is_missed = False
    print()
    for name, (limit, sense) in LIMITS.items():
        if name not in found:
            print(f"  ----  {name}: not measured")
            continue
        is_met = found[name] <= limit if sense == "at most" else found[name] >= limit
        is_missed |= not is_met
        print(f"  {'PASS' if is_met else 'MISS'}  {name}: {found[name]:.2f} ({sense} {limit:g})")
    return is_missed


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def options():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures mailtap beside the floor program and its peers.")
    parser.add_argument("--size", type=positive, default=300, metavar="MB", help="of each capture (300)")
    parser.add_argument("--runs", type=positive, default=5, metavar="N", help="medians are of N runs (5)")
    parser.add_argument("--profiles", default=",".join(PROFILES), metavar="LIST", help=f"of {','.join(PROFILES)}")
    parser.add_argument("--only", metavar="LIST", help="programs to run beside mailtap (all that are installed)")
    parser.add_argument("--sessions", type=positive, default=1_000_000, metavar="N", help="open at once in the memory test")
    parser.add_argument("--skip-memory", action="store_true", help="without the memory test, which needs 1 GB of disk")
    parser.add_argument("--json", metavar="FILE", help="write the raw results there")
    parser.add_argument("--check", action="store_true", help="exit 1 if a limit is missed")
    parser.add_argument("--build", default="build-bench", metavar="FOLDER", help="where the programs are (build-bench)")
    parser.add_argument("--outputs-only", action="store_true", help="only what a file of every session costs the workers")
    return parser.parse_args()


def select(tools, wanted):
    if not wanted:
        return tools
    names = {"mailtap", *wanted.split(",")}
    unknown = names - {tool.name for tool in tools}
    if unknown:
        raise Failure(f"--only: not here: {', '.join(sorted(unknown))}")
    return [tool for tool in tools if tool.name in names]


def describe():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    load = os.getloadavg()[0]
    print(f"{model}, {os.cpu_count()} processors, load {load:.2f}")
    if load > 0.5:
        print("the machine is busy: absolute figures will be too high, ratios uncertain")
    return {"processor": model, "processors": os.cpu_count(), "load": load}


def bench(chosen):
    folder = os.path.join(chosen.build, "inputs")
    os.makedirs(folder, exist_ok=True)
    traffic = os.path.join(chosen.build, "tests", "traffic", "mailtap-traffic")
    results = {"machine": describe(), "profiles": {}}
    with tempfile.TemporaryDirectory(prefix="mailtap-bench-") as scratch:
        tools, absent = programs(chosen.build, scratch)
        tools = select(tools, chosen.only)
        for line in absent:
            print(line)
        if chosen.outputs_only:
            results["outputs"] = measure_outputs(chosen.build, folder, traffic, scratch, chosen.runs, chosen.size)
            return 1 if print_limits(results) and chosen.check else 0
        for profile in chosen.profiles.split(","):
            if profile not in PROFILES:
                raise Failure(f"--profiles: no profile {profile}")
            capture = profile_capture(folder, traffic, profile, chosen.size)
            short = head_of(capture, TSHARK_FRAMES, os.path.join(folder, f"{profile}-head.pcap"))
            empty = head_of(capture, 0, os.path.join(folder, "empty.pcap"))
            for tool in tools:
                if tool.is_slow:
                    runs = [measure(tool.arguments_of(empty.path), tool.allowed).cpu for _ in range(3)]
                    tool.start = median(runs)
            results["profiles"][profile] = measure_profile(profile, capture, short, tools, chosen.runs)
            print_profile(profile, capture, results["profiles"][profile])
        if not chosen.skip_memory:
            results["million"] = measure_million(folder, traffic, tools, chosen.sessions)
        results["small"] = measure_small(folder, traffic, tools, 20)
        results["outputs"] = measure_outputs(chosen.build, folder, traffic, scratch, chosen.runs, chosen.size)
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
