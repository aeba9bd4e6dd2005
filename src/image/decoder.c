/* Recognises the format of an image and decodes its rows by the codec of that format. */

#define _GNU_SOURCE
#include "image/decoder.h"

#include "base/status.h"
#include "image/memory_budget.h"
#include "image/rows.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* JPEG's maximum; it also keeps int arithmetic on sizes below from overflowing */
#define SIDE_MAX 65535
/* A large image must have a minimum number of bytes. A valid file encodes at most 8,256 pixels per byte: deflate's
 * 1032 to 1 at one bit per pixel. */
#define FREE_PIXELS ((size_t)16 << 20)
#define PIXELS_PER_BYTE 8256

image_limits image_limits_default(void) {
    return (image_limits){
        .max_pixels = 178956970, .max_scans = 100, .max_file_bytes = (size_t)1 << 30, .max_bytes = (size_t)2 << 30};
}

int decoder_create(decoder **out, const image_limits *limits) {
    int rc = OK;
    decoder *d = NULL;
    TRY(memory_zeroed(&d, 1, sizeof *d));
    d->limits = limits != NULL ? *limits : image_limits_default();
    d->kernels = resample_best();
    TRY(jpeg_reader_create(&d->jpeg));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    decoder_destroy(d);
    return rc;
}

/** Releases memory that only a very large image needs, and the image's part of the budget. */
static void release(decoder *d) {
    if (d->whole.bytes > MEMORY_BUDGET_FREE)
        arena_deinit(&d->whole);
    if (d->taken > 0)
        memory_budget_release(d->taken);
    d->taken = 0;
}

void decoder_destroy(decoder *d) {
    if (d == NULL)
        return;
    jpeg_reader_destroy(d->jpeg);
    release(d);
    arena_deinit(&d->whole);
    arena_deinit(&d->work);
    free(d);
}

/** Reports a lack of memory as an error of this image (E_FORMAT), since other images may need less. */
static int blame_image(const char *name, int rc) {
    return rc == E_NOMEM ? fail_context(E_FORMAT, "%s: not enough memory to decode this image", name) : rc;
}

int decoder_room(arena *a, size_t bytes) {
    a->used = 0;
    if (bytes <= a->bytes && (a->bytes <= MEMORY_BUDGET_FREE || bytes > MEMORY_BUDGET_FREE))
        return OK;
    arena_deinit(a);
    int rc = arena_init(a, bytes);
    return rc == E_NOMEM ? fail_context(E_FORMAT, "not enough memory to decode the image") : rc;
}

int decoder_take(decoder *d, size_t bytes) {
    if (bytes > d->limits.max_bytes)
        return fail(E_FORMAT, "%s: decoding this image needs %zu MiB of memory, more than the limit of %zu MiB",
                    d->name, bytes >> 20, d->limits.max_bytes >> 20);
    if (bytes > MEMORY_BUDGET_FREE) {
        memory_budget_acquire(bytes);
        d->taken = bytes;
    }
    return OK;
}

int decoder_size(decoder *d, const image_bytes *in, int64_t w, int64_t h) {
    if (w <= 0 || h <= 0)
        return fail(E_FORMAT, "%s: invalid image size of %" PRId64 " x %" PRId64 " pixels", in->name, w, h);
    if (w > SIDE_MAX || h > SIDE_MAX || w * h > d->limits.max_pixels)
        return fail(E_FORMAT,
                    "%s: the header specifies %" PRId64 " x %" PRId64 " pixels, more than %" PRId64
                    " (data.max_pixels) or %d per side",
                    in->name, w, h, d->limits.max_pixels, SIDE_MAX);
    d->w = (int)w;
    d->h = (int)h;
    return OK;
}

int decoder_whole(decoder *d, const image_bytes *in, size_t more, uint8_t **rgbx) {
    int rc = OK;
    size_t pixels = (size_t)d->w * (size_t)d->h;
    if (pixels > FREE_PIXELS && pixels / PIXELS_PER_BYTE > in->n)
        return fail(E_FORMAT, "%s: the header specifies %d x %d pixels, more than a file of %zu bytes can contain",
                    in->name, d->w, d->h, in->n);
    TRY(decoder_take(d, pixels * 4 + RESAMPLE_MARGIN + more));
    rc = decoder_room(&d->whole, pixels * 4 + RESAMPLE_MARGIN);
    if (rc != OK)
        return fail_context(rc, "%s", in->name);
    *rgbx = d->whole.base;
done:
    return rc;
}

