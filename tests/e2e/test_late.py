"""Libraries that are opened when they are needed: reading a capture maps none of
them, what needs one maps it, one that is missing is named with its package, and
packagers find the list in the program.

    test_late.py MAILTAP SOURCE_ROOT
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile

from harness import Run, Tap, crash_reasons

NOTE_TYPE = 0x407C0C0A
ENTRY = re.compile(r'^MT_LATE_LIBRARY\((\w+), "([^"]+)", "([^"]+)", "([^"]+)", "([^"]+)"\)$', re.M)
NET_NULL = ["--port", "net_null0,size=64", "--poll", "adaptive", "--count", "1"]


class Library:
    def __init__(self, name, soname, package, feature, meaning):
        self.name, self.soname, self.package, self.feature, self.meaning = name, soname, package, feature, meaning


def libraries(root):
    with open(os.path.join(root, "lib/late/libraries.def"), encoding="utf-8") as file:
        return [Library(*entry) for entry in ENTRY.findall(file.read())]


def mapped(mailtap, arguments, output):
    """(names of the libraries that a run mapped, the run): the dynamic loader says
    it, into files, since there may be several processes."""
    run = Run(mailtap, arguments, env=dict(os.environ, LD_DEBUG="files", LD_DEBUG_OUTPUT=output))
    names = set()
    for name in os.listdir(os.path.dirname(output)):
        path = os.path.join(os.path.dirname(output), name)
        if path.startswith(output + "."):
            with open(path, encoding="utf-8", errors="replace") as file:
                names.update(os.path.basename(path) for path in re.findall(r"calling init: (\S+)", file.read()))
            os.unlink(path)
    return names, run


class Late:
    def __init__(self, mailtap, root, folder, tap):
        self.mailtap, self.folder, self.tap = mailtap, folder, tap
        self.capture = os.path.join(root, "pcaps", "postfix-delivery.pcap")
        self.known = libraries(root)
        self.by_name = {library.name: library for library in self.known}

    def path(self, name):
        return os.path.join(self.folder, name)

    def a_plain_read_maps_none(self):
        names, run = mapped(self.mailtap, ["read", "--no-shipped-rules", self.capture], self.path("plain"))
        reasons = list(crash_reasons(run, (0,)))
        if "libc.so.6" not in names:
            reasons.append(f"the loader told nothing: {sorted(names)}")
        if not self.known:
            reasons.append("lib/late/libraries.def is not understood")
        reasons += [f"{one.soname} is mapped" for one in self.known if one.soname in names]
        self.tap.check("reading a plain capture maps no library that is for something else", reasons)

    def needs(self):
        """{library: what needs it}; nobody answers, so such a run ends before it reads"""
        return {
            "CURL": ["read", "--no-shipped-rules", "--require-outputs", "--output", "ecs:http://127.0.0.1:9/x?timeout=1s", self.capture],
            "JANSSON": ["read", "--no-shipped-rules", "--require-outputs", "--output", "ecs:elasticsearch+http://127.0.0.1:9/x?timeout=1s", self.capture],
            "RDKAFKA": ["read", "--no-shipped-rules", "--require-outputs", "--output", "ecs:kafka://127.0.0.1:9/x?timeout=1s", self.capture],
            "SSL": ["read", "--no-shipped-rules", "--require-outputs", "--output", "ecs:syslog+tls://127.0.0.1:9?timeout=1s", self.capture],
            "MICROHTTPD": ["live", "--no-shipped-rules", *NET_NULL, "--metrics", "127.0.0.1:0"],
        }

    def what_needs_one_maps_it(self):
        for name, arguments in self.needs().items():
            soname = self.by_name[name].soname
            names, run = mapped(self.mailtap, arguments, self.path("needed"))
            reasons = [] if soname in names else [f"it is not mapped; said {run.errors()[:3]}"]
            self.tap.check(f"{soname} is mapped by what needs it", reasons)
        missing = sorted(set(self.by_name) - set(self.needs()))
        self.tap.check("every late library is tried", [f"{name} is not" for name in missing])

    def one_that_is_missing_is_named(self):
        for name, arguments in self.needs().items():
            library = self.by_name[name]
            folder = tempfile.mkdtemp(dir=self.folder)
            with open(os.path.join(folder, library.soname), "wb"):
                pass  # which the loader finds first, and refuses
            run = Run(self.mailtap, arguments, env=dict(os.environ, LD_LIBRARY_PATH=folder))
            said = [line for line in run.errors() if library.soname in line]
            wanted = f"it is in the Debian package {library.package}"
            reasons = [] if run.code == 3 else [f"exit code {run.code}"]
            if len(said) != 1 or wanted not in said[0] or not said[0].startswith("mailtap: "):
                reasons.append(f"said {run.errors()}")
            self.tap.check(f"without {library.soname} the start fails, and says where it is", reasons)

    def a_property_for_kafka_is_not_blamed_for_it(self):
        library = self.by_name["RDKAFKA"]
        folder = tempfile.mkdtemp(dir=self.folder)
        with open(os.path.join(folder, library.soname), "wb"):
            pass
        run = Run(self.mailtap, ["read", "--no-shipped-rules", "--require-outputs", "--output", "ecs:kafka://127.0.0.1:9/x?linger.ms=5", self.capture],
                  env=dict(os.environ, LD_LIBRARY_PATH=folder))
        reasons = [] if run.code in (2, 3) and len(run.errors()) == 1 else [f"exit code {run.code}"]
        if library.package not in "".join(run.errors()):
            reasons.append(f"said {run.errors()}")
        self.tap.check("without librdkafka a property of it is not called unknown", reasons)

    def packagers_find_the_list(self):
        with tempfile.NamedTemporaryFile(dir=self.folder) as out:
            subprocess.run(["objcopy", "-O", "binary", "--only-section=.note.dlopen", self.mailtap, out.name], check=True)
            data = out.read()
        found, at, reasons = [], 0, []
        while at < len(data):
            owner_size, size, kind = struct.unpack_from("<III", data, at)
            owner = data[at + 12:at + 12 + owner_size]
            text = data[at + 16:at + 16 + size]
            if (owner, kind) != (b"FDO\0", NOTE_TYPE) or not text.endswith(b"\0"):
                reasons.append(f"a note at {at} is none: {owner!r} {kind:#x} {text!r}")
                break
            found += json.loads(text[:-1])
            at += 16 + (size + 3) // 4 * 4
        wanted = [{"soname": [one.soname], "feature": one.feature, "description": one.meaning,
                   "priority": "recommended"} for one in self.known]
        # in which order they stand is the compiler's
        if sorted(map(json.dumps, found)) != sorted(map(json.dumps, wanted)):
            reasons.append(f"the notes are {found}")
        self.tap.check("ELF notes name every late library, for packagers", reasons)

    def the_packages_are_listed(self, root):
        with open(os.path.join(root, "scripts/packages.txt"), encoding="utf-8") as file:
            words = set(re.findall(r"[\w.+-]+", file.read().replace(",", " ")))
        reasons = [f"{one.package} is not in scripts/packages.txt" for one in self.known if one.package not in words]
        self.tap.check("scripts/packages.txt says what a machine needs that only runs the program", reasons)

    def none_is_linked(self):
        text = subprocess.run(["readelf", "-d", self.mailtap], capture_output=True, text=True, check=True).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", text)
        reasons = [] if "libc.so.6" in needed else [f"not understood: {text[:300]}"]
        reasons += [f"{one.soname} is" for one in self.known if one.soname in needed]
        self.tap.check("the program is linked with none of them", reasons)


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        late = Late(sys.argv[1], sys.argv[2], folder, tap)
        late.a_plain_read_maps_none()
        late.what_needs_one_maps_it()
        late.one_that_is_missing_is_named()
        late.a_property_for_kafka_is_not_blamed_for_it()
        late.packagers_find_the_list()
        late.none_is_linked()
        late.the_packages_are_listed(sys.argv[2])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
