/* The resampler's kernels against each other and against a direct implementation of the formula. */

#define _GNU_SOURCE
#include "check.h"

#include "base/memory.h"
#include "base/random.h"
#include "image/resample.h"

#define SIZE_MAX_TESTED 700
#define ROWS 9

static double cubic(double d) {
    return d < 1 ? (1.5 * d - 2.5) * d * d + 1 : d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

static double sinc(double d) { return d == 0 ? 1 : sin(M_PI * d) / (M_PI * d); }

static double weight(resample_filter f, double d) {
    if (f == RESAMPLE_BILINEAR)
        return d < 1 ? 1 - d : 0;
    return f == RESAMPLE_BICUBIC ? cubic(d) : d < 3 ? sinc(d) * sinc(d / 3) : 0;
}

/** Output `o` of a resize of n samples, `step` apart, before it is rounded and clipped; fixed point with 22 bits. */
static int64_t reference(resample_filter f, const uint8_t *in, size_t step, int n, int out_n, int o) {
    double by = (double)n / out_n, scale = by > 1 ? by : 1, support = (1 + (int)f) * scale;
    double center = (o + 0.5) * by, sum = 0;
    int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > n ? n : high;
    int64_t total = 1 << 21;
    double weights[SIZE_MAX_TESTED * 6 + 8];
    for (int i = low; i < high; i++)
        sum += weights[i - low] = weight(f, fabs((i - center + 0.5) * (1 / scale)));
    for (int i = low; i < high; i++) {
        double w = weights[i - low] / sum * (1 << 22);
        total += in[(size_t)i * step] * (int64_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    return total;
}

/** Whether `out` is the reference. For a filter with sines a weight may be rounded the other way. */
static bool equals(resample_filter f, int64_t total, uint8_t out) {
    for (int64_t off = f == RESAMPLE_BILINEAR ? 0 : -4096; off <= (f == RESAMPLE_BILINEAR ? 0 : 4096); off += 4096) {
        int64_t v = (total + off) >> 22;
        if (out == (v < 0 ? 0 : v > 255 ? 255 : v))
            return true;
    }
    return false;
}

typedef struct shape {
    int in, out, first, n;
    resample_filter filter;
} shape;

static shape random_shape(random_stream *r, int i) {
    const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 224, 255};
    shape s = {.in = i % 3 == 0 ? sizes[random_below(r, 11)] : 1 + (int)random_below(r, SIZE_MAX_TESTED),
               .out = i % 2 == 0 ? sizes[random_below(r, 11)] : 1 + (int)random_below(r, 300)};
    s.first = (int)random_below(r, (uint64_t)s.out);
    s.n = 1 + (int)random_below(r, (uint64_t)(s.out - s.first));
    s.filter = i % 3;
    return s;
}

static resample_axis build(arena *memory, const resample_kernels *k, shape s) {
    resample_axis a;
    size_t bytes = resample_axis_bytes(s.filter, s.in, s.out, s.n);
    assert_ok(arena_init(memory, bytes));
    resample_axis_build(&a, memory->base, k, s.filter, s.in, s.out, s.first, s.n);
    assert_true(a.in_first >= 0 && a.in_first + a.in_n <= s.in && a.in_n > 0);
    return a;
}

/** Rows are allocated without extra bytes, so that the address sanitizer detects a read past the margin. */
static uint8_t *random_bytes(random_stream *r, size_t n) {
    uint8_t *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)random_u32(r);
    return p;
}

static void check_horizontal(const resample_kernels *k, shape s, random_stream *r) {
    arena memory;
    resample_axis a = build(&memory, k, s);
    uint8_t *whole = random_bytes(r, (size_t)s.in * 4);
    uint8_t *row = calloc((size_t)a.in_n * 4 + RESAMPLE_MARGIN, 1), *out = calloc((size_t)a.padded_n, 4);
    memcpy(row, whole + (size_t)a.in_first * 4, (size_t)a.in_n * 4);
    k->horizontal(out, row, &a);
    for (int o = 0; o < s.n; o++)
        for (int c = 0; c < 3; c++)
            if (!equals(s.filter, reference(s.filter, whole + c, 4, s.in, s.out, s.first + o), out[o * 4 + c]))
                fail_msg("%s, filter %d: %d to %d, output %d: %d", k->name, (int)s.filter, s.in, s.out, s.first + o,
                         out[o * 4 + c]);
    free(whole);
    free(row);
    free(out);
    arena_deinit(&memory);
}

static void check_vertical(const resample_kernels *k, shape s, random_stream *r) {
    size_t width = 16 * (1 + random_below(r, 6));
    arena memory;
    resample_axis a = build(&memory, k, s);
    int taps_n = a.groups * RESAMPLE_TAPS;
    uint8_t *column = random_bytes(r, (size_t)s.in * width), *out = random_bytes(r, width);
    const uint8_t **taps = malloc((size_t)taps_n * sizeof *taps);
    for (int o = 0; o < s.n; o++) {
        assert_true(a.count[o] > 0 && a.count[o] <= taps_n && a.first[o] + a.count[o] <= a.in_n);
        for (int t = 0; t < taps_n; t++)
            taps[t] = column + (size_t)(a.in_first + a.first[o] + (t < a.count[o] ? t : 0)) * width;
        k->vertical(out, taps, &a, o, width);
        for (size_t i = 0; i < width; i += 5)
            if (!equals(s.filter, reference(s.filter, column + i, width, s.in, s.out, s.first + o), out[i]))
                fail_msg("%s, filter %d: %d to %d, row %d: %d", k->name, (int)s.filter, s.in, s.out, s.first + o,
                         out[i]);
    }
    free(taps);
    free(column);
    free(out);
    arena_deinit(&memory);
}

static void check_emit(const resample_kernels *k, int n, random_stream *r) {
    uint8_t *rgbx = random_bytes(r, (size_t)(n + 3) / 4 * 16), *rgb = malloc((size_t)n * 3);
    for (int flip = 0; flip < 2; flip++) {
        k->emit(rgb, rgbx, n, flip);
        for (int i = 0; i < n; i++)
            assert_memory_equal(rgb + i * 3, rgbx + (flip ? n - 1 - i : i) * 4, 3);
    }
    free(rgbx);
    free(rgb);
}

static void kernels_follow_the_formula(void **state) {
    (void)state;
    for (int i = 0; resample_set(i) != NULL; i++) {
        const resample_kernels *k = resample_set(i);
        if (!k->usable()) {
            print_message("%s: not supported by this machine\n", k->name);
            continue;
        }
        random_stream r = random_open(1, 0, 0, RANDOM_TEST);
        for (int shape_n = 0; shape_n < 150; shape_n++) {
            check_horizontal(k, random_shape(&r, shape_n), &r);
            check_vertical(k, random_shape(&r, shape_n), &r);
            check_emit(k, 1 + shape_n % 41, &r);
        }
    }
}

/* Every set gives the bytes of the plain one, for every filter; values of 0 and 255 make sums below 0 and above 255. */
static void sets_are_equal(void **state) {
    (void)state;
    const resample_kernels *plain = resample_set(0);
    random_stream r = random_open(3, 0, 0, RANDOM_TEST);
    for (int i = 0; i < 300; i++) {
        shape s = random_shape(&r, i);
        size_t bytes = (size_t)s.in * 4 + RESAMPLE_MARGIN;
        uint8_t *row = calloc(bytes, 1), out[2][320 * 4];
        for (size_t b = 0; b < (size_t)s.in * 4; b++)
            row[b] = random_below(&r, 2) ? 255 : 0;
        for (int set = 0; resample_set(set) != NULL; set++) {
            const resample_kernels *k = resample_set(set);
            arena memory;
            if (!k->usable())
                continue;
            resample_axis a = build(&memory, k, s);
            k->horizontal(out[k != plain], row + (size_t)a.in_first * 4, &a);
            if (memcmp(out[0], out[k != plain], (size_t)s.n * 4) != 0)
                fail_msg("%s, filter %d: %d to %d differs from plain", k->name, (int)s.filter, s.in, s.out);
            arena_deinit(&memory);
        }
        free(row);
    }
}

/* White must remain white, and a resize to the same size must copy, despite the rounding of the coefficients. */
static void extremes(void **state) {
    (void)state;
    for (int i = 0; resample_set(i) != NULL; i++) {
        const resample_kernels *k = resample_set(i);
        if (!k->usable())
            continue;
        for (int n = 1; n < 400; n += 13) {
            arena memory;
            resample_axis a = build(&memory, k, (shape){n, 224, 0, 224, n % 3});
            uint8_t *row = malloc((size_t)n * 4 + RESAMPLE_MARGIN), out[224 * 4];
            memset(row, 255, (size_t)n * 4 + RESAMPLE_MARGIN);
            k->horizontal(out, row, &a);
            for (int o = 0; o < 224 * 4; o++)
                assert_int_equal(out[o], 255);
            free(row);
            arena_deinit(&memory);
        }
        arena memory;
        resample_axis a = build(&memory, k, (shape){224, 224, 0, 224, i % 3});
        random_stream r = random_open(2, 0, 0, RANDOM_TEST);
        uint8_t *row = random_bytes(&r, 224 * 4 + RESAMPLE_MARGIN), out[224 * 4];
        k->horizontal(out, row, &a);
        assert_memory_equal(out, row, 224 * 4);
        free(row);
        arena_deinit(&memory);
    }
}

static void best_is_usable(void **state) {
    (void)state;
    assert_true(resample_best()->usable());
    print_message("best kernel on this machine: %s\n", resample_best()->name);
    assert_null(resample_set(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_follow_the_formula),
        cmocka_unit_test(sets_are_equal),
        cmocka_unit_test(extremes),
        cmocka_unit_test(best_is_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
