#!/usr/bin/python3
"""Makes augment_golden.txt: the results of torchvision's RandAugment and TrivialAugmentWide on synthetic images,
operation by operation. Needs Pillow 9.4 and torchvision 0.14; `cd tests/golden && ./augment_make.py >
augment_golden.txt`.

Lines, with the FNV-1a hash of the RGB bytes of all results, one after the other:
  POLICY OPERATION kind size sign hash       over the 31 bins, each applied to the image `kind` of that size
  POLICY OPERATION magnitudes size a b c     of bins 1, 9 and 20
Magnitudes are rounded from double here; they are checked against torchvision's, which are equal except for the last bit
or two of a float32 (torch.linspace rounds differently from machine to machine).
"""
import sys

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, autoaugment

from augment_pictures import KINDS, fnv, picture

BINS = 31


def magnitude(space, low, high, b):
    if space == "Posterize":
        return float(low + np.rint((high - low) * b / (BINS - 1)))
    return float(np.float32(low + (high - low) * b / (BINS - 1)))


def check(values, own):
    own = torch.tensor(own, dtype=torch.float64)
    assert (values.double() - own).abs().max() <= 3e-7 * own.abs().max(), (values, own)
    assert (values.int() == own.int()).all()


policies = {"rand": autoaugment.RandAugment(), "trivial": autoaugment.TrivialAugmentWide()}
for policy, transform in policies.items():
    for size in (20, 32):
        args = (BINS, (size, size)) if policy == "rand" else (BINS,)
        for op, (values, signed) in transform._augmentation_space(*args).items():
            own = [0.0]
            if values.ndim > 0:
                low, high = float(values[0]), float(values[-1])
                if "Translate" in op and policy == "rand":
                    high = 150.0 / 331.0 * size
                elif 0 < high < 1:
                    high = round(high, 2)
                own = [magnitude(op, low, high, b) for b in range(BINS)]
                check(values, own)
                print(policy, op, "magnitudes", size, *(repr(own[b]) for b in (1, 9, 20)))
            for kind in KINDS:
                image = Image.fromarray(picture(kind, size).astype(np.uint8))
                for sign in (1, -1) if signed else (1,):
                    h = 0xCBF29CE484222325
                    for m in own:
                        out = autoaugment._apply_op(image, op, sign * m, InterpolationMode.BILINEAR, None)
                        h = fnv(h, np.asarray(out))
                    print(policy, op, kind, size, sign, f"{h:016x}")
sys.stdout.flush()
