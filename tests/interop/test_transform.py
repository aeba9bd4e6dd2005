#!/usr/bin/python3
"""The decoder and the transforms against Pillow and torchvision themselves, byte by byte: every image of photos (whole,
val, and several crops with and without a flip), and acceptance and pixels of every file of bad-jpegs."""
import os
import random
import subprocess
import sys
import warnings

warnings.simplefilter("ignore")
try:
    import numpy as np
    from PIL import Image, features
    import PIL
    import torchvision
    from torchvision import transforms as T
    from torchvision.transforms import functional as F
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
# before Pillow 13 the horizontal pass of a resize always comes first
ORDER = "newest" if int(PIL.__version__.split(".")[0]) >= 13 else "horizontal"

SOURCE = os.environ.get("LINNET_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
TOOL = os.path.join(os.environ.get("LINNET_BUILD", os.path.join(SOURCE, "build")), "tests", "loader_tool_transform")
CROPS = 5

# Files for which the results may differ, with the reason.
KNOWN = {
    "crashtest_images_imagetestsuite_a7326ba8f3f4559991126474dd30083d.jpg":
        "has a TEM marker, which libjpeg skips and Pillow's own header reader does not know",
}
# Pillow from PyPI contains libjpeg-turbo 3, with which linnet need not be built.
if (features.version("libjpeg_turbo") or "").startswith("3."):
    KNOWN.update({
        "crashtest_images_imagetestsuite_8a9cc8eeed66aeb423a91c44111d9450.jpg": "damaged; libjpeg-turbo 3 refuses it",
        "crashtest_images_imagetestsuite_8e5e74dbf9b68a322fbb9512db837329.jpg": "damaged; pixels depend on the libjpeg",
        "crashtest_images_imagetestsuite_f6b4389c3cf0f5997b2e5a4b905aea8d.jpg": "damaged; pixels depend on the libjpeg",
        "reftest_images_lossless_1_jpeg_lossless_sel1-8bit.jpg": "lossless, which linnet refuses by name",
    })


def data(name):
    found = subprocess.run(["bash", os.path.join(SOURCE, "tests", "data.sh"), name], stdout=subprocess.PIPE, text=True)
    if found.returncode == 77:
        sys.exit(77)
    found.check_returncode()
    folder = found.stdout.strip()
    return sorted(os.path.join(d, f) for d, _, fs in os.walk(folder) for f in fs)


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


def check_bad(decoder, path, failures):
    """A file is refused or accepted as by Pillow, for every part of it; accepted files have the same pixels."""
    image, ours = pillow(path), decoder.ask("full", path)
    refused, ours_refused = isinstance(image, str), isinstance(ours, str)
    if refused != ours_refused:
        known = KNOWN.get(os.path.basename(path))
        print(f"accepted by one only: {path}: Pillow: {image if refused else 'decodes'}; linnet: "
              f"{ours if ours_refused else 'decodes'}; {known or 'not known why'}")
        if known is None:
            failures.append(f"{path}: accepted by one only")
    elif not refused and os.path.basename(path) not in KNOWN:
        check_pixels(decoder, path, image, failures, ((224, 256), (40, 32)))
    if isinstance(decoder.ask("val", path, 224, 256), str) != ours_refused:
        failures.append(f"{path}: whether it is refused depends on the crop")
    return ours_refused


def main():
    decoder, failures, photos = Decoder(), [], 0
    others = [Decoder(T.InterpolationMode.BICUBIC), Decoder(T.InterpolationMode.LANCZOS)]
    for path in data("photos"):
        image = pillow(path)
        if isinstance(image, str):
            continue
        photos += 1
        check_pixels(decoder, path, image, failures)
        if photos % 4 == 0:  # the filters that timm uses
            for other in others:
                check_pixels(other, path, image, failures)
    bad = [check_bad(decoder, path, failures) for path in data("bad-jpegs")]
    print(f"Pillow {PIL.__version__}, torchvision {torchvision.__version__}: order {ORDER}")
    print(f"{photos} photos, {len(bad)} bad files of which {sum(bad)} are refused, {len(failures)} failures")
    print("\n".join(failures[:20]))
    sys.exit(1 if failures or photos == 0 else 0)


main()
