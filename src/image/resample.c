#define _GNU_SOURCE
#include "image/resample.h"

#include "base/memory.h"
#include "image/resample_x86.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

static double sinc(double x) {
    x *= M_PI;
    return x == 0.0 ? 1.0 : sin(x) / x;
}

static double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

static const struct {
    double (*weight)(double x);
    double support; /* half-width in output pixels, or in input pixels if the image grows */
} filters[] = {
    [RESAMPLE_BILINEAR] = {bilinear, 1}, [RESAMPLE_BICUBIC] = {bicubic, 2}, [RESAMPLE_LANCZOS] = {lanczos, 3}};

/** Input pixels per pixel of the filter: larger than 1 when the image shrinks. */
static double filter_scale(double length, int out_size) {
    double scale = length / out_size;
    return scale < 1.0 ? 1.0 : scale;
}

size_t resample_taps_max(resample_filter filter, int in_size, int out_size) {
    return (size_t)ceil(filters[filter].support * filter_scale(in_size, out_size)) * 2 + 1 + RESAMPLE_TAPS;
}

size_t resample_axis_bytes(resample_filter filter, int in_size, int out_size, int window_n) {
    size_t outputs = (size_t)window_n + RESAMPLE_STEP;
    size_t taps = resample_taps_max(filter, in_size, out_size);
    /* first, count, packed, and the weights of one output in floating point and in fixed point */
    return 2 * memory_round(outputs * sizeof(int32_t)) + memory_round(outputs * taps * sizeof(int32_t)) +
           memory_round(taps * sizeof(double)) + memory_round(taps * sizeof(int32_t));
}

/** The order and types of these operations are Pillow's, because the rounding depends on them. */
static void filter_bounds(int32_t *first, int32_t *count, double center, double support, int in_size) {
    int low = (int)(center - support + 0.5);
    int high = (int)(center + support + 0.5);
    *first = low < 0 ? 0 : low;
    *count = (high > in_size ? in_size : high) - *first;
}

static void filter_weights(int32_t *k, double *weights, resample_filter filter, double center, double inverse,
                           int first, int count) {
    double sum = 0.0;
    for (int i = 0; i < count; i++) {
        weights[i] = filters[filter].weight((i + first - center + 0.5) * inverse);
        sum += weights[i];
    }
    for (int i = 0; i < count; i++) {
        double weight = sum != 0.0 ? weights[i] / sum : weights[i];
        k[i] = (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << RESAMPLE_BITS));
    }
}

/** The number of zero taps to insert before a filter, so that its last group ends within the window if possible. */
static int axis_shift(const resample_axis *a, int o) {
    int past = a->first[o] + a->groups * RESAMPLE_TAPS - (a->in_first + a->in_n);
    int room = a->first[o] - a->in_first;
    return past <= 0 ? 0 : past < room ? past : room;
}

void resample_axis_build(resample_axis *a, void *memory, const resample_kernels *kernels, resample_filter filter,
                         int in_size, int out_size, int window_first, int window_n) {
    resample_axis_build_part(a, memory, kernels, filter, in_size, 0, in_size, out_size, window_first, window_n);
}

