/* TIFF by libtiff, first page. The layouts that tiff_pixels.h describes are converted as Pillow does. libtiff converts
 * the others: 1, 2 and 4 bits, and YCbCr. */

#include "base/status.h"
#include "image/rows.h"
#include "image/tiff_pixels.h"

#ifndef LINNET_TIFF

int tiff_decode(decoder *d, const image_bytes *in) {
    (void)d;
    return fail(E_UNSUPPORTED,
                "%s: TIFF is not supported: this program was built without libtiff; install libtiff-dev and rebuild, "
                "or convert the file to JPEG",
                in->name);
}

#else

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

/* Multispectral images have up to several dozen samples per pixel. A row needs memory for all of them. */
#define SAMPLES_MAX 64
#define TOO_MANY_BYTES ((uint64_t)1 << 48)

typedef struct tiff_reader {
    const image_bytes *in;
    size_t at;
    TIFF *tiff;
    uint16_t bits, samples, photometric, planar, format;
    unsigned orientation;
    tiff_layout layout; /* colors 0: one that libtiff converts */
} tiff_reader;

/* Callbacks that read from memory. */

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

/* libtiff only reads what is mapped. Without a mapping it refuses uncompressed tiles of less than 1,024 bytes. */
static int on_map(thandle_t h, void **base, toff_t *n) {
    const image_bytes *in = ((tiff_reader *)h)->in;
    *base = (void *)in->bytes;
    *n = in->n;
    return 1;
}

static void on_unmap(thandle_t h, void *base, toff_t n) {
    (void)h;
    (void)base;
    (void)n;
}

static void silence(void) {
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
}

/** An unsigned number of n bytes in the file's byte order; 0 beyond its end. */
static uint64_t number(const image_bytes *in, uint64_t at, unsigned n) {
    bool big = in->bytes[0] == 'M';
    uint64_t v = 0;
    for (unsigned i = 0; i < n && at < in->n && n <= in->n - at; i++)
        v = v << 8 | in->bytes[at + (big ? i : n - 1 - i)];
    return v;
}

/** The orientation tag of the first page. As in Pillow it counts only as SHORT or LONG; libtiff accepts other types. */
static unsigned read_orientation(const image_bytes *in) {
    bool wide = number(in, 2, 2) == 43; /* BigTIFF */
    uint64_t at = wide ? number(in, 8, 8) : number(in, 4, 4), n = number(in, at, wide ? 8 : 2);
    at += wide ? 8 : 2;
    for (uint64_t i = 0; i < n && at < in->n; i++, at += wide ? 20 : 12)
        if (number(in, at, 2) == TIFFTAG_ORIENTATION) {
            uint64_t type = number(in, at + 2, 2), value = at + (wide ? 12 : 8);
            return type == TIFF_SHORT  ? (unsigned)number(in, value, 2)
                   : type == TIFF_LONG ? (unsigned)number(in, value, 4)
                                       : 0;
        }
    return 0;
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
    r->orientation = read_orientation(r->in);
    if (r->samples > SAMPLES_MAX)
        return fail(E_UNSUPPORTED, "%s: a TIFF with %u samples per pixel; at most %d are supported", r->in->name,
                    r->samples, SAMPLES_MAX);
    if (!TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &r->photometric)) {
        if (r->samples != 1)
            return fail(E_FORMAT, "%s: malformed TIFF: no photometric tag", r->in->name);
        r->photometric = PHOTOMETRIC_MINISWHITE; /* as in Pillow */
        TIFFSetField(t, TIFFTAG_PHOTOMETRIC, r->photometric);
    }
    if (r->photometric == PHOTOMETRIC_CIELAB || r->photometric == PHOTOMETRIC_ICCLAB ||
        r->photometric == PHOTOMETRIC_ITULAB)
        return fail(E_UNSUPPORTED,
                    "%s: a TIFF in L*a*b* colours, whose conversion depends on colour profiles, is not supported; "
                    "convert it to RGB",
                    r->in->name);
    return decoder_size(d, r->in, w, h);
}

