#include "image/contact_sheet.h"

#include "base/memory.h"
#include "base/status.h"
#include "image/jpeg_write.h"

#include <stdlib.h>
#include <string.h>

enum { QUALITY = 92, JPEG_MOST = 65500 };

int contact_sheet_init(contact_sheet *s, int images, int columns, int size, int gap) {
    int64_t rows = (images + columns - 1) / columns;
    int64_t w = (int64_t)columns * (size + gap) + gap, h = rows * (size + gap) + gap;
    *s = (contact_sheet){.size = size, .gap = gap, .columns = columns};
    if (w > JPEG_MOST || h > JPEG_MOST)
        return fail(E_OPTION,
                    "a contact sheet of %d images of %d pixels exceeds 65500 pixels, the largest side of a JPEG: use "
                    "fewer or smaller images",
                    images, size);
    s->w = (int)w;
    s->h = (int)h;
    return memory_zeroed(&s->pixels, (size_t)w * (size_t)h, 3);
}

void contact_sheet_deinit(contact_sheet *s) {
    free(s->pixels);
    *s = (contact_sheet){0};
}

void contact_sheet_put(contact_sheet *s, int at, const uint8_t *image) {
    int x = s->gap + at % s->columns * (s->size + s->gap), y = s->gap + at / s->columns * (s->size + s->gap);
    for (int row = 0; row < s->size; row++)
        memcpy(s->pixels + 3 * ((size_t)(y + row) * (size_t)s->w + (size_t)x),
               image + (size_t)row * (size_t)s->size * 3, (size_t)s->size * 3);
}

int contact_sheet_encode(unsigned char **bytes, unsigned long *n, const contact_sheet *s) {
    return jpeg_encode(bytes, n, s->pixels, s->w, s->h, QUALITY);
}
