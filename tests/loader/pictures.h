/* The synthetic images and the hash of tests/golden/augment_pictures.py. */
#ifndef LINNET_TESTS_LOADER_PICTURES_H
#define LINNET_TESTS_LOADER_PICTURES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FNV_BEGIN 0xCBF29CE484222325u

static inline uint64_t fnv(uint64_t h, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 0x100000001B3u;
    return h;
}

static inline void picture(uint8_t *to, const char *kind, uint32_t size) {
    for (uint32_t i = 0; i < size * size * 3; i++) {
        uint32_t c = i % 3, x = i / 3 % size, y = i / 3 / size;
        uint32_t noise = i * 2654435761u;
        noise = ((noise ^ noise >> 15) * 2246822519u) >> 24;
        uint32_t waves = (x * x + 3 * y * (c + 1) + 17 * c) / 4 % 256;
        to[i] = (uint8_t)(strcmp(kind, "noise") == 0   ? noise
                          : strcmp(kind, "waves") == 0 ? waves
                          : strcmp(kind, "flat") == 0  ? 40 + 70 * c
                                                       : 90 + waves / 16 + noise / 64 * (c % 2));
    }
}

#endif
