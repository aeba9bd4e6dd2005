/* Windows and OS/2 bitmaps, uncompressed or run-length coded, as Pillow reads them: alpha is dropped, a palette that is
 * a gray ramp is the identity. */

#include "base/status.h"
#include "image/rows.h"

#include <string.h>

enum compression { RAW, RLE8, RLE4, BITFIELDS };

typedef struct bmp {
    const image_bytes *in;
    uint32_t header, bits, compression, colors;
    int64_t w, h;
    bool top_down;
    size_t pixels; /* offset */
    uint32_t mask[3];
    uint8_t palette[256][4];
} bmp;

static uint32_t u16(const unsigned char *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const unsigned char *p) { return u16(p) | u16(p + 2) << 16; }

static int malformed(const bmp *b, const char *what) {
    return fail(E_FORMAT, "%s: malformed BMP: %s", b->in->name, what);
}

static int read_size(bmp *b) {
    const unsigned char *p = b->in->bytes;
    size_t n = b->in->n;
    if (n < 26)
        return malformed(b, "no header");
    b->pixels = u32(p + 10);
    b->header = u32(p + 14);
    if (b->header == 12) {
        b->w = u16(p + 18);
        b->h = u16(p + 20);
        b->bits = u16(p + 24);
        return OK;
    }
    if ((b->header != 40 && b->header != 64 && b->header != 108 && b->header != 124) || n < 14 + (size_t)b->header)
        return malformed(b, "unknown header");
    b->w = (int32_t)u32(p + 18);
    b->h = (int32_t)u32(p + 22);
    b->top_down = b->h < 0;
    b->h = b->h < 0 ? -b->h : b->h;
    b->bits = u16(p + 28);
    b->compression = u32(p + 30);
    b->colors = u32(p + 46);
    return OK;
}

/** Which bits are red, green and blue in pixels of 16 and 32 bits. */
static int read_masks(bmp *b, size_t *at) {
    const uint32_t usual[2][3] = {{0x7C00, 0x3E0, 0x1F}, {0xFF0000, 0xFF00, 0xFF}};
    memcpy(b->mask, usual[b->bits != 16], sizeof b->mask);
    if (b->compression != BITFIELDS)
        return OK;
    size_t from = 14 + 40; /* inside a long header, behind a short one */
    if (b->header == 40)
        *at += 12;
    if (b->in->n < from + 12)
        return malformed(b, "no bit masks");
    for (int c = 0; c < 3; c++)
        b->mask[c] = u32(b->in->bytes + from + 4 * c);
    static const uint32_t known[][4] = {{16, 0xF800, 0x7E0, 0x1F},          {16, 0x7C00, 0x3E0, 0x1F},
                                        {24, 0xFF0000, 0xFF00, 0xFF},       {32, 0xFF0000, 0xFF00, 0xFF},
                                        {32, 0xFF000000, 0xFF0000, 0xFF00}, {32, 0xFF, 0xFF00, 0xFF0000}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i][0] == b->bits && memcmp(&known[i][1], b->mask, sizeof b->mask) == 0)
            return OK;
    return fail(E_UNSUPPORTED, "%s: a BMP with unusual bit masks; convert it to PNG", b->in->name);
}

static int read_palette(bmp *b, size_t *at) {
    for (int i = 0; i < 256; i++)
        memset(b->palette[i], i, 4); /* an entry that the file lacks is gray */
    if (b->bits > 8)
        return OK;
    size_t step = b->header == 12 ? 3 : 4, colors = b->colors > 0 ? b->colors : (size_t)1 << b->bits;
    if (colors > 65536 || b->in->n < *at || (b->in->n - *at) / step < colors)
        return malformed(b, "palette");
    for (size_t i = 0; i < colors && i < 256; i++)
        for (int c = 0; c < 3; c++)
            b->palette[i][c] = b->in->bytes[*at + i * step + 2 - c];
    *at += colors * step;
    return OK;
}

static int read_header(bmp *b) {
    int rc = OK;
    TRY(read_size(b));
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 && b->bits != 32)
        return fail(E_UNSUPPORTED, "%s: a BMP of %u bits per pixel", b->in->name, b->bits);
    bool fits = b->compression == RAW || (b->compression == RLE8 && b->bits == 8) ||
                (b->compression == RLE4 && b->bits == 4) || (b->compression == BITFIELDS && b->bits >= 16);
    if (!fits)
        return fail(E_UNSUPPORTED, "%s: a BMP of compression %u; convert it to PNG", b->in->name, b->compression);
    size_t at = 14 + (size_t)b->header;
    TRY(read_masks(b, &at));
    TRY(read_palette(b, &at));
    if (b->pixels == 0 || b->pixels < at)
        b->pixels = at;
done:
    return rc;
}

