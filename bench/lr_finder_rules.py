#!/usr/bin/python3
"""How good is the learning rate that the finder suggests? For several data sets and networks: the accuracy after a short
training at a grid of learning rates, and how much accuracy is lost at the rate that each rule takes from the curves of
the finder (one sweep and the median of three, for several seeds).

    LINNET=build/linnet python3 bench/lr_finder_rules.py OUT CIFAR10 CLOTHING [SET ...]

CIFAR10 and CLOTHING are folders with train/ and val/. Every result is kept in OUT/results.json, so the program can be
stopped and started again. Rules:

    linnet      what find-lr suggests
    steepest    Lightning: the steepest descent of the smoothed loss, without the first 10 points and the last
    valley      fastai's default: the middle of the longest decreasing subsequence of the smoothed loss, without its first
                tenth and the last 5 points
    minimum/10  fastai: a tenth of the rate with the lowest smoothed loss among these
"""
import csv
import json
import math
import os
import subprocess
import sys

LINNET = os.environ.get("LINNET", "build/linnet")
GRID = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = (0, 1, 2, 3)
COMMON = ["--threads", "1", "--workers", "1", "--precision", "32-true", "--monitor.report", "false", "--checkpoint.save_last", "false",
          "--checkpoint.top_k", "0"]
SKIP_BEGIN, SKIP_END = 10, 1


def sets(cifar10, clothing, shapes):
    """name: data, options of the network and of the data, epochs and limits of a short training"""
    cifar = ["--data.mean", "0.4914,0.4822,0.4465", "--data.std", "0.247,0.2435,0.2616"]
    small = ["--arch", "resnet20", "--image-size", "32", "--data.resize_size", "32"]
    large = ["--arch", "resnet18", "--image-size", "64", "--data.resize_size", "64", "--data.scale_min", "0.4"]
    return {
        "cifar10 resnet20 32 px": (cifar10, [*small, *cifar, "--data.pad_crop", "4", "--batch-size", "128"],
                                   ["--max-epochs", "2", "--limit-train-batches", "100", "--limit-val-batches", "20"]),
        "clothing resnet20 32 px": (clothing, [*small, "--batch-size", "64"], ["--max-epochs", "4"]),
        "shapes resnet20 32 px": (shapes, [*small, "--batch-size", "64"], ["--max-epochs", "4"]),
        "shapes resnet18 64 px": (shapes, [*large, "--batch-size", "32"], ["--max-epochs", "2"]),
        "clothing resnet18 64 px": (clothing, [*large, "--batch-size", "64"], ["--max-epochs", "2"]),
        "cifar10 resnet18 64 px": (cifar10, [*large, *cifar, "--batch-size", "64"],
                                   ["--max-epochs", "2", "--limit-train-batches", "60", "--limit-val-batches", "20"]),
    }


def run(*command):
    done = subprocess.run([LINNET, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command), done.stderr.strip().splitlines()[-1]))
    return done.stdout


