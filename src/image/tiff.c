/* TIFF by libtiff, first page. Gray, RGB, CMYK and palette of 8 or 16 bits come out as Pillow's convert("RGB") (16-bit
 * gray is cut off at 255, 16-bit colour keeps its high bytes); the rest goes through libtiff's own conversion. */

#include "base/status.h"
#include "image/rows.h"

#ifndef LINNET_TIFF

int tiff_decode(decoder *d, const image_bytes *in) {
    (void)d;
    return fail(E_UNSUPPORTED, "%s: a TIFF file, and this program was built without libtiff", in->name);
}

#else

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

/* Multispectral images have up to some dozens; a row takes memory for all of them. */
#define SAMPLES_MAX 64

typedef struct tiff_reader {
    const image_bytes *in;
    size_t at;
    TIFF *tiff;
    uint16_t bits, samples, photometric, planar, format, orientation;
    uint16_t *map[3]; /* palette, 16 bits; libtiff's */
} tiff_reader;

/* The file is memory. */

static tmsize_t on_read(thandle_t h, void *to, tmsize_t n) {
    tiff_reader *r = (tiff_reader *)h;
    size_t left = r->at < r->in->n ? r->in->n - r->at : 0, some = (size_t)n < left ? (size_t)n : left;
    memcpy(to, r->in->bytes + (r->in->n - left), some);
    r->at += some;
    return (tmsize_t)some;
}

static tmsize_t on_write(thandle_t h, void *from, tmsize_t n) {
    (void)h;
    (void)from;
    (void)n;
    return 0;
}

static toff_t on_seek(thandle_t h, toff_t offset, int whence) {
    tiff_reader *r = (tiff_reader *)h;
    r->at = (size_t)offset + (whence == SEEK_CUR ? r->at : whence == SEEK_END ? r->in->n : 0);
    return (toff_t)r->at;
}

static int on_close(thandle_t h) {
    (void)h;
    return 0;
}

static toff_t on_size(thandle_t h) { return (toff_t)((tiff_reader *)h)->in->n; }

static void silence(void) {
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
}

static int read_tags(tiff_reader *r, decoder *d) {
    uint32_t w = 0, h = 0;
    TIFF *t = r->tiff;
    TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &w);
    TIFFGetField(t, TIFFTAG_IMAGELENGTH, &h);
    TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &r->bits);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &r->samples);
    TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &r->planar);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &r->format);
    TIFFGetFieldDefaulted(t, TIFFTAG_ORIENTATION, &r->orientation);
    if (!TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &r->photometric))
        return fail(E_FORMAT, "%s: a TIFF without a photometric tag", r->in->name);
    if (r->samples > SAMPLES_MAX)
        return fail(E_UNSUPPORTED, "%s: a TIFF of %u samples per pixel; at most %d are supported", r->in->name,
                    r->samples, SAMPLES_MAX);
    return decoder_size(d, r->in, w, h);
}

/** How many samples of a pixel count for its colour; 0: a layout left to libtiff. */
static int known_layout(tiff_reader *r) {
    if (TIFFIsTiled(r->tiff) || (r->bits != 8 && r->bits != 16) || r->format != SAMPLEFORMAT_UINT ||
        (r->planar != PLANARCONFIG_CONTIG && r->samples > 1))
        return 0;
    int needed = 0;
    if (r->photometric == PHOTOMETRIC_MINISBLACK || r->photometric == PHOTOMETRIC_MINISWHITE)
        needed = 1;
    else if (r->photometric == PHOTOMETRIC_RGB)
        needed = 3;
    else if (r->photometric == PHOTOMETRIC_SEPARATED)
        needed = 4;
    else if (r->photometric == PHOTOMETRIC_PALETTE && r->bits == 8 &&
             TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &r->map[0], &r->map[1], &r->map[2]))
        needed = 1;
    return r->samples >= needed ? needed : 0;
}

/** Memory that decoding takes besides the whole image: rows, or with libtiff's conversion strips or tiles, and a copy
 * to turn it. */
static uint64_t memory_needed(const tiff_reader *r, const decoder *d, int needed) {
    uint64_t planes = r->planar == PLANARCONFIG_CONTIG ? 1 : 4;
    uint64_t part = needed > 0             ? TIFFScanlineSize64(r->tiff)
                    : TIFFIsTiled(r->tiff) ? TIFFTileSize64(r->tiff) * planes
                                           : TIFFStripSize64(r->tiff) * planes;
    bool turns = r->orientation >= 2 && r->orientation <= 8;
    return part + (turns ? (uint64_t)d->w * (uint64_t)d->h * 4 : 0);
}

static uint8_t remove_ink(unsigned ink, unsigned black) {
    unsigned white = 255 - black, product = ink * white + 128, dark = ((product >> 8) + product) >> 8;
    return (uint8_t)(white > dark ? white - dark : 0);
}

