"""Holds the tree to lib/layers.txt: which module may include which."""

import re

import tree

# Headers of C and POSIX (and Linux) that any module may use; what hot modules
# may call of them is held by check_symbols.py.
STANDARD = set(
    """assert.h ctype.h dirent.h errno.h fcntl.h getopt.h grp.h inttypes.h limits.h linux/capability.h math.h
    poll.h pthread.h pwd.h sched.h signal.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h
    sys/ioctl.h sys/mman.h sys/prctl.h sys/random.h sys/resource.h sys/stat.h sys/syscall.h sys/types.h sys/wait.h time.h
    unistd.h""".split()
)

# What the program itself uses beside the modules.
APP_EXTERNALS = ["systemd/sd-daemon.h", "libsmartcols/libsmartcols.h"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def layers(root):
    """{module: (modules it may include, externals)} in the order of the file."""
    found = {}
    for line in tree.read(root / "lib/layers.txt").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, modules, externals = (part.split() for part in line.split("|"))
        found[name[0]] = (modules, externals)
    return found


def includes(path):
    text = tree.without_comments(tree.read(path))
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_own(root, where, module, allowed, name):
    """An include in quotes. module is None for app and tests."""
    parts = name.split("/")
    if len(parts) != 2:
        yield f'{where}: "{name}": write "module/file.h"'
        return
    if parts[0] != module and parts[0] not in allowed:
        yield f'{where}: {module or "this folder"} may not include {parts[0]} ("{name}")'
    if not (root / "lib" / name).is_file():
        yield f'{where}: "{name}" does not exist'
    if parts[0] != module and re.search(r"_priv\.\w+$", name):
        yield f'{where}: "{name}" is private to {parts[0]}'


def check_external(where, externals, name):
    if name in STANDARD or any(name == e or (e[-1] in "/*" and name.startswith(e.rstrip("*"))) for e in externals):
        return
    yield f"{where}: <{name}> is not among the external headers of lib/layers.txt"


def check_list(root, known):
    seen = []
    for module, (allowed, _) in known.items():
        for other in allowed:
            if other not in seen:
                yield f"lib/layers.txt: {module} names {other}, which does not stand before it"
        seen.append(module)
    present = {p.name for p in (root / "lib").iterdir() if p.is_dir()}
    for module in sorted(present - set(known)):
        yield f"lib/layers.txt: lib/{module} has no line"
    for module in sorted(set(known) - present):
        yield f"lib/layers.txt: lib/{module} does not exist"
    build = tree.read(root / "lib/meson.build")
    listed = re.findall(r"'(\w+)'", re.search(r"mt_modules = \[(.*?)\]", build, re.S).group(1))
    if listed != list(known):
        yield "lib/meson.build: mt_modules and lib/layers.txt differ"


def check_outside(root, known, folder, may_see_priv_of=lambda path: None):
    """app/ and the tests: their own headers, public ones, and for a unit test
    the private ones of its module and those of the program."""
    for path in tree.files(root, [folder], {".c", ".h"}):
        for line, own, external in includes(path):
            where = f"{path.relative_to(root)}:{line}"
            if own and not (path.parent / own).is_file() and not (root / "app" / own).is_file():
                yield from check_own(root, where, may_see_priv_of(path), known, own)
            if external and folder == "app":
                yield from check_external(where, APP_EXTERNALS, external)


def check(root):
    known = layers(root)
    yield from check_list(root, known)
    for module, (allowed, externals) in known.items():
        for path in tree.files(root, [f"lib/{module}"], {".c", ".h", ".def"}):
            for line, own, external in includes(path):
                where = f"{path.relative_to(root)}:{line}"
                if own:
                    yield from check_own(root, where, module, allowed, own)
                else:
                    yield from check_external(where, externals, external)
    yield from check_outside(root, known, "app")
    yield from check_outside(root, known, "tests/unit", lambda path: path.parent.name)


GOOD = {
    "lib/layers.txt": "# the house\nbase hot | | xxhash.h\nwire | base | pcap/\n",
    "lib/meson.build": "mt_modules = [\n  'base', 'wire',\n]\n",
    "lib/base/span.h": "#include <stdint.h>\n",
    "lib/base/span.c": '#include "base/span.h"\n#include "base/span_priv.h"\n#include <xxhash.h>\n',
    "lib/base/span_priv.h": '/* #include "wire/wire.h" */\n',
    "lib/wire/wire.h": '#include "base/span.h"\n',
    "lib/wire/wire.c": '#include "wire/wire.h"\n#include <pcap/pcap.h>\n',
    "app/main.c": '#include "wire/wire.h"\n#include "main.h"\n#include <stdio.h>\n',
    "app/main.h": "",
    "tests/unit/base/test_span.c": '#include "base/span_priv.h"\n#include "main.h"\n#include <cmocka.h>\n',
}

CASES = [
    ("an include to the right", {"lib/base/span.h": '#include "wire/wire.h"\n'}, "base may not include wire"),
    ("an include without its module", {"lib/wire/wire.c": '#include "wire.h"\n'}, 'write "module/file.h"'),
    ("an include through the parent", {"lib/wire/wire.c": '#include "../base/span.h"\n'}, 'write "module/file.h"'),
    ("someone else's private header", {"lib/wire/wire.c": '#include "base/span_priv.h"\n'}, "private to base"),
    ("a header that is not there", {"lib/wire/wire.c": '#include "base/gone.h"\n'}, "does not exist"),
    ("an external header that is not listed", {"lib/base/span.c": "#include <pcap/pcap.h>\n"}, "<pcap/pcap.h>"),
    ("an indented include", {"lib/base/span.c": "#if 1\n#  include <zlib.h>\n#endif\n"}, "lib/base/span.c:2"),
    ("a private header in app", {"app/main.c": '#include "base/span_priv.h"\n'}, "private to base"),
    ("an external header in app", {"app/main.c": "#include <pcap/pcap.h>\n"}, "<pcap/pcap.h>"),
    (
        "a private header in another module's test",
        {"tests/unit/wire/test_wire.c": '#include "base/span_priv.h"\n'},
        "private to base",
    ),
    ("a module without a line", {"lib/extra/extra.c": ""}, "lib/extra has no line"),
    ("a line without a module", {"lib/wire/wire.h": None, "lib/wire/wire.c": None, "app/main.c": ""}, "does not exist"),
    ("an edge to the right", {"lib/layers.txt": "base | wire |\nwire | base | pcap/\n"}, "does not stand before it"),
    ("another order in the build", {"lib/meson.build": "mt_modules = ['wire', 'base']\n"}, "differ"),
]

if __name__ == "__main__":
    tree.main(check, GOOD, CASES)
