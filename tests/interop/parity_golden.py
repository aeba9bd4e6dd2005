"""Recomputes the reference values of one model with the installed PyTorch and compares them to the committed ones.

Figures in float64 agree to 1e-6 whatever the PyTorch; those in float32 depend on its kernels and the processor, so
losses are held to 1e-3 and the distances of gradients only to their order of magnitude, on average.
"""
import math
import os
import sys

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
sys.dont_write_bytecode = True
sys.path.insert(0, GOLDEN)
try:
    import parity_make
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def read(text):
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {key: [float(v) for v in values] for key, *values in lines}


def difference(key, a, b):
    """The relative difference, which the caller compares to limit(key)."""
    if len(a) == 1 + parity_make.PROJECTIONS and "/" in key:
        square = sum((x - y) ** 2 for x, y in zip(a[1:], b[1:])) / parity_make.PROJECTIONS
        return max(math.sqrt(square) / b[0], abs(a[0] / b[0] - 1))
    return max(abs(x - y) / max(abs(y), 1e-300) if x != y else 0 for x, y in zip(a, b))


def check(arch):
    with open(os.path.join(GOLDEN, f"parity_{arch}.txt")) as f:
        committed = read(f.read())
    made = read(parity_make.make(arch))
    if made.keys() != committed.keys():
        sys.exit(f"{arch}: the keys differ from the committed ones: {sorted(made.keys() ^ committed.keys())[:5]} ...")
    worst, logs = 0.0, []
    for key, values in made.items():
        if key.startswith("distance/"):
            logs.append(math.log(values[0] / committed[key][0]))
            continue
        d = difference(key, values, committed[key])
        single = key.endswith("fp32")
        if not d <= (1e-3 if single else 1e-6):
            sys.exit(f"{arch}: {key} = {values}, committed {committed[key]}")
        worst = worst if single else max(worst, d)
    ratio = math.exp(sum(logs) / len(logs))
    print(f"{arch}: {len(made)} values, differing by at most {worst:.2g}; float32 distances {ratio:.2g} times the committed ones")
    if not 0.1 < ratio < 10:
        sys.exit(f"{arch}: PyTorch's float32 gradients are {ratio:.2g} times as far from float64 as committed")
