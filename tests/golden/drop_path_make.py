#!/usr/bin/python3
"""Makes drop_path_golden.txt: stochastic depth of timm. `cd tests/golden && ./drop_path_make.py > drop_path_golden.txt`, with
torch and timm. First the rates of the blocks of ResNets; then y = relu(drop_path(bn(x)) + residual) of one batch norm, for
several rates and patterns of kept images, with all gradients. The inputs are functions of the index, which
tests/engine/test_drop_path.c repeats. A case: rate, the kept images as bits, then y, dx, dresidual,
dgamma and dbeta, in NHWC."""
import math

import timm
import torch
from timm.layers import drop

IMAGES, SIDE, CHANNELS = 3, 2, 4


def wave(n, phase):
    return torch.tensor([math.sin(1.7 * i + phase) for i in range(n)], dtype=torch.float64)


def image(phase):
    return wave(IMAGES * SIDE * SIDE * CHANNELS, phase).reshape(IMAGES, SIDE, SIDE, CHANNELS).permute(0, 3, 1, 2)


def nhwc(t):
    return t.permute(0, 2, 3, 1).flatten().tolist()


for arch, rate in (("resnet18", 0.1), ("resnet50", 0.2), ("resnext101_32x8d", 0.5)):
    net = timm.create_model(arch, drop_path_rate=rate)
    blocks = [b for k in range(1, 5) for b in getattr(net, f"layer{k}")]
    print(arch, rate, len(blocks), *(getattr(b.drop_path, "drop_prob", 0.0) for b in blocks))

for rate in (0.1, 0.5):
    for pattern in range(8):
        kept = torch.tensor([float(pattern >> k & 1) for k in range(IMAGES)], dtype=torch.float64).reshape(-1, 1, 1, 1)
        torch.Tensor.bernoulli_ = lambda self, p: self.copy_(kept)  # timm draws with it
        x, residual = (image(0.25).contiguous().requires_grad_() for _ in range(2))  # equal values
        gamma, beta = (wave(CHANNELS, 1) + 1.5).requires_grad_(), wave(CHANNELS, 2).requires_grad_()
        bn = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True)
        y = torch.relu(drop.drop_path(bn, rate, training=True) + residual)
        y.backward(image(1.25))
        print(rate, pattern)
        values = [nhwc(y), nhwc(x.grad), nhwc(residual.grad), gamma.grad.tolist(), beta.grad.tolist()]
        print(*(f"{v:.12g}" for part in values for v in part))
