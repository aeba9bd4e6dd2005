#!/usr/bin/python3
"""Makes augment_policy_golden.txt: the results of torchvision's and timm's augmentation classes on synthetic images, with
linnet's random draws in place of torch's and Python's. Needs Pillow 13.0, torchvision 0.29 and timm 1.0.31;
`cd tests/golden && ./augment_policy_make.py > augment_policy_golden.txt`.

Lines:
  draws NAME kind size hash    FNV-1a hash of the RGB bytes of DRAWS results (of MANY 10 times as many, so that each
                               operation occurs), one after the other, for the image `kind` of that size; result i has the draws
                               of random_open(7, 0, i, RANDOM_TEST)
  blur kind size hash          the same for ImageFilter.GaussianBlur with the deviations SIGMAS
  hue factor sum               adjust_hue of all 2^24 colours: the sum of byte i times (i * 0x9E3779B1 mod 2^32), mod 2^64

AugMix of torchvision converts an image to a tensor and applies its operations for tensors, which differ from Pillow's in
rounding and at the edges. Here its operations are those for images, as in the paper's code and in timm.
"""
import math
import random
import sys

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from timm.data.transforms_factory import transforms_imagenet_train
from torchvision.transforms import InterpolationMode, autoaugment, functional

from augment_pictures import KINDS, fnv, picture

DRAWS, MANY, SIGMAS = 40, ("auto", "timm", "timm_plain", "timm_wide"), [0.1 + 0.1 * i for i in range(20)]
MASK = (1 << 32) - 1


class Stream:
    """base/random.h: Philox4x32-10 and its draws."""

    def __init__(self, seed, epoch, index, purpose):
        self.key = (seed & MASK, seed >> 32)
        self.counter = [0, index & MASK, index >> 32, epoch << 8 | purpose]
        self.block = []

    def u32(self):
        if not self.block:
            c, (k0, k1) = list(self.counter), self.key
            for _ in range(10):
                p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
                c = [p1 >> 32 ^ c[1] ^ k0, p1 & MASK, p0 >> 32 ^ c[3] ^ k1, p0 & MASK]
                k0, k1 = k0 + 0x9E3779B9 & MASK, k1 + 0xBB67AE85 & MASK
            self.block = c
            self.counter[0] += 1
        return self.block.pop(0)

    def u64(self):
        high = self.u32()
        return high << 32 | self.u32()

    def below(self, n):
        while True:
            m = self.u64() * n
            low = m & (1 << 64) - 1
            if low >= n or low >= (1 << 64) % n:
                return m >> 64

    def unit(self):
        return (self.u64() >> 11) * 2.0 ** -53

    def normal(self):
        u = 1 - self.unit()
        return math.sqrt(-2 * math.log(u)) * math.cos(6.283185307179586 * self.unit())

    def uniform(self, low, high):
        return low + (high - low) * self.unit()


stream = None


def randint(*args, low=0, high=None, size=None, dtype=None):
    if high is None:
        high, size = args
    return torch.tensor([low + stream.below(high - low) for _ in range(size[0])])


def rand(n):
    return torch.tensor([stream.unit() for _ in range(n[0] if isinstance(n, tuple) else n)], dtype=torch.float64)


def randperm(n):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = stream.below(i + 1)
        order[i], order[j] = order[j], order[i]
    return torch.tensor(order)


def linspace(low, high, n):
    return torch.tensor([np.float32(low + (high - low) * i / (n - 1)) for i in range(n)])


def dirichlet(_, params):
    e = [-math.log(1 - stream.unit()) for _ in range(params.shape[1])]
    return torch.tensor([[np.float32(x / sum(e)) for x in e]])


def uniform_(tensor, low, high):
    return torch.tensor([np.float32(stream.uniform(low, high))])


def operation_for_images(image, name, *args, **options):
    if not isinstance(image, torch.Tensor) or name == "Posterize":  # Pillow refuses to keep 0 bits
        return original_operation(image, name, *args, **options)
    out = original_operation(functional.to_pil_image(image[0]), name, *args, **options)
    return functional.pil_to_tensor(out)[None]


