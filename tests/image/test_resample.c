/* The resampler's kernels against each other and against the formula, written out once more without any tricks. */

#include "check.h"

#include "base/memory.h"
#include "base/random.h"
#include "image/resample.h"

#define SIZE_MAX_TESTED 700
#define ROWS 9

/** Output `o` of a resize of n samples, `step` apart. */
static uint8_t reference(const uint8_t *in, size_t step, int n, int out_n, int o) {
    double scale = (double)n / out_n, support = scale > 1 ? scale : 1, center = (o + 0.5) * scale, sum = 0;
    int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > n ? n : high;
    int64_t total = 1 << 21;
    double weights[SIZE_MAX_TESTED * 2 + 2];
    for (int i = low; i < high; i++) {
        double d = fabs((i - center + 0.5) * (1 / support));
        weights[i - low] = d < 1 ? 1 - d : 0;
        sum += weights[i - low];
    }
    for (int i = low; i < high; i++)
        total += in[(size_t)i * step] * (int64_t)(0.5 + weights[i - low] / sum * (1 << 22));
    return (uint8_t)(total >> 22);
}

typedef struct shape {
    int in, out, first, n;
} shape;

static shape random_shape(random_stream *r, int i) {
    const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 224, 255};
    shape s = {.in = i % 3 == 0 ? sizes[random_below(r, 11)] : 1 + (int)random_below(r, SIZE_MAX_TESTED),
               .out = i % 2 == 0 ? sizes[random_below(r, 11)] : 1 + (int)random_below(r, 300)};
    s.first = (int)random_below(r, (uint64_t)s.out);
    s.n = 1 + (int)random_below(r, (uint64_t)(s.out - s.first));
    return s;
}

static resample_axis build(arena *memory, const resample_kernels *k, shape s) {
    resample_axis a;
    size_t bytes = resample_axis_bytes(s.in, s.out, s.n);
    assert_ok(arena_init(memory, bytes));
    resample_axis_build(&a, memory->base, k, s.in, s.out, s.first, s.n);
    assert_true(a.in_first >= 0 && a.in_first + a.in_n <= s.in && a.in_n > 0);
    return a;
}

/** Rows in exact allocations, so that the address sanitizer sees a read past the margin. */
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
            if (out[o * 4 + c] != reference(whole + c, 4, s.in, s.out, s.first + o))
                fail_msg("%s: %d to %d, output %d: %d", k->name, s.in, s.out, s.first + o, out[o * 4 + c]);
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
            if (out[i] != reference(column + i, width, s.in, s.out, s.first + o))
                fail_msg("%s: %d to %d, row %d: %d", k->name, s.in, s.out, s.first + o, out[i]);
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
            print_message("%s: not on this machine\n", k->name);
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

/* White must stay white and equal sizes must copy, whatever the rounding of the coefficients. */
static void extremes(void **state) {
    (void)state;
    for (int i = 0; resample_set(i) != NULL; i++) {
        const resample_kernels *k = resample_set(i);
        if (!k->usable())
            continue;
        for (int n = 1; n < 400; n += 13) {
            arena memory;
            resample_axis a = build(&memory, k, (shape){n, 224, 0, 224});
            uint8_t *row = malloc((size_t)n * 4 + RESAMPLE_MARGIN), out[224 * 4];
            memset(row, 255, (size_t)n * 4 + RESAMPLE_MARGIN);
            k->horizontal(out, row, &a);
            for (int o = 0; o < 224 * 4; o++)
                assert_int_equal(out[o], 255);
            free(row);
            arena_deinit(&memory);
        }
        arena memory;
        resample_axis a = build(&memory, k, (shape){224, 224, 0, 224});
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
    print_message("best here: %s\n", resample_best()->name);
    assert_null(resample_set(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_follow_the_formula),
        cmocka_unit_test(extremes),
        cmocka_unit_test(best_is_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
