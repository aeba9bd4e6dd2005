/* What the bytes of one image tell. */
#define _GNU_SOURCE
#include "tools/audit.h"

#include "base/hash.h"
#include "base/status.h"
#include "image/rows.h"

#include <string.h>
#include <strings.h>

enum { SMALLEST = 32, LONGEST = 5, REDUCE = 8 };

/** Formats by their first bytes and by their suffixes. */
static const struct {
    const char *magic;
    size_t at, n;
    const char *suffix[2];
} formats[] = {
    {"\xFF\xD8\xFF", 0, 3, {".jpg", ".jpeg"}}, {"\x89PNG", 0, 4, {".png"}},        {"BM", 0, 2, {".bmp"}},
    {"II*\0", 0, 4, {".tif", ".tiff"}},        {"MM\0*", 0, 4, {".tif", ".tiff"}}, {"II+\0", 0, 4, {".tif", ".tiff"}},
    {"MM\0+", 0, 4, {".tif", ".tiff"}},        {"WEBP", 8, 4, {".webp"}},          {"P", 0, 1, {".ppm", ".pgm"}},
};

/** Whether a known format has another suffix, or an image's suffix stands on what is none. */
static bool is_misnamed(const unsigned char *bytes, size_t n, const char *name) {
    const char *suffix = strrchr(name, '.');
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (n < formats[i].at + formats[i].n || memcmp(bytes + formats[i].at, formats[i].magic, formats[i].n) != 0)
            continue;
        for (int k = 0; k < 2 && suffix != NULL; k++)
            if (formats[i].suffix[k] != NULL && strcasecmp(formats[i].suffix[k], suffix) == 0)
                return false;
        return true;
    }
    return true;
}

/** Size and number of colours of a JPEG, from its frame header. @return whether there is one */
static bool jpeg_frame(int *w, int *h, int *colours, const unsigned char *b, size_t n) {
    for (size_t at = 2; at + 9 < n;) {
        if (b[at] != 0xff)
            return false;
        unsigned char m = b[at + 1];
        if (m == 0xff) { /* fill */
            at++;
            continue;
        }
        if (m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc) {
            *h = b[at + 5] << 8 | b[at + 6];
            *w = b[at + 7] << 8 | b[at + 8];
            *colours = b[at + 9];
            return true;
        }
        at += m == 0x01 || (m >= 0xd0 && m <= 0xd8) ? 2 : 2 + (size_t)(b[at + 2] << 8 | b[at + 3]);
    }
    return false;
}

/** Whether a JPEG's end marker is there; what cameras and servers put behind it does not matter. */
static bool jpeg_ends(const unsigned char *b, size_t n) {
    while (n >= 2) {
        const unsigned char *p = memrchr(b + 1, 0xd9, n - 1);
        if (p == NULL)
            return false;
        if (p[-1] == 0xff)
            return true;
        n = (size_t)(p - b);
    }
    return false;
}

static void hash_grid(audit_image *out, double sum[AUDIT_GRID][AUDIT_GRID], double cell_area) {
    uint8_t(*g)[AUDIT_GRID] = (uint8_t(*)[AUDIT_GRID])out->grid;
    for (int y = 0; y < AUDIT_GRID; y++)
        for (int x = 0; x < AUDIT_GRID; x++)
            g[y][x] = (uint8_t)(sum[y][x] / cell_area + 0.5);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++) {
            out->hash[0] = out->hash[0] << 1 | (g[y][x + 1] > g[y][x] + 1);
            out->hash[1] = out->hash[1] << 1 | (g[y + 1][x] > g[y][x] + 1);
        }
    out->seen = true;
}

/** How a sample is shared by the cells that it lies over: pixels of it in its first cell and in the next. */
typedef struct share {
    int cell;
    double first, second;
} share;

/** An axis of `side` pixels, divided among AUDIT_GRID cells and read as samples of `by` pixels each. The last sample
 * has what is left. */