def posterize(image, bits):
    """Pillow 13 refuses 0 bits, which timm may draw; older versions make the image black."""
    return original_posterize(image, bits) if bits > 0 else Image.new("RGB", image.size)


class Timm:
    """Everything between flip and normalisation."""

    def __init__(self, **options):
        self.steps = transforms_imagenet_train(32, separate=True, **options)[1]

    def __call__(self, image):
        return self.steps(image)


original_posterize, ImageOps.posterize = ImageOps.posterize, posterize
original_operation = autoaugment._apply_op
autoaugment._apply_op = operation_for_images
autoaugment.AugMix._sample_dirichlet = dirichlet
bilinear = {"interpolation": InterpolationMode.BILINEAR}
recipes = {
    "rand": autoaugment.RandAugment(2, 9, **bilinear),
    "trivial": autoaugment.TrivialAugmentWide(**bilinear),
    "auto": autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy.IMAGENET, **bilinear),
    "augmix": autoaugment.AugMix(**bilinear),
    "augmix10": autoaugment.AugMix(severity=10, **bilinear),
    "3a": Timm(auto_augment="3a", color_jitter=None),
    "3a_jitter": Timm(auto_augment="3a", color_jitter=0.3),
    "timm": Timm(auto_augment="rand-m9-mstd0.5-inc1", interpolation="random"),
    "timm_plain": Timm(auto_augment="rand-m6-n3-p0.8", interpolation="bilinear"),
    "timm_wide": Timm(auto_augment="rand-m12-n4-p1-mstd101-mmax14-inc1", interpolation="bicubic"),
    "jitter": Timm(color_jitter=0.4),
    "jitter4": Timm(color_jitter=(0.4, 0.4, 0.2, 0.1)),
    "wide": Timm(color_jitter=(2, 0, 1.5, 0.5)),
    "contrastive": Timm(color_jitter=(0.8, 0.8, 0.8, 0.2), color_jitter_prob=0.8, grayscale_prob=0.2),
}

torch.randint, torch.rand, torch.randperm, torch.linspace = randint, rand, randperm, linspace
torch.Tensor.uniform_ = uniform_
random.choice = lambda items: items[stream.below(len(items))]
random.random = lambda: stream.unit()
random.gauss = lambda mean, deviation: mean + deviation * stream.normal()
np.random.choice = lambda items, n, replace, p: [items[stream.below(len(items))] for _ in range(n)]
random.uniform = lambda low, high: stream.uniform(low, high)
for name, transform in recipes.items():
    for size in (20, 33):
        for kind in KINDS:
            image, h = Image.fromarray(picture(kind, size).astype(np.uint8)), 0xCBF29CE484222325
            for i in range(DRAWS * (10 if name in MANY else 1)):
                stream = Stream(7, 0, i, 100)
                h = fnv(h, np.asarray(transform(image)))
            print("draws", name, kind, size, f"{h:016x}")
for size in (1, 2, 3, 5, 33):
    for kind in KINDS:
        image, h = Image.fromarray(picture(kind, size).astype(np.uint8)), 0xCBF29CE484222325
        for sigma in SIGMAS:
            h = fnv(h, np.asarray(image.filter(ImageFilter.GaussianBlur(sigma))))
        print("blur", kind, size, f"{h:016x}")
i = np.arange(1 << 24, dtype=np.uint32)
colors = np.stack([i >> 16, i >> 8 & 255, i & 255], -1).astype(np.uint8).reshape(4096, 4096, 3)
for factor in (-0.5, 0.03, 0.25):
    out = np.asarray(functional.adjust_hue(Image.fromarray(colors), factor)).ravel().astype(np.uint64)
    weight = np.arange(len(out), dtype=np.uint64) * np.uint64(0x9E3779B1) & np.uint64(MASK)
    print("hue", factor, f"{int((out * weight).sum(dtype=np.uint64)):016x}")
sys.stdout.flush()
