#!/usr/bin/python3
"""Makes optimizer_golden.txt: steps of torch.optim and timm.optim in double precision. Needs torch and timm (made with
torch 2.15.0 and timm 1.0.31): `cd tests/golden && ./optimizer_make.py > optimizer_golden.txt`.

The parameters are those of a convolution and a linear layer, "conv" (4, 3, 1, 1), "fc.weight" (3, 4) and "fc.bias" (3).
The two weights are one parameter group, the bias is another, without weight decay and, where head_lr is given, with
another learning rate. The first line: steps, numbers per step. Then the initial weights and the gradients of each
step. Each case is a line NAME KEY=VALUE..., and the weights after each step. Every gradient is clipped to clip_norm."""
import torch
from timm.optim import Lamb, Lars

STEPS, SHAPES = 4, [(4, 3, 1, 1), (3, 4), (3,)]
COUNT = sum(torch.Size(s).numel() for s in SHAPES)
torch.manual_seed(1)
start = torch.randn(COUNT, dtype=torch.float64) / 2
gradients = torch.randn(STEPS, COUNT, dtype=torch.float64)
gradients[2] /= 8  # below clip_norm
gradients[:, COUNT - 2] = 0  # an element without a gradient

CASES = [
    ("sgd", dict(lr=0.1, momentum=0.9, weight_decay=0.01)),
    ("adamw", dict(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.1)),
    ("adamw", dict(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1, head_lr=0.03, clip_norm=1.5)),
    ("rmsprop", dict(lr=0.01, alpha=0.99, eps=1e-8, momentum=0.9, weight_decay=0.01)),
    ("rmsprop", dict(lr=0.01, alpha=0.9, eps=0.0316, momentum=0, weight_decay=0.01, head_lr=0.03, clip_norm=1.5)),
    ("lamb", dict(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.02)),
    ("lamb", dict(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1, head_lr=0.03, clip_norm=1.5)),
    ("lamb", dict(lr=0.01, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0)),
    ("lars", dict(lr=1.0, momentum=0.9, eps=1e-8, trust=0.001, weight_decay=1e-4)),
    ("lars", dict(lr=0.5, momentum=0.8, eps=1e-3, trust=0.02, weight_decay=0.1, nesterov=1, head_lr=0.03, clip_norm=1.5)),
    ("lars", dict(lr=0.5, momentum=0, eps=1e-8, trust=0.02, weight_decay=0.1)),
]


def optimizer(name, groups, o):
    lr, betas = o["lr"], (o.get("beta1"), o.get("beta2"))
    if name == "sgd":
        return torch.optim.SGD(groups, lr, momentum=o["momentum"])
    if name == "adamw":
        return torch.optim.AdamW(groups, lr, betas, o["eps"])
    if name == "rmsprop":
        return torch.optim.RMSprop(groups, lr, o["alpha"], o["eps"], momentum=o["momentum"])
    if name == "lamb":
        return Lamb(groups, lr, betas=betas, eps=o["eps"], max_grad_norm=None)
    return Lars(groups, lr, momentum=o["momentum"], nesterov=bool(o.get("nesterov")), trust_coeff=o["trust"], eps=o["eps"])


def split(values):
    parts = values.split([torch.Size(s).numel() for s in SHAPES])
    return [part.reshape(shape) for part, shape in zip(parts, SHAPES)]


def show(values):
    print(" ".join(repr(v) for v in values.tolist()))


print(STEPS, COUNT)
show(start)
for step in range(STEPS):
    show(gradients[step])
for name, options in CASES:
    print(name, " ".join("%s=%r" % item for item in options.items()))
    params = [torch.nn.Parameter(p.clone()) for p in split(start)]
    groups = [{"params": params[:2], "weight_decay": options["weight_decay"]}, {"params": params[2:], "weight_decay": 0.0}]
    if "head_lr" in options:
        groups[1]["lr"] = options["head_lr"]
    o = optimizer(name, groups, options)
    for step in range(STEPS):
        for p, g in zip(params, split(gradients[step])):
            p.grad = g.clone()
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_(params, options["clip_norm"])
        o.step()
        show(torch.cat([p.detach().flatten() for p in params]))