static void put_index(uint8_t *to, const bmp *b, unsigned index) {
    memcpy(to, b->palette[index & 255], 3);
    to[3] = 255;
}

/** The bits under a mask as 0..255. */
static uint8_t masked(uint32_t pixel, uint32_t mask) {
    int shift = __builtin_ctz(mask);
    uint32_t top = mask >> shift;
    return (uint8_t)((pixel >> shift & top) * 255 / top);
}

static void read_row(uint8_t *to, const bmp *b, const unsigned char *row) {
    for (int64_t x = 0; x < b->w; x++, to += 4) {
        if (b->bits <= 8) {
            unsigned per_byte = 8 / b->bits, shift = (unsigned)(per_byte - 1 - (unsigned)(x % per_byte)) * b->bits;
            put_index(to, b, row[x / per_byte] >> shift & ((1u << b->bits) - 1));
            continue;
        }
        const unsigned char *p = row + x * (b->bits / 8);
        uint32_t pixel =
            u16(p) | (b->bits >= 24 ? (uint32_t)p[2] << 16 : 0) | (b->bits == 32 ? (uint32_t)p[3] << 24 : 0);
        for (int c = 0; c < 3; c++)
            to[c] = masked(pixel, b->mask[c]);
        to[3] = 255;
    }
}

static uint8_t *row_at(uint8_t *out, const bmp *b, int64_t y) {
    return out + (size_t)(b->top_down ? y : b->h - 1 - y) * (size_t)b->w * 4;
}

static int read_raw(uint8_t *out, const bmp *b) {
    size_t step = (((size_t)b->w * b->bits + 31) / 32) * 4;
    for (int64_t y = 0; y < b->h; y++)
        read_row(row_at(out, b, y), b, b->in->bytes + b->pixels + (size_t)y * step);
    return OK;
}

/** Where a run-length decoder stands. */
typedef struct cursor {
    uint8_t *out;
    const bmp *b;
    int64_t x, y;
} cursor;

static void put_run(cursor *c, unsigned index) {
    if (c->x < c->b->w && c->y < c->b->h)
        put_index(row_at(c->out, c->b, c->y) + c->x * 4, c->b, index);
    c->x++;
}

static unsigned run_index(const bmp *b, const unsigned char *bytes, unsigned i) {
    return b->bits == 8 ? bytes[i] : i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;
}

/** Pixels that no run reaches keep index 0. @return E_FORMAT when the file ends before the bitmap does */
static int read_runs(uint8_t *out, const bmp *b) {
    cursor c = {.out = out, .b = b};
    for (uint64_t i = 0; i < (uint64_t)b->w * (uint64_t)b->h; i++)
        put_index(out + i * 4, b, 0);
    const unsigned char *p = b->in->bytes + b->pixels, *end = b->in->bytes + b->in->n;
    while (end - p >= 2 && c.y < b->h) {
        unsigned n = p[0], code = p[1];
        p += 2;
        if (n > 0) {
            for (unsigned i = 0; i < n; i++)
                put_run(&c, run_index(b, (unsigned char[]){(unsigned char)code}, b->bits == 8 ? 0 : i % 2));
        } else if (code == 0) {
            c.x = 0;
            c.y++;
        } else if (code == 1) {
            return OK;
        } else if (code == 2 && end - p >= 2) {
            c.x += p[0];
            c.y += p[1];
            p += 2;
        } else {
            size_t bytes = b->bits == 8 ? code : (code + 1) / 2, padded = (bytes + 1) & ~(size_t)1;
            if (code == 2 || (size_t)(end - p) < bytes)
                break;
            for (unsigned i = 0; i < code; i++)
                put_run(&c, run_index(b, p, i));
            p += padded < (size_t)(end - p) ? padded : (size_t)(end - p);
        }
    }
    return c.y >= b->h || (c.y == b->h - 1 && c.x >= b->w) ? OK : malformed(b, "truncated");
}

int bmp_decode(decoder *d, const image_bytes *in) {
    int rc = OK;
    bmp b = {.in = in};
    uint8_t *out = NULL;
    TRY(read_header(&b));
    TRY(decoder_size(d, in, b.w, b.h));
    size_t step = (((size_t)b.w * b.bits + 31) / 32) * 4;
    bool runs = b.compression == RLE8 || b.compression == RLE4;
    if (b.pixels > in->n || (!runs && (in->n - b.pixels) / step < (size_t)b.h)) {
        rc = malformed(&b, "truncated");
        goto done;
    }
    /* a run of two bytes fills 255 pixels, a jump of four skips 255 rows: only the claim itself bounds an honest file
     */
    TRY(decoder_whole(d, in, 0, &out));
    TRY(runs ? read_runs(out, &b) : read_raw(out, &b));
done:
    return rc;
}