/* A format is recognised by its first bytes. Formats without a codec are refused, with their name in the message. */
typedef struct format {
    const char *magic;
    size_t at, n;
    const char *suffix[2];                            /* the usual one first; none: unsupported, see refusal */
    int (*decode)(decoder *d, const image_bytes *in); /* NULL with a suffix: JPEG, decoded row by row */
    const char *refusal;
} format;

static const format formats[] = {
    {"\xFF\xD8\xFF", 0, 3, {".jpg", ".jpeg"}, NULL, NULL},
    {"\x89PNG\r\n\x1a\n", 0, 8, {".png"}, png_decode, NULL},
    {"BM", 0, 2, {".bmp"}, bmp_decode, NULL},
    {"II*\0", 0, 4, {".tif", ".tiff"}, tiff_decode, NULL},
    {"MM\0*", 0, 4, {".tif", ".tiff"}, tiff_decode, NULL},
    {"II+\0", 0, 4, {".tif", ".tiff"}, tiff_decode, NULL},
    {"MM\0+", 0, 4, {".tif", ".tiff"}, tiff_decode, NULL},
    {"WEBP", 8, 4, {".webp"}, webp_decode, NULL},
    {"P1", 0, 2, {".ppm", ".pgm"}, netpbm_decode, NULL},
    {"P2", 0, 2, {".ppm", ".pgm"}, netpbm_decode, NULL},
    {"P3", 0, 2, {".ppm", ".pgm"}, netpbm_decode, NULL},
    {"P4", 0, 2, {".ppm", ".pgm"}, netpbm_decode, NULL},
    {"P5", 0, 2, {".ppm", ".pgm"}, netpbm_decode, NULL},
    {"P6", 0, 2, {".ppm", ".pgm"}, netpbm_decode, NULL},
    {"GIF8", 0, 4, {NULL}, NULL, "a GIF"},
    {"\0\0\0\x0cjP  ", 0, 8, {NULL}, NULL, "a JPEG 2000"},
    {"ftyp", 4, 4, {NULL}, NULL, "an AVIF or HEIF"},
    {"\0\0\1\0", 0, 4, {NULL}, NULL, "an ICO"},
    {"\0\0\0\x0cJXL ", 0, 8, {NULL}, NULL, "a JPEG XL"},
    {"\xFF\x4F\xFF\x51", 0, 4, {NULL}, NULL, "a JPEG 2000"}, /* the codestream alone */
    {"PF\n", 0, 3, {NULL}, NULL, "a PFM"},
    {"Pf\n", 0, 3, {NULL}, NULL, "a PFM"},
    {"\x28\0\0\0", 0, 4, {NULL}, NULL, "a DIB"}, /* a BMP without its file header */
    {"8BPS", 0, 4, {NULL}, NULL, "a PSD"},
    {"DDS ", 0, 4, {NULL}, NULL, "a DDS"},
    {"qoif", 0, 4, {NULL}, NULL, "a QOI"},
};

const char *decoder_missing(void) {
    return ""
#ifndef LINNET_PNG
           " .png"
#endif
#ifndef LINNET_TIFF
           " .tif"
#endif
#ifndef LINNET_WEBP
           " .webp"
#endif
        ;
}

/** @return NULL if no format matches */
static const format *format_of(const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const format *f = &formats[i];
        if (n >= f->at + f->n && memcmp(bytes + f->at, f->magic, f->n) == 0)
            return f;
    }
    return NULL;
}

const char *decoder_suffix(const unsigned char *bytes, size_t n) {
    const format *f = format_of(bytes, n);
    return f != NULL ? f->suffix[0] : NULL;
}

bool decoder_has_suffix(const unsigned char *bytes, size_t n, const char *suffix) {
    const format *f = format_of(bytes, n);
    for (int i = 0; f != NULL && i < 2 && f->suffix[i] != NULL; i++)
        if (strcasecmp(f->suffix[i], suffix) == 0)
            return true;
    return false;
}