def columns(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    return {name: [float(row[name] or "nan") for row in rows] for name in rows[0]}


def steepest(lr, loss):
    y = loss[SKIP_BEGIN:-SKIP_END]
    slope = [(y[min(i + 1, len(y) - 1)] - y[max(i - 1, 0)]) / (min(i + 1, len(y) - 1) - max(i - 1, 0)) for i in range(len(y))]
    return lr[SKIP_BEGIN + slope.index(min(slope))]


def fastai(lr, loss):
    """The points that fastai considers. Lightning's smoothing makes the first losses too low; fastai's does not."""
    loss = [l * (1 - 0.98 ** (i + 2)) / (1 - 0.98 ** (i + 1)) for i, l in enumerate(loss)]
    return lr[len(lr) // 10:-5], loss[len(loss) // 10:-5]


def valley(lr, loss):
    lr, loss = fastai(lr, loss)
    longest, end = [1] * len(loss), 0
    for i in range(1, len(loss)):
        longest[i] = max([longest[j] + 1 for j in range(i) if loss[i] < loss[j]], default=1)
        end = i if longest[i] > longest[end] else end
    return lr[end - longest[end] + longest[end] // 3 + longest[end] // 6]


def minimum(lr, loss):
    lr, loss = fastai(lr, loss)
    return lr[loss.index(min(loss))] / 10


RULES = {"steepest": steepest, "valley": valley, "minimum/10": minimum}


def find(data, options, seed, sweeps, out):
    """The suggestion of each rule; None: none."""
    folder = os.path.join(out, "find")
    text = run("find-lr", data, *options, *COMMON, "--seed", str(seed), "--sweeps", str(sweeps), "--out", folder, "--json")
    found = json.loads(text)
    table = columns(newest(folder, "lr_finder.csv"))
    loss = table["median"] if sweeps > 1 else table["smoothed"]
    points = [(r, l) for r, l in zip(table["lr"], loss) if math.isfinite(l)]
    rates = {"linnet": found["suggestion"]}
    for name, rule in RULES.items():
        rates[name] = rule([p[0] for p in points], [p[1] for p in points]) if len(points) > 12 else None
    return rates


def newest(folder, name):
    return max((os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if f == name), key=os.path.getmtime)


def train(data, options, short, lr, seed, out):
    """val_acc after the training; one whose loss is no longer finite counts as 0."""
    folder = os.path.join(out, "train")
    try:
        run("train", data, *options, *COMMON, *short, "--lr", "%.6g" % lr, "--seed", str(seed), "--out", folder)
    except RuntimeError as error:
        if "finite" not in str(error):
            raise
        print(error, file=sys.stderr)
        return 0.0
    with open(newest(folder, "metrics.csv")) as f:
        return [float(row["val_acc"]) for row in csv.DictReader(f) if row.get("val_acc")][-1]


def interpolated(grid, lr):
    """The accuracy at a rate, from the grid, linear in log(rate)."""
    rates = sorted(grid)
    if lr is None:
        return 0.0
    lr = min(max(lr, rates[0]), rates[-1])
    for a, b in zip(rates, rates[1:]):
        if lr <= b:
            share = math.log(lr / a) / math.log(b / a)
            return grid[a] * (1 - share) + grid[b] * share


def main():
    out, cifar10, clothing, *wanted = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    shapes, kept = os.path.join(out, "shapes"), os.path.join(out, "results.json")
    if not os.path.exists(shapes):
        run("shapes", shapes)
    results = json.load(open(kept)) if os.path.exists(kept) else {}
    for name, (data, options, short) in sets(cifar10, clothing, shapes).items():
        if wanted and name not in wanted:
            continue
        one = results.setdefault(name, {"grid": {}, "found": {}})
        for seed in SEEDS:
            for sweeps in 1, 3:
                key = "%d %d" % (sweeps, seed)
                if key not in one["found"]:
                    one["found"][key] = find(data, options, seed, sweeps, out)
                    json.dump(results, open(kept, "w"), indent=1)
        for lr in GRID:
            if str(lr) not in one["grid"]:
                one["grid"][str(lr)] = train(data, options, short, lr, 0, out)
                json.dump(results, open(kept, "w"), indent=1)
        report(name, one)


def report(name, one):
    grid = {float(lr): acc for lr, acc in one["grid"].items()}
    best = max(grid.values())
    print("%s\n  grid: %s" % (name, "  ".join("%g: %.1f %%" % (lr, 100 * acc) for lr, acc in sorted(grid.items()))))
    for sweeps in 1, 3:
        for rule in "linnet", *RULES:
            rates = [one["found"]["%d %d" % (sweeps, seed)][rule] for seed in SEEDS]
            lost = [100 * (best - interpolated(grid, lr)) for lr in rates]
            print("  %d sweep%s, %-10s rates %s, points lost: mean %.1f, worst %.1f" % (
                sweeps, " " if sweeps == 1 else "s", rule, " ".join("%.2g" % lr if lr else "none" for lr in rates),
                sum(lost) / len(lost), max(lost)), flush=True)


main()
