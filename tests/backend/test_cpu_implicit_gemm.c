/* fp32 convolutions as implicit GEMMs, all passes. They are compared to sums in double precision, for kernels of 1x1 to
 * 3x3 with and without stride, odd maps, channels at the edges of panels and blocks, and more threads than pixels. The
 * forward of an image must have the same bits in any batch and with any number of threads. */
#include "backend/bf16_values.h"
#include "backend/cpu/algo/native_conv.h"
#include "backend/cpu/algo/wgrad_implicit_gemm.h"

typedef struct gemm_case {
    int n, h, w, c, k, kernel, stride, pad, threads;
} gemm_case;

static const gemm_case cases[] = {
    {2, 7, 9, 32, 64, 1, 1, 0, 1},   {3, 13, 5, 64, 32, 1, 1, 0, 2},  {5, 9, 8, 96, 32, 1, 2, 0, 3},
    {2, 5, 5, 1024, 32, 1, 1, 0, 2}, {2, 6, 7, 512, 64, 1, 2, 0, 4},  {3, 8, 8, 32, 64, 3, 2, 1, 2},
    {2, 9, 7, 64, 32, 3, 2, 1, 1},   {4, 3, 3, 288, 96, 3, 1, 1, 2},  {7, 1, 1, 32, 32, 3, 1, 1, 3},
    {1, 11, 6, 32, 32, 3, 3, 1, 2},  {2, 8, 6, 32, 32, 2, 2, 0, 2},   {2, 9, 9, 32, 32, 3, 2, 0, 5},
    {2, 7, 9, 64, 32, 1, 1, 0, 130}, {1, 4, 4, 64, 64, 3, 2, 1, 130}, {40, 8, 8, 32, 32, 3, 1, 1, 2},
    {13, 2, 2, 32, 64, 3, 1, 1, 2},  {11, 4, 4, 64, 32, 3, 1, 1, 3},  {10, 7, 7, 32, 32, 3, 2, 1, 2},
};

/** In wgrad the number of channels may be no multiple of the panel size. */
static const gemm_case wgrad_cases[] = {
    {3, 5, 7, 33, 7, 1, 1, 0, 1},   {9, 16, 16, 17, 40, 3, 2, 1, 2}, {40, 8, 8, 20, 31, 3, 1, 1, 3},
    {2, 6, 6, 16, 130, 3, 1, 1, 9}, {30, 10, 9, 48, 6, 1, 2, 0, 2},  {90, 2, 2, 24, 26, 3, 1, 1, 2},
};

typedef struct tensors {
    conv_shape shape;
    size_t x_n, y_n, w_n;
    float *x, *y, *w;
} tensors;

static float *floats(size_t n, uint32_t stream) {
    float *v = aligned_alloc(64, memory_round(n * sizeof(float)));
    uint16_t *bits = bf16_values(n, stream);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)bf16_value(bits[i]) + (float)(i % 7) * 0x1p-20f; /* uses all of the mantissa */
    free(bits);
    return v;
}

static tensors tensors_make(const gemm_case *t) {
    int p = (t->h + 2 * t->pad - t->kernel) / t->stride + 1, q = (t->w + 2 * t->pad - t->kernel) / t->stride + 1;
    tensors v = {.shape = {{t->n, t->h, t->w, t->c}, {t->n, p, q, t->k}, t->kernel, t->stride, t->pad}};
    v.x_n = tensor_count(v.shape.x);
    v.y_n = tensor_count(v.shape.y);
    v.w_n = (size_t)(t->k * t->c * t->kernel * t->kernel);
    v.x = floats(v.x_n, 1);
    v.y = floats(v.y_n, 2);
    v.w = floats(v.w_n, 3);
    return v;
}

static void tensors_free(tensors *v) {
    free(v->x);
    free(v->y);
    free(v->w);
}

/** The three sums, one product at a time: out is y of x and w ('y'), dx of y and w ('x'), or dw of x and y ('w'). */
static void add_products(double *out, const tensors *v, char of) {
    const conv_shape *s = &v->shape;
    int taps = s->kernel * s->kernel;
    for (int n = 0; n < s->y.n; n++)
        for (int i = 0; i < s->y.h * s->y.w; i++)
            for (int tap = 0; tap < taps; tap++) {
                int h = i / s->y.w * s->stride - s->pad + tap / s->kernel;
                int w = i % s->y.w * s->stride - s->pad + tap % s->kernel;
                if (h < 0 || h >= s->x.h || w < 0 || w >= s->x.w)
                    continue;
                size_t x = (size_t)((n * s->x.h + h) * s->x.w + w) * (size_t)s->x.c;
                size_t y = (size_t)(n * s->y.h * s->y.w + i) * (size_t)s->y.c;
                for (size_t k = 0; k < (size_t)s->y.c; k++)
                    for (size_t c = 0; c < (size_t)s->x.c; c++) {
                        size_t at = (k * (size_t)s->x.c + c) * (size_t)taps + (size_t)tap;
                        if (of == 'y')
                            out[y + k] += (double)v->x[x + c] * (double)v->w[at];
                        else if (of == 'x')
                            out[x + c] += (double)v->y[y + k] * (double)v->w[at];
                        else
                            out[at] += (double)v->x[x + c] * (double)v->y[y + k];
                    }
            }
}

