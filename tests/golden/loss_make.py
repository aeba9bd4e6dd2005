#!/usr/bin/python3
"""Makes loss_golden.txt: losses of PyTorch and timm. `cd tests/golden && ./loss_make.py > loss_golden.txt`, with torch and
timm. Each case has two lines: its settings, and the loss with its gradient of the logits. The inputs are functions of
the index, which tests/engine/test_loss_golden.c repeats.

Settings: binary (0: CrossEntropyLoss, 1: timm's BinaryCrossEntropy), weighted (class weights), soft (the targets are
probabilities: mixed labels), smoothing, threshold (-1: none), sum (over the classes)."""
import math

import torch
from timm.loss import BinaryCrossEntropy

IMAGES, CLASSES, CHANNELS = 5, 7, 3


def wave(n, phase):
    return torch.tensor([math.sin(1.7 * i + phase) for i in range(n)], dtype=torch.float64)


def make_logits(case):
    x = wave(IMAGES * CHANNELS, case).reshape(IMAGES, CHANNELS)
    w = 2 * wave(CLASSES * CHANNELS, case + 0.5).reshape(CLASSES, CHANNELS)
    return (x @ w.T + wave(CLASSES, case + 0.25)).requires_grad_()


def mixed(label, label_b, mix, smoothing):
    """timm.data.mixup.mixup_target for labels in any pairs, in double precision (timm's is in single)"""
    a, b = (torch.nn.functional.one_hot(t, CLASSES).double() * (1 - smoothing) + smoothing / CLASSES
            for t in (label, label_b))
    return a * mix[:, None] + b * (1 - mix[:, None])


def loss_of(case, logits, binary, weighted, soft, smoothing, threshold, total):
    label = torch.tensor([(3 * i + case) % CLASSES for i in range(IMAGES)])
    label_b = torch.tensor([(5 * i + 1 + case) % CLASSES for i in range(IMAGES)])
    mix = torch.tensor([1 - 0.125 * (i % 4) for i in range(IMAGES)], dtype=torch.float64)
    weight = torch.tensor([0.25 * (j + 1) for j in range(CLASSES)], dtype=torch.float64)
    if binary:
        loss = BinaryCrossEntropy(weight=weight if weighted else None, smoothing=smoothing, sum_classes=bool(total),
                                  target_threshold=threshold if threshold >= 0 else None)
        return loss(logits, mixed(label, label_b, mix, smoothing) if soft else label)
    loss = torch.nn.CrossEntropyLoss(weight=weight if weighted else None, label_smoothing=smoothing)
    return loss(logits, mixed(label, label_b, mix, 0) if soft else label)


# binary, weighted, soft, smoothing, threshold, sum
CASES = [
    (0, weighted, soft, smoothing, -1, 0) for weighted in (0, 1) for soft in (0, 1) for smoothing in (0, 0.1)
] + [
    (1, weighted, soft, smoothing, threshold, total)
    for soft in (0, 1) for weighted, smoothing, threshold, total in
    ((0, 0, -1, 0), (0, 0.1, -1, 0), (0, 0.1, -1, 1), (0, 0.1, 0.2, 0), (0, 0, 0.3, 1), (0, 0.1, 0, 0), (1, 0.1, -1, 0),
     (1, 0, 0.3, 1))
]
for case, settings in enumerate(CASES):
    logits = make_logits(case)
    loss = loss_of(case, logits, *settings)
    loss.backward()
    print(*settings)
    print(*(f"{v:.15g}" for v in [loss.item(), *logits.grad.flatten().tolist()]))
