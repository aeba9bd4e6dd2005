/* Windows and OS/2 bitmaps, uncompressed or run-length encoded, decoded as Pillow 13 does: alpha is dropped, and
 * an index outside the palette is black, or that gray if the palette is a gray ramp. */

#include "base/status.h"
#include "image/rows.h"

#include <string.h>

enum compression { RAW, RLE8, RLE4, BITFIELDS };

typedef struct bmp {
    const image_bytes *in;
    uint32_t header, bits, compression, colors;
    int64_t w, h;
    bool top_down;
    size_t pixels; /* offset of the pixels in the file */
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
        return malformed(b, "truncated header");
    b->pixels = u32(p + 10);
    b->header = u32(p + 14);
    if (b->header == 12) {
        b->w = u16(p + 18);
        b->h = u16(p + 20);
        b->bits = u16(p + 24);
        return OK;
    }
    static const uint32_t sizes[] = {40, 52, 56, 64, 108, 124};
    bool known = false;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        known |= b->header == sizes[i];
    if (!known || n < 14 + (size_t)b->header)
        return malformed(b, "invalid header size");
    b->w = (int32_t)u32(p + 18);
    b->h = (int32_t)u32(p + 22);
    b->top_down = b->h < 0;
    b->h = b->h < 0 ? -b->h : b->h;
    b->bits = u16(p + 28);
    b->compression = u32(p + 30);
    b->colors = u32(p + 46);
    return OK;
}

/** Reads the bit masks of red, green and blue for pixels of 16 and 32 bits. */
static int read_masks(bmp *b, size_t *at) {
    const uint32_t usual[2][3] = {{0x7C00, 0x3E0, 0x1F}, {0xFF0000, 0xFF00, 0xFF}};
    memcpy(b->mask, usual[b->bits != 16], sizeof b->mask);
    if (b->compression != BITFIELDS)
        return OK;
    size_t from = 14 + 40; /* the masks are part of a long header, and follow a short one */
    if (b->header == 40)
        *at += 12;
    if (b->in->n < from + 12)
        return malformed(b, "missing bit masks");
    for (int c = 0; c < 3; c++)
        b->mask[c] = u32(b->in->bytes + from + 4 * c);
    static const uint32_t known[][4] = {{16, 0xF800, 0x7E0, 0x1F},          {16, 0x7C00, 0x3E0, 0x1F},
                                        {24, 0xFF0000, 0xFF00, 0xFF},       {32, 0xFF0000, 0xFF00, 0xFF},
                                        {32, 0xFF000000, 0xFF0000, 0xFF00}, {32, 0xFF, 0xFF00, 0xFF0000},
                                        {32, 0xFF000000, 0xFF00, 0xFF}};
    if (b->bits == 32 && b->mask[0] == 0 && b->mask[1] == 0 && b->mask[2] == 0)
        memcpy(b->mask, usual[1], sizeof b->mask);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i][0] == b->bits && memcmp(&known[i][1], b->mask, sizeof b->mask) == 0)
            return OK;
    return fail(E_UNSUPPORTED, "%s: a BMP with these bit masks is not supported; convert it to PNG", b->in->name);
}

/** Whether the palette is the ramp 0, 1, 2, ... or black and white. */
static bool is_ramp(const bmp *b, size_t colors) {
    for (size_t i = 0; i < colors && i < 256; i++)
        for (int c = 0; c < 3; c++)
            if (b->palette[i][c] != (colors == 2 ? i * 255 : i))
                return false;
    return true;
}

/** Reads the palette; the file may end within it, or the pixels may begin there. */
static int read_palette(bmp *b, size_t *at) {
    if (b->bits > 8)
        return OK;
    size_t step = b->header == 12 ? 3 : 4, colors = b->colors > 0 ? b->colors : (size_t)1 << b->bits;
    if (colors > 65536)
        return malformed(b, "invalid palette");
    for (size_t i = 0; i < colors && i < 256 && *at + (i + 1) * step <= b->in->n; i++)
        for (int c = 0; c < 3; c++)
            b->palette[i][c] = b->in->bytes[*at + i * step + 2 - c];
    for (size_t i = colors; is_ramp(b, colors) && i < 256; i++)
        memset(b->palette[i], b->bits == 1 ? 255 : (int)i, 4);
    *at += colors * step;
    return OK;
}

static int read_header(bmp *b) {
    int rc = OK;
    TRY(read_size(b));
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 && b->bits != 32)
        return fail(E_UNSUPPORTED, "%s: a BMP with %u bits per pixel is not supported; convert it to PNG", b->in->name,
                    b->bits);
    bool fits = b->compression == RAW || (b->compression == RLE8 && b->bits == 8) ||
                (b->compression == RLE4 && b->bits == 4) || (b->compression == BITFIELDS && b->bits >= 16);
    if (!fits)
        return fail(E_UNSUPPORTED, "%s: BMP compression type %u is not supported; convert it to PNG", b->in->name,
                    b->compression);
    size_t at = 14 + (size_t)b->header;
    TRY(read_masks(b, &at));
    TRY(read_palette(b, &at));
    if (b->pixels == 0 || (b->bits <= 8 && b->pixels == 14 + (size_t)b->header)) /* an offset that omits the palette */
        b->pixels = at;