static int open_jpeg(decoder *d, const image_bytes *in) {
    int rc = OK, w = 0, h = 0;
    TRY(jpeg_reader_open(&w, &h, d->jpeg, in->bytes, in->n, in->name));
    TRY(decoder_size(d, in, w, h));
    d->by_rows = true;
done:
    if (rc < 0)
        jpeg_reader_close(d->jpeg);
    return rc;
}

static int open_image(decoder *d, const image_bytes *in) {
    d->by_rows = false;
    d->name = in->name;
    if (in->n == 0)
        return fail(E_FORMAT, "%s: the file is empty", in->name);
    if (in->n > d->limits.max_file_bytes)
        return fail(E_FORMAT, "%s: file of %zu bytes, more than the limit of %zu bytes", in->name, in->n,
                    d->limits.max_file_bytes);
    const format *f = format_of(in->bytes, in->n);
    if (f == NULL)
        return fail(E_FORMAT, "%s: not an image: its first bytes match no known format", in->name);
    if (f->refusal != NULL)
        return fail(E_UNSUPPORTED, "%s: %s file, which is not supported; convert it to JPEG or PNG", in->name,
                    f->refusal);
    return f->decode != NULL ? f->decode(d, in) : open_jpeg(d, in);
}

int decoder_open(decoder *d, const image_bytes *in) {
    errno = 0;
    int rc = open_image(d, in);
    if (rc != OK)
        release(d);
    if (rc == E_FORMAT && errno == ENOMEM) /* libraries do not say whether the file or the memory is at fault */
        rc = fail(E_NOMEM, "cannot allocate memory");
    return blame_image(in->name, rc);
}

void decoder_reduce(decoder *d, int by) {
    assert(d->by_rows && (by == 2 || by == 4 || by == 8));
    jpeg_reader_reduce(d->jpeg, by);
    d->w = (d->w + by - 1) / by;
    d->h = (d->h + by - 1) / by;
}

int decoder_begin(decoder *d, crop_box region) {
    int rc = OK;
    d->region = region;
    d->next_row = 0;
    if (!d->by_rows)
        return OK;
    TRY(jpeg_reader_check(d->jpeg));
    size_t rows = d->work.bytes > MEMORY_BUDGET_FREE ? d->work.bytes : 0; /* that the caller keeps */
    TRY(decoder_take(d, jpeg_reader_memory(d->jpeg) + rows));
    TRY(jpeg_reader_begin(d->jpeg, region, &d->limits));
done:
    return blame_image(d->name, rc);
}

int decoder_row(decoder *d, const uint8_t **row) {
    int y = d->region.y + d->next_row++;
    if (d->by_rows)
        return blame_image(d->name, jpeg_reader_row(d->jpeg, row));
    *row = d->whole.base + ((size_t)y * (size_t)d->w + (size_t)d->region.x) * 4;
    return OK;
}

int decoder_end(decoder *d, bool complete) {
    int rc = OK;
    if (d->by_rows) {
        rc = complete ? blame_image(d->name, jpeg_reader_check_rest(d->jpeg)) : OK;
        jpeg_reader_close(d->jpeg);
    }
    d->by_rows = false;
    release(d);
    return rc;
}

int decoder_decode_full(const uint8_t **pixels, int *w, int *h, decoder *d, const unsigned char *bytes, size_t n,
                        const char *name) {
    int rc = OK;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    bool opened = false;
    TRY(decoder_open(d, &in));
    opened = true;
    TRY(decoder_begin(d, (crop_box){0, 0, d->w, d->h}));
    rc = decoder_room(&d->work, (size_t)d->w * (size_t)d->h * 3);
    if (rc != OK) {
        fail_context(rc, "%s", name);
        goto done;
    }
    for (int y = 0; y < d->h; y++) {
        const uint8_t *row = NULL;
        TRY(decoder_row(d, &row));
        d->kernels->emit(d->work.base + (size_t)y * (size_t)d->w * 3, row, d->w, false);
    }
    *pixels = d->work.base;
    *w = d->w;
    *h = d->h;
done:
    if (opened) {
        int end = decoder_end(d, rc == OK);
        rc = rc < 0 ? rc : end;
    }
    return rc;
}
