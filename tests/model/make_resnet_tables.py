#!/usr/bin/python3
"""Writes resnet_tables.txt: torchvision's parameters and statistics, in its order, and those of the models for CIFAR
(cifar_resnet.py). Needs python3-torch and torchvision.

One line "arch NAME PARAMETERS STATISTICS WEIGHTS HASH" for each model, where HASH is the FNV-1a of its entry lines; for
two models also the lines themselves. An entry: "param NAME SHAPE..." or "stats NAME CHANNELS".
"""
import os
import sys

import torchvision

import cifar_resnet

ARCHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
         "wide_resnet50_2", "wide_resnet101_2", "resnext50_32x4d", "resnext101_32x8d")
WRITTEN_OUT = ("resnet18", "resnet50", "resnet20")


def entries(model):
    lines = ["param " + " ".join([name] + [str(d) for d in p.shape]) for name, p in model.named_parameters()]
    for name, b in model.named_buffers():
        if name.endswith(".running_mean"):
            lines.append(f"stats {name[:-len('.running_mean')]} {b.shape[0]}")
    return lines


def fnv(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return h


def make():
    out = []
    for arch in (*ARCHS, *cifar_resnet.DEPTHS):
        model = cifar_resnet.make(arch) if arch in cifar_resnet.DEPTHS else getattr(torchvision.models, arch)()
        lines = entries(model)
        weights = sum(p.numel() for p in model.parameters())
        params = sum(1 for _ in model.parameters())
        hash_ = fnv("".join(line + "\n" for line in lines))
        out.append(f"arch {arch} {params} {len(lines) - params} {weights} {hash_:016x}")
        if arch in WRITTEN_OUT:
            out += lines
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "resnet_tables.txt"), "w") as f:
        f.write(make())