void resample_axis_build_part(resample_axis *a, void *memory, const resample_kernels *kernels, resample_filter filter,
                              int in_size, double from, double length, int out_size, int window_first, int window_n) {
    assert(in_size > 0 && out_size > 0 && window_n > 0 && window_first >= 0 && window_n <= out_size - window_first);
    assert(from >= 0 && length > 0 && from + length < in_size + 1.0);
    double scale = length / out_size, filter_by = filter_scale(length, out_size), inverse = 1.0 / filter_by;
    double support = filters[filter].support * filter_by;
    int padded_n = (window_n + RESAMPLE_STEP - 1) / RESAMPLE_STEP * RESAMPLE_STEP;
    unsigned char *p = memory;
    a->first = (int32_t *)p;
    p += memory_round((size_t)padded_n * sizeof(int32_t));
    a->count = (int32_t *)p;
    p += memory_round((size_t)padded_n * sizeof(int32_t));
    a->out_n = window_n;
    a->padded_n = padded_n;

    int taps = 0, end = 0;
    for (int o = 0; o < window_n; o++) {
        filter_bounds(&a->first[o], &a->count[o], from + (window_first + o + 0.5) * scale, support, in_size);
        taps = a->count[o] > taps ? a->count[o] : taps;
        end = a->first[o] + a->count[o] > end ? a->first[o] + a->count[o] : end;
    }
    a->groups = (taps + RESAMPLE_TAPS - 1) / RESAMPLE_TAPS;
    a->in_first = a->first[0]; /* the centres ascend, so the first taps do too */
    a->in_n = end - a->in_first;
    a->packed = (int32_t *)p;
    p += memory_round((size_t)padded_n * (size_t)a->groups * RESAMPLE_TAPS * sizeof(int32_t));
    double *weights = (double *)p;
    p += memory_round((size_t)a->groups * RESAMPLE_TAPS * sizeof(double));
    int32_t *k = (int32_t *)p;

    for (int o = 0; o < padded_n; o++) {
        int at = 0;
        memset(k, 0, (size_t)a->groups * RESAMPLE_TAPS * sizeof *k);
        if (o < window_n) {
            at = axis_shift(a, o);
            filter_weights(k + at, weights, filter, from + (window_first + o + 0.5) * scale, inverse, a->first[o],
                           a->count[o]);
        }
        a->first[o] = o < window_n ? a->first[o] - a->in_first - at : 0;
        a->count[o] = o < window_n ? a->count[o] + at : 0;
        for (int g = 0; g < a->groups; g++)
            kernels->pack(a->packed + ((size_t)g * padded_n + o) * RESAMPLE_TAPS, k + g * RESAMPLE_TAPS);
    }
}

/* The plain C kernels, which are the reference for the others. */

static bool plain_usable(void) { return true; }

static void plain_pack(int32_t packed[RESAMPLE_TAPS], const int32_t k[RESAMPLE_TAPS]) {
    memcpy(packed, k, RESAMPLE_TAPS * sizeof *k);
}

static uint8_t to_byte(int32_t sum) {
    int32_t v = sum >> RESAMPLE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void plain_horizontal(uint8_t *out, const uint8_t *row, const resample_axis *a) {
    for (int o = 0; o < a->padded_n; o++) {
        const uint8_t *pixels = row + (size_t)a->first[o] * 4;
        int32_t sum[4];
        for (int c = 0; c < 4; c++)
            sum[c] = 1 << (RESAMPLE_BITS - 1);
        for (int t = 0; t < a->count[o]; t++) {
            int32_t k = a->packed[((size_t)(t / RESAMPLE_TAPS) * a->padded_n + o) * RESAMPLE_TAPS + t % RESAMPLE_TAPS];
            for (int c = 0; c < 4; c++)
                sum[c] += pixels[t * 4 + c] * k;
        }
        for (int c = 0; c < 4; c++)
            out[o * 4 + c] = to_byte(sum[c]);
    }
}

static void plain_vertical(uint8_t *out, const uint8_t *const *rows, const resample_axis *a, int at, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        int32_t sum = 1 << (RESAMPLE_BITS - 1);
        for (int t = 0; t < a->count[at]; t++)
            sum += rows[t][i] *
                   a->packed[((size_t)(t / RESAMPLE_TAPS) * a->padded_n + at) * RESAMPLE_TAPS + t % RESAMPLE_TAPS];
        out[i] = to_byte(sum);
    }
}

static void plain_emit(uint8_t *rgb, const uint8_t *rgbx, int n, bool flip) {
    for (int i = 0; i < n; i++) {
        const uint8_t *from = rgbx + (size_t)(flip ? n - 1 - i : i) * 4;
        for (int c = 0; c < 3; c++)
            rgb[i * 3 + c] = from[c];
    }
}

static const resample_kernels plain = {.name = "plain",
                                       .usable = plain_usable,
                                       .pack = plain_pack,
                                       .horizontal = plain_horizontal,
                                       .vertical = plain_vertical,
                                       .emit = plain_emit};

static const resample_kernels *const sets[] = {
    &plain,
#ifdef RESAMPLE_X86
    &resample_avx2,
    &resample_vnni,
#endif
};

const resample_kernels *resample_set(int i) {
    return i >= 0 && (size_t)i < sizeof sets / sizeof sets[0] ? sets[i] : NULL;
}

const resample_kernels *resample_best(void) {
    for (size_t i = sizeof sets / sizeof sets[0] - 1; i > 0; i--)
        if (sets[i]->usable())
            return sets[i];
    return &plain;
}
