#!/usr/bin/python3
"""The files of the data set odd-images, whose pixels must be those of Pillow 13; one is refused by name."""
import os
import subprocess
import sys
import zlib

SOURCE = os.environ.get("LINNET_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
TOOL = os.path.join(os.environ.get("LINNET_BUILD", os.path.join(SOURCE, "build")), "tests", "loader_tool_transform")

# size and CRC-32 of the RGB bytes, by Pillow 13.0.0
PILLOW = {
    "animated.webp": ((8, 8), 0x4e93fe97),
    "associated_alpha.tif": ((8, 8), 0x51b3828f),
    "bad_idat_crc.png": ((8, 8), 0xa6a88f00),
    "cmyk_planar.tif": ((8, 8), 0x507efa09),
    "gray_float32.tif": ((8, 8), 0x8bff08f2),
    "gray_int16.tif": ((8, 8), 0x4c2f46f6),
    "lab.tif": ((8, 8), 0x171245e9),
    "no_photometric.tif": ((8, 8), 0x275c09bf),
    "os2_short_palette.bmp": ((4, 4), 0x6a7e1579),
    "palette_index_outside.bmp": ((4, 4), 0x9be9039b),
    "palette_index_outside.png": ((4, 4), 0xb026115c),
    "rgb16_planar_deflate.tif": ((8, 8), 0xdaa6dacd),
    "rgb16_tiled_deflate.tif": ((256, 16), 0x5c000716),
    "tall_300x700.jpg": ((300, 700), 0xf4adda7b),
    "tall_300x700.png": ((300, 700), 0x81f79229),
    "tile16_uncompressed.tif": ((16, 16), 0x889d9ff6),
    "turned_by_byte_tag.tif": ((8, 4), 0xc1dd540a),
    "v2_header52.bmp": ((4, 4), 0x3515e4b6),
    "v3_header56.bmp": ((4, 4), 0x3515e4b6),
}
REFUSED = {"lab.tif": "L*a*b*"}

found = subprocess.run(["bash", os.path.join(SOURCE, "tests", "data.sh"), "odd-images"], stdout=subprocess.PIPE, text=True)
if found.returncode != 0:
    sys.exit(found.returncode)
folder, failures = found.stdout.strip(), []
for name, (size, expected) in PILLOW.items():
    request = f"full\t{folder}/{name}\n".encode()
    line, _, pixels = subprocess.run([TOOL], input=request, stdout=subprocess.PIPE, check=True).stdout.partition(b"\n")
    answer = line.decode()
    if "was built without" in answer:
        print(f"left out: {answer}")
    elif name in REFUSED:
        if not (answer.startswith("error") and REFUSED[name] in answer):
            failures.append(f"{name}: {answer}")
    elif answer != "%d %d" % size or zlib.crc32(pixels) != expected:
        failures.append(f"{name}: {answer if answer.startswith('error') else 'other pixels than those of Pillow'}")
print("\n".join(failures) or f"{len(PILLOW)} files")
sys.exit(1 if failures else 0)
