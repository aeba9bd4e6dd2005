"""Pixels of linnet's decoder and transforms, of Pillow and of torchvision, for the tests that compare them byte by byte."""
import os
import random
import subprocess

import numpy as np
import PIL
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import functional as F

# before Pillow 13 the horizontal pass of a resize always comes first
ORDER = "newest" if int(PIL.__version__.split(".")[0]) >= 13 else "horizontal"
SOURCE = os.environ.get("LINNET_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
TOOL = os.path.join(os.environ.get("LINNET_BUILD", os.path.join(SOURCE, "build")), "tests", "loader_tool_transform")
CROPS = 5


class Decoder:
    def __init__(self, interpolation=T.InterpolationMode.BILINEAR):
        self.interpolation = interpolation
        self.process = subprocess.Popen([TOOL, ORDER, interpolation.value], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, *words):
        """The pixels, or the error line."""
        self.process.stdin.write("\t".join(str(w) for w in words).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        if not line:
            raise SystemExit(f"the decoder ended at {words}")
        if line.startswith("error"):
            return line.rstrip("\n")
        w, h = map(int, line.split())
        return np.frombuffer(self.process.stdout.read(w * h * 3), np.uint8).reshape(h, w, 3)


def same(ours, image):
    return not isinstance(ours, str) and np.array_equal(ours, np.asarray(image))


def pillow(path):
    try:
        return Image.open(path).convert("RGB")
    except Exception as e:
        return str(e)


def crops(image, path):
    """Boxes of many sizes, the flip and the output size, the same at every run."""
    draw, (w, h) = random.Random(os.path.basename(path)), image.size
    for i in range(CROPS):
        least_w, least_h = (1, 1) if i == 0 else (max(1, w // 3), max(1, h // 3))
        bw, bh = draw.randint(least_w, w), draw.randint(least_h, h)
        yield (draw.randint(0, w - bw), draw.randint(0, h - bh), bw, bh, draw.choice([224, 224, 176, 65]), i % 2)


def check_pixels(decoder, path, image, failures, sizes=((224, 256),)):
    filter = decoder.interpolation
    if not same(decoder.ask("full", path), image):
        failures.append(f"{path}: the whole image differs")
    for size, resize in sizes:
        if not same(decoder.ask("val", path, size, resize), T.CenterCrop(size)(T.Resize(resize, filter)(image))):
            failures.append(f"{path}: val {size} {resize} {filter.value} differs")
        if not same(decoder.ask("squash", path, size, resize), T.CenterCrop(size)(T.Resize((resize, resize), filter)(image))):
            failures.append(f"{path}: squash {size} {resize} {filter.value} differs")
    for x, y, w, h, size, flip in crops(image, path):
        expected = F.resized_crop(image, y, x, h, w, [size, size], filter)
        expected = F.hflip(expected) if flip else expected
        if not same(decoder.ask("crop", path, x, y, w, h, size, flip), expected):
            failures.append(f"{path}: crop {x},{y} {w}x{h} to {size}, flip {flip}, {filter.value} differs")
