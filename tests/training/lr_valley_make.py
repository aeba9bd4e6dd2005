#!/usr/bin/env python3
"""Writes lr_valley_golden.txt: smoothed losses of sweeps, and the point that fastai's `valley` suggests for them.
Made with fastai 2.8.12 (PyPI)."""
import math
import random

import torch
from fastai.callback.schedule import valley

BETA = 0.98


def curve(r, n, noise):
    """A plateau, a descent and a rise, with noise, smoothed as Lightning does."""
    average, out = 0.0, []
    begin, end = sorted((r.uniform(0.2, 0.6), r.uniform(0.6, 1.0)))
    for i in range(n):
        x = i / n
        loss = 2.3 - 1.2 * min(max((x - begin) / (end - begin), 0), 1) + 3 * max(x - end, 0) ** 2 + r.gauss(0, noise)
        average = BETA * average + (1 - BETA) * loss
        out.append(average / (1 - BETA ** (i + 2)))
    return out


r = random.Random(7)
with open("lr_valley_golden.txt", "w") as f:
    for n in (17, 30, 100, 100, 100, 250):
        for noise in (0, 0.02, 0.3):
            smoothed = curve(r, n, noise)
            unbiased = [s * (1 - BETA ** (i + 2)) / (1 - BETA ** (i + 1)) for i, s in enumerate(smoothed)]
            index = torch.arange(n // 10, n - 5, dtype=torch.float64)
            # fastai counts in its own list and may return a negative index, which Python takes from the end
            losses = torch.tensor(unbiased[n // 10:-5], dtype=torch.float64)
            at = valley(index, losses, n)[0]
            at = int(at[0] if isinstance(at, tuple) else at)
            print(n, at, *("%.17g" % s for s in smoothed), file=f)
