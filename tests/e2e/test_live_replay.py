#!/usr/bin/env python3
"""The same frames by every way that leads into mailtap: from a file, over
net_memif with one and two workers, over net_pcap, over net_ring from the same
process, and over af_packet and af_xdp on a veth pair. The sets of records and alerts must be the same; same.py says
what is not compared, and why.

    test_live_replay.py MAILTAP SOURCE-ROOT REPLAY TRAFFIC RING-LIVE
"""

import os
import subprocess
import sys

import live
from harness import Run, Tap, crash_reasons, scratch
from same import read_lines, rule_and_group, set_differences, without_bytes, without_times

SESSIONS = "150"
RATE = "20000"  # frames a second
SECONDS = 30  # a run that misses a frame never reaches its --count
# Addresses of their own, so that no profile adds to what is counted of another's clients.
PROFILES = {
    "ordinary": ("198.18.0.0/17", "2001:db8:1::/112"),
    "probing": ("198.18.128.0/17", "2001:db8:2::/112"),
    "hostile": ("198.19.0.0/17", "2001:db8:3::/112"),
}


# In one window, however fast frames come, so that what is counted does not depend on times.
CORRELATIONS = """title: Session
logsource: {product: mailtap, service: smtp, category: session}
detection: {s: {source.ip|exists: true}, condition: s}
---
title: sessions_of_server
correlation: {type: event_count, rules: [session], group-by: [destination.ip], timespan: 3650d, condition: {gte: 2}}
---
title: recipients_of_client
correlation: {type: value_count, rules: [session], group-by: [source.ip], timespan: 3650d,
              condition: {field: smtp.transactions.recipients.address, gte: 3}}
"""


class Input:
    """A capture, the site file that goes with it, and what `read` says of it."""

    def __init__(self, name, folder, path, site, count):
        self.name, self.folder, self.path, self.site, self.count = name, folder, path, site, count
        self.rules = os.path.join(folder, f"{name}.yml")
        with open(self.rules, "w", encoding="utf-8") as rules:
            rules.write(CORRELATIONS)

    def read(self, mailtap):
        outputs = [os.path.join(self.folder, f"{self.name}.{kind}") for kind in ("sessions", "alerts")]
        run = Run(mailtap, ["read", "--site", self.site, "--rules", self.rules, "--sessions", outputs[0], "--alerts", outputs[1], self.path])
        self.sessions, self.alerts = (read_lines(path) for path in outputs)
        names = {alert["rule"]["name"] for alert in self.alerts}
        lacking = {"sessions_of_server", "recipients_of_client"} - names
        return [*crash_reasons(run, okay=(0,)), *([f"no alerts of {lacking}"] if lacking else [])]


def real_input(root, folder):
    """The captures of pcaps/, one behind the other."""
    pcaps, path, frames = os.path.join(root, "pcaps"), os.path.join(folder, "real.pcap"), []
    for name in sorted(os.listdir(pcaps)):
        if name.endswith(".pcap"):
            frames += live.frames_of(os.path.join(pcaps, name))
    return Input("real", folder, path, os.path.join(pcaps, "site.yaml"), live.write_pcap(path, frames))


def made_input(traffic, folder):
    """Traffic of three profiles, mixed."""
    path, site, frames = os.path.join(folder, "made.pcap"), os.path.join(folder, "made.yaml"), []
    for profile, (four, six) in PROFILES.items():
        part = os.path.join(folder, f"{profile}.pcap")
        subprocess.run([traffic, "--profile", profile, "--sessions", SESSIONS, "--concurrency", SESSIONS, "--clients", four,
                        "--clients", six, "--mean-cap", "4000", "--output", part, "--site", site],
                       check=True, stderr=subprocess.DEVNULL)
        frames += live.frames_of(part)
    return Input("made", folder, path, site, live.write_pcap(path, frames))


def compare(run, given, count, of_session=without_times, of_alert=without_times):
    yield from run.crash_reasons()
    yield from set_differences(given.sessions, run.sessions(), "sessions", of_session)
    yield from set_differences(given.alerts, run.alerts(), "alerts", of_alert)
    yield from live.balance_reasons(count, run.stats())


def common(given, count=None):
    return ["--site", given.site, "--rules", given.rules, "--count", str(count or given.count), "--duration", f"{SECONDS}s"]