/** @return false if libtiff must convert the samples */
static bool known_sample(tiff_sample *out, const tiff_reader *r, bool gray) {
    bool whole = r->format == SAMPLEFORMAT_UINT, negative = r->format == SAMPLEFORMAT_INT;
    if (r->bits == 8 && (whole || (negative && gray)))
        *out = TIFF_SAMPLE_8;
    else if (r->bits == 16 && whole)
        *out = TIFF_SAMPLE_16;
    else if (!gray)
        return false;
    else if (r->bits == 12 && whole)
        *out = TIFF_SAMPLE_12;
    else if (r->bits == 16 && negative)
        *out = TIFF_SAMPLE_INT16;
    else if (r->bits == 32 && (whole || negative))
        *out = TIFF_SAMPLE_INT32;
    else if (r->bits == 32 && r->format == SAMPLEFORMAT_IEEEFP)
        *out = TIFF_SAMPLE_FLOAT32;
    else
        return false;
    return true;
}

/** Whether the sample after RGB is the alpha by which the colours were multiplied. */
static bool is_premultiplied(const tiff_reader *r) {
    uint16_t n = 0;
    const uint16_t *kind = NULL;
    return r->photometric == PHOTOMETRIC_RGB && r->samples > 3 &&
           TIFFGetField(r->tiff, TIFFTAG_EXTRASAMPLES, &n, &kind) && n > 0 && kind[0] == EXTRASAMPLE_ASSOCALPHA;
}

static void find_layout(tiff_reader *r) {
    tiff_layout l = {.inverted = r->photometric == PHOTOMETRIC_MINISWHITE, .premultiplied = is_premultiplied(r)};
    uint16_t *map[3] = {NULL};
    bool gray = r->photometric == PHOTOMETRIC_MINISBLACK || r->photometric == PHOTOMETRIC_MINISWHITE;
    if (!known_sample(&l.sample, r, gray) || (l.sample == TIFF_SAMPLE_12 && r->samples > 1))
        return;
    if (gray)
        l.colors = 1;
    else if (r->photometric == PHOTOMETRIC_RGB)
        l.colors = 3;
    else if (r->photometric == PHOTOMETRIC_SEPARATED)
        l.colors = 4;
    else if (r->photometric == PHOTOMETRIC_PALETTE && r->bits == 8 &&
             TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        l.colors = 1;
    for (int c = 0; c < 3; c++)
        l.map[c] = map[c]; /* owned by libtiff */
    if (r->samples >= l.colors)
        r->layout = l;
}

static bool is_separate(const tiff_reader *r) { return r->planar == PLANARCONFIG_SEPARATE && r->samples > 1; }

static int planes(const tiff_reader *r) {
    return !is_separate(r) ? 1 : r->layout.colors > 0 ? tiff_planes(&r->layout) : TIFF_PLANES;
}

/** What is read of a plane at once: a tile, a row, or with separate planes a strip. */
typedef struct part {
    uint32_t w, h;
    uint64_t row_bytes, bytes; /* not less than libtiff writes; 0: not valid */
} part;

static part part_of(const tiff_reader *r, const decoder *d) {
    part p = {.w = (uint32_t)d->w, .h = 1};
    uint64_t written = 0;
    if (TIFFIsTiled(r->tiff)) {
        TIFFGetField(r->tiff, TIFFTAG_TILEWIDTH, &p.w);
        TIFFGetField(r->tiff, TIFFTAG_TILELENGTH, &p.h);
        written = TIFFTileSize64(r->tiff);
    } else if (is_separate(r)) {
        TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ROWSPERSTRIP, &p.h);
        p.h = p.h < (uint32_t)d->h ? p.h : (uint32_t)d->h;
        written = TIFFStripSize64(r->tiff);
    } else {
        written = TIFFScanlineSize64(r->tiff);
    }
    p.row_bytes = ((uint64_t)p.w * r->bits * (is_separate(r) ? 1 : r->samples) + 7) / 8;
    if (written > 0) /* what libtiff computes does not overflow, so that neither does this */
        p.bytes = p.row_bytes * p.h > written ? p.row_bytes * p.h : written;
    return p;
}

/** Memory that decoding needs besides the whole image: a part of each plane, or the strips or tiles for libtiff's
 *  conversion, and a copy to apply the orientation. */
