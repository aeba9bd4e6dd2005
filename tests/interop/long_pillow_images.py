#!/usr/bin/python3
"""Decodes the images of Pillow's own tests and of odd-images by linnet and by Pillow 13, and compares which files are
refused, and the pixels: of the whole image, of the validation transform and of crops. Every file of the folders is tried,
whatever its suffix. The images come with Pillow's source distribution, which pip fetches once.

    LINNET_BUILD=build/dev python3 tests/interop/long_pillow_images.py [FOLDER ...]

LINNET_PILLOW_IMAGES is the folder Tests/images if it is there already. FOLDER and LINNET_IMAGES=FOLDER[:FOLDER]: further
images, such as those in the source packages of image libraries. Subfolders are counted apart."""
import collections
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

# Files about which the two may differ, by the end of the name or by Pillow's message, and why (docs/numerics.md, Pillow).
LIMIT = "Pillow limits the size of text, which linnet does not read"
LAYOUT = "a layout of TIFF that Pillow does not know"
CHUNK = "a damaged chunk that linnet does not read"
KNOWN = {
    "hopper_webp.tif": "WebP in TIFF, which Pillow's libtiff lacks",
    "png_decompression_dos.png": LIMIT,
    "tiff_tiled_jpeg_oob_read.tif": "Pillow refuses tiles whose JPEG has another size",
    "truncated_end_chunk.png": "cut after the pixels",
    "unknown_compression_method.png": CHUNK,
    "chunk_no_fctl.png": "an APNG whose frames are out of order; its first image is complete",
    "pal8oversizepal.bmp": "Pillow refuses palettes of more than 256 colours",
    "issue_400_poc1": CHUNK,
    "issue_828_poc.png": CHUNK,
    "input_gray_12bit.tiff": LAYOUT,
    "input_gray_32bit.tiff": LAYOUT,
    "big_rgb_bigendian.tiff": LAYOUT,
    "logluv-3c-16b.tiff": LAYOUT,
    "fewer_rows.png": "linnet refuses a PNG that lacks rows",
}
KNOWN_MESSAGES = {
    "MAX_TEXT_CHUNK": LIMIT,
    "Truncated cHRM chunk": CHUNK,
    "could not create decoder object": "a WebP damaged after its first image",
    "unknown raw mode for given image mode": LAYOUT,
    "conversion from La to L not supported": LAYOUT,
    "Invalid token for this mode": "a plain PBM with more after the pixels",
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


def has_other_bits(path):
    """Whether Pillow reads a BMP of 4 or 8 bits as one of 1 or 8 bits, because its palette is a gray ramp."""
    with open(path, "rb") as f:
        header = f.read(30)
    if header[:2] != b"BM" or header[28:30] not in (b"\4\0", b"\x08\0"):
        return False
    with Image.open(path) as image:
        return image.mode in ("1", "L") if header[28] == 4 else image.mode == "1"


def reason(path, found, theirs):
    """Why the two may differ, or None."""
    for end, why in KNOWN.items():
        if path.endswith(end):
            return why
    for message, why in KNOWN_MESSAGES.items():
        if isinstance(theirs, str) and message in theirs:
            return why
    return "Pillow reads this BMP with other bits" if found.startswith("pixels") and has_other_bits(path) else None


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
    yield from filter(None, os.environ.get("LINNET_IMAGES", "").split(":"))


def files():
    """Each file and the name of its source: the folder, or the subfolder of it."""
    for folder in folders():
        for path in sorted(os.path.join(d, f) for d, _, fs in os.walk(folder) for f in fs):
            parts = os.path.relpath(path, folder).split(os.sep)
            yield path, os.path.basename(os.path.normpath(folder)) if len(parts) == 1 else parts[0]


def transforms(decoders, path, image, failures):
    w, h = image.size
    if w * h > PIXELS_MAX or max(w, h) > RATIO_MAX * min(w, h):
        return 0
    for decoder in decoders:
        check_pixels(decoder, path, image, failures, ((224, 256), (40, 32)))
    return 1


def kind_of(ours, theirs):
    if isinstance(ours, str):
        return "refused by both" if isinstance(theirs, str) else "by linnet alone"
    return "by Pillow alone" if isinstance(theirs, str) else "decoded by both"


def compare(decoders, path, counts, failures):
    """Counts the file, unless linnet refuses it and its format is unknown to linnet or Pillow."""
    ours, theirs = decoders[0].ask("full", path), pillow(path)
    if isinstance(ours, str) and "match no known format" in ours and format_of(path) not in FORMATS:
        return
    counts["files"] += 1
    counts[kind_of(ours, theirs)] += 1
    found = difference(ours, theirs)
    known = reason(path, found, theirs) if found is not None else None
    if known is not None:
        print(f"{path}: {found} ({known})")
        counts["known"] += 1
    elif found is not None:
        failures.append(f"{path}: {found}")
    elif not isinstance(ours, str):
        counts["transformed"] += transforms(decoders, path, theirs, failures)
    elif not isinstance(theirs, str):
        print(f"{path}: {ours.removeprefix(path)}")
    if isinstance(decoders[0].ask("val", path, 224, 256), str) != isinstance(ours, str):
        failures.append(f"{path}: whether it is refused depends on the transform")


def main():
    decoders = [Decoder(filter) for filter in (T.InterpolationMode.BILINEAR, T.InterpolationMode.BICUBIC)]
    counts, failures = collections.defaultdict(collections.Counter), []
    for path, source in files():
        compare(decoders, path, counts[source], failures)
    total = sum(counts.values(), collections.Counter())
    if total["files"] == 0:
        print("skipped: no images")
        sys.exit(77)
    columns = ("files", "decoded by both", "refused by both", "by linnet alone", "by Pillow alone", "known", "transformed")
    print(f"Pillow {PIL.__version__}\n{'source':40}" + "".join(f"{c:>17}" for c in columns))
    for source, n in [*counts.items(), ("total", total)]:
        print(f"{source:40}" + "".join(f"{n[c]:17}" for c in columns))
    print(f"{len(failures)} failures")
    print("\n".join(failures))
    sys.exit(1 if failures else 0)


main()
