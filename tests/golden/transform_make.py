#!/usr/bin/python3
"""Makes transform_images/ and transform_golden.txt: small images of every kind that the decoder supports, and the
results of Pillow 13, with the transforms as torchvision makes them. `cd tests/golden && python3 transform_make.py`, with
Pillow 13 installed. Images that are in the folder are kept, because other versions of Pillow encode them differently.

Lines of transform_golden.txt, with the FNV-1a hash of the RGB bytes (or "refused"):
  full NAME width height hash
  val NAME size resize FILTER ORDER hash
  squash NAME size resize FILTER ORDER hash
  crop NAME x y w h size flip FILTER ORDER hash
ORDER is newest, or horizontal: the order of the passes of Pillow before 13, where that gives other bytes.
"""
import io
import os
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

from transform_odd import add_odd

assert int(PIL.__version__.split(".")[0]) >= 13, "needs Pillow 13"

FOLDER = "transform_images"
lines, cases = [], {}
FILTERS = dict(bilinear=Image.BILINEAR, bicubic=Image.BICUBIC, lanczos=Image.LANCZOS)
# Pillow converts L*a*b* by colour profiles, and leaves rows black that a PNG lacks; linnet refuses both
REFUSED = ("lab.tif", "fewer_rows.png")
ALL_FILTERS = ("rgb420.jpg", "large444.jpg", "tall420.jpg", "tall.png", "tiny.jpg", "rgb.png")


