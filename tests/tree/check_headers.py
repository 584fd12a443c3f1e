"""Every public header compiles alone, and twice: what it needs it includes, and
it has a guard. Public are those that a module's meson.build lists; whatever
else lies in lib/ must be named *_priv.h.

    check_headers.py ROOT HEADER... -- COMPILER...
"""

import pathlib
import subprocess
import sys
import tempfile

import tree

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", "c", "-"]


def compile_alone(root, header, compiler):
    name = header.relative_to(root / "lib")
    source = f'#include "{name}"\n#include "{name}"\nextern int nothing;\n'
    run = subprocess.run(
        [*compiler, f"-I{root / 'lib'}", *FLAGS], input=source, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        yield f"lib/{name} does not compile alone:\n{run.stderr.strip()}"


def check(root, headers, compiler):
    for path in tree.files(root, ["lib"], {".h"}):
        if path not in headers and not path.name.endswith("_priv.h"):
            yield f"{path.relative_to(root)}: neither in its module's list of headers nor named *_priv.h"
    for header in headers:
        if header.name.endswith("_priv.h"):
            yield f"{header.relative_to(root)}: private, yet in its module's list of headers"
        yield from compile_alone(root, header, compiler)


GUARD = "#ifndef MT_A_H\n#define MT_A_H\n{}\n#endif\n"
GOOD = {
    "lib/base/a.h": GUARD.format("#include <stdint.h>\nstruct mt_a { uint8_t a; };"),
    "lib/base/a_priv.h": "this is not looked at\n",
}
CASES = [
    ("a header that needs another first", {"lib/base/a.h": GUARD.format("struct mt_a { uint8_t a; };")}, "compile alone"),
    ("a header without a guard", {"lib/base/a.h": "struct mt_a { int a; };\n"}, "compile alone"),
    ("a header that nobody lists", {"lib/base/other.h": ""}, "lib/base/other.h: neither"),
]


def self_test(compiler):
    def check_listed(root):
        return check(root, [root / "lib/base/a.h"], compiler)

    def check_private(root):
        return check(root, [root / "lib/base/a.h", root / "lib/base/a_priv.h"], compiler)

    listed = tree.self_test(check_listed, GOOD, CASES)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "lib/base").mkdir(parents=True)
        for path, text in GOOD.items():
            (root / path).write_text(text, encoding="utf-8")
        private = any("private, yet" in line for line in check_private(root))
    print(f"{'ok' if private else 'FAILED'}: a private header in the list")
    return listed or not private


def main():
    split = sys.argv.index("--")
    compiler = sys.argv[split + 1 :]
    if sys.argv[1] == "--self-test":
        sys.exit(self_test(compiler))
    root = pathlib.Path(sys.argv[1]).resolve()
    headers = [pathlib.Path(name).resolve() for name in sys.argv[2:split]]
    sys.exit(tree.report(check(root, headers, compiler)))


if __name__ == "__main__":
    main()
