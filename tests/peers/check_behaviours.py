#!/usr/bin/env python3
"""behaviours.tsv names each of the items 1 to 54 once, with proofs that exist or a
remark that says why there is none.

    check_behaviours.py SOURCE-ROOT
"""

import os
import re
import sys

ITEMS = range(1, 55)
LIST = "tests/peers/behaviours.tsv"


def missing_proof(root, proof):
    """What is wrong with a proof; None when nothing is."""
    path, _, function = proof.partition("::")
    full = os.path.join(root, path)
    if not os.path.isfile(full):
        return f"there is no {path}"
    if not function:
        return None
    with open(full, encoding="utf-8") as file:
        text = file.read()
    if not re.search(rf"^static void {function}\(", text, re.M):
        return f"{path} has no {function}"
    if f"cmocka_unit_test({function})" not in text and f"unit_test({function}" not in text:
        return f"{path} does not run {function}"
    return None


def complaints(root):
    seen = []
    with open(os.path.join(root, LIST), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.startswith("#") or not line.strip():
                continue
            columns = line.rstrip("\n").split("\t")
            if len(columns) not in (3, 4) or not columns[0].isdigit() or not columns[1].strip():
                yield f"{LIST}:{number}: needs item, behaviour, proofs and perhaps a remark, separated by tabs"
                continue
            seen.append(int(columns[0]))
            remark = columns[3].strip() if len(columns) == 4 else ""
            if columns[2] == "-":
                if not remark:
                    yield f"{LIST}:{number}: no proof and no remark that says why"
                continue
            if not columns[2].split():
                yield f"{LIST}:{number}: no proof"
            for proof in columns[2].split():
                wrong = missing_proof(root, proof)
                if wrong:
                    yield f"{LIST}:{number}: {wrong}"
    for item in ITEMS:
        if seen.count(item) != 1:
            yield f"{LIST}: item {item} stands there {seen.count(item)} times"
    for item in sorted(set(seen) - set(ITEMS)):
        yield f"{LIST}: there is no item {item}"


def main():
    found = list(complaints(sys.argv[1]))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