static void convert_row(uint8_t *to, const tiff_reader *r, const uint8_t *row, int w, int needed) {
    for (int x = 0; x < w; x++, to += 4) {
        uint8_t s[4] = {0};
        for (int c = 0; c < needed; c++) {
            size_t at = (size_t)x * r->samples + (size_t)c;
            uint16_t wide = 0;
            if (r->bits == 16)
                memcpy(&wide, row + at * 2, 2); /* libtiff has put it into this machine's order */
            uint8_t narrow = needed == 1 ? (wide > 255 ? 255 : (uint8_t)wide) : (uint8_t)(wide >> 8);
            s[c] = r->bits == 16 ? narrow : row[at];
        }
        if (r->photometric == PHOTOMETRIC_MINISWHITE && r->bits == 8)
            s[0] = (uint8_t)(255 - s[0]);
        for (int c = 0; c < 3; c++)
            to[c] = r->map[0] != NULL ? (uint8_t)(r->map[c][s[0]] >> 8)
                    : needed == 1     ? s[0]
                    : needed == 4     ? remove_ink(s[c], s[3])
                                      : s[c];
        to[3] = 255;
    }
}

static int read_known(uint8_t *out, tiff_reader *r, const decoder *d, int needed) {
    int rc = OK;
    uint8_t *row = NULL;
    size_t bytes = (size_t)TIFFScanlineSize(r->tiff), want = (size_t)d->w * r->samples * (r->bits / 8);
    TRY(memory_zeroed(&row, bytes > want ? bytes : want, 1));
    for (int y = 0; y < d->h; y++) {
        if (TIFFReadScanline(r->tiff, row, (uint32_t)y, 0) < 0) {
            rc = fail(E_FORMAT, "%s: not a readable TIFF: corrupt or truncated at row %d", r->in->name, y);
            goto done;
        }
        convert_row(out + (size_t)y * (size_t)d->w * 4, r, row, d->w, needed);
    }
done:
    free(row);
    return rc;
}

static int read_other(uint8_t *out, tiff_reader *r, const decoder *d) {
    char message[1024] = "";
    if (!TIFFRGBAImageOK(r->tiff, message))
        return fail(E_UNSUPPORTED, "%s: a TIFF that libtiff cannot convert: %s", r->in->name, message);
    TIFFSetField(r->tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT); /* turn() does that */
    if (!TIFFReadRGBAImageOriented(r->tiff, (uint32_t)d->w, (uint32_t)d->h, (uint32_t *)(void *)out,
                                   ORIENTATION_TOPLEFT, 1))
        return fail(E_FORMAT, "%s: not a readable TIFF: corrupt or truncated", r->in->name);
    for (size_t i = 0; i < (size_t)d->w * (size_t)d->h; i++) {
        uint32_t pixel = 0;
        memcpy(&pixel, out + i * 4, 4);
        memcpy(out + i * 4,
               (uint8_t[]){(uint8_t)TIFFGetR(pixel), (uint8_t)TIFFGetG(pixel), (uint8_t)TIFFGetB(pixel), 255}, 4);
    }
    return OK;
}

/** Turns the image as its orientation tag says: Pillow does this for TIFF (and for no other format). */
static int turn(decoder *d, unsigned orientation) {
    int rc = OK, w = d->w, h = d->h;
    uint32_t *copy = NULL;
    if (orientation < 2 || orientation > 8)
        return OK;
    size_t n = (size_t)w * (size_t)h;
    TRY(memory_zeroed(&copy, n, sizeof *copy));
    memcpy(copy, d->whole.base, n * sizeof *copy);
    bool swap = orientation >= 5;
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    d->w = swap ? h : w;
    d->h = swap ? w : h;
    for (int y = 0; y < d->h; y++)
        for (int x = 0; x < d->w; x++) {
            int from_x = swap ? y : x, from_y = swap ? x : y;
            from_x = from_right ? w - 1 - from_x : from_x;
            from_y = from_bottom ? h - 1 - from_y : from_y;
            memcpy(d->whole.base + ((size_t)y * (size_t)d->w + (size_t)x) * 4, &copy[(size_t)from_y * w + from_x], 4);
        }
done:
    free(copy);
    return rc;
}

int tiff_decode(decoder *d, const image_bytes *in) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int rc = OK;
    tiff_reader r = {.in = in};
    uint8_t *out = NULL;
    pthread_once(&once, silence);
    r.tiff = TIFFClientOpen(in->name, "rm", &r, on_read, on_write, on_seek, on_close, on_size, NULL, NULL);
    if (r.tiff == NULL) {
        rc = fail(E_FORMAT, "%s: not a readable TIFF: bad header", in->name);
        goto done;
    }
    TRY(read_tags(&r, d));
    int needed = known_layout(&r);
    TRY(decoder_whole(d, in, memory_needed(&r, d, needed), &out));
    TRY(needed > 0 ? read_known(out, &r, d, needed) : read_other(out, &r, d));
    TRY(turn(d, r.orientation));
done:
    if (r.tiff != NULL)
        TIFFClose(r.tiff);
    return rc;
}

#endif
