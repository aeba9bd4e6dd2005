/* Crop, resize and flip of the train and val paths. */

#define _GNU_SOURCE
#include "loader/transform.h"

#include "base/memory.h"
#include "base/status.h"
#include "image/rows.h"

#include <math.h>
#include <string.h>

transform transform_default(bool training, int size, int resize) {
    return (transform){.training = training,
                       .augment = training,
                       .size = size,
                       .resize = resize,
                       .scale = {0.08, 1.0},
                       .ratio = {3.0 / 4.0, 4.0 / 3.0},
                       .flip = 0.5};
}

/** Python's round(): ties to even, which is the default rounding mode. */
static int round_even(double x) { return (int)lrint(x); }

static int at_least_1(int n) { return n > 1 ? n : 1; }

/** torchvision's fallback if ten draws do not fit: the largest central crop with an allowed aspect ratio. */
static crop_box central_crop(const transform *t, int w, int h) {
    double ratio = (double)w / (double)h;
    crop_box box = {.w = w, .h = h};
    if (ratio < t->ratio[0])
        box.h = at_least_1(round_even(w / t->ratio[0]));
    else if (ratio > t->ratio[1])
        box.w = at_least_1(round_even(h * t->ratio[1]));
    box.x = (w - box.w) / 2;
    box.y = (h - box.h) / 2;
    return box;
}

crop_box transform_random_resized_crop(const transform *t, int w, int h, random_stream *r) {
    double area = (double)w * (double)h, log_low = log(t->ratio[0]), log_high = log(t->ratio[1]);
    for (int attempt = 0; attempt < 10; attempt++) {
        double target = area * random_uniform(r, t->scale[0], t->scale[1]);
        double aspect = exp(random_uniform(r, log_low, log_high));
        crop_box box = {.w = round_even(sqrt(target * aspect)), .h = round_even(sqrt(target / aspect))};
        if (box.w <= 0 || box.w > w || box.h <= 0 || box.h > h)
            continue;
        box.y = (int)random_below(r, (uint64_t)(h - box.h) + 1);
        box.x = (int)random_below(r, (uint64_t)(w - box.w) + 1);
        return box;
    }
    return central_crop(t, w, h);
}

/** The interval [from, from + length) along one axis, in pixels. */
typedef struct span {
    double from, length;
} span;

/** The geometry of one output: the part `across` x `down` of `box` is resized to full_w x full_h, and the window of
 *  the result is placed at (to_x, to_y) of the output. */
typedef struct plan {
    int reduce; /* 2, 4, 8: a JPEG decoded at 1/reduce, and `box` is in reduced pixels; 1: full size */
    crop_box box;
    span across, down; /* relative to the box: all of it, unless the image is reduced */
    int full_w, full_h;
    crop_box window;
    int to_x, to_y;
    bool flip, vertical_flip;
    resizing how;
} plan;

static plan plan_crop(crop_box box, int size, bool flip) {
    return (plan){.reduce = 1,
                  .box = box,
                  .across = {0, box.w},
                  .down = {0, box.h},
                  .full_w = size,
                  .full_h = size,
                  .window = {0, 0, size, size},
                  .flip = flip};
}

/** Maps n pixels from *first, of `all`, to an image reduced by `by`: sets *first and *n to the reduced pixels that
 *  contain them and returns their position within these. A last pixel that crosses the image's edge is excluded,
 *  because part of it is the encoder's padding. */
static span reduce_axis(int *first, int *n, int all, int by) {
    int low = *first / by, high = (*first + *n + by - 1) / by;
    span s = {.from = (double)(*first % by) / by, .length = (double)*n / by};
    *first = low;
    *n = (high < all / by ? high : all / by) - low;
    return s;
}

/** fast_decode: changes the plan of a w x h image so that it is decoded at the smallest scale that the output
 *  allows. Only 1/2, 1/4 and 1/8 are used: libjpeg-turbo has SIMD for 1/2 and 1/4, and 1/8 needs no transform.
 *  Scales between them, such as 5/8, take longer than a full decode. */
