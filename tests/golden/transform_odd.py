"""Unusual TIFF, BMP, PNG and WebP files for transform_make.py, made byte by byte where Pillow cannot write them."""
import io
import struct
import zlib

import numpy as np
from PIL import Image

SHORT, LONG, DEFLATE = 3, 4, 8
W, H = 13, 10


def tiff(w, h, parts, bits, photometric, compression=1, tile=None, separate=False, **tags):
    """`parts`: the bytes of the strips or tiles, plane after plane. tags: t338=(type, value, ...) and the like."""
    order = "<"
    body, offsets = b"", []
    for part in parts:
        part = zlib.compress(part) if compression == DEFLATE else part
        offsets.append(8 + len(body))
        body += part + b"\0" * (len(part) % 2)
    counts = [len(zlib.compress(p) if compression == DEFLATE else p) for p in parts]
    fields = {256: (LONG, w), 257: (LONG, h), 258: (SHORT, *bits), 259: (SHORT, compression), 277: (SHORT, len(bits))}
    if photometric is not None:
        fields[262] = (SHORT, photometric)
    if separate:
        fields[284] = (SHORT, 2)
    if tile:
        fields.update({322: (LONG, tile), 323: (LONG, tile), 324: (LONG, *offsets), 325: (LONG, *counts)})
    else:
        fields.update({273: (LONG, *offsets), 278: (LONG, h), 279: (LONG, *counts)})
    fields.update({int(name[1:]): value for name, value in tags.items()})
    directory, extra = struct.pack(order + "H", len(fields)), b""
    at = 8 + len(body) + 2 + 12 * len(fields) + 4
    for tag, (kind, *values) in sorted(fields.items()):
        data = struct.pack(order + str(len(values)) + {1: "B", SHORT: "H", LONG: "I"}[kind], *values)
        where = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", at + len(extra))
        extra += data if len(data) > 4 else b""
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + where
    return b"II*\0" + struct.pack(order + "I", 8 + len(body)) + body + directory + b"\0" * 4 + extra


def planes(a):
    return [np.ascontiguousarray(a[:, :, c]).tobytes() for c in range(a.shape[2])]


