"""The synthetic images of the tests of augmentations, and their hash."""
import numpy as np

KINDS = ("noise", "waves", "flat", "dim")


def picture(kind, size):
    """The same numbers as tests/loader/pictures.h makes."""
    y, x, c = np.mgrid[0:size, 0:size, 0:3].astype(np.uint32)
    noise = ((y * size + x) * 3 + c) * np.uint32(2654435761)
    noise = (noise ^ (noise >> np.uint32(15))) * np.uint32(2246822519) >> np.uint32(24)
    waves = (x * x + 3 * y * (c + 1) + 17 * c) // 4 % 256
    return {"noise": noise, "waves": waves, "flat": 40 + 70 * c, "dim": 90 + waves // 16 + noise // 64 * (c % 2)}[kind]


def fnv(h, a):
    for b in a.tobytes():
        h = (h ^ b) * 0x100000001B3 & (1 << 64) - 1
    return h