static void plan_reduce(plan *p, int w, int h) {
    while (p->reduce < 8 && p->box.w >= 2 * p->reduce * p->full_w && p->box.h >= 2 * p->reduce * p->full_h)
        p->reduce *= 2;
    if (p->reduce == 1)
        return;
    p->across = reduce_axis(&p->box.x, &p->box.w, w, p->reduce);
    p->down = reduce_axis(&p->box.y, &p->box.h, h, p->reduce);
}

/** CenterCrop along one axis: the window of the resized length, and its position in the output if the image is too
 *  short. */
static void center(int *first, int *n, int *to, int length, int size) {
    *first = length > size ? round_even((length - size) / 2.0) : 0;
    *n = length > size ? size : length;
    *to = length < size ? (size - length) / 2 : 0;
}

/** Resizes to the shorter side, or with `squash` both sides, then CenterCrop. */
static plan plan_val(int w, int h, int resize, int size, bool squash) {
    int shorter = w < h ? w : h, longer = w < h ? h : w;
    /* exact product, one correctly rounded quotient, truncated: equals Python's int(resize * longer / shorter) */
    int longer_to = (int)((double)((int64_t)resize * longer) / (double)shorter);
    plan p = {.reduce = 1,
              .box = {0, 0, w, h},
              .across = {0, w},
              .down = {0, h},
              .full_w = squash || w <= h ? resize : longer_to,
              .full_h = squash || w > h ? resize : longer_to};
    center(&p.window.x, &p.window.w, &p.to_x, p.full_w, size);
    center(&p.window.y, &p.window.h, &p.to_y, p.full_h, size);
    return p;
}

/** The part of a length that a crop of `size` pixels contains, and its position in the crop. from: the crop's first
 * pixel, negative if it begins with padding. */
static void pad(int *first, int *n, int *to, int from, int length, int size) {
    int end = from + size < length ? from + size : length;
    *first = from > 0 ? from : 0;
    *to = *first - from;
    *n = end - *first;
}

/** Resize(size), then RandomCrop(size, padding = pad_crop). */
static plan plan_pad_crop(const transform *t, int w, int h, random_stream *r) {
    plan p = plan_val(w, h, t->size, t->size, false);
    int padding = t->pad_crop;
    int top = (int)random_below(r, (uint64_t)(p.full_h + 2 * padding - t->size) + 1) - padding;
    int left = (int)random_below(r, (uint64_t)(p.full_w + 2 * padding - t->size) + 1) - padding;
    pad(&p.window.y, &p.window.h, &p.to_y, top, p.full_h, t->size);
    pad(&p.window.x, &p.window.w, &p.to_x, left, p.full_w, t->size);
    return p;
}

/** The resampler's buffers, in the decoder's working memory. */
typedef struct work {
    resample_axis across, down;
    bool down_first; /* the vertical pass comes first */
    int ring_n;      /* number of rows kept: as many as one output row needs */
    int have;        /* rows read */
    uint8_t *ring;   /* (ring_n, ring_bytes) the rows kept: of the image, or after the horizontal pass */
    size_t ring_bytes;
    const uint8_t **rows; /* (ring_n) where row i is, at i % ring_n: in the ring or in the decoded image */
    const uint8_t **taps; /* (ring_n) */
    uint8_t *wide;        /* down_first: one row after the vertical pass */
    uint8_t *line;        /* one finished row, RGBX */
} work;

static bool vertical_pass_first(const plan *p) {
    int less_w = p->box.w - p->full_w, less_h = p->box.h - p->full_h;
    return p->how.order == RESIZE_NEWEST && less_h > 0 && less_h > (int64_t)2 * less_w;
}

