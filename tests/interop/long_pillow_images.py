#!/usr/bin/python3
"""Decodes the images of Pillow's own tests, and those of odd-images, by linnet and by Pillow 13, and compares the
pixels, and which files are refused. LINNET_PILLOW_IMAGES is the folder Tests/images of Pillow's source distribution:

    pip download --no-deps --no-binary :all: pillow && tar xf pillow-*.tar.gz
    LINNET_BUILD=build/dev LINNET_PILLOW_IMAGES=pillow-13.0.0/Tests/images python3 tests/interop/long_pillow_images.py
"""
import os
import subprocess
import sys
import warnings

warnings.simplefilter("ignore")
try:
    import numpy as np
    import PIL
    from PIL import Image
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)
if int(PIL.__version__.split(".")[0]) < 13:
    print(f"skipped: Pillow {PIL.__version__}, compared with is 13 or later; run this script by a python3 that has it")
    sys.exit(77)

SOURCE = os.environ.get("LINNET_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
TOOL = os.path.join(os.environ.get("LINNET_BUILD", os.path.join(SOURCE, "build")), "tests", "loader_tool_transform")
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pbm", ".bmp", ".tif", ".tiff", ".webp", ".gif")

# Files about which the two may differ, and why. GIF and L*a*b* are refused by name.
KNOWN = {
    "hopper_webp.tif": "WebP in TIFF, which Pillow's libtiff lacks",
    "png_decompression_dos.png": "Pillow limits the size of text, which linnet does not read",
    "tiff_tiled_jpeg_oob_read.tif": "Pillow refuses tiles whose JPEG has another size",
    "truncated_end_chunk.png": "cut after the pixels",
    "unknown_compression_method.png": "the compression of a chunk that linnet does not read",
    "chunk_no_fctl.png": "an APNG whose frames are out of order; its first image is complete",
    "pal8oversizepal.bmp": "Pillow refuses palettes of more than 256 colours",
}
REFUSED = (": a GIF file", "L*a*b*")


class Decoder:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, path):
        """The pixels, or the error line."""
        self.process.stdin.write(f"full\t{path}\n".encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        if line.startswith("error"):
            return line.rstrip("\n")
        w, h = map(int, line.split())
        return np.frombuffer(self.process.stdout.read(w * h * 3), np.uint8).reshape(h, w, 3)


def pillow(path):
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except Exception as e:
        return f"{type(e).__name__}: {e}"


def difference(ours, theirs):
    """What differs, or None."""
    if isinstance(ours, str):
        return None if isinstance(theirs, str) or any(r in ours for r in REFUSED) else f"linnet refuses it: {ours}"
    if isinstance(theirs, str):
        return f"Pillow refuses it: {theirs}"
    if ours.shape != theirs.shape:
        return f"sizes {ours.shape[1::-1]} and {theirs.shape[1::-1]}"
    return None if np.array_equal(ours, theirs) else f"pixels differ by up to {np.abs(ours.astype(int) - theirs).max()}"


def folders():
    images = os.environ.get("LINNET_PILLOW_IMAGES")
    if images is None:
        print("left out: the images of Pillow's tests (LINNET_PILLOW_IMAGES is not set)")
    else:
        yield images
    found = subprocess.run(["bash", os.path.join(SOURCE, "tests", "data.sh"), "odd-images"], stdout=subprocess.PIPE, text=True)
    if found.returncode == 0:
        yield found.stdout.strip()


def main():
    decoder, n, failures = Decoder(), 0, []
    for folder in folders():
        for path in sorted(os.path.join(d, f) for d, _, fs in os.walk(folder) for f in fs):
            name = os.path.basename(path)
            if not name.lower().endswith(SUFFIXES):
                continue
            n += 1
            found = difference(decoder.ask(path), pillow(path))
            if found is not None and name in KNOWN:
                print(f"{name}: {found} ({KNOWN[name]})")
            elif found is not None:
                failures.append(f"{name}: {found}")
    if n == 0:
        print("skipped: no images")
        sys.exit(77)
    print(f"Pillow {PIL.__version__}: {n} files, {len(failures)} failures")
    print("\n".join(failures))
    sys.exit(1 if failures else 0)


main()