static void check(const tensors *v, const float *got, size_t n, char of, double times) {
    double *expected = calloc(n, sizeof *expected), off = 0, all = 0;
    assert_non_null(expected);
    add_products(expected, v, of);
    for (size_t i = 0; i < n; i++) {
        double e = times * expected[i], d = (double)got[i] - e;
        off += d * d;
        all += e * e;
    }
    const conv_shape *s = &v->shape;
    if (!(sqrt(off) <= 1e-6 * sqrt(all)))
        fail_msg("%d x %d x %d x %d -> %d, kernel %d, stride %d: d%c is off by %g", s->x.n, s->x.h, s->x.w, s->x.c,
                 s->y.c, s->kernel, s->stride, of, sqrt(off / all));
    free(expected);
}

static void run_conv(float *out, const conv_kernels *set, int threads, const conv_shape *s, const float *in,
                     const float *w, bool gradient) {
    native_conv_plan p = native_conv_planned(set, threads, s, false, gradient, gradient);
    guarded workspace = guarded_make(native_conv_workspace(&p));
    native_conv_run(&p, out, in, w, workspace.memory);
    guarded_free(&workspace);
}

/** The same bits for each image alone, and with other numbers of threads. */
static void check_bits(const conv_kernels *set, const gemm_case *t, const tensors *v, const float *y) {
    conv_shape one = v->shape;
    size_t x_step = v->x_n / (size_t)t->n, y_step = v->y_n / (size_t)t->n;
    float *again = aligned_alloc(64, memory_round(v->y_n * sizeof(float)));
    assert_non_null(again);
    run_conv(again, set, t->threads + 1, &v->shape, v->x, v->w, false);
    assert_memory_equal(again, y, v->y_n * sizeof *y);
    one.x.n = one.y.n = 1;
    for (int n = 0; n < t->n; n++) {
        run_conv(again, set, t->threads, &one, v->x + (size_t)n * x_step, v->w, false);
        assert_memory_equal(again, y + (size_t)n * y_step, y_step * sizeof *y);
    }
    free(again);
}

static void check_convolution(const kernels *all, const gemm_case *t) {
    const conv_kernels *set = all->implicit_gemm;
    tensors v = tensors_make(t);
    guarded y = guarded_make(v.y_n * sizeof(float)), dx = guarded_make(v.x_n * sizeof(float));
    float *y_out = (float *)(void *)y.memory, *dx_out = (float *)(void *)dx.memory;
    run_conv(y_out, set, t->threads, &v.shape, v.x, v.w, false);
    check(&v, y_out, v.y_n, 'y', 1);
    check_bits(set, t, &v, y_out);
    run_conv(dx_out, set, t->threads, &v.shape, v.y, v.w, true);
    check(&v, dx_out, v.x_n, 'x', 1);
    guarded_free(&y);
    guarded_free(&dx);
    tensors_free(&v);
}

static void check_wgrad(const kernels *all, const gemm_case *t) {
    tensors v = tensors_make(t);
    wgrad_implicit_gemm_plan p = wgrad_implicit_gemm_planned(all->wgrad_implicit_gemm, t->threads, &v.shape);
    guarded workspace = guarded_make(wgrad_implicit_gemm_workspace(&p)), dw = guarded_make(v.w_n * sizeof(float));
    float *out = (float *)(void *)dw.memory;
    wgrad_implicit_gemm_run(&p, out, v.y, v.x, false, workspace.memory);
    check(&v, out, v.w_n, 'w', 1);
    wgrad_implicit_gemm_run(&p, out, v.y, v.x, true, workspace.memory);
    check(&v, out, v.w_n, 'w', 2);
    guarded_free(&dw);
    guarded_free(&workspace);
    tensors_free(&v);
}

static void test_avx2(void **state) {
    (void)state;
    const kernels *set = kernels_or_skip(CPU_AVX2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_convolution(set, &cases[i]);
        check_wgrad(set, &cases[i]);
    }
    for (size_t i = 0; i < sizeof wgrad_cases / sizeof *wgrad_cases; i++)
        check_wgrad(set, &wgrad_cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_avx2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
