#!/usr/bin/python3
"""Decodes the images of Pillow's own tests and of odd-images by linnet and by Pillow 13, and compares which files are
refused, and the pixels: of the whole image, of the validation transform and of crops. Every file of the folders is tried,
whatever its suffix. The images come with Pillow's source distribution, which pip fetches once.

    LINNET_BUILD=build/dev python3 tests/interop/long_pillow_images.py [FOLDER ...]

LINNET_PILLOW_IMAGES is the folder Tests/images if it is there already; FOLDER: further images."""
import glob
import os
import subprocess
import sys
import tarfile
import tempfile
import warnings

import packages

packages.use("validate")
import numpy as np
import PIL
from PIL import Image
from torchvision import transforms as T

from pixels import SOURCE, Decoder, check_pixels, pillow

warnings.simplefilter("ignore")
FORMATS = ("PNG", "JPEG", "MPO", "PPM", "BMP", "DIB", "TIFF", "WEBP",  # what linnet reads,
           "GIF", "AVIF", "JPEG2000", "ICO", "PSD", "DDS", "QOI")  # or refuses by name; others are unknown to it
PIXELS_MAX = 4000000  # of an image whose transforms are compared too
RATIO_MAX = 40

# Files about which the two may differ, and why.
KNOWN = {
    "hopper_webp.tif": "WebP in TIFF, which Pillow's libtiff lacks",
    "png_decompression_dos.png": "Pillow limits the size of text, which linnet does not read",
    "tiff_tiled_jpeg_oob_read.tif": "Pillow refuses tiles whose JPEG has another size",
    "truncated_end_chunk.png": "cut after the pixels",
    "unknown_compression_method.png": "the compression of a chunk that linnet does not read",
    "chunk_no_fctl.png": "an APNG whose frames are out of order; its first image is complete",
    "pal8oversizepal.bmp": "Pillow refuses palettes of more than 256 colours",
}
# What linnet refuses by name (docs/numerics.md, Pillow).
REFUSED = tuple(f": {name} file, which is not supported" for name in (
    "a GIF", "an AVIF or HEIF", "a JPEG 2000", "an ICO", "a JPEG XL", "a PFM", "a DIB", "a PSD", "a DDS", "a QOI")) + ("L*a*b*",)


def format_of(path):
    try:
        with Image.open(path) as image:
            return image.format
    except Exception:
        return None


def difference(ours, theirs):
    """What differs, or None."""
    if isinstance(ours, str):
        return None if isinstance(theirs, str) or any(r in ours for r in REFUSED) else f"linnet refuses it: {ours}"
    if isinstance(theirs, str):
        return f"Pillow refuses it: {theirs}"
    if ours.shape[1::-1] != theirs.size:
        return f"sizes {ours.shape[1::-1]} and {theirs.size}"
    pixels = np.asarray(theirs)
    return None if np.array_equal(ours, pixels) else f"pixels differ by up to {np.abs(ours.astype(int) - pixels).max()}"


def pillow_images():
    """Tests/images of the source distribution of this Pillow, or None."""
    if "LINNET_PILLOW_IMAGES" in os.environ:
        return os.environ["LINNET_PILLOW_IMAGES"]
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "linnet-python-sources")
    images = os.path.join(cache, f"pillow-{PIL.__version__}", "Tests", "images")
    if not os.path.isdir(images):
        os.makedirs(cache, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            fetch = [sys.executable, "-m", "pip", "download", "-q", "--retries", "1", "--no-deps", "--no-binary", ":all:",
                     "-d", work, f"pillow=={PIL.__version__}"]
            if subprocess.run(fetch).returncode != 0:
                print("left out: the images of Pillow's tests, which pip cannot fetch")
                return None
            with tarfile.open(glob.glob(work + "/*.tar.gz")[0]) as archive:
                archive.extractall(work, filter="data")
            os.rename(os.path.join(work, f"pillow-{PIL.__version__}"), os.path.join(cache, f"pillow-{PIL.__version__}"))
    return images


def folders():
    images = pillow_images()
    if images is not None:
        yield images
    found = subprocess.run(["bash", os.path.join(SOURCE, "tests", "data.sh"), "odd-images"], stdout=subprocess.PIPE, text=True)
    if found.returncode == 0:
        yield found.stdout.strip()
    yield from sys.argv[1:]


def transforms(decoders, path, image, failures):
    w, h = image.size
    if w * h > PIXELS_MAX or max(w, h) > RATIO_MAX * min(w, h):
        return 0
    for decoder in decoders:
        check_pixels(decoder, path, image, failures, ((224, 256), (40, 32)))
    return 1


def main():
    decoders = [Decoder(filter) for filter in (T.InterpolationMode.BILINEAR, T.InterpolationMode.BICUBIC)]
    n, transformed, refused, named, failures = 0, 0, 0, 0, []
    for folder in folders():
        for path in sorted(os.path.join(d, f) for d, _, fs in os.walk(folder) for f in fs):
            name = os.path.basename(path)
            ours, theirs = decoders[0].ask("full", path), pillow(path)
            if isinstance(ours, str) and format_of(path) not in FORMATS:
                continue
            n += 1
            refused += isinstance(ours, str)
            named += isinstance(ours, str) and not isinstance(theirs, str)
            found = difference(ours, theirs)
            if found is not None and name in KNOWN:
                print(f"{name}: {found} ({KNOWN[name]})")
            elif found is not None:
                failures.append(f"{name}: {found}")
            elif not isinstance(ours, str):
                transformed += transforms(decoders, path, theirs, failures)
            if isinstance(decoders[0].ask("val", path, 224, 256), str) != isinstance(ours, str):
                failures.append(f"{name}: whether it is refused depends on the transform")
    if n == 0:
        print("skipped: no images")
        sys.exit(77)
    print(f"Pillow {PIL.__version__}: {n} files, {refused} refused by linnet, {named} of them by linnet alone "
          f"(by name), {transformed} also transformed, "
          f"{len(failures)} failures")
    print("\n".join(failures))
    sys.exit(1 if failures else 0)


main()
