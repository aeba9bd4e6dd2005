#!/usr/bin/python3
"""The decoder and the transforms against Pillow and torchvision themselves, byte by byte: every image of photos (whole,
val, and several crops with and without a flip), and acceptance and pixels of every file of bad-jpegs."""
import os
import subprocess
import sys
import warnings

warnings.simplefilter("ignore")
try:
    from PIL import features
    import PIL
    import torchvision
    from torchvision import transforms as T

    from pixels import ORDER, SOURCE, Decoder, check_pixels, pillow
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

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
