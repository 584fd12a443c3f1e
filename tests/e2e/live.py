"""What the tests of live capture share: mailtap on a port, the sender at the
port's other end, a veth cable in two network namespaces, and the balance of
frames. Everything that was started or made is gone when its `with` ends."""

import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from same import read_lines

READY_SECONDS = 30
SEND_SECONDS = 60
END_SECONDS = 40
# With a sanitizer everything takes longer.
STOP = re.compile(r"Sanitizer|runtime error|MT_BUG_ON|BUG:")

PCAP_NS = 0xA1B23C4D
ETHERNET = 1


class Trouble(Exception):
    """Why a run can't be judged: a reason for the report."""


def frames_of(path):
    """(ns, bytes, size on the wire) of each frame of a pcap file of Ethernet;
    nothing for another link."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    magic, = struct.unpack_from(order + "I", data)
    unit = 1 if magic == PCAP_NS else 1000
    if struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != ETHERNET:
        return
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, taken, size = struct.unpack_from(order + "IIII", data, at)
        yield seconds * 10**9 + fraction * unit, data[at + 16:at + 16 + taken], size
        at += 16 + taken


def write_pcap(path, frames):
    """Frames as frames_of gives them, in the order of their times."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", PCAP_NS, 2, 4, 0, 0, 262144, ETHERNET))
        count = 0
        for when, frame, size in sorted(frames, key=lambda frame: frame[0]):
            file.write(struct.pack("<IIII", when // 10**9, when % 10**9, len(frame), size) + frame)
            count += 1
    return count


def scratch_folder():
    """Short, because the path of a socket has at most 107 bytes."""
    return tempfile.TemporaryDirectory(prefix="mt-")


class Process:
    """A child whose output goes to files; killed at the end of the `with`."""

    def __init__(self, folder, name, argv, **options):
        self.name, self.argv = name, argv
        self.out, self.err = os.path.join(folder, f"{name}.out"), os.path.join(folder, f"{name}.err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **options)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def is_over(self):
        return self.child.poll() is not None

    def wait(self, seconds=END_SECONDS):
        """The exit code; Trouble when there is none in time."""
        try:
            return self.child.wait(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            raise Trouble(f"{self.name} still runs after {seconds} s; it said: {self.said()[-5:]}") from late

    def signal(self, number):
        if self.child.poll() is None:
            self.child.send_signal(number)

    def said(self):
        """Standard error, by lines."""
        with open(self.err, encoding="utf-8", errors="replace") as lines:
            return lines.read().splitlines()

    def wait_for_line(self, pattern, seconds=READY_SECONDS, count=1):
        """Until standard error holds that many lines with the pattern."""
        end = time.monotonic() + seconds
        while True:
            found = [line for line in self.said() if re.search(pattern, line)]
            if len(found) >= count:
                return found[-1]
            if self.is_over() or time.monotonic() > end:
                raise Trouble(f"{self.name} did not say '{pattern}' but: {self.said()[-5:]}")
            time.sleep(0.05)


class Live(Process):
    """mailtap live, which says by sd_notify that it polls."""

    def __init__(self, mailtap, folder, arguments, name="mailtap", prefix=(), sessions=None):
        self.paths = {kind: os.path.join(folder, f"{name}.{kind}") for kind in ("sessions", "alerts", "stats")}
        self.paths["sessions"] = sessions or self.paths["sessions"]
        notify = os.path.join(folder, f"{name}.notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(notify)
        argv = [*prefix, mailtap, "live", "--quiet", *arguments]
        for kind, path in self.paths.items():
            argv += [f"--{kind}", path]
        # libxdp keeps 80 bytes of every umem; nothing else may be left
        leaks = os.path.join(folder, "leaks.txt")
        with open(leaks, "w", encoding="ascii") as file:
            file.write("leak:xsk_umem__create\n")
        super().__init__(folder, name, argv, env={
            **os.environ, "NOTIFY_SOCKET": notify, "LSAN_OPTIONS": f"suppressions={leaks}:print_suppressions=0"})

    def __exit__(self, *unused):
        super().__exit__(*unused)
        self.notify.close()

    def wait(self, seconds=END_SECONDS):
        self.notify.close()  # an unread socket fills up, and whoever notifies waits
        return super().wait(seconds)

    def wait_until_ready(self):
        end = time.monotonic() + READY_SECONDS
        if self.notify.fileno() < 0:
            return self
        while time.monotonic() < end:
            if select.select([self.notify], [], [], 0.05)[0]:
                if b"READY=1" in self.notify.recv(4096).split(b"\n"):
                    self.notify.close()
                    return self
            elif self.is_over():
                raise Trouble(f"mailtap ended with {self.child.returncode}: {self.said()[-5:]}")
        raise Trouble(f"mailtap is not ready after {READY_SECONDS} s: {self.said()[-5:]}")

    def end(self, number=signal.SIGTERM):
        self.signal(number)
        return self.wait()

    def stats(self):
        """The last line of --stats: every counter."""
        with open(self.paths["stats"], encoding="utf-8") as file:
            lines = file.read().splitlines()
        if not lines:
            raise Trouble("mailtap wrote no line of --stats")
        return json.loads(lines[-1])["counters"]

    def sessions(self):
        return read_lines(self.paths["sessions"])

    def alerts(self):
        """Of the traffic; those about the capture itself are another matter."""
        return [alert for alert in read_lines(self.paths["alerts"]) if not about_capture(alert)]

    def crash_reasons(self, okay=(0,)):
        report = [line for line in self.said() if STOP.search(line)]
        if report:
            yield from report[:5]
        elif self.child.returncode not in okay:
            yield f"mailtap ended with {self.child.returncode}"
            yield from self.said()[-5:]


def about_capture(alert):
    return alert["rule"]["name"].startswith("capture_")


class Sender(Process):
    """tests/replay, which stays connected until it is ended, because what lies
    in the queue would be lost with it. Started once mailtap is ready."""

    def __init__(self, replay, run, folder, source, *arguments, name="replay"):
        run.wait_until_ready()
        super().__init__(folder, name, [replay, "--json", "--linger", "3600", "--wait", str(READY_SECONDS),
                                        "--socket", memif_socket(folder), *arguments, source])

    def result(self, seconds=SEND_SECONDS):
        """What was sent, once everything is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with open(self.out, encoding="ascii") as file:
                text = file.read()
            if text.endswith("\n"):
                return json.loads(text)
            if self.is_over():
                break
            time.sleep(0.02)
        raise Trouble(f"replay sent nothing: {self.said()[-3:]}")

    def finish(self):
        """Ends the sending; what was sent until then."""
        self.signal(signal.SIGTERM)
        return self.result()


def memif_socket(folder):
    return os.path.join(folder, "memif.sock")


def memif(folder, number=0):
    return f"net_memif{number},role=server,id={number},socket={memif_socket(folder)},socket-abstract=no,bsize=2048"


class Cable:
    """Two network namespaces and a veth pair: `far` sends, `near` is listened to."""

    NEAR, FAR = "near0", "far0"

    def __init__(self, netlab):
        self.netlab, self.namespaces = netlab, []
        tag = f"mailtap{os.getpid()}"
        try:
            for side in ("f", "n"):
                self.namespaces.append(netlab.Namespace(tag + side))
            self.far, self.near = self.namespaces
            self.plug()
        except BaseException:
            self.close()
            raise

    def plug(self):
        self.netlab.run("ip", "link", "add", self.NEAR, "netns", self.near.name, "mtu", "2100", "type", "veth",
                        "peer", "name", self.FAR, "netns", self.far.name, "mtu", "2100")
        for namespace, device in ((self.near, self.NEAR), (self.far, self.FAR)):
            # nothing of our own onto the cable: no IPv6 neighbour discovery
            self.netlab.run(*namespace.command(["sh", "-c", f"echo 1 >/proc/sys/net/ipv6/conf/{device}/disable_ipv6"]))
            self.netlab.run("ip", "-n", namespace.name, "link", "set", device, "up")

    def unplug(self):
        self.netlab.run("ip", "-n", self.near.name, "link", "del", self.NEAR)

    def close(self):
        for namespace in self.namespaces:
            namespace.delete()
        self.namespaces = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def send(self, path, pause=0.002):
        """A capture's frames through a raw socket, 32 between pauses: a veth pair
        has no ring that would push back. Returns how many."""
        back = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.far.enter()
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        finally:
            self.netlab.libc.setns(back, self.netlab.CLONE_NEWNET)
            os.close(back)
        count = 0
        with raw:
            raw.bind((self.FAR, 0))
            for _, frame, _ in frames_of(path):
                raw.send(frame)
                count += 1
                if count % 32 == 0:
                    time.sleep(pause)
        return count


def netlab_of(root):
    """scripts/lib/netlab.py."""
    sys.path.insert(0, os.path.join(root, "scripts", "lib"))
    import netlab
    return netlab


def why_no_namespaces():
    """Why network namespaces can't be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"mailtap{os.getpid()}t"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "the program ip is missing (package iproute2)"
    if made.returncode:
        return f"no network namespace can be made: {made.stderr.strip()}"
    try:
        made = subprocess.run(["ip", "-n", name, "link", "add", "end0", "type", "veth", "peer", "name", "end1"],
                              capture_output=True, text=True, check=False)
        return f"no veth pair can be made: {made.stderr.strip()}" if made.returncode else None
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


# --- balance -----------------------------------------------------------------

LOST = ("port.missed", "port.no_buffer", "port.errors")
# Every frame that was handed out is counted under one of these, but for
# fragments (packet.fragments), of which several make one segment.
TOLD = ("capture.filtered", "port.too_large", "live.unused", "live.ring_full", "packet.not_mail_port",
        "packet.segments", "dns.frames")


def told(stats):
    return sum(stats[name] for name in TOLD) + sum(
        value for name, value in stats.items() if name.startswith("packet.reject."))


def balance_reasons(sent, stats, may_wait=0):
    """Where frames are unaccounted for. may_wait: how many of `sent` may still
    have been on their way when the run ended."""
    frames, lost = stats["capture.frames"], sum(stats[name] for name in LOST)
    if not 0 <= sent - frames - lost <= may_wait:
        yield f"sent {sent}, but {frames} handed out and {lost} lost ({', '.join(LOST)})"
    if not 0 <= frames - told(stats) <= stats["packet.fragments"]:
        yield (f"{frames} handed out, but {told(stats)} accounted for: "
               f"{ {name: value for name, value in stats.items() if value} }")
