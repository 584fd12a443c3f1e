"""Two network namespaces and a cable: outside and home.

The captures of pcaps/ are taken here. `outside` holds the addresses
203.0.113.0/24 and 2001:db8:1::/64, `home` holds 10.25.0.0/24 and fd00:25::/64;
a veth pair joins them, and tcpdump listens at home's end of it. Namespaces and
everything that runs in them are gone when the Lab is closed.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import time

OUTSIDE4 = [f"203.0.113.{n}" for n in range(5, 60)]
HOME4 = [f"10.25.0.{n}" for n in list(range(25, 30)) + list(range(50, 60))]
OUTSIDE6 = [f"2001:db8:1::{n:x}" for n in range(0x5, 0x10)]
# A computer of home on the far end of the cable, so that tcpdump sees it.
FAR_HOME4 = "10.25.0.60"
HOME6 = [f"fd00:25::{n}" for n in (25, 26, 27, 50)]

CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
# Segmentation and checksum offload, set to off: a veth pair would hand tcpdump
# 64 KiB segments with unfinished checksums, which no wire ever carries.
ETHTOOL_OFF = {"rx-checksum": 0x15, "tx-checksum": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}

libc = ctypes.CDLL(None, use_errno=True)


def run(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


class Namespace:
    """One named network namespace; sockets and processes can be made inside."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def enter(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {self.path}")
        finally:
            os.close(fd)

    def socket(self, family):
        """A TCP socket that belongs to this namespace for its whole life."""
        back = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.enter()
            made = socket.socket(family, socket.SOCK_STREAM)
        finally:
            libc.setns(back, CLONE_NEWNET)
            os.close(back)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def command(self, argv):
        return ["nsenter", f"--net={self.path}", "--"] + list(argv)

    def processes(self):
        found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split() if int(pid) != os.getpid()]

    def end_processes(self, seconds=5):
        """Servers are children of the shells that started them, and would outlive these."""
        end = time.monotonic() + seconds
        for number in signal.SIGTERM, signal.SIGKILL:
            for pid in self.processes():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass  # it has just ended
            while self.processes() and number == signal.SIGTERM and time.monotonic() < end:
                time.sleep(0.05)

    def delete(self):
        self.end_processes()
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def switch_offload_off(namespace, device):
    back = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        namespace.enter()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for command in ETHTOOL_OFF.values():
                value = ctypes.create_string_buffer(struct.pack("II", command, 0))
                request = struct.pack("16sP", device.encode(), ctypes.addressof(value))
                fcntl.ioctl(control, SIOCETHTOOL, request + bytes(40 - len(request)))
    finally:
        libc.setns(back, CLONE_NEWNET)
        os.close(back)


class Lab:
    """Both namespaces, the cable, the captures and the processes of one run."""

    def __init__(self):
        self.children = []
        self.namespaces = []
        tag = f"mailtap{os.getpid()}"
        try:
            self.outside = self.add_namespace(f"{tag}o")
            self.home = self.add_namespace(f"{tag}h")
            self.join()
            self.plug(self.home, HOME4, HOME6, "203.0.113.0/24", "2001:db8:1::/64")
            self.plug(self.outside, OUTSIDE4, OUTSIDE6, "10.25.0.0/24", "fd00:25::/64")
            run("ip", "-n", self.outside.name, "addr", "add", f"{FAR_HOME4}/32", "dev", "wire")
        except BaseException:
            self.close()
            raise

    def join(self):
        """Makes the cable: `wire` in both namespaces."""
        run("ip", "link", "add", "wire", "netns", self.home.name, "address", "02:00:00:00:25:01",
            "type", "veth", "peer", "name", "wire", "netns", self.outside.name,
            "address", "02:00:00:00:25:02")

    def add_namespace(self, name):
        namespace = Namespace(name)
        self.namespaces.append(namespace)
        return namespace

    def plug(self, namespace, addresses4, addresses6, far4, far6):
        name = namespace.name
        switch_offload_off(namespace, "wire")
        lines = [f"addr add {address}/24 dev wire" for address in addresses4]
        lines += [f"addr add {address}/64 dev wire nodad" for address in addresses6]
        lines += ["link set wire up", f"route add {far4} dev wire", f"route add {far6} dev wire"]
        subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(lines), text=True, check=True)

    def namespace_of(self, address):
        is_home = address.startswith(("10.25.", "fd00:25:")) and address != FAR_HOME4
        return self.home if is_home else self.outside

    def start(self, argv, log):
        """A process that lives until the lab is closed."""
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.children.append(child)
        return child

    def wait_for_port(self, address, port, child, seconds=20):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if child.poll() is not None:
                raise RuntimeError(f"the server for {address}:{port} ended with {child.returncode}")
            with self.namespace_of(address).socket(family) as probe:
                probe.settimeout(1)
                try:
                    if probe.connect_ex((address, port)) == 0 and probe.recv(512):
                        return
                except TimeoutError:
                    pass  # it listens, but does not answer yet
            time.sleep(0.1)
        raise RuntimeError(f"no server on {address}:{port} after {seconds} s")

    def capture(self, path, expression):
        return Capture(self.home, path, expression)

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for namespace in self.namespaces:
            namespace.delete()
        self.children, self.namespaces = [], []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Capture:
    """tcpdump at home's end of the cable, from the first frame to the last."""

    def __init__(self, namespace, path, expression):
        self.path = path
        self.child = subprocess.Popen(
            namespace.command(["tcpdump", "-i", "wire", "-w", path, "-U", "--immediate-mode", "-n", "-s", "0",
                               "-Z", "root", "--time-stamp-precision=nano", expression]),
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.child.stderr:
            if "listening on" in line:
                return
        raise RuntimeError(f"tcpdump did not start for {path}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.settle()
        self.child.send_signal(signal.SIGINT)
        report = self.child.communicate(timeout=10)[1]
        if "0 packets dropped by kernel" not in report:
            raise RuntimeError(f"{self.path}: tcpdump lost packets: {report}")

    def settle(self):
        """Waits until the file has not grown for a while: the last FIN and ACK are in."""
        size, quiet = -1, 0
        for _ in range(100):
            time.sleep(0.05)
            now = os.stat(self.path).st_size
            quiet = quiet + 1 if now == size else 0
            size = now
            if quiet >= 6:
                return