done:
    return rc;
}

static void put_index(uint8_t *to, const bmp *b, unsigned index) {
    memcpy(to, b->palette[index & 255], 3);
    to[3] = 255;
}

/** The bits selected by a mask, scaled to 0..255. */
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

/** The state of the run-length decoder. Pillow writes the pixels one after the other: an end of line completes a row,
 *  and does nothing at the begin of one. */
typedef struct cursor {
    uint8_t *out;
    const bmp *b;
    const unsigned char *p, *end;
    int64_t x;         /* in the row, as the runs count */
    uint64_t n, total; /* pixels written, pixels of the image */
} cursor;

static void put_run(cursor *c, unsigned index) {
    if (c->n < c->total)
        put_index(row_at(c->out, c->b, (int64_t)(c->n / (uint64_t)c->b->w)) + c->n % (uint64_t)c->b->w * 4, c->b,
                  index);
    c->n++;
}

static unsigned run_index(const bmp *b, const unsigned char *bytes, unsigned i) {
    return b->bits == 8 ? bytes[i] : i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;
}

/** A run of one value, or of two alternating ones, is cut at the end of the row. */
static void encoded_run(cursor *c, unsigned n, unsigned char code) {
    int64_t room = c->b->w > c->x ? c->b->w - c->x : 0, some = n < room ? n : room;
    for (int64_t i = 0; i < some; i++)
        put_run(c, run_index(c->b, &code, c->b->bits == 8 ? 0 : i % 2));
    c->x += some;
}

/** Pixels that follow as they are. @return false at the end of the file or of the image */
static bool absolute_run(cursor *c, unsigned n) {
    uint64_t want = c->total - c->n < n ? c->total - c->n : n, bytes = c->b->bits == 8 ? want : (want + 1) / 2;
    bool complete = (uint64_t)(c->end - c->p) >= bytes;
    if (!complete)
        return false;
    for (unsigned i = 0; i < want; i++)
        put_run(c, run_index(c->b, c->p, i));
    c->p += bytes;
    c->x += n;
    if ((c->p - c->b->in->bytes) % 2 != 0 && c->p < c->end)
        c->p++;
    return c->n < c->total;
}

static bool jump(cursor *c) {
    if (c->end - c->p < 2)
        return false;
    uint64_t left = c->total - c->n, by = c->p[0] + c->p[1] * (uint64_t)c->b->w;
    c->n += by < left ? by : left;
    c->x = (int64_t)(c->n % (uint64_t)c->b->w);
    c->p += 2;
    return true;
}

/** Pixels that are jumped over keep index 0. @return E_FORMAT if the runs end before the image */
static int read_runs(uint8_t *out, const bmp *b) {
    cursor c = {.out = out, .b = b, .p = b->in->bytes + b->pixels, .end = b->in->bytes + b->in->n};
    c.total = (uint64_t)b->w * (uint64_t)b->h;
    for (uint64_t i = 0; i < c.total; i++)
        put_index(out + i * 4, b, 0);
    bool more = true;
    while (more && c.n < c.total && c.end - c.p >= 2) {
        unsigned n = c.p[0], code = c.p[1];
        c.p += 2;
        if (n > 0) {
            encoded_run(&c, n, (unsigned char)code);
        } else if (code == 0) {
            c.n = (c.n + (uint64_t)b->w - 1) / (uint64_t)b->w * (uint64_t)b->w;
            c.x = 0;
        } else {
            more = code == 1 ? false : code == 2 ? jump(&c) : absolute_run(&c, code);
        }
    }
    return c.n >= c.total ? OK : malformed(b, "truncated");
}

int bmp_decode(decoder *d, const image_bytes *in) {
    int rc = OK;
    bmp b = {.in = in};
    uint8_t *out = NULL;
    TRY(read_header(&b));
    TRY(decoder_size(d, in, b.w, b.h));
    size_t step = (((size_t)b.w * b.bits + 31) / 32) * 4;
    size_t row = ((size_t)b.w * b.bits + 7) / 8; /* the padding of the last row may be missing */
    bool runs = b.compression == RLE8 || b.compression == RLE4;
    if (b.pixels > in->n || (!runs && (in->n - b.pixels < row || (in->n - b.pixels - row) / step < (size_t)b.h - 1))) {
        rc = malformed(&b, "truncated");
        goto done;
    }
    /* A run of two bytes fills 255 pixels, and a jump of four bytes skips 255 rows. So a valid file can be short,
     * and only decoder_whole limits the image. */
    TRY(decoder_whole(d, in, 0, &out));
    TRY(runs ? read_runs(out, &b) : read_raw(out, &b));
done:
    return rc;
}
