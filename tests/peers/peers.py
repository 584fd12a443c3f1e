"""What the peer tests share: captures, the list of known differences, and
mailtap's view of a capture."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from harness import Run, shared_folder  # noqa: E402

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differences.tsv")


class Differences:
    """differences.tsv: test, file, what, reason. What differs must be listed
    word for word, and what is listed must differ."""

    def __init__(self, test):
        self.test, self.known, self.seen, self.files = test, {}, set(), set()
        with open(LIST, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.startswith("#") or not line.strip():
                    continue
                columns = line.rstrip("\n").split("\t")
                if len(columns) != 4 or not columns[3].strip():
                    raise ValueError(f"{LIST}:{number}: needs test, file, what and a reason, separated by tabs")
                if columns[0] == test:
                    self.known[columns[1], columns[2]] = number

    def unlisted(self, name, found):
        """Those of the differences found in this file that the list does not
        know. A difference is its text, or its text and what else a reader wants."""
        self.files.add(name)
        for one in sorted(set(found), key=str):
            what, detail = one if isinstance(one, tuple) else (one, "")
            if (name, what) in self.known:
                self.seen.add((name, what))
            else:
                yield f"{name}\t{what}"
                yield from detail.splitlines()

    def stale(self):
        """Entries for files that were compared and no longer differ like that."""
        for (name, what), number in self.known.items():
            if name in self.files and (name, what) not in self.seen:
                yield f"differences.tsv:{number}: no longer so: {name}: {what}"


def capture_files(root, folders=("smtp",)):
    """(name, path) of pcaps/ and of these folders of other projects' captures."""
    pcaps = os.path.join(root, "pcaps")
    for name in sorted(os.listdir(pcaps)):
        if name.endswith(".pcap"):
            yield f"pcaps/{name}", os.path.join(pcaps, name)
    shared = shared_folder(root)
    for folder in folders if shared else ():
        for where, _folders, names in sorted(os.walk(os.path.join(shared, folder))):
            if not where.endswith(".expected"):
                for name in sorted(names):
                    path = os.path.join(where, name)
                    yield os.path.relpath(path, shared), path


def read_sessions(mailtap, path, *options):
    run = Run(mailtap, ["read", "--json", *options, path])
    return run.records()[0]


def read_lines(mailtap, path):
    """{(client, server): [lines of the client, codes of the server]} from the
    transcript; what AUTH hides is left out."""
    talks, talk = {}, None
    for line in Run(mailtap, ["dialogue", path]).stdout.decode("utf-8", "replace").splitlines():
        head = re.match(r"# \S+  (\S+) > (\S+)  ", line)
        said = re.match(r"\d\d:\d\d:\d\d\.\d+ ([CS]): (.*)$", line)
        if head:
            talk = talks.setdefault(head.groups(), ([], []))
        elif said and talk and not said.group(2).startswith(("(", "! ")):
            if said.group(1) == "C":
                talk[0].append(said.group(2))
            else:
                code = re.match(r"(\d\d\d)(?: |$)", said.group(2))
                if code:
                    talk[1].append(int(code.group(1)))
    return talks


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def key_of(session):
    source, destination = session["source"], session["destination"]
    return (endpoint(source["ip"], source["port"]), endpoint(destination["ip"], destination["port"]))
