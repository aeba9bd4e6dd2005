#include "loader/erase.h"

#include <math.h>
#include <stddef.h>

enum { TRIES = 10 };

static void fill(uint8_t *pixels, int size, int x, int y, int w, int h, const uint8_t color[3]) {
    for (int i = y; i < y + h; i++) {
        uint8_t *p = pixels + ((size_t)i * (size_t)size + (size_t)x) * 3;
        for (int k = 0; k < w * 3; k++)
            p[k] = color[k % 3];
    }
}

void erase_random(uint8_t *pixels, int size, const erase *e, random_stream *r) {
    const double least = 0.02, most = 0.33, narrow = log(0.3), wide = log(3.3);
    if (e->probability <= 0 || random_unit(r) >= e->probability)
        return;
    for (int i = 0; i < TRIES; i++) {
        double area = (double)size * size * random_uniform(r, least, most);
        double aspect = exp(random_uniform(r, narrow, wide));
        int h = (int)nearbyint(sqrt(area * aspect)), w = (int)nearbyint(sqrt(area / aspect));
        if (h >= size || w >= size)
            continue;
        int y = (int)random_below(r, (uint64_t)(size - h) + 1), x = (int)random_below(r, (uint64_t)(size - w) + 1);
        fill(pixels, size, x, y, w, h, e->fill);
        return;
    }
}
