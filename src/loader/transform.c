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

/** Python's round(): halves to even, the default rounding mode. */
static int round_even(double x) { return (int)lrint(x); }

static int at_least_1(int n) { return n > 1 ? n : 1; }

/** torchvision's fallback when ten draws do not fit: the largest central crop of an allowed aspect. */
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

crop_box transform_random_crop(const transform *t, int w, int h, random_stream *r) {
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

/** From .. from + length along one axis, in pixels. */
typedef struct span {
    double from, length;
} span;

/** What becomes of the open image: of `box` the part across x down, resized to full_w x full_h, of which the window
 *  appears at (to_x, to_y) of the output. */
typedef struct plan {
    int reduce;        /* 2, 4, 8: a JPEG decoded so much smaller, and `box` is in its pixels; 1: as it is */
    crop_box box;      /* */
    span across, down; /* within the box: all of it, unless the image is reduced */
    int full_w, full_h;
    crop_box window;
    int to_x, to_y;
    bool flip;
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

/** Moves n pixels from *first on, of `all`, to an image reduced by `by`: the pixels that hold them, and where in those
 *  they begin. A last pixel that the image's edge cuts is left out: part of it is what the encoder made up. */
static span reduce_axis(int *first, int *n, int all, int by) {
    int low = *first / by, high = (*first + *n + by - 1) / by;
    span s = {.from = (double)(*first % by) / by, .length = (double)*n / by};
    *first = low;
    *n = (high < all / by ? high : all / by) - low;
    return s;
}

/** fast_decode: the same plan for a w x h image that is decoded smaller, as far as the output allows. libjpeg-turbo has
 *  SIMD for 1/2 and 1/4, and 1/8 needs no transform; what lies between (5/8, say) takes longer than the whole. */
static void plan_reduce(plan *p, int w, int h) {
    while (p->reduce < 8 && p->box.w >= 2 * p->reduce * p->full_w && p->box.h >= 2 * p->reduce * p->full_h)
        p->reduce *= 2;
    if (p->reduce == 1)
        return;
    p->across = reduce_axis(&p->box.x, &p->box.w, w, p->reduce);
    p->down = reduce_axis(&p->box.y, &p->box.h, h, p->reduce);
}

/** CenterCrop along one axis: the window of the resized length, and where it lands when the image is too short. */
static void center(int *first, int *n, int *to, int length, int size) {
    *first = length > size ? round_even((length - size) / 2.0) : 0;
    *n = length > size ? size : length;
    *to = length < size ? (size - length) / 2 : 0;
}

/** Resize to the shorter side, then CenterCrop. */
static plan plan_val(int w, int h, int resize, int size) {
    int shorter = w < h ? w : h, longer = w < h ? h : w;
    /* exact product, one correctly rounded quotient, cut off: as Python's int(resize * longer / shorter) */
    int longer_to = (int)((double)((int64_t)resize * longer) / (double)shorter);
    plan p = {.reduce = 1,
              .box = {0, 0, w, h},
              .across = {0, w},
              .down = {0, h},
              .full_w = w <= h ? resize : longer_to,
              .full_h = w <= h ? longer_to : resize};
    center(&p.window.x, &p.window.w, &p.to_x, p.full_w, size);
    center(&p.window.y, &p.window.h, &p.to_y, p.full_h, size);
    return p;
}

/** What resampling works with, in the decoder's scratch memory. */
typedef struct work {
    resample_axis across, down;
    int ring_n;    /* rows kept: as many as one output row reads */
    uint8_t *ring; /* (ring_n, row_bytes) rows after the horizontal pass */
    uint8_t *line; /* (row_bytes) one finished row, RGBX */
    const uint8_t **taps;
    size_t row_bytes;
} work;

static int work_init(work *k, decoder *d, const plan *p) {
    int rc = OK;
    int w = p->box.w + 1, h = p->box.h + 1; /* what resample_axis_build_part wants */
    size_t across_bytes = resample_axis_bytes(w, p->full_w, p->window.w);
    size_t down_bytes = resample_axis_bytes(h, p->full_h, p->window.h);
    k->row_bytes = memory_round((size_t)(p->window.w + RESAMPLE_STEP) * 4);
    size_t taps_n = resample_taps_max(h, p->full_h);
    size_t rows_bytes = (taps_n + 1) * k->row_bytes + memory_round(taps_n * sizeof *k->taps);
    TRY(decoder_room(&d->work, memory_round(across_bytes) + memory_round(down_bytes) + rows_bytes));
    resample_axis_build_part(&k->across, arena_take(&d->work, across_bytes), d->kernels, p->box.w, p->across.from,
                             p->across.length, p->full_w, p->window.x, p->window.w);
    resample_axis_build_part(&k->down, arena_take(&d->work, down_bytes), d->kernels, p->box.h, p->down.from,
                             p->down.length, p->full_h, p->window.y, p->window.h);
    k->ring_n = k->down.groups * RESAMPLE_TAPS;
    k->ring = arena_take(&d->work, (size_t)k->ring_n * k->row_bytes);
    k->line = arena_take(&d->work, k->row_bytes);
    k->taps = arena_take(&d->work, (size_t)k->ring_n * sizeof *k->taps);
done:
    return rc;
}

static uint8_t *ring_row(const work *k, int row) { return k->ring + (size_t)(row % k->ring_n) * k->row_bytes; }

/** Rows come in, go through the horizontal pass into the ring, and leave as soon as an output row has all its taps. */
static int run(uint8_t *pixels, decoder *d, work *k, const plan *p, int size) {
    int rc = OK, have = 0;
    size_t bytes = (size_t)k->across.padded_n * 4;
    int to_x = p->flip ? size - p->to_x - p->window.w : p->to_x;
    for (int o = 0; o < p->window.h; o++) {
        int first = k->down.first[o], count = k->down.count[o];
        for (; have < first + count; have++) {
            const uint8_t *row = NULL;
            TRY(decoder_row(d, &row));
            d->kernels->horizontal(ring_row(k, have), row, &k->across);
        }
        for (int i = 0; i < k->ring_n; i++)
            k->taps[i] = ring_row(k, i < count ? first + i : first);
        d->kernels->vertical(k->line, k->taps, &k->down, o, bytes);
        uint8_t *to = pixels + ((size_t)(p->to_y + o) * (size_t)size + (size_t)to_x) * 3;
        d->kernels->emit(to, k->line, p->window.w, p->flip);
    }
done:
    return rc;
}

/** Carries out a plan on the open image, and closes it. */
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

/** What follows crop and flip, in place. */
static int augment_pixels(uint8_t *pixels, decoder *d, const transform *t, random_stream *r) {
    const augment *a = &t->auto_augment;
    int rc = OK, ops = a->kind == AUGMENT_RAND ? a->ops : a->kind == AUGMENT_TRIVIAL ? 1 : 0;
    TRY(decoder_room(&d->work, (size_t)t->size * (size_t)t->size * 3));
    for (int i = 0; i < ops; i++)
        augment_apply(pixels, d->work.base, t->size, augment_draw(a, t->size, r));
    erase_random(pixels, t->size, &t->erase, r);
done:
    return rc;
}

int transform_decode(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                     const transform *t, random_stream *r) {
    int rc = OK;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    plan p;
    bool random = t->training && t->augment;
    TRY(decoder_open(d, &in));
    if (random) {
        crop_box box = transform_random_crop(t, d->w, d->h, r);
        p = plan_crop(box, t->size, random_unit(r) < t->flip);
        if (t->fast_decode && d->by_rows)
            plan_reduce(&p, d->w, d->h);
    } else {
        p = plan_val(d->w, d->h, t->resize, t->size);
        if (p.window.w < t->size || p.window.h < t->size)
            memset(pixels, 0, (size_t)t->size * (size_t)t->size * 3); /* CenterCrop pads with black */
    }
    TRY(resample_image(pixels, d, &p, t->size));
    if (random)
        TRY(augment_pixels(pixels, d, t, r));
done:
    return rc;
}

int transform_decode_crop(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                          crop_box box, int size, bool flip) {
    int rc = OK;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    TRY(decoder_open(d, &in));
    if (box.x < 0 || box.y < 0 || box.w <= 0 || box.h <= 0 || box.w > d->w - box.x || box.h > d->h - box.y) {
        rc = fail(E_SHAPE, "%s: crop %d,%d %dx%d is not within %dx%d", name, box.x, box.y, box.w, box.h, d->w, d->h);
        decoder_end(d, false);
        goto done;
    }
    plan p = plan_crop(box, size, flip);
    TRY(resample_image(pixels, d, &p, size));
done:
    return rc;
}

int transform_resize(uint8_t **pixels, int *w, int *h, decoder *d, const unsigned char *bytes, size_t n,
                     const char *name, int shorter) {
    int rc = OK;
    image_bytes in = {.bytes = bytes, .n = n, .name = name};
    TRY(decoder_open(d, &in));
    plan p = plan_val(d->w, d->h, shorter, shorter);
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
