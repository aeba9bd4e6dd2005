#!/usr/bin/python3
"""A recipe for CIFAR-10 (configs/cifar10-*.yaml) trained by PyTorch, on the same image files and in fp32: the figure that
stands beside linnet's.

    python3 bench/cifar10_torch.py configs/cifar10-resnet20-fast.yaml CIFAR10 OUT [--seed N] [--threads N]
        [--max-epochs N] [--milestones A,B]

CIFAR10 has train/CLASS/* and val/CLASS/*. The network is tests/model/cifar_resnet.py. Each epoch adds a line to
OUT/curve.csv and replaces OUT/state.pt, from which the same command continues. Needs torch, numpy, pillow and pyyaml.
"""
import argparse
import math
import os
import sys
import time

import numpy
import torch
import yaml
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "model"))
import cifar_resnet


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("config")
    p.add_argument("data")
    p.add_argument("out")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--max-epochs", type=int)
    p.add_argument("--milestones")
    return p.parse_args()


def read(folder):
    """All images (n, 32, 32, 3) as bytes and their labels: classes are sorted by name."""
    images, labels = [], []
    for label, name in enumerate(sorted(os.listdir(folder))):
        for file in sorted(os.listdir(os.path.join(folder, name))):
            images.append(numpy.asarray(Image.open(os.path.join(folder, name, file)).convert("RGB")))
            labels.append(label)
    return torch.from_numpy(numpy.stack(images)), torch.tensor(labels)


def augment(images, data, random):
    """data.pad_crop, a crop of each image with black padding, and data.flip, the probability of a horizontal flip."""
    pad = data["pad_crop"]
    n, size = images.shape[:2]
    padded = numpy.pad(images.numpy(), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    out = numpy.empty_like(images.numpy())
    at = random.integers(0, 2 * pad + 1, (n, 2))
    flip = random.random(n) < data["flip"]
    for i in range(n):
        crop = padded[i, at[i, 0]:at[i, 0] + size, at[i, 1]:at[i, 1] + size]
        out[i] = crop[:, ::-1] if flip[i] else crop
    return torch.from_numpy(out)


def normalised(images, c):
    mean, std = torch.tensor(c["data"]["mean"]), torch.tensor(c["data"]["std"])
    x = (images.float() / 255 - mean) / std
    return x.permute(0, 3, 1, 2)  # NHWC in memory: channels_last


def rate(c, epoch, step, steps):
    """The learning rate of a step: linear warm-up by step, then by epoch."""
    s, lr = c["schedule"], c["optimizer"]["lr"]
    warmup = s.get("warmup_epochs", 0)
    if epoch < warmup:
        done = (epoch * steps + step) / (warmup * steps)
        return lr * (s["warmup_start"] + (1 - s["warmup_start"]) * done)
    if s["name"] == "cosine":
        return lr * (1 + math.cos(math.pi * (epoch - warmup) / (c["trainer"]["max_epochs"] - warmup))) / 2
    return lr * s["gamma"] ** sum(epoch >= int(m) for m in str(s["milestones"]).split(","))


def make(c):
    """The network with linnet's initialisation, which is torchvision's."""
    model = cifar_resnet.make(c["model"]["arch"], 10)
    for m in model.modules():
        if isinstance(m, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
    return model.to(memory_format=torch.channels_last).train()


def evaluate(model, images, labels, c):
    model.eval()
    right = loss = 0
    with torch.no_grad():
        for i in range(0, len(labels), 500):
            logits = model(normalised(images[i:i + 500], c))
            right += (logits.argmax(1) == labels[i:i + 500]).sum().item()
            loss += torch.nn.functional.cross_entropy(logits, labels[i:i + 500], reduction="sum").item()
    model.train()
    return loss / len(labels), right / len(labels)


def train_epoch(model, sgd, images, labels, c, epoch, random):
    batch = c["data"]["batch_size"]
    order = random.permutation(len(labels))
    steps = -(-len(order) // batch)
    right = seen = loss_sum = 0
    for step in range(steps):
        at = torch.from_numpy(order[step * batch:(step + 1) * batch])
        for group in sgd.param_groups:
            group["lr"] = rate(c, epoch, step, steps)
        logits = model(normalised(augment(images[at], c["data"], random), c))
        loss = torch.nn.functional.cross_entropy(logits, labels[at])
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()
        right += (logits.argmax(1) == labels[at]).sum().item()
        loss_sum += loss.item() * len(at)
        seen += len(at)
    return loss_sum / seen, right / seen


def main():
    o = options()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    with open(o.config) as f:
        c = yaml.safe_load(f)
    c["trainer"]["max_epochs"] = o.max_epochs or c["trainer"]["max_epochs"]
    if o.milestones:
        c["schedule"]["milestones"] = o.milestones
    os.makedirs(o.out, exist_ok=True)
    model, from_recipe = make(c), c["optimizer"]
    sgd = torch.optim.SGD(model.parameters(), lr=from_recipe["lr"], momentum=from_recipe["momentum"],
                          weight_decay=from_recipe["weight_decay"], nesterov=from_recipe.get("nesterov", False))
    train, val = read(os.path.join(o.data, "train")), read(os.path.join(o.data, "val"))
    first, state = 0, os.path.join(o.out, "state.pt")
    if os.path.exists(state):
        saved = torch.load(state)
        model.load_state_dict(saved["model"])
        sgd.load_state_dict(saved["sgd"])
        first = saved["epoch"]
    for epoch in range(first, c["trainer"]["max_epochs"]):
        start = time.time()
        train_loss, train_acc = train_epoch(model, sgd, *train, c, epoch, numpy.random.default_rng((o.seed, epoch)))
        seconds = time.time() - start
        val_loss, val_acc = evaluate(model, *val, c)
        line = "%d,%.4f,%.4f,%.4f,%.4f,%.1f" % (epoch + 1, train_loss, train_acc, val_loss, val_acc, seconds)
        with open(os.path.join(o.out, "curve.csv"), "a") as f:
            f.write(("epoch,train_loss,train_acc,val_loss,val_acc,seconds\n" if epoch == 0 else "") + line + "\n")
        torch.save({"model": model.state_dict(), "sgd": sgd.state_dict(), "epoch": epoch + 1}, state + ".new")
        os.replace(state + ".new", state)
        print(line, flush=True)


if __name__ == "__main__":
    main()
