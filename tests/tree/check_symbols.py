"""What the static libraries export and what the hot ones call, by nm.

Every global symbol starts with mt_. An object of a hot module calls mt_
functions and what tests/tree/hot_libc.txt allows, so "no malloc and no printf
in the packet path" is a property of the objects, not of a review.

    check_symbols.py ROOT MODULE=LIBRARY...
"""

import fnmatch
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

RULES = "tests/tree/hot_libc.txt"


def symbols(library):
    """(object, type, name) of each global symbol; nm also reads thin archives."""
    # without the plugin that would read the code kept for link-time optimisation instead
    run = subprocess.run(["nm", "--plugin=/dev/null", "-A", "-g", library], capture_output=True, text=True, check=True)
    for line in run.stdout.splitlines():
        match = re.match(r"\S+?:(?:.*[:/])?([^:/\s]+\.o):\s*[0-9a-f]*\s*(\w) (\S+)$", line)
        if match:
            yield match.groups()


def hot_modules(root):
    for line in tree.read(root / "lib/layers.txt").splitlines():
        words = line.split("|")[0].split()
        if len(words) == 2 and words[1] == "hot":
            yield words[0]


class Rules:
    """hot_libc.txt"""

    def __init__(self, root):
        self.everywhere = set()
        self.objects = []  # (pattern, {names})
        for line in tree.read(root / RULES).splitlines():
            kind, _, rest = line.partition(" ")
            if kind in ("function", "runtime"):
                self.everywhere.update(rest.split())
            elif kind == "object":
                match = re.match(r"(\S+): (.+?) - \S", rest)
                if not match:
                    raise SystemExit(f"{RULES}: not understood: {line}")
                self.objects.append((match.group(1), set(match.group(2).split())))
        self.used = set()

    def allows(self, source, name):
        if name in self.everywhere or name.startswith("mt_"):
            return True
        found = False
        for pattern, names in self.objects:
            if name in names and fnmatch.fnmatch(source, pattern):
                self.used.add((pattern, name))
                found = True
        return found

    def idle(self):
        for pattern, names in self.objects:
            for name in sorted(names):
                if (pattern, name) not in self.used:
                    yield f"{RULES}: no object of {pattern} uses {name}; take it off the list"


def source_of(module, name):
    """meson calls lib/flow/create.c's object flow_create.c.o."""
    name = name.removesuffix(".o")
    prefix = module + "_"
    return f"{module}/{name.removeprefix(prefix)}"


def check(root, libraries):
    hot = set(hot_modules(root))
    rules = Rules(root)
    for module in sorted(hot - set(libraries)):
        yield f"lib/layers.txt: {module} is hot, but there is no library of it to look at"
    for module, library in libraries.items():
        found = list(symbols(library))
        if not any(kind != "U" for _, kind, _ in found):
            yield f"{library}: no symbols, so nothing could be checked"
        for name, kind, symbol in found:
            source = source_of(module, name)
            if kind not in "Uw" and not symbol.startswith("mt_"):
                yield f"{source}: exports {symbol}, which does not start with mt_"
            if kind in "Uw" and module in hot and not rules.allows(source, symbol):
                yield f"{source}: hot, but calls {symbol}"
    yield from rules.idle()


SELF_TEST = [
    ("a good object", "int mt_a(void); int mt_a(void) { return 1; }", None),
    ("an export without the prefix", "int a(void); int a(void) { return 1; }", "exports a,"),
    ("malloc in a hot object", "void *malloc(unsigned long); void *mt_a(void) { return malloc(7); }", "calls malloc"),
    ("printf in a hot object", 'int printf(const char *, ...); int mt_a(void) { return printf("%d", 7); }', "calls printf"),
    ("data without the prefix", "int counter = 3;", "exports counter,"),
    ("an empty library", "static int unused = 3;", "no symbols"),
]


def run_case(folder, compiler, text, rules, module="base"):
    root = pathlib.Path(folder)
    (root / "lib").mkdir(exist_ok=True)
    (root / "tests/tree").mkdir(parents=True, exist_ok=True)
    (root / "lib/layers.txt").write_text("# house\nbase hot | |\n", encoding="utf-8")
    (root / RULES).write_text(rules, encoding="utf-8")
    (root / "base_a.c").write_text(text, encoding="utf-8")
    subprocess.run([*compiler, "-w", "-c", "base_a.c", "-o", "base_a.c.o"], cwd=root, check=True)
    subprocess.run(["ar", "rcs", "libbase.a", "base_a.c.o"], cwd=root, check=True)
    return list(check(root, {module: str(root / "libbase.a")}))


def self_test(compiler):
    malloc_user = SELF_TEST[2][1]
    cases = [(name, text, "function memcpy\n", "base", expected) for name, text, expected in SELF_TEST]
    cases += [
        ("malloc where it is allowed", malloc_user, "object base/a.c: malloc - at start\n", "base", None),
        ("malloc allowed elsewhere", malloc_user, "object base/b.c: malloc - at start\n", "base", "calls malloc"),
        ("an exception that is not needed", SELF_TEST[0][1], "object base/*.c: free - why\n", "base", "take it off"),
        ("a hot module without a library", SELF_TEST[0][1], "", "cold", "base is hot, but"),
    ]
    failures = 0
    for name, text, rules, module, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            complaints = run_case(folder, compiler, text, rules, module)
        passed = not complaints if expected is None else any(expected in line for line in complaints)
        print(f"{'ok' if passed else 'FAILED'}: {name}" + ("" if passed else f"\n  got: {complaints}"))
        failures += not passed
    return 1 if failures else 0


def main():
    if sys.argv[1] == "--self-test":
        sys.exit(self_test(sys.argv[2:]))
    libraries = dict(argument.split("=", 1) for argument in sys.argv[2:])
    sys.exit(tree.report(check(pathlib.Path(sys.argv[1]), libraries)))


if __name__ == "__main__":
    main()
