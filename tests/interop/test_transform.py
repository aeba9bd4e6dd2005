#!/usr/bin/python3
"""The decoder and the transforms against Pillow and torchvision themselves, byte by byte: every image of photos (whole,
val, and several crops with and without a flip), and the verdict and pixels for every file of bad-jpegs."""
import os
import random
import subprocess
import sys
import warnings

warnings.simplefilter("ignore")
try:
    import numpy as np
    from PIL import Image
    import PIL
    import torchvision
    from torchvision import transforms as T
    from torchvision.transforms import functional as F
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
if PIL.__version__.split(".")[0] != "9" or not torchvision.__version__.startswith("0.14"):
    print(f"skipped: Pillow {PIL.__version__} and torchvision {torchvision.__version__}, compared with are 9.x and 0.14")
    sys.exit(77)

SOURCE = os.environ.get("LINNET_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
TOOL = os.path.join(os.environ.get("LINNET_BUILD", os.path.join(SOURCE, "build")), "tests", "loader_tool_transform")
CROPS = 5

# Files about which the two may differ, and why.
KNOWN = {
    "crashtest_images_imagetestsuite_a7326ba8f3f4559991126474dd30083d.jpg":
        "has a TEM marker, which libjpeg skips and Pillow's own header reader does not know",
}


def data(name):
    found = subprocess.run(["bash", os.path.join(SOURCE, "tests", "data.sh"), name], stdout=subprocess.PIPE, text=True)
    if found.returncode == 77:
        sys.exit(77)
    found.check_returncode()
    folder = found.stdout.strip()
    return sorted(os.path.join(d, f) for d, _, fs in os.walk(folder) for f in fs)


class Decoder:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, *words):
        """The pixels, or the error line."""
        self.process.stdin.write("\t".join(str(w) for w in words).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        if not line:
            raise SystemExit(f"the decoder died at {words}")
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
    if not same(decoder.ask("full", path), image):
        failures.append(f"{path}: the whole image differs")
    for size, resize in sizes:
        if not same(decoder.ask("val", path, size, resize), T.CenterCrop(size)(T.Resize(resize)(image))):
            failures.append(f"{path}: val {size} {resize} differs")
    for x, y, w, h, size, flip in crops(image, path):
        expected = F.resized_crop(image, y, x, h, w, [size, size])
        expected = F.hflip(expected) if flip else expected
        if not same(decoder.ask("crop", path, x, y, w, h, size, flip), expected):
            failures.append(f"{path}: crop {x},{y} {w}x{h} to {size}, flip {flip}, differs")


def check_bad(decoder, path, failures):
    """The same verdict, whichever part is asked for; the same pixels when there are some."""
    image, ours = pillow(path), decoder.ask("full", path)
    refused, ours_refused = isinstance(image, str), isinstance(ours, str)
    if refused != ours_refused:
        known = KNOWN.get(os.path.basename(path))
        print(f"verdicts differ: {path}: Pillow: {image if refused else 'decodes'}; linnet: "
              f"{ours if ours_refused else 'decodes'}; {known or 'not known why'}")
        if known is None:
            failures.append(f"{path}: verdicts differ")
    elif not refused:
        check_pixels(decoder, path, image, failures, ((224, 256), (40, 32)))
    if isinstance(decoder.ask("val", path, 224, 256), str) != ours_refused:
        failures.append(f"{path}: the verdict depends on the crop")
    return ours_refused


def main():
    decoder, failures, photos = Decoder(), [], 0
    for path in data("photos"):
        image = pillow(path)
        if isinstance(image, str):
            continue
        photos += 1
        check_pixels(decoder, path, image, failures)
    bad = [check_bad(decoder, path, failures) for path in data("bad-jpegs")]
    print(f"{photos} photos, {len(bad)} bad files of which {sum(bad)} are refused, {len(failures)} failures")
    print("\n".join(failures[:20]))
    sys.exit(1 if failures or photos == 0 else 0)


main()