static int work_init(work *k, decoder *d, const plan *p) {
    int rc = OK;
    int w = p->box.w + 1, h = p->box.h + 1; /* resample_axis_build_part needs an in_size one larger */
    size_t across_bytes = resample_axis_bytes(p->how.filter, w, p->full_w, p->window.w);
    size_t down_bytes = resample_axis_bytes(p->how.filter, h, p->full_h, p->window.h);
    size_t line_bytes = memory_round((size_t)(p->window.w + RESAMPLE_STEP) * 4);
    k->down_first = vertical_pass_first(p);
    size_t wide_bytes = k->down_first ? memory_round((size_t)p->box.w * 4 + RESAMPLE_MARGIN) : 0;
    /* an image that is decoded already needs no copies of its rows */
    k->ring_bytes = !k->down_first ? line_bytes : d->by_rows ? wide_bytes : 0;
    size_t taps_n = resample_taps_max(p->how.filter, h, p->full_h);
    size_t rows_bytes = taps_n * k->ring_bytes + 2 * memory_round(taps_n * sizeof *k->taps) + line_bytes + wide_bytes;
    TRY(decoder_room(&d->work, memory_round(across_bytes) + memory_round(down_bytes) + rows_bytes));
    resample_axis_build_part(&k->across, arena_take(&d->work, across_bytes), d->kernels, p->how.filter, p->box.w,
                             p->across.from, p->across.length, p->full_w, p->window.x, p->window.w);
    resample_axis_build_part(&k->down, arena_take(&d->work, down_bytes), d->kernels, p->how.filter, p->box.h,
                             p->down.from, p->down.length, p->full_h, p->window.y, p->window.h);
    k->ring_n = k->down.groups * RESAMPLE_TAPS;
    k->ring = arena_take(&d->work, (size_t)k->ring_n * k->ring_bytes);
    k->rows = arena_take(&d->work, (size_t)k->ring_n * sizeof *k->rows);
    k->taps = arena_take(&d->work, (size_t)k->ring_n * sizeof *k->taps);
    k->line = arena_take(&d->work, line_bytes);
    k->wide = arena_take(&d->work, wide_bytes);
done:
    return rc;
}

/** Reads the rows before `end` into the ring, resampled horizontally if that pass comes first. */
static int read_rows(decoder *d, work *k, int end) {
    int rc = OK;
    for (; k->have < end; k->have++) {
        const uint8_t *row = NULL;
        uint8_t *kept = k->ring + (size_t)(k->have % k->ring_n) * k->ring_bytes;
        TRY(decoder_row(d, &row));
        if (!k->down_first)
            d->kernels->horizontal(kept, row, &k->across);
        else if (d->by_rows)
            memcpy(kept, row, (size_t)k->across.in_n * 4);
        k->rows[k->have % k->ring_n] = k->ring_bytes > 0 ? kept : row;
    }
done:
    return rc;
}

/** Writes each output row as soon as all its taps are in the ring. */
static int run(uint8_t *pixels, decoder *d, work *k, const plan *p, int size) {
    int rc = OK;
    int to_x = p->flip ? size - p->to_x - p->window.w : p->to_x;
    size_t bytes = (size_t)(k->down_first ? (k->across.in_n + 3) / 4 * 4 : k->across.padded_n) * 4;
    for (int o = 0; o < p->window.h; o++) {
        int first = k->down.first[o], count = k->down.count[o];
        TRY(read_rows(d, k, first + count));
        for (int i = 0; i < k->ring_n; i++)
            k->taps[i] = k->rows[(i < count ? first + i : first) % k->ring_n];
        d->kernels->vertical(k->down_first ? k->wide : k->line, k->taps, &k->down, o, bytes);
        if (k->down_first)
            d->kernels->horizontal(k->line, k->wide, &k->across);
        int y = p->vertical_flip ? size - 1 - p->to_y - o : p->to_y + o;
        uint8_t *to = pixels + ((size_t)y * (size_t)size + (size_t)to_x) * 3;
        d->kernels->emit(to, k->line, p->window.w, p->flip);
    }
done:
    return rc;
}