static uint64_t memory_needed(const tiff_reader *r, const decoder *d) {
    uint64_t bytes = r->layout.colors > 0   ? part_of(r, d).bytes
                     : TIFFIsTiled(r->tiff) ? TIFFTileSize64(r->tiff)
                                            : TIFFStripSize64(r->tiff);
    bool turns = r->orientation >= 2 && r->orientation <= 8;
    bytes = bytes < TOO_MANY_BYTES ? bytes : TOO_MANY_BYTES;
    return bytes * (uint64_t)planes(r) + (turns ? (uint64_t)d->w * (uint64_t)d->h * 4 : 0);
}

/** Reads the part at (x, y) of one plane. @return false if the file is damaged */
static bool read_part(uint8_t *to, const tiff_reader *r, const part *p, uint32_t x, uint32_t y, uint16_t plane) {
    if (TIFFIsTiled(r->tiff))
        return TIFFReadTile(r->tiff, to, x, y, 0, plane) >= 0;
    if (is_separate(r))
        return TIFFReadEncodedStrip(r->tiff, TIFFComputeStrip(r->tiff, y, plane), to, (tmsize_t)p->bytes) >= 0;
    return TIFFReadScanline(r->tiff, to, y, 0) >= 0;
}

/** Converts the part at (x, y) of all planes, which follow each other in `bytes`, as far as it is within the image. */
static void convert_part(uint8_t *out, const tiff_reader *r, const decoder *d, const part *p, const uint8_t *bytes,
                         uint32_t x, uint32_t y) {
    uint32_t left_w = (uint32_t)d->w - x, left_h = (uint32_t)d->h - y;
    size_t apart = is_separate(r) ? p->bytes : r->bits / 8u; /* from one sample of a pixel to the next */
    for (uint32_t j = 0; j < p->h && j < left_h; j++) {
        const uint8_t *plane[TIFF_PLANES] = {NULL};
        for (int c = 0; c < tiff_planes(&r->layout); c++)
            plane[c] = bytes + j * p->row_bytes + (size_t)c * apart;
        tiff_convert(out + ((size_t)(y + j) * (size_t)d->w + x) * 4, &r->layout, plane, is_separate(r) ? 1 : r->samples,
                     (int)(p->w < left_w ? p->w : left_w));
    }
}

static int read_known(uint8_t *out, const tiff_reader *r, const decoder *d) {
    int rc = OK;
    part p = part_of(r, d);
    uint8_t *bytes = NULL;
    if (p.bytes == 0)
        return fail(E_FORMAT, "%s: malformed TIFF: invalid size of its tiles or strips", r->in->name);
    TRY(memory_zeroed(&bytes, (size_t)p.bytes, (size_t)planes(r)));
    for (uint64_t y = 0; y < (uint64_t)d->h; y += p.h)
        for (uint64_t x = 0; x < (uint64_t)d->w; x += p.w) {
            for (int i = 0; i < planes(r); i++)
                if (!read_part(bytes + (size_t)i * p.bytes, r, &p, (uint32_t)x, (uint32_t)y, (uint16_t)i)) {
                    rc = fail(E_FORMAT, "%s: not a readable TIFF: corrupt or truncated at row %u", r->in->name,
                              (unsigned)y);
                    goto done;
                }
            convert_part(out, r, d, &p, bytes, (uint32_t)x, (uint32_t)y);
        }
done:
    free(bytes);
    return rc;
}

static int read_other(uint8_t *out, tiff_reader *r, const decoder *d) {
    char message[1024] = "";
    if (!TIFFRGBAImageOK(r->tiff, message))
        return fail(E_UNSUPPORTED, "%s: libtiff cannot convert this TIFF to RGB: %s", r->in->name, message);
    TIFFSetField(r->tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT); /* turn() applies the orientation */
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

/** Applies the orientation tag, as Pillow does for TIFF (and for no other format). */
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
    r.tiff = TIFFClientOpen(in->name, "r", &r, on_read, on_write, on_seek, on_close, on_size, on_map, on_unmap);
    if (r.tiff == NULL) {
        rc = fail(E_FORMAT, "%s: not a readable TIFF: bad header", in->name);
        goto done;
    }
    TRY(read_tags(&r, d));
    find_layout(&r);
    TRY(decoder_whole(d, in, memory_needed(&r, d), &out));
    TRY(r.layout.colors > 0 ? read_known(out, &r, d) : read_other(out, &r, d));
    TRY(turn(d, r.orientation));
done:
    if (r.tiff != NULL)
        TIFFClose(r.tiff);
    return rc;
}

#endif
