#!/usr/bin/python3
"""Accuracy parity: three seeds of a short CIFAR-10 training in linnet and in PyTorch with the same recipe must give
accuracies within each other's spread. Prints one JSON line. Exit 77: PyTorch or the data are missing.

usage: long_cifar_parity.py   (LINNET, LINNET_SOURCE as CTest sets them)
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

try:
    import torch
    import torchvision
    from torchvision import transforms as T
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

EPOCHS, BATCH, LR, DECAY, SIZE, CLIP, SCALE = 4, 64, 0.05, 5e-4, 32, 1.0, 0.4
TRAIN_PER_CLASS, VAL_PER_CLASS, SEEDS = 800, 200, (1, 2, 3)
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]


def subset(source, target):
    """The first images of each class, as links."""
    for split, n in (("train", TRAIN_PER_CLASS), ("val", VAL_PER_CLASS)):
        for name in sorted(os.listdir(f"{source}/{split}")):
            os.makedirs(f"{target}/{split}/{name}")
            for f in sorted(os.listdir(f"{source}/{split}/{name}"))[:n]:
                os.symlink(f"{source}/{split}/{name}/{f}", f"{target}/{split}/{name}/{f}")


def train_torch(data, seed):
    torch.manual_seed(seed)
    random.seed(seed)
    torch.set_num_threads(os.cpu_count())
    norm = [T.ToTensor(), T.Normalize(MEAN, STD)]
    crop = [T.RandomResizedCrop(SIZE, scale=(SCALE, 1.0)), T.RandomHorizontalFlip()]
    train = torchvision.datasets.ImageFolder(f"{data}/train", T.Compose(crop + norm))
    val = torchvision.datasets.ImageFolder(f"{data}/val", T.Compose([T.Resize(SIZE), T.CenterCrop(SIZE)] + norm))
    batches = torch.utils.data.DataLoader(train, BATCH, shuffle=True)
    model = torchvision.models.resnet18(num_classes=10).to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(model.parameters(), LR, momentum=0.9, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, EPOCHS)
    for _ in range(EPOCHS):
        model.train()
        for x, y in batches:
            opt.zero_grad()
            torch.nn.functional.cross_entropy(model(x.contiguous(memory_format=torch.channels_last)), y).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            opt.step()
        schedule.step()
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in torch.utils.data.DataLoader(val, 200):
            right += (model(x).argmax(1) == y).sum().item()
    return right / len(val)


def train_linnet(data, seed, precision, out):
    command = [os.environ["LINNET"], "train", "--data", data, "--arch", "resnet18", "--image-size", str(SIZE),
               "--data.resize_size", str(SIZE), "--data.scale_min", str(SCALE), "--batch-size", str(BATCH),
               "--lr", str(LR), "--optimizer.weight_decay", str(DECAY), "--schedule.name", "cosine",
               "--max-epochs", str(EPOCHS), "--trainer.clip_norm", str(CLIP), "--seed", str(seed),
               "--data.mean", ",".join(map(str, MEAN)), "--data.std", ",".join(map(str, STD)),
               "--precision", precision, "--out", out, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(done.stdout)["top1"]


def overlap(a, b):
    return min(a) <= max(b) and min(b) <= max(a)


def main():
    script = os.path.join(os.environ.get("LINNET_SOURCE", "."), "tests/data.sh")
    found = subprocess.run(["bash", script, "cifar10"], stdout=subprocess.PIPE)
    if found.returncode != 0:
        return found.returncode
    work = tempfile.mkdtemp(prefix="linnet-parity-")
    try:
        subset(found.stdout.decode().strip(), f"{work}/data")
        result = {"torch": [], "linnet 32-true": [], "linnet bf16-mixed": []}
        for seed in SEEDS:
            result["linnet 32-true"].append(train_linnet(f"{work}/data", seed, "32-true", f"{work}/a{seed}"))
            result["linnet bf16-mixed"].append(train_linnet(f"{work}/data", seed, "bf16-mixed", f"{work}/b{seed}"))
            result["torch"].append(train_torch(f"{work}/data", seed))
            print(json.dumps(result), flush=True)
    finally:
        shutil.rmtree(work)
    fine = all(overlap(result[k], result["torch"]) for k in result)
    print("the ranges of the seeds overlap" if fine else "FAILED: the ranges of the seeds do not overlap")
    return 0 if fine else 1


sys.exit(main())
