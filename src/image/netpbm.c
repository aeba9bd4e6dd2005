/* PBM, PGM and PPM, plain and binary (P1 to P6), decoded as Pillow does: samples are scaled from maxval to 255,
 * except that gray of more than 8 bits is scaled to 65535 and then clipped at 255 (Pillow's mode I to RGB). */

#include "base/status.h"
#include "image/rows.h"

#include <string.h>

#define SAMPLE_MAX 65535
#define DIGITS_MAX 10 /* of a number, as in Pillow */

typedef struct netpbm {
    const image_bytes *in;
    size_t at;
    int kind; /* the digit of the magic number */
    int64_t w, h, maxval;
    int channels;
} netpbm;

static bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/** Skips a comment with the character that ends its line. */
static void skip_comment(netpbm *p) {
    bool within = true;
    for (; within && p->at < p->in->n; p->at++)
        within = p->in->bytes[p->at] != '\n' && p->in->bytes[p->at] != '\r';
}

/** Skips whitespace and comments. */
static void skip_blanks(netpbm *p) {
    const unsigned char *bytes = p->in->bytes;
    while (p->at < p->in->n && (bytes[p->at] == '#' || is_space(bytes[p->at])))
        if (bytes[p->at] == '#')
            skip_comment(p);
        else
            p->at++;
}

/** Reads the next decimal number and the whitespace character after it. As in Pillow, a comment does not end a number.
 *  @return false at the end of the file or at any other character */
static bool read_number(netpbm *p, int64_t *value) {
    const unsigned char *bytes = p->in->bytes;
    skip_blanks(p);
    size_t digits = 0;
    *value = 0;
    while (p->at < p->in->n && digits <= DIGITS_MAX && !is_space(bytes[p->at])) {
        unsigned char c = bytes[p->at];
        if (c == '#') {
            skip_comment(p);
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        *value = *value * 10 + (c - '0');
        digits++;
        p->at++;
    }
    p->at += p->at < p->in->n;
    return digits > 0 && digits <= DIGITS_MAX;
}

static bool read_header(netpbm *p) {
    p->kind = p->in->bytes[1] - '0';
    p->at = 2;
    p->channels = p->kind == 3 || p->kind == 6 ? 3 : 1;
    p->maxval = 1;
    if (p->at < p->in->n && !is_space(p->in->bytes[p->at]))
        return false;
    if (!read_number(p, &p->w) || !read_number(p, &p->h))
        return false;
    bool bitmap = p->kind == 1 || p->kind == 4;
    if (!bitmap && (!read_number(p, &p->maxval) || p->maxval < 1 || p->maxval > SAMPLE_MAX))
        return false;
    return true;
}

/** n / d rounded to the nearest integer, ties to even, as in Python's round(). */
static int64_t divide_even(int64_t n, int64_t d) {
    int64_t q = n / d, rest = 2 * (n % d);
    return rest > d || (rest == d && (q & 1)) ? q + 1 : q;
}

static uint8_t to_byte(const netpbm *p, int64_t sample) {
    int64_t top = p->maxval > 255 && p->channels == 1 ? SAMPLE_MAX : 255;
    int64_t v = divide_even(sample * top, p->maxval);
    return (uint8_t)(v > 255 ? 255 : v);
}

/** The next sample in plain format (P1 to P3), 0..maxval; -1 if there is none. */
static int64_t plain_sample(netpbm *p) {
    int64_t value = -1;
    if (p->kind != 1)
        return read_number(p, &value) && value <= p->maxval ? value : -1;
    skip_blanks(p); /* bits need no whitespace between them */
    unsigned char c = p->at < p->in->n ? p->in->bytes[p->at++] : 0;
    return c == '0' ? 0 : c == '1' ? 1 : -1;
}

static int64_t binary_sample(netpbm *p) {
    const unsigned char *s = p->in->bytes + p->at;
    p->at += p->maxval > 255 ? 2 : 1;
    return p->maxval > 255 ? s[0] << 8 | s[1] : s[0];
}

/** Minimum bytes per row; a plain sample takes at least one byte. */
static uint64_t row_bytes(const netpbm *p) {
    if (p->kind == 4)
        return ((uint64_t)p->w + 7) / 8;
    return (uint64_t)p->w * (uint64_t)p->channels * (p->kind > 3 && p->maxval > 255 ? 2 : 1);
}

static void put(uint8_t *to, const uint8_t rgb[3]) {
    memcpy(to, rgb, 3);
    to[3] = 255;
}

static int read_samples(uint8_t *out, netpbm *p) {
    uint64_t pixels = (uint64_t)p->w * (uint64_t)p->h;
    for (uint64_t i = 0; i < pixels; i++) {
        uint8_t rgb[3] = {0};
        for (int c = 0; c < p->channels; c++) {
            int64_t sample = p->kind < 4 ? plain_sample(p) : binary_sample(p);
            if (sample < 0)
                return fail(E_FORMAT, "%s: bad or missing sample in a plain PNM file", p->in->name);
            rgb[c] = p->kind == 1 ? (sample ? 0 : 255) : to_byte(p, sample);
        }
        if (p->channels == 1)
            rgb[1] = rgb[2] = rgb[0];
        put(out + i * 4, rgb);
    }
    return OK;
}

static void read_bits(uint8_t *out, const netpbm *p) {
    const unsigned char *row = p->in->bytes + p->at;
    for (int64_t y = 0; y < p->h; y++, row += row_bytes(p))
        for (int64_t x = 0; x < p->w; x++, out += 4) {
            uint8_t v = row[x >> 3] >> (7 - (x & 7)) & 1 ? 0 : 255;
            put(out, (uint8_t[3]){v, v, v});
        }
}

int netpbm_decode(decoder *d, const image_bytes *in) {
    int rc = OK;
    netpbm p = {.in = in};
    uint8_t *out = NULL;
    if (!read_header(&p)) {
        rc = fail(E_FORMAT, "%s: malformed PNM header", in->name);
        goto done;
    }
    TRY(decoder_size(d, in, p.w, p.h));
    if (row_bytes(&p) * (uint64_t)p.h > in->n - p.at) {
        rc = fail(E_FORMAT, "%s: the PNM file is truncated", in->name);
        goto done;
    }
    TRY(decoder_whole(d, in, 0, &out));
    if (p.kind == 4)
        read_bits(out, &p);
    else
        TRY(read_samples(out, &p));
done:
    return rc;
}
