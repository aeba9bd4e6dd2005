/* The native kernels of 3x3 and 1x1 convolutions: forward, dgrad and, for 3x3, wgrad. They are compared to sums in
 * double precision, for maps with odd sides, for tiles, images and channels that do not fill blocks, and with
 * accumulation. */
#include "backend/bf16_values.h"
#include "backend/cpu/algo/native_conv.h"
#include "backend/cpu/algo/wgrad_winograd.h"

typedef struct conv_case {
    int n, h, w, c, k, threads;
} conv_case;

static const conv_case cases[] = {
    {6, 8, 8, 32, 64, 1}, {3, 13, 15, 64, 32, 2},  {5, 9, 8, 96, 32, 3},    {2, 14, 14, 32, 32, 7},
    {7, 7, 7, 64, 96, 2}, {1, 20, 26, 32, 160, 5}, {1, 33, 40, 160, 32, 2}, {6, 8, 8, 32, 64, 130},
};

static const conv_case pointwise_cases[] = {
    {6, 8, 8, 32, 64, 1},   {3, 13, 15, 64, 32, 2}, {5, 9, 8, 96, 32, 3},
    {8, 7, 7, 2048, 64, 2}, {8, 7, 7, 64, 2048, 4}, {6, 8, 8, 32, 64, 130},
};

typedef struct values {
    double *value; /* the values of the elements */
    void *data;    /* F32 or BF16 */
} values;

static values values_make(size_t n, uint32_t stream, bool bf16) {
    values v = {malloc(n * sizeof(double)), aligned_alloc(64, memory_round(n * sizeof(float)))};
    uint16_t *bits = bf16_values(n, stream);
    assert_true(v.value != NULL && v.data != NULL);
    for (size_t i = 0; i < n; i++) {
        v.value[i] = bf16_value(bits[i]);
        ((float *)v.data)[i] = (float)v.value[i];
    }
    if (bf16)
        memcpy(v.data, bits, n * sizeof *bits);
    free(bits);
    return v;
}

static void values_free(values *v) {
    free(v->value);
    free(v->data);
}

static double value_at(const void *data, size_t i, bool bf16) {
    return bf16 ? bf16_value(((const uint16_t *)data)[i]) : (double)((const float *)data)[i];
}

/** The three sums, one product at a time: out is y of x and w, dx of y and w, or dw of x and y. */
static void add_products(double *x, double *w, double *y, const conv_case *t, int kernel, char of) {
    int taps = kernel * kernel, pad = kernel / 2;
    for (int n = 0; n < t->n; n++)
        for (int p = 0; p < t->h; p++)
            for (int q = 0; q < t->w; q++)
                for (int tap = 0; tap < taps; tap++) {
                    int h = p + tap / kernel - pad, v = q + tap % kernel - pad;
                    if (h < 0 || h >= t->h || v < 0 || v >= t->w)
                        continue;
                    double *from = x + (size_t)((n * t->h + h) * t->w + v) * (size_t)t->c;
                    double *to = y + (size_t)((n * t->h + p) * t->w + q) * (size_t)t->k;
                    for (int k = 0; k < t->k; k++)
                        for (int c = 0; c < t->c; c++) {
                            double *weight = w + (size_t)(k * t->c + c) * (size_t)taps + (size_t)tap;
                            if (of == 'y')
                                to[k] += from[c] * *weight;
                            else if (of == 'x')
                                from[c] += to[k] * *weight;
                            else
                                *weight += from[c] * to[k];
                        }
                }
}

/** Norm of the difference, relative to the norm of `expected`. */
static double distance(const double *expected, const void *data, double factor, size_t n, bool bf16) {
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        double e = factor * expected[i], d = value_at(data, i, bf16) - e;
        off += d * d;
        all += e * e;
    }
    return sqrt(off / all);
}

/** fp32: as exact as plain sums. bf16: both factors and the result are rounded, each by at most 2^-9, and a plain sum
 * of rounded factors is within the bound. Winograd 2D adds up to nine values per element, which increases the rounding
 * error.
 */
static double bound(bool bf16, bool square) { return !bf16 ? 2e-6 : square ? 2.0 / 256 : 1.0 / 256; }

static void check(const char *what, const conv_case *t, double off, double most, bool bf16) {
    if (!(off <= most))
        fail_msg("%d x %d x %d x %d -> %d, %s: %s is off by %g", t->n, t->h, t->w, t->c, t->k, bf16 ? "bf16" : "fp32",
                 what, off);
}

