#!/usr/bin/python3
"""Makes mix_golden.txt: a synthetic batch of normalised images, mixed by RandomMixup and RandomCutmix of torchvision's
references/classification/transforms.py (0.14) for given draws. `cd tests/golden && ./mix_make.py > mix_golden.txt`

Each case is a line `mixup lambda` or `cutmix lambda x y`, a line of N * CLASSES soft targets and one of all pixels, NHWC, in
steps of 8 bits: (normalised * std + mean) * 255."""
import math

import torch

N, H, W, CLASSES = 4, 7, 5, 6
MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)


def synthetic_batch():
    """Byte i of the batch is (i * 37 + i // 105 * 11) % 256, image n of class n."""
    i = torch.arange(N * H * W * 3)
    pixels = ((i * 37 + i // (H * W * 3) * 11) % 256).view(N, H, W, 3).permute(0, 3, 1, 2).double()
    return (pixels / 255 - MEAN) / STD, torch.nn.functional.one_hot(torch.arange(N), CLASSES).double()


def mixup(lam):
    batch, target = synthetic_batch()
    return batch * lam + batch.roll(1, 0) * (1 - lam), target * lam + target.roll(1, 0) * (1 - lam)


def cutmix(lam, r_x, r_y):
    batch, target = synthetic_batch()
    r = 0.5 * math.sqrt(1.0 - lam)
    w_half, h_half = int(r * W), int(r * H)
    x1, y1, x2, y2 = max(r_x - w_half, 0), max(r_y - h_half, 0), min(r_x + w_half, W), min(r_y + h_half, H)
    batch[:, :, y1:y2, x1:x2] = batch.roll(1, 0)[:, :, y1:y2, x1:x2]
    lam = 1.0 - (x2 - x1) * (y2 - y1) / (W * H)
    return batch, target * lam + target.roll(1, 0) * (1 - lam)


cases = [("mixup", (lam,)) for lam in (0.9999, 0.73, 0.5, 0.1875, 0.00001)]
cases += [("cutmix", c) for c in ((0.4, 2, 3), (0.05, 0, 6), (0.6, 4, 0), (0.98, 1, 1), (0.0, 2, 3))]
for name, draws in cases:
    batch, target = {"mixup": mixup, "cutmix": cutmix}[name](*draws)
    print(name, *draws)
    print(*(f"{v:.6g}" for v in target.flatten().tolist()))
    print(*(f"{v:.4g}" for v in ((batch * STD + MEAN) * 255).permute(0, 2, 3, 1).flatten().tolist()))
