"""clang-format of the version that .clang-format was written for has nothing to
change in any C file. Other versions lay out code differently, so without
version 14 there is nothing to say."""

import pathlib
import re
import shutil
import subprocess
import sys

import tree

VERSION = "14"


def find_tool():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        if path:
            run = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
            if re.search(rf"version {VERSION}\.", run.stdout):
                return path
    return None


def check(root, tool):
    paths = list(tree.files(root, ["app", "lib", "tests"], {".c", ".h"}))
    run = subprocess.run(
        [tool, "--style=file", "--dry-run", "-Werror", *map(str, paths)], capture_output=True, text=True, check=False
    )
    for line in run.stderr.splitlines():
        if "error:" in line:
            yield line.replace(f"{root}/", "")


def self_test(root, tool):
    style = {".clang-format": tree.read(root / ".clang-format")}
    good = {**style, "lib/a.c": "int mt_a(void)\n{\n    return 1;\n}\n"}
    cases = [
        ("a brace in the wrong place", {"lib/a.c": "int mt_a(void) {\n    return 1;\n}\n"}, "lib/a.c:1"),
        ("tabs in a test", {"tests/b.c": "int mt_a(void)\n{\n\treturn 1;\n}\n"}, "tests/b.c"),
    ]
    return tree.self_test(lambda folder: check(folder, tool), good, cases)


def main():
    tool = find_tool()
    if not tool:
        sys.exit(tree.skip(f"clang-format {VERSION} is not installed"))
    if sys.argv[1] == "--self-test":
        sys.exit(self_test(pathlib.Path(sys.argv[2]), tool))
    sys.exit(tree.report(check(pathlib.Path(sys.argv[1]), tool)))


if __name__ == "__main__":
    main()
