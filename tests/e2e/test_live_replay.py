#!/usr/bin/env python3
"""The same frames by every way that leads into mailtap: from a file, over
net_memif with one and two workers, over net_pcap, and over af_packet and af_xdp
on a veth pair. The sets of records and alerts must be the same; same.py says
what is not compared, and why.

    test_live_replay.py MAILTAP SOURCE-ROOT REPLAY TRAFFIC
"""

import os
import subprocess
import sys

import live
from harness import Run, Tap, crash_reasons, scratch
from same import read_lines, set_differences

SESSIONS = "150"
SECONDS = "60s"  # a run that misses a frame never reaches its --count
# Addresses of their own, so that no profile adds to what is counted of another's clients.
PROFILES = {
    "ordinary": ("198.18.0.0/17", "2001:db8:1::/112"),
    "probing": ("198.18.128.0/17", "2001:db8:2::/112"),
    "hostile": ("198.19.0.0/17", "2001:db8:3::/112"),
}


class Input:
    """A capture, the site file that goes with it, and what `read` says of it."""

    def __init__(self, name, folder, path, site, count):
        self.name, self.folder, self.path, self.site, self.count = name, folder, path, site, count

    def read(self, mailtap):
        outputs = [os.path.join(self.folder, f"{self.name}.{kind}") for kind in ("sessions", "alerts")]
        run = Run(mailtap, ["read", "--site", self.site, "--sessions", outputs[0], "--alerts", outputs[1], self.path])
        self.sessions, self.alerts = (read_lines(path) for path in outputs)
        return list(crash_reasons(run, okay=(0,)))


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


def compare(run, given):
    yield from run.crash_reasons()
    yield from set_differences(given.sessions, run.sessions(), "sessions")
    yield from set_differences(given.alerts, run.alerts(), "alerts")
    yield from live.balance_reasons(given.count, run.stats())


def common(given):
    return ["--site", given.site, "--count", str(given.count), "--duration", SECONDS]


def over_memif(mailtap, replay, given, workers, spread):
    queues = workers if spread == "device" else "1"
    with live.scratch_folder() as folder, live.Live(
            mailtap, folder, [*common(given), "--workers", workers, "--spread", spread, "--port", live.memif(folder)]
    ) as run, live.Sender(replay, folder, given.path, "--queues", queues):
        run.wait()
        return list(compare(run, given))


def over_pcap(mailtap, given):
    with live.scratch_folder() as folder, live.Live(
            mailtap, folder, [*common(given), "--port", f"net_pcap0,rx_pcap={given.path}"]) as run:
        run.wait()
        return list(compare(run, given))


def over_veth(mailtap, netlab, given, device):
    with live.scratch_folder() as folder, live.Cable(netlab) as cable, live.Live(
            mailtap, folder, [*common(given), "--port", device], prefix=cable.near.command([])) as run:
        run.wait_until_ready()
        cable.send(given.path)
        run.wait()
        return list(compare(run, given))


def ways(mailtap, replay, netlab):
    """Name, how to run it, and whether it needs namespaces."""
    return [
        ("net_memif with one worker", lambda given: over_memif(mailtap, replay, given, "1", "auto"), False),
        ("net_memif with two queues and two workers",
         lambda given: over_memif(mailtap, replay, given, "2", "device"), False),
        ("net_memif with a reader that spreads to two workers",
         lambda given: over_memif(mailtap, replay, given, "2", "software"), False),
        ("net_pcap", lambda given: over_pcap(mailtap, given), False),
        ("af_packet on a veth pair",
         lambda given: over_veth(mailtap, netlab, given, f"net_af_packet0,iface={live.Cable.NEAR}"), True),
        ("af_xdp on a veth pair",
         lambda given: over_veth(mailtap, netlab, given, f"net_af_xdp0,iface={live.Cable.NEAR}"), True),
    ]


def attempt(way, given):
    try:
        return way(given)
    except live.Trouble as trouble:
        return [str(trouble)]


def main():
    mailtap, root, replay, traffic = sys.argv[1:5]
    tap, netlab, lacking = Tap(), live.netlab_of(root), live.why_no_namespaces()
    with scratch() as folder:
        for given in (real_input(root, folder), made_input(traffic, folder)):
            what = "the captures of pcaps/" if given.name == "real" else "traffic of three profiles"
            tap.check(f"{what}: {given.count} frames are read from a file", given.read(mailtap))
            for name, way, needs_namespaces in ways(mailtap, replay, netlab):
                title = f"{what}: {name} gives the records and alerts of the file"
                if needs_namespaces and lacking:
                    tap.skipped(title, lacking)
                else:
                    tap.check(title, attempt(way, given))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