def picture(w, h, seed=1):
    """Smooth colours, an edge and a noisy patch: what upsampling and resampling get wrong shows."""
    y, x = np.mgrid[0:h, 0:w]
    waves = [128 + 100 * np.sin(x / (5 + c) + y / (11 - 3 * c)) * np.cos(y / 17 + c) for c in range(3)]
    a = np.stack(waves, 2)
    a[(x - w / 2) ** 2 + (y - h / 2) ** 2 < (min(w, h) / 3) ** 2] = (250, 20, 60)
    noise = np.random.default_rng(seed).integers(0, 256, (h // 4, w // 4, 3))
    a[h // 8:h // 8 + h // 4, w // 8:w // 8 + w // 4] = noise
    return Image.fromarray(a.clip(0, 255).astype(np.uint8))


def add(name, im, **options):
    f = io.BytesIO()
    im.save(f, {"jpg": "JPEG", "tif": "TIFF", "ppm": "PPM", "pgm": "PPM"}.get(name[-3:], name.split(".")[1]), **options)
    cases[name] = f.getvalue()


def png(w, h, depth, kind, rows, interlace=0, extra=b""):
    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
    header = struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp(w, h, bits, compression, data, palette=(), masks=b""):
    at = 54 + len(masks) + 4 * len(palette)
    return (b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) +
            struct.pack("<IiiHHIIiiII", 40, w, h, 1, bits, compression, len(data), 0, 0, len(palette), 0) + masks +
            b"".join(bytes(c) + b"\0" for c in palette) + data)


def add_jpegs():
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        for progressive in (False, True):
            add(f"rgb{name}{'p' if progressive else ''}.jpg", picture(117, 83), quality=60, subsampling=sampling,
                progressive=progressive)
    add("large420.jpg", picture(333, 250), quality=40, subsampling=2)
    add("large444.jpg", picture(250, 301), quality=30, subsampling=0)
    add("gray.jpg", picture(90, 60).convert("L"), quality=60)
    add("cmyk.jpg", picture(60, 50).convert("CMYK"), quality=60)
    ycck = bytearray(cases["cmyk.jpg"])
    ycck[ycck.index(b"Adobe") + 11] = 2
    cases["ycck.jpg"] = bytes(ycck)
    whole = cases["rgb420.jpg"]
    cases["truncated.jpg"] = whole[:len(whole) * 2 // 3]
    cases["no_end.jpg"] = whole[:-2]
    cases["early_end.jpg"] = whole[:len(whole) // 2] + b"\xff\xd9"
    cases["second_frame.jpg"] = whole[:-2] + b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00\xff\xd9"
    cases["trailing.jpg"] = whole + b"trailing bytes"
    add("tall420.jpg", picture(77, 331), quality=40, subsampling=2)
    add("tall.png", picture(61, 240).quantize(64))
    add("tiny.jpg", picture(8, 8).resize((1, 3)))


def add_others():
    rgb = picture(37, 29)
    gray, noise = rgb.convert("L"), np.random.default_rng(5)
    rgba, la = rgb.copy(), gray.convert("LA")
    alpha = Image.fromarray(noise.integers(0, 256, (29, 37)).astype(np.uint8))
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    modes = dict(rgb=rgb, gray=gray, rgba=rgba, la=la, p8=rgb.quantize(200), p4=rgb.quantize(13), p2=rgb.quantize(4),
                 p1=rgb.quantize(2), bits=gray.convert("1"))
    for name, im in modes.items():
        add(name + ".png", im)
    add("transparent.png", modes["p8"], transparency=3)
    wide = noise.integers(0, 400, (29, 37)).astype(">u2").tobytes()
    cases["gray16.png"] = png(37, 29, 16, 0, b"".join(b"\0" + wide[y * 74:y * 74 + 74] for y in range(29)))
    wide = noise.integers(0, 65536, (29, 37 * 4)).astype(">u2").tobytes()
    cases["rgba16.png"] = png(37, 29, 16, 6, b"".join(b"\0" + wide[y * 296:y * 296 + 296] for y in range(29)))
    cases["interlaced.png"] = png(4, 4, 8, 0, b"\0\x01" + b"\0\x02" + b"\0\x03\x04" + b"\0\x05\x06" * 2 +
                                  b"\0\x09\x0a\x0b\x0c" * 2, interlace=1)
    cases["short_palette.png"] = png(3, 1, 8, 3, b"\0\x00\x01\x63", extra=struct.pack(">I", 6) + b"PLTE\1\2\3\4\5\6" +
                                     struct.pack(">I", zlib.crc32(b"PLTE\1\2\3\4\5\6")))
    cases["cut.png"] = cases["rgb.png"][:-60]
    for name in ("rgb", "gray", "rgba", "p8", "p4", "bits"):
        add(name + ".bmp", modes[name])
    words = struct.pack("<15H", *[i * 4111 % 65536 for i in range(15)])
    rows = b"".join(words[y * 10:y * 10 + 10] + b"\0\0" for y in range(3))
    cases["b555.bmp"] = bmp(5, -3, 16, 0, rows)
    cases["b565.bmp"] = bmp(5, 3, 16, 3, rows, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    palette = [(i * 3, i * 5, 255 - i) for i in range(16)]
    runs8 = bytes([3, 1, 2, 2, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 5, 7, 0, 0, 0, 1])
    cases["rle8.bmp"] = bmp(5, 3, 8, 1, runs8, palette)
    runs4 = bytes([5, 0x12, 0, 0, 0, 4, 0x12, 0x34, 1, 0x50, 0, 0, 5, 0x77, 0, 0, 0, 1])
    cases["rle4.bmp"] = bmp(5, 3, 4, 2, runs4, palette)
    cases["cut.bmp"] = cases["rgb.bmp"][:-200]
    add("rgb.ppm", rgb)
    add("gray.pgm", gray)
    cases["bits.pbm"] = b"P4\n11 3\n" + bytes([0xA5, 0x60, 0x3C, 0x80, 0xFF, 0x00])
    cases["maxval100.ppm"] = b"P6\n# comment\n5 4\n100\n" + bytes(i % 101 for i in range(60))
    cases["maxval1000.ppm"] = b"P6 5 4 1000\n" + struct.pack(">60H", *[i * 7 % 1001 for i in range(60)])
    cases["maxval300.pgm"] = b"P5 5 4 300\n" + struct.pack(">20H", *[i % 3 for i in range(20)])
    cases["plain.pgm"] = b"P2 # gray\n5 4\n255\n" + b" ".join(b"%d" % (i * 12) for i in range(20))
    cases["plain.ppm"] = b"P3\n5 4\n9\n" + b"\n".join(b"%d" % (i % 10) for i in range(60))
    cases["plain.pbm"] = b"P1\n5 4\n0101011100 11110 00001"
    cases["cut.ppm"] = cases["rgb.ppm"][:-100]
    for name in ("rgb", "gray", "rgba", "p8", "bits"):
        add(name + ".tif", modes[name], compression="tiff_adobe_deflate")
    add("cmyk.tif", rgb.convert("CMYK"), compression="tiff_lzw")
    add("jpeg.tif", rgb, compression="jpeg")
    add("gray16.tif", Image.fromarray((np.asarray(gray).astype(np.int32) * 3).astype(np.uint16)))
    for turn in range(2, 9):
        add(f"turned{turn}.tif", rgb.crop((0, 0, 9, 6)), tiffinfo={0x112: turn})
    add("rgb.webp", rgb)
    add("rgba.webp", rgba, lossless=True)


def fnv(im):
    h = 0xCBF29CE484222325
    for b in np.asarray(im).tobytes():
        h = (h ^ b) * 0x100000001B3 & (1 << 64) - 1
    return f"{h:016x}"


def resized(im, size, filter, order):
    """Resize to size; horizontal: in two passes, each of which Pillow makes in one direction only."""
    if order == "horizontal":
        im = im.resize((size[0], im.height), FILTERS[filter])
    return im.resize(size, FILTERS[filter])


def centred(im, size):
    """torchvision's CenterCrop."""
    left, top = max(0, (size - im.width) // 2), max(0, (size - im.height) // 2)
    right, bottom = max(0, (size - im.width + 1) // 2), max(0, (size - im.height + 1) // 2)
    im = ImageOps.expand(im, (left, top, right, bottom), 0)
    x, y = round((im.width - size) / 2), round((im.height - size) / 2)
    return im.crop((x, y, x + size, y + size))


def val(im, size, resize, *how):
    w, h = im.size
    to = (resize, int(resize * h / w)) if w <= h else (int(resize * w / h), resize)
    return centred(resized(im, to, *how), size)


def squash(im, size, resize, *how):
    return centred(resized(im, (resize, resize), *how), size)


def crop(im, x, y, w, h, size, flip, *how):
    out = resized(im.crop((x, y, x + w, y + h)), (size, size), *how)
    return ImageOps.mirror(out) if flip else out


def add_lines(make, im, name, *numbers):
    for filter in FILTERS if name in ALL_FILTERS else ["bilinear"]:
        newest, older = (fnv(make(im, *numbers, filter, order)) for order in ("newest", "horizontal"))
        line = " ".join(str(n) for n in (make.__name__, name) + numbers + (filter,))
        lines.append(f"{line} newest {newest}")
        if older != newest:
            lines.append(f"{line} horizontal {older}")


def describe(name):
    path = os.path.join(FOLDER, name)
    if not os.path.exists(path):
        with open(path, "wb") as f:
            f.write(cases[name])
    try:
        assert name not in REFUSED
        im = Image.open(path).convert("RGB")
    except Exception:
        lines.append(f"full {name} 0 0 refused")
        return
    w, h = im.size
    lines.append(f"full {name} {w} {h} {fnv(im)}")
    for size, resize in ((16, 19), (24, 18)) + (((224, 256),) if "large" in name else ()):
        add_lines(val, im, name, size, resize)
        if name in ALL_FILTERS:
            add_lines(squash, im, name, size, resize)
    boxes = [(0, 0, w, h, 21), (w // 3, h // 4, w - w // 3, h // 2 + 1, 17), (w // 2, h // 2, w // 4 + 1, h // 3 + 1, 32),
             (w // 5, h - 1, 1, 1, 5)]
    if "tall" in name:
        boxes += [(w // 3, 3, w // 2, h - 7, 48), (5, 0, w // 5, h, 16)]
    for i, (x, y, bw, bh, size) in enumerate(b for b in boxes if b[0] + b[2] <= w and b[1] + b[3] <= h):
        add_lines(crop, im, name, x, y, bw, bh, size, i % 2)


os.makedirs(FOLDER, exist_ok=True)
add_jpegs()
add_others()
add_odd(cases)
for case in sorted(cases):
    describe(case)
with open("transform_golden.txt", "w") as f:
    f.write("\n".join(lines) + "\n")