static share share_of(int at, int by, int side) {
    double cell = (double)side / AUDIT_GRID;
    int begin = at * by, end = begin + by < side ? begin + by : side;
    share s = {.cell = (int)(begin / cell), .first = end - begin};
    double border = (s.cell + 1) * cell;
    if (border < end && s.cell + 1 < AUDIT_GRID) { /* over two cells, or more of a tiny image */
        s.first = border > begin ? border - begin : 0;
        s.second = end - begin - s.first;
    }
    return s;
}

/** w x h: the image; `by`: pixels of it per sample and axis. */
static int see_rows(double sum[AUDIT_GRID][AUDIT_GRID], decoder *d, int w, int h, int by) {
    int rc = OK;
    for (int y = 0; y < d->h; y++) {
        const uint8_t *row = NULL;
        double line[AUDIT_GRID + 1] = {0};
        TRY(decoder_row(d, &row));
        for (int x = 0; x < d->w; x++) {
            share s = share_of(x, by, w);
            double grey = (77 * row[4 * x] + 150 * row[4 * x + 1] + 29 * row[4 * x + 2]) / 256.0;
            line[s.cell] += grey * s.first;
            line[s.cell + 1] += grey * s.second;
        }
        share s = share_of(y, by, h);
        for (int x = 0; x < AUDIT_GRID; x++) {
            sum[s.cell][x] += line[x] * s.first;
            if (s.second > 0)
                sum[s.cell + 1][x] += line[x] * s.second;
        }
    }
done:
    return rc;
}

/** Decodes the open image to its end, for its grid. */
static int see(audit_image *out, decoder *d) {
    int rc = OK, w = d->w, h = d->h, by = 1;
    double sum[AUDIT_GRID][AUDIT_GRID] = {{0}};
    if (d->by_rows && w >= REDUCE * AUDIT_GRID * 2 && h >= REDUCE * AUDIT_GRID * 2) {
        by = REDUCE;
        decoder_reduce(d, by);
    }
    TRY(decoder_begin(d, (crop_box){0, 0, d->w, d->h}));
    TRY(see_rows(sum, d, w, h, by));
    hash_grid(out, sum, (double)w * h / (AUDIT_GRID * AUDIT_GRID));
done:;
    int end = decoder_end(d, rc == OK);
    return rc < 0 ? rc : end;
}

static void put(audit_image *out, audit_kind kind) { out->kinds |= 1u << kind; }

int audit_look(audit_image *out, const char **detail, decoder *d, const unsigned char *bytes, size_t n,
               const char *name, bool quick) {
    int rc = OK, colours = 3;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    *detail = "";
    out->bytes = n;
    if (n == 0)
        return put(out, AUDIT_EMPTY), OK;
    out->digest = hash_words(bytes, n);
    bool is_jpeg = n > 3 && memcmp(bytes, "\xFF\xD8\xFF", 3) == 0;
    bool framed = is_jpeg && jpeg_frame(&out->w, &out->h, &colours, bytes, n), ends = !is_jpeg || jpeg_ends(bytes, n);
    if (is_misnamed(bytes, n, name))
        put(out, AUDIT_MISNAMED);
    if (!quick) {
        rc = decoder_open(d, &in);
        if (rc == OK) {
            out->w = d->w;
            out->h = d->h;
            rc = see(out, d);
        }
        if (rc == E_NOMEM)
            return rc;
    } else if (is_jpeg && !framed) {
        rc = fail(E_FORMAT, "%s: no frame header", name);
    }
    if (rc != OK || (quick && !ends)) { /* an image that was decoded to its end is whole without an end marker */
        out->seen = false;
        put(out, rc == E_UNSUPPORTED ? AUDIT_UNSUPPORTED : ends ? AUDIT_CORRUPT : AUDIT_TRUNCATED);
        *detail = rc != OK ? status_message() : "no end marker";
    }
    if (framed && (colours == 1 || colours == 4))
        put(out, colours == 1 ? AUDIT_GRAY : AUDIT_CMYK);
    int shorter = out->w < out->h ? out->w : out->h, longer = out->w < out->h ? out->h : out->w;
    if (shorter > 0 && shorter < SMALLEST)
        put(out, AUDIT_SMALL);
    if (shorter > 0 && longer > LONGEST * shorter)
        put(out, AUDIT_ELONGATED);
    return OK;
}