def tiles(a, side):
    h, w = (-(-n // side) * side for n in a.shape[:2])
    padded = np.zeros((h, w) + a.shape[2:], a.dtype)
    padded[:a.shape[0], :a.shape[1]] = a
    return [padded[y:y + side, x:x + side].tobytes() for y in range(0, h, side) for x in range(0, w, side)]


def add_tiffs(cases):
    noise = np.random.default_rng(8)
    rgba, rgb16 = noise.integers(0, 256, (H, W, 4)).astype("u1"), noise.integers(0, 65536, (H, W, 3)).astype("<u2")
    rgba[:2, :, 3], rgba[2:4, :, 3] = 0, 255
    wide = noise.integers(-400, 700, (H, W))
    packed = b"".join(bytes([v >> 4, (v & 15) << 4 | u >> 8, u & 255])
                      for row in (wide % 4096)[:, :12] for v, u in zip(row[::2], row[1::2]))
    cases["associated.tif"] = tiff(W, H, [rgba.tobytes()], (8,) * 4, 2, t338=(SHORT, 1))
    cases["associated16.tif"] = tiff(W, H, [(rgba.astype("<u2") * 257 - 3).tobytes()], (16,) * 4, 2, t338=(SHORT, 1))
    cases["unassociated.tif"] = tiff(W, H, [rgba.tobytes()], (8,) * 4, 2, t338=(SHORT, 2))
    cases["associated_planar.tif"] = tiff(W, H, planes(rgba), (8,) * 4, 2, DEFLATE, separate=True, t338=(SHORT, 1))
    cases["cmyk_planar.tif"] = tiff(W, H, planes(rgba), (8,) * 4, 5, DEFLATE, separate=True)
    cases["cmyk_tiled.tif"] = tiff(W, H, tiles(rgba, 16), (8,) * 4, 5, DEFLATE, tile=16)
    cases["rgb16_planar.tif"] = tiff(W, H, planes(rgb16), (16,) * 3, 2, DEFLATE, separate=True)
    big = noise.integers(0, 65536, (21, 35, 3)).astype("<u2")
    cases["rgb16_tiled.tif"] = tiff(35, 21, tiles(big, 16), (16,) * 3, 2, DEFLATE, tile=16)
    cases["gray_tiled.tif"] = tiff(W, H, tiles(rgba[:, :, 0], 16), (8,), 1, tile=16)
    cases["float32.tif"] = tiff(W, H, [(wide / 1.7).astype("<f4").tobytes()], (32,), 1, t339=(SHORT, 3))
    cases["int32.tif"] = tiff(W, H, [wide.astype("<i4").tobytes()], (32,), 1, t339=(SHORT, 2))
    cases["uint32.tif"] = tiff(W, H, [wide.astype("<i4").tobytes()], (32,), 1)
    cases["int16.tif"] = tiff(W, H, [wide.astype("<i2").tobytes()], (16,), 1, t339=(SHORT, 2))
    cases["int8.tif"] = tiff(W, H, [rgba[:, :, 1].tobytes()], (8,), 1, t339=(SHORT, 2))
    cases["uint12.tif"] = tiff(12, H, [packed], (12,), 1)
    cases["white16.tif"] = tiff(W, H, [wide.astype("<u2").tobytes()], (16,), 0)
    cases["no_photometric.tif"] = tiff(W, H, [rgba[:, :, 2].tobytes()], (8,), None)
    cases["lab.tif"] = tiff(W, H, [rgba[:, :, :3].tobytes()], (8,) * 3, 8)
    cases["turn_as_byte.tif"] = tiff(W, H, [rgba[:, :, 2].tobytes()], (8,), 1, DEFLATE, t274=(1, 6))
    cases["turn_as_long.tif"] = tiff(W, H, [rgba[:, :, 2].tobytes()], (8,), 1, DEFLATE, t274=(LONG, 6))


def bmp(header, w, h, bits, data, palette=b"", masks=b"", compression=0, colors=0, at=None):
    if header == 12:
        head = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, w, h, 1, bits, compression, len(data), 0, 0, colors, 0)
    head = (head + masks).ljust(header, b"\0") if header > 40 else head + masks
    at = 14 + len(head) + len(palette) if at is None else at
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(palette) + len(data), 0, 0, at) + head + palette + data


def add_bmps(cases):
    noise = np.random.default_rng(9)
    pixels = noise.integers(0, 256, 5 * 3 * 4).astype("u1").tobytes()
    masks = lambda *m: struct.pack(f"<{len(m)}I", *m)
    cases["header52.bmp"] = bmp(52, 5, 3, 32, pixels, masks=masks(0xFF0000, 0xFF00, 0xFF), compression=3)
    cases["header56.bmp"] = bmp(56, 5, 3, 32, pixels, masks=masks(0xFF0000, 0xFF00, 0xFF, 0xFF000000), compression=3)
    cases["masks_bgxr.bmp"] = bmp(56, 5, 3, 32, pixels, masks=masks(0xFF000000, 0xFF00, 0xFF, 0xFF0000), compression=3)
    cases["masks_none.bmp"] = bmp(56, 5, 3, 32, pixels, masks=masks(0, 0, 0, 0), compression=3)
    colors = bytes(range(10, 10 + 12)) * 2
    indices = bytes([0, 1, 2, 3, 1, 0, 0, 0, 3, 4, 5, 2, 200, 0, 0, 0])
    cases["os2_short.bmp"] = bmp(12, 5, 2, 8, indices + b"\1" * 900, palette=colors[:12])
    cases["outside.bmp"] = bmp(40, 5, 2, 8, indices, palette=colors[:16], colors=4)
    cases["outside_ramp.bmp"] = bmp(40, 5, 2, 8, indices, b"".join(bytes([i, i, i, 0]) for i in range(4)), colors=4)
    cases["in_palette.bmp"] = bmp(40, 5, 2, 8, indices, palette=colors[:16], colors=4, at=62)
    cases["at_header.bmp"] = bmp(40, 5, 2, 8, indices, palette=colors[:16], colors=4, at=54)
    cases["unpadded.bmp"] = bmp(40, 5, 2, 8, indices[:13], palette=colors[:16], colors=4)
    runs = bytes([9, 1, 0, 0, 0, 0, 3, 2, 0, 2, 1, 0, 1, 3, 0, 3, 1, 2, 3, 0, 0, 0, 2, 1, 0, 0, 5, 3, 0, 1])
    cases["odd_runs8.bmp"] = bmp(40, 5, 4, 8, runs, palette=colors[:16], colors=4, compression=1)
    runs4 = bytes([9, 0x12, 0, 0, 0, 0, 3, 0x21, 0, 2, 1, 0, 0, 5, 0x12, 0x31, 0x20, 0, 5, 0x33, 0, 0, 5, 0x31, 0, 1])
    cases["odd_runs4.bmp"] = bmp(40, 5, 4, 4, runs4, palette=colors[:16], colors=4, compression=2)
    cases["short_runs.bmp"] = bmp(40, 5, 4, 8, bytes([5, 1, 0, 0, 0, 1]), palette=colors[:16], colors=4, compression=1)
    cases["one_color.bmp"] = bmp(40, 5, 2, 1, b"\x50\0\0\0\xA8\0\0\0", palette=b"\0\0\0\0", colors=1)