/** Resamples the open image by a plan, and closes it. */
static int resample_image(uint8_t *pixels, decoder *d, const plan *p, int size) {
    int rc = OK;
    work k = {0};
    TRY(work_init(&k, d, p));
    if (p->reduce > 1)
        decoder_reduce(d, p->reduce);
    TRY(decoder_begin(d, (crop_box){.x = p->box.x + k.across.in_first,
                                    .y = p->box.y + k.down.in_first,
                                    .w = k.across.in_n,
                                    .h = k.down.in_n}));
    TRY(run(pixels, d, &k, p, size));
done:;
    int end = decoder_end(d, rc == OK);
    return rc < 0 ? rc : end;
}

/** Applies the augmentations after crop and flip, in place. */
static int augment_pixels(uint8_t *pixels, decoder *d, const transform *t, random_stream *r) {
    int rc = OK;
    TRY(decoder_room(&d->work, augment_scratch_bytes(&t->auto_augment, t->size)));
    augment_image(pixels, d->work.base, t->size, &t->auto_augment, r);
    erase_random(pixels, t->size, &t->erase, r);
done:
    return rc;
}

/** The plan of a random crop of the open image. */
static plan plan_random(const decoder *d, const transform *t, random_stream *r) {
    resizing how = t->resizing;
    plan p = t->pad_crop > 0 ? plan_pad_crop(t, d->w, d->h, r)
                             : plan_crop(transform_random_resized_crop(t, d->w, d->h, r), t->size, false);
    if (t->random_filter)
        how.filter = random_unit(r) < 0.5 ? RESAMPLE_BILINEAR : RESAMPLE_BICUBIC;
    p.how = how;
    p.flip = random_unit(r) < t->flip;
    p.vertical_flip = t->vertical_flip > 0 && random_unit(r) < t->vertical_flip;
    if (t->fast_decode && d->by_rows)
        plan_reduce(&p, d->w, d->h);
    return p;
}

int transform_decode(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                     const transform *t, random_stream *r) {
    int rc = OK;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    plan p;
    bool random = t->training && t->augment;
    TRY(decoder_open(d, &in));
    if (random) {
        p = plan_random(d, t, r);
    } else {
        p = plan_val(d->w, d->h, t->resize, t->size, t->squash);
        p.how = t->resizing;
    }
    if (p.window.w < t->size || p.window.h < t->size)
        memset(pixels, 0, (size_t)t->size * (size_t)t->size * 3); /* both crops pad with black */
    TRY(resample_image(pixels, d, &p, t->size));
    if (random)
        TRY(augment_pixels(pixels, d, t, r));
done:
    return rc;
}

int transform_decode_crop(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                          crop_box box, int size, bool flip, resizing how) {
    int rc = OK;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    TRY(decoder_open(d, &in));
    if (box.x < 0 || box.y < 0 || box.w <= 0 || box.h <= 0 || box.w > d->w - box.x || box.h > d->h - box.y) {
        rc = fail(E_SHAPE, "%s: crop at %d,%d of %dx%d pixels is not within the image of %dx%d pixels", name, box.x,
                  box.y, box.w, box.h, d->w, d->h);
        decoder_end(d, false);
        goto done;
    }
    plan p = plan_crop(box, size, flip);
    p.how = how;
    TRY(resample_image(pixels, d, &p, size));
done:
    return rc;
}

int transform_resize(uint8_t **pixels, int *w, int *h, decoder *d, const unsigned char *bytes, size_t n,
                     const char *name, int shorter) {
    int rc = OK;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    TRY(decoder_open(d, &in));
    plan p = plan_val(d->w, d->h, shorter, shorter, false);
    p.window = (crop_box){0, 0, p.full_w, p.full_h};
    p.to_x = p.to_y = 0;
    rc = memory_resize(pixels, (size_t)p.full_w * (size_t)p.full_h, 3);
    if (rc != OK) {
        decoder_end(d, false);
        goto done;
    }
    TRY(resample_image(*pixels, d, &p, p.full_w));
    *w = p.full_w;
    *h = p.full_h;
done:
    return rc;
}
