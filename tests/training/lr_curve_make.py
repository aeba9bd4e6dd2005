#!/usr/bin/python3
"""Reference values for test_lr_curve.c: Lightning's own code (2.0 to 2.5.2) on synthetic loss sequences, with torch.

    /usr/bin/python3 tests/training/lr_curve_make.py >tests/training/lr_curve_golden.txt
"""
import math
import random

import torch


def find(losses, low, high, num, stop):
    """_ExponentialLR, _LRCallback and _LRFinder.suggestion of lightning/pytorch/tuner/lr_finder.py, without a trainer."""
    beta, avg, best, lrs, smoothed = 0.98, 0.0, 0.0, [], []
    for global_step, loss in enumerate(losses[:num], start=1):
        last_epoch = global_step - 1
        lrs.append(low * (high / low) ** ((last_epoch + 1) / num) if last_epoch > 0 else low)
        avg = beta * avg + (1 - beta) * loss
        value = avg / (1 - beta ** (global_step + 1))
        diverged = stop is not None and global_step > 1 and value > stop * best
        if value < best or global_step == 1:
            best = value
        smoothed.append(value)
        if diverged:
            break
    values = torch.tensor(smoothed[10:-1])
    finite = torch.isfinite(values)
    index = [i + 10 for i in range(len(values)) if finite[i]]  # Lightning's own index is shifted after a NaN in the middle
    values = values[finite]
    if len(values) < 2:
        return lrs, smoothed, -1
    return lrs, smoothed, index[torch.argmin(torch.gradient(values)[0]).item()]


def clean(n, fall, rise):
    return [2.3 - 1.6 / (1 + math.exp(-(i - fall) / 4)) + math.exp((i - rise) / 3) for i in range(n)]


r = random.Random(7)
cases = {
    "clean": (clean(100, 45, 80), 1e-8, 1.0, 100, 4.0),
    "noisy": ([x + r.gauss(0, 0.15) for x in clean(100, 50, 85)], 1e-8, 1.0, 100, 4.0),
    "diverging": (clean(60, 20, 35), 1e-6, 10.0, 60, 4.0),
    "no_stop": (clean(60, 20, 50), 1e-6, 10.0, 60, None),
    "nan_tail": (clean(70, 30, 200) + [math.nan] * 30, 1e-8, 1.0, 100, 4.0),
    "nan_first": ([math.nan] * 20, 1e-8, 1.0, 20, 4.0),
    "infinite_last": (clean(29, 12, 200) + [math.inf], 1e-4, 1.0, 30, None),
    "short": ([2.0, 1.9, 1.8], 1e-8, 1.0, 3, 4.0),
    "twelve": ([2 - 0.1 * i for i in range(12)], 1e-8, 1.0, 12, 4.0),
    "thirteen": ([2 - 0.1 * i for i in range(13)], 1e-8, 1.0, 13, 4.0),
    "flat": ([1.0] * 40, 1e-8, 1.0, 40, 4.0),
    "rising": ([1 + 0.01 * i for i in range(40)], 1e-8, 1.0, 40, 4.0),
    "last_steepest": ([2.0] * 25 + [2 - 0.5 * i * i for i in range(1, 6)], 1e-8, 1.0, 30, None),
}
for name, (losses, low, high, num, stop) in cases.items():
    lrs, smoothed, at = find(losses, low, high, num, stop)
    print(name, low, high, num, stop or 0, len(losses), len(smoothed), at)
    for i, loss in enumerate(losses):
        print(repr(loss), *((repr(lrs[i]), repr(smoothed[i])) if i < len(smoothed) else ()))