def png(w, h, stream, interlaced=False, length=None):
    """RGB of 8 bits; `length`: of the pixels, as the file states it. Without an IEND."""
    header = b"IHDR" + struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header)) +
            struct.pack(">I", len(stream) if length is None else length) + b"IDAT" + stream)


def add_pngs(cases):
    whole = cases["rgb.png"]
    at = whole.index(b"IDAT") - 4
    n = struct.unpack(">I", whole[at:at + 4])[0]
    cases["bad_crc.png"] = whole[:at + 8 + n] + b"\1\2\3\4" + whole[at + 12 + n:]
    cases["bad_header_crc.png"] = whole[:29] + b"\1\2\3\4" + whole[33:]
    noise = np.random.default_rng(10)
    half = np.concatenate([np.zeros((20, 1), "u1"), noise.integers(0, 256, (20, 30)).astype("u1")], 1).tobytes()
    stream = zlib.compress(half * 2)
    cases["small_window.png"] = png(10, 40, b"\x08\x1d" + stream[2:])  # of 256 bytes, but the rows repeat after 620
    cases["huge_length.png"] = png(10, 40, stream, length=0x7FFFFFF0)
    cases["no_checksum.png"] = png(10, 40, stream[:-4])
    cases["fewer_rows.png"] = png(10, 40, zlib.compress(half))
    cases["cut_in_row.png"] = png(10, 20, zlib.compress(half)[:-12])
    rows = [b"\0" + noise.integers(0, 256, 3 * n).astype("u1").tobytes() for n in (1, 1, 2, 2, 2, 4, 4)]  # of 7 passes
    cases["interlaced_no_checksum.png"] = png(4, 4, zlib.compress(b"".join(rows))[:-4], interlaced=True)


def add_odd(cases):
    add_tiffs(cases)
    add_bmps(cases)
    add_pngs(cases)
    cases["comment_in_maxval.pgm"] = b"P5\n4 2\n25#c\n5#c\n\n" + bytes(range(0, 160, 20))
    cases["comment_in_sample.pgm"] = b"P2\n2 2\n255\n1#c\n2 7\n#c\n9 200\n"
    cases["comment_to_end.ppm"] = b"P6 5 4 1#00"
    cases["comment_only.pgm"] = b"P5 5 4#00"
    frames = [Image.new("RGBA", (24, 18), (0, 0, 0, 0)) for _ in range(2)]
    frames[0].paste((200, 30, 90, 255), (6, 4, 20, 12))
    frames[1].paste((20, 130, 90, 160), (0, 4, 20, 18))
    f = io.BytesIO()
    frames[0].save(f, "WEBP", save_all=True, append_images=frames[1:], lossless=True, minimize_size=True)
    cases["animated.webp"] = f.getvalue()
