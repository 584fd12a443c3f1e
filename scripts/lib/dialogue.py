"""Plays a written dialogue between a client and a server over real TCP.

A dialogue is a text file, one line of the conversation a line:

    # a remark
    connect 203.0.113.7 10.25.0.25 [25]    opens a connection; the one before is closed
    S: 220 mx.example.org ESMTP            the server sends this line and CRLF
    C: EHLO mail.example.com               the client does
    C:                                     an empty line
    C~ a\\x00b\\n                            raw bytes, Python escapes, no CRLF added
    flush                                  what was said so far leaves in a segment of its own
    segments lines|turns                   one segment a client line, or (default) a turn
    wait 0.5                               silence, in seconds
    close C|S                              who closes first; default: the server
    reset C|S                              ends the connection with a RST

Lines of one side that follow each other are one turn and leave in one write.
Both ends are held by this process, in lockstep: a turn is over when the other
end has received every byte of it, so the capture is the same at each run but
for time, ports and sequence numbers.
"""

import socket
import struct
import time


class Step:
    def __init__(self, kind, number, side=None, data=b"", words=()):
        self.kind, self.number, self.side, self.data, self.words = kind, number, side, data, words


WORDS = ("connect", "flush", "segments", "wait", "close", "reset")


def parse_line(path, number, line, words=WORDS):
    """The step of one line (bytes), or None of a remark."""
    head = line[:2]
    if head in (b"C:", b"S:"):
        return Step("say", number, chr(line[0]), line[3:] + b"\r\n")
    if head in (b"C~", b"S~"):
        raw = line[3:].decode("ascii").encode("ascii").decode("unicode_escape").encode("latin-1")
        return Step("say", number, chr(line[0]), raw)
    if not line.strip() or line.startswith(b"#"):
        return None
    found = line.decode("ascii").split()
    if found[0] not in words:
        raise ValueError(f"{path}:{number}: unknown word {found[0]!r}")
    return Step(found[0], number, words=found[1:])


def parse(path):
    with open(path, "rb") as file:
        steps = [parse_line(path, number, line) for number, line in enumerate(file.read().split(b"\n"), 1)]
    return [step for step in steps if step is not None]


class Player:
    def __init__(self, lab, path):
        self.lab, self.path = lab, path
        self.ends = {}
        self.pending, self.pending_side = [], None
        self.by_line = False

    def play(self):
        try:
            for step in parse(self.path):
                getattr(self, "do_" + step.kind)(step)
            self.hang_up("S")
        finally:
            for end in self.ends.values():
                end.close()

    def do_say(self, step):
        if (self.by_line and step.side == "C") or self.pending_side != step.side:
            self.send_pending()
        self.pending_side = step.side
        self.pending.append(step.data)

    def do_flush(self, _step):
        self.send_pending()

    def do_segments(self, step):
        self.send_pending()
        self.by_line = step.words[0] == "lines"

    def do_wait(self, step):
        self.send_pending()
        time.sleep(float(step.words[0]))

    def do_connect(self, step):
        self.hang_up("S")
        client_address, server_address = step.words[0], step.words[1]
        port = int(step.words[2]) if len(step.words) > 2 else 25
        family = socket.AF_INET6 if ":" in client_address else socket.AF_INET
        listener = self.lab.namespace_of(server_address).socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((server_address, port))
        listener.listen(1)
        client = self.lab.namespace_of(client_address).socket(family)
        client.bind((client_address, 0))
        client.settimeout(5)
        client.connect((server_address, port))
        server = listener.accept()[0]
        listener.close()
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.settimeout(5)
        self.ends = {"C": client, "S": server}

    def do_close(self, step):
        self.hang_up(step.words[0])

    def do_reset(self, step):
        self.send_pending()
        first = self.ends.pop(step.words[0])
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        for end in self.ends.values():
            end.close()
        self.ends = {}

    def send_pending(self):
        if not self.pending:
            return
        data = b"".join(self.pending)
        other = self.ends["S" if self.pending_side == "C" else "C"]
        self.ends[self.pending_side].sendall(data)
        got = b""
        while len(got) < len(data):
            piece = other.recv(65536)
            if not piece:
                break
            got += piece
        if got != data:
            raise RuntimeError(f"{self.path}: the network changed {data!r} into {got!r}")
        self.pending = []

    def hang_up(self, first):
        """Both ends close in order, each after it has seen the other's FIN."""
        self.send_pending()
        if not self.ends:
            return
        second = "S" if first == "C" else "C"
        self.ends[first].shutdown(socket.SHUT_WR)
        self.ends[second].recv(1)
        self.ends[second].close()
        self.ends[first].recv(1)
        self.ends[first].close()
        self.ends = {}