typedef struct tensors {
    values x, y, w;
    size_t x_n, y_n, w_n;
} tensors;

static void check_convolution(const conv_kernels *set, const conv_case *t, const conv_shape *s, tensors *v, bool bf16,
                              bool gradient) {
    native_conv_plan p = native_conv_planned(set, t->threads, s, bf16, gradient, gradient);
    guarded workspace = guarded_make(native_conv_workspace(&p));
    size_t n = gradient ? v->x_n : v->y_n;
    guarded out = guarded_make(n * (bf16 ? 2 : 4));
    double *expected = calloc(n, sizeof *expected);
    assert_non_null(expected);
    native_conv_run(&p, out.memory, gradient ? v->y.data : v->x.data, v->w.data, workspace.memory);
    add_products(gradient ? expected : v->x.value, v->w.value, gradient ? v->y.value : expected, t, s->kernel,
                 gradient ? 'x' : 'y');
    check(gradient ? "dx" : "y", t, distance(expected, out.memory, 1, n, bf16), bound(bf16, set->wgrad != NULL), bf16);
    free(expected);
    guarded_free(&out);
    guarded_free(&workspace);
}

static void check_dw(const conv_kernels *set, const conv_case *t, const conv_shape *s, tensors *v, bool bf16) {
    wgrad_winograd_plan p = wgrad_winograd_planned(set, t->threads, s, bf16);
    guarded workspace = guarded_make(wgrad_winograd_workspace(&p)), dw = guarded_make(v->w_n * sizeof(float));
    double *expected = calloc(v->w_n, sizeof *expected), most = bound(bf16, true);
    assert_non_null(expected);
    add_products(v->x.value, expected, v->y.value, t, s->kernel, 'w');
    wgrad_winograd_run(&p, (float *)(void *)dw.memory, v->y.data, v->x.data, false, workspace.memory);
    check("dw", t, distance(expected, dw.memory, 1, v->w_n, false), most, bf16);
    wgrad_winograd_run(&p, (float *)(void *)dw.memory, v->y.data, v->x.data, true, workspace.memory);
    check("dw added", t, distance(expected, dw.memory, 2, v->w_n, false), most, bf16);
    free(expected);
    guarded_free(&dw);
    guarded_free(&workspace);
}

static void check_case(const kernels *all, const conv_case *t, int kernel, bool bf16, bool square) {
    conv_shape s = {{t->n, t->h, t->w, t->c}, {t->n, t->h, t->w, t->k}, kernel, 1, kernel / 2};
    tensors v = {
        .x_n = tensor_count(s.x), .y_n = tensor_count(s.y), .w_n = (size_t)(t->k * t->c) * (size_t)(kernel * kernel)};
    const conv_kernels *set = kernel == 1 ? all->pointwise : square ? all->winograd_2d : all->winograd_1d;
    assert_non_null(set);
    assert_int_equal(set->wgrad != NULL, square);
    v.x = values_make(v.x_n, 1, bf16);
    v.y = values_make(v.y_n, 2, bf16);
    v.w = values_make(v.w_n, 3, false);
    check_convolution(set, t, &s, &v, bf16, false);
    check_convolution(set, t, &s, &v, bf16, true);
    if (square)
        check_dw(set, t, &s, &v, bf16);
    values_free(&v.x);
    values_free(&v.y);
    values_free(&v.w);
}

static void check_level(cpu_level level, bool bf16, bool square) {
    const kernels *set = kernels_or_skip(level);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(set, &cases[i], 3, bf16, square);
}

static void test_avx2(void **state) {
    (void)state;
    check_level(CPU_AVX2, false, true);
}

static void test_avx512(void **state) {
    (void)state;
    check_level(CPU_AVX512, false, true);
}

static void test_bf16(void **state) {
    (void)state;
    check_level(CPU_AVX512_BF16, true, true);
}

static void test_bf16_lines(void **state) {
    (void)state;
    check_level(CPU_AVX512_BF16, true, false);
}

static void test_bf16_pointwise(void **state) {
    (void)state;
    const kernels *set = kernels_or_skip(CPU_AVX512_BF16);
    for (size_t i = 0; i < sizeof pointwise_cases / sizeof *pointwise_cases; i++)
        check_case(set, &pointwise_cases[i], 1, true, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_avx2), cmocka_unit_test(test_avx512),
                                       cmocka_unit_test(test_bf16), cmocka_unit_test(test_bf16_lines),
                                       cmocka_unit_test(test_bf16_pointwise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
