#!/usr/bin/env python3
"""Writes sizes.def: quantiles of message sizes, as integers.

The generator must give the same bytes on every machine, so it does no floating
point: it draws a quantile and interpolates in this table. Body: log-normal,
median 4500 bytes, sigma 1.6. The largest 8 %: bounded Pareto, alpha 0.75, up
to 25 MB. Mean about 47 KB.
"""

import math
import statistics

MEDIAN, SIGMA = 4500.0, 1.6
TAIL, ALPHA, LARGEST = 0.08, 0.75, 25_000_000.0
COARSE, FINE = 1024, 64


def size_at(p):
    body = statistics.NormalDist().inv_cdf
    if p <= 0:
        return 200
    if p < 1 - TAIL:
        return max(200, round(MEDIAN * math.exp(SIGMA * body(p))))
    low = MEDIAN * math.exp(SIGMA * body(1 - TAIL))
    u = (p - (1 - TAIL)) / TAIL
    ratio = (low / LARGEST) ** ALPHA
    return round(low * (1 - u * (1 - ratio)) ** (-1 / ALPHA))


def table(name, values):
    lines = []
    for i in range(0, len(values), 10):
        lines.append("    " + " ".join(f"{v}," for v in values[i : i + 10]))
    return f"static const uint32_t {name}[{len(values)}] = {{\n" + "\n".join(lines) + "\n};\n"


def main():
    coarse = [size_at(i / COARSE) for i in range(COARSE)]
    last = 1 - 1 / COARSE
    fine = [size_at(last + i / FINE / COARSE) for i in range(FINE + 1)]
    coarse.append(fine[0])
    # The table's last interval is never interpolated: the fine one stands for it.
    coarse[COARSE] = fine[-1]
    text = "/* Written by make_sizes.py: message size at quantile n / 1024, and inside the last\n"
    text += " * interval at n / 64 of it. */\n"
    text += table("size_quantiles", coarse) + table("size_quantiles_top", fine)
    print(text, end="")


if __name__ == "__main__":
    main()
