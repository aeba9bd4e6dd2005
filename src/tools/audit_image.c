/* Checks the bytes of one image. */
#define _GNU_SOURCE
#include "tools/audit.h"

#include "base/hash.h"
#include "base/status.h"
#include "image/rows.h"

#include <math.h>
#include <string.h>

enum { SMALLEST = 32, LONGEST = 5, REDUCE = 8 };

/** Whether the suffix does not match the format, or the format is unknown. */
static bool is_misnamed(const unsigned char *bytes, size_t n, const char *name) {
    const char *suffix = strrchr(name, '.');
    return suffix == NULL || !decoder_has_suffix(bytes, n, suffix);
}

/** Reads size and number of components of a JPEG from its frame header. @return whether it has one */
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

/** Whether a JPEG has an end marker; data that cameras and servers append after it are ignored. */
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

/** How a sample is divided between the two cells that it covers: its pixels in the first cell and in the next. */
typedef struct share {
    int cell;
    double first, second;
} share;

/** An axis of `side` pixels is divided into AUDIT_GRID cells and read as samples of `by` pixels each; the last
 *  sample may be smaller. */
static share share_of(int at, int by, int side) {
    double cell = (double)side / AUDIT_GRID;
    int begin = at * by, end = begin + by < side ? begin + by : side;
    share s = {.cell = (int)(begin / cell), .first = end - begin};
    double border = (s.cell + 1) * cell;
    if (border < end && s.cell + 1 < AUDIT_GRID) { /* covers two cells, or more in a tiny image */
        s.first = border > begin ? border - begin : 0;
        s.second = end - begin - s.first;
    }
    return s;
}

static void add_colours(audit_colours *out, const uint8_t *row, int n) {
    for (int x = 0; x < n; x++)
        for (int c = 0; c < 3; c++) {
            unsigned v = row[4 * x + c];
            out->sum[c] += v;
            out->square[c] += v * v;
        }
    out->pixels += (uint64_t)n;
}

void audit_mean_std(double mean[3], double std[3], const audit_colours *c) {
    double n = c->pixels > 0 ? (double)c->pixels : 1;
    for (int k = 0; k < 3; k++) {
        double m = (double)c->sum[k] / n, square = (double)c->square[k] / n - m * m;
        mean[k] = m / 255;
        std[k] = sqrt(square > 0 ? square : 0) / 255;
    }
}

/** Sums the grey values of each cell. w x h: size of the image; `by`: its pixels per sample and axis. */
static int see_rows(double sum[AUDIT_GRID][AUDIT_GRID], audit_colours *colours, decoder *d, int w, int h, int by) {
    int rc = OK;
    for (int y = 0; y < d->h; y++) {
        const uint8_t *row = NULL;
        double line[AUDIT_GRID + 1] = {0};
        TRY(decoder_row(d, &row));
        if (colours != NULL)
            add_colours(colours, row, d->w);
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

/** Decodes the whole open image and computes its grid. colours: NULL, or the sums to which its pixels are added. */
static int see(audit_image *out, audit_colours *colours, decoder *d) {
    int rc = OK, w = d->w, h = d->h, by = 1;
    audit_colours before = colours != NULL ? *colours : (audit_colours){0};
    double sum[AUDIT_GRID][AUDIT_GRID] = {{0}};
    if (colours == NULL && d->by_rows && w >= REDUCE * AUDIT_GRID * 2 && h >= REDUCE * AUDIT_GRID * 2) {
        by = REDUCE;
        decoder_reduce(d, by);
    }
    TRY(decoder_begin(d, (crop_box){0, 0, d->w, d->h}));
    TRY(see_rows(sum, colours, d, w, h, by));
    hash_grid(out, sum, (double)w * h / (AUDIT_GRID * AUDIT_GRID));
done:;
    int end = decoder_end(d, rc == OK);
    rc = rc < 0 ? rc : end;
    if (rc != OK && colours != NULL)
        *colours = before;
    return rc;
}

static void put(audit_image *out, audit_kind kind) { out->kinds |= 1u << kind; }

int audit_look(audit_image *out, const char **detail, audit_colours *colours, decoder *d, const unsigned char *bytes,
               size_t n, const char *name, bool quick) {
    int rc = OK, channels = 3;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    *detail = "";
    out->bytes = n;
    if (n == 0)
        return put(out, AUDIT_EMPTY), OK;
    out->digest = hash_words(bytes, n);
    bool is_jpeg = n > 3 && memcmp(bytes, "\xFF\xD8\xFF", 3) == 0;
    bool framed = is_jpeg && jpeg_frame(&out->w, &out->h, &channels, bytes, n), ends = !is_jpeg || jpeg_ends(bytes, n);
    if (is_misnamed(bytes, n, name))
        put(out, AUDIT_MISNAMED);
    if (!quick) {
        rc = decoder_open(d, &in);
        if (rc == OK) {
            out->w = d->w;
            out->h = d->h;
            rc = see(out, colours, d);
        }
        if (rc == E_NOMEM)
            return rc;
    } else if (is_jpeg && !framed) {
        rc = fail(E_FORMAT, "%s: no frame header", name);
    }
    if (rc != OK || (quick && !ends)) { /* a completely decoded image is intact even without an end marker */
        out->seen = false;
        put(out, rc == E_UNSUPPORTED ? AUDIT_UNSUPPORTED : ends ? AUDIT_CORRUPT : AUDIT_TRUNCATED);
        *detail = rc != OK ? status_message() : "no end marker";
    }
    if (framed && (channels == 1 || channels == 4))
        put(out, channels == 1 ? AUDIT_GRAY : AUDIT_CMYK);
    int shorter = out->w < out->h ? out->w : out->h, longer = out->w < out->h ? out->h : out->w;
    if (shorter > 0 && shorter < SMALLEST)
        put(out, AUDIT_SMALL);
    if (shorter > 0 && longer > LONGEST * shorter)
        put(out, AUDIT_ELONGATED);
    return OK;
}