def over_memif(mailtap, replay, given, workers, spread):
    """At a moderate rate where a reader spreads: on two processors it would
    outrun its workers, and count what they could not take."""
    queues, of_alert = ("2", rule_and_group) if spread == "device" else ("1", without_times)
    rate = ["--rate", RATE, "--lossless"] if spread == "software" else []
    with live.scratch_folder() as folder, live.Live(
            mailtap, folder, [*common(given), "--workers", workers, "--spread", spread, "--port", live.memif(folder)]
    ) as run, live.Sender(replay, run, folder, given.path, "--queues", queues, *rate):
        run.wait(SECONDS + 10)
        return list(compare(run, given, given.count, of_alert=of_alert))


def over_pcap(mailtap, given):
    with live.scratch_folder() as folder, live.Live(
            mailtap, folder, [*common(given), "--port", f"net_pcap0,rx_pcap={given.path}"]) as run:
        run.wait(SECONDS + 10)
        return list(compare(run, given, given.count))


def over_ring(mailtap, ring_live, given):
    with live.scratch_folder() as folder, live.Live(
            mailtap, folder, [*common(given), "--port", "net_ring0"], prefix=[ring_live, given.path]) as run:
        run.wait(SECONDS + 10)
        return list(compare(run, given, given.count))


def put_together(path):
    """How many frames the kernel makes of a capture when it puts the IPv4
    fragments in it together, also behind one VLAN tag."""
    count, datagrams = 0, set()
    for _, frame, _ in live.frames_of(path):
        if frame[12:14] == b"\x81\x00":
            frame = frame[:12] + frame[16:]
        is_fragment = frame[12:14] == b"\x08\x00" and int.from_bytes(frame[20:22], "big") & 0x3FFF
        if is_fragment:
            datagrams.add(frame[18:20] + frame[23:24] + frame[26:34])
        else:
            count += 1
    return count + len(datagrams)


def over_veth(mailtap, netlab, given, driver):
    is_whole = driver == "net_af_packet"
    count = put_together(given.path) if is_whole else given.count
    with live.scratch_folder() as folder, live.Cable(netlab) as cable, live.Live(
            mailtap, folder, [*common(given, count), "--port", f"{driver}0,iface={cable.NEAR}"],
            prefix=cable.near.command([])) as run:
        run.wait_until_ready()
        cable.send(given.path)
        run.wait(SECONDS + 10)
        return list(compare(run, given, count, of_session=without_bytes if is_whole else without_times))


def ways(mailtap, replay, ring_live, netlab):
    """Name, how to run it, and whether it needs namespaces."""
    return [
        ("net_memif with one worker", lambda given: over_memif(mailtap, replay, given, "1", "auto"), False),
        ("net_memif with two queues and two workers",
         lambda given: over_memif(mailtap, replay, given, "2", "device"), False),
        ("net_memif with a reader that spreads to two workers",
         lambda given: over_memif(mailtap, replay, given, "2", "software"), False),
        ("net_pcap", lambda given: over_pcap(mailtap, given), False),
        ("net_ring in the same process", lambda given: over_ring(mailtap, ring_live, given), False),
        ("af_packet on a veth pair",
         lambda given: over_veth(mailtap, netlab, given, "net_af_packet"), True),
        ("af_xdp on a veth pair",
         lambda given: over_veth(mailtap, netlab, given, "net_af_xdp"), True),
    ]


def attempt(way, given):
    try:
        return way(given)
    except (live.Trouble, OSError, subprocess.SubprocessError) as trouble:
        return [f"{type(trouble).__name__}: {trouble}"]


def main():
    mailtap, root, replay, traffic, ring_live = sys.argv[1:6]
    tap, netlab, lacking = Tap(), live.netlab_of(root), live.why_no_namespaces()
    with scratch() as folder:
        for given in (real_input(root, folder), made_input(traffic, folder)):
            what = "the captures of pcaps/" if given.name == "real" else "traffic of three profiles"
            tap.check(f"{what}: {given.count} frames are read from a file", given.read(mailtap))
            for name, way, needs_namespaces in ways(mailtap, replay, ring_live, netlab):
                title = f"{what}: {name} gives the records and alerts of the file"
                if needs_namespaces and lacking:
                    tap.skipped(title, lacking)
                else:
                    tap.check(title, attempt(way, given))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
