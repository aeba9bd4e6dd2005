/* The native wgrad kernel of convolutions larger than 1x1, compared to sums in double precision, for shapes whose
 * rows, images and channels do not fill its blocks and tiles, and with accumulation. */
#include "backend/bf16_values.h"
#include "backend/cpu/algo/wgrad_direct.h"

typedef struct direct_case {
    int n, h, w, c, k, kernel, stride, pad, threads;
} direct_case;

static const direct_case cases[] = {
    {1, 3, 3, 24, 8, 3, 1, 1, 1},    {2, 5, 4, 32, 9, 3, 1, 1, 2},   {3, 7, 7, 40, 20, 3, 2, 1, 1},
    {5, 8, 6, 64, 24, 3, 2, 1, 3},   {9, 7, 7, 33, 16, 3, 1, 1, 2},  {2, 30, 56, 32, 8, 3, 1, 1, 2},
    {1, 11, 70, 24, 16, 5, 2, 2, 2}, {2, 9, 9, 48, 130, 7, 2, 3, 4}, {18, 5, 5, 25, 12, 3, 1, 0, 9},
    {1, 2, 400, 24, 8, 3, 1, 1, 1},  {3, 6, 6, 24, 8, 2, 3, 0, 1},
};

static tensor_shape output_of(const direct_case *t) {
    return (tensor_shape){t->n, (t->h + 2 * t->pad - t->kernel) / t->stride + 1,
                          (t->w + 2 * t->pad - t->kernel) / t->stride + 1, t->k};
}

/** The sum for dw[k][c][r][q]; *size is the sum of the absolute values. */
static double expected(double *size, const direct_case *t, const uint16_t *dy, const uint16_t *x, int k, int c, int r,
                       int q) {
    tensor_shape y = output_of(t);
    double sum = 0;
    *size = 0;
    for (int n = 0; n < t->n; n++)
        for (int p = 0; p < y.h; p++)
            for (int o = 0; o < y.w; o++) {
                int h = p * t->stride + r - t->pad, w = o * t->stride + q - t->pad;
                if (h < 0 || h >= t->h || w < 0 || w >= t->w)
                    continue;
                double product = bf16_value(dy[((n * y.h + p) * y.w + o) * t->k + k]) *
                                 bf16_value(x[((n * t->h + h) * t->w + w) * t->c + c]);
                sum += product;
                *size += fabs(product);
            }
    return sum;
}

static void check_case(const kernels *set, const direct_case *t) {
    tensor_shape y = output_of(t);
    conv_shape s = {{t->n, t->h, t->w, t->c}, y, t->kernel, t->stride, t->pad};
    uint16_t *dy = bf16_values(tensor_count(y), 1), *x = bf16_values(tensor_count(s.x), 2);
    wgrad_direct_plan p = wgrad_direct_planned(set, t->threads, &s);
    size_t n = (size_t)t->k * (size_t)t->c * (size_t)t->kernel * (size_t)t->kernel;
    float *dw = malloc(n * sizeof *dw), *again = malloc(n * sizeof *again);
    guarded workspace = guarded_make(wgrad_direct_plan_workspace(&p));
    assert_true(direct_suits(&s) && dw != NULL && again != NULL);
    wgrad_direct_run(&p, dw, dy, x, false, workspace.memory);
    memcpy(again, dw, n * sizeof *dw);
    wgrad_direct_run(&p, again, dy, x, true, workspace.memory);
    guarded_free(&workspace);
    for (size_t i = 0; i < n; i++) {
        int q = (int)(i % (size_t)t->kernel), r = (int)(i / (size_t)t->kernel % (size_t)t->kernel);
        size_t channel = i / (size_t)(t->kernel * t->kernel);
        double size,
            sum = expected(&size, t, dy, x, (int)(channel / (size_t)t->c), (int)(channel % (size_t)t->c), r, q);
        if (!(fabs((double)dw[i] - sum) <= 3e-7 * size) || !(fabs((double)again[i] - 2 * sum) <= 6e-7 * size))
            fail_msg("%d x %d x %d x %d -> %d, kernel %d / %d: dw[%zu] is %g and %g, not %g", t->n, t->h, t->w, t->c,
                     t->k, t->kernel, t->stride, i, (double)dw[i], (double)again[i], sum);
    }
    free(dy);
    free(x);
    free(dw);
    free(again);
}

static void test_direct(void **state) {
    (void)state;
    const kernels *set = kernels_or_skip(CPU_AVX512_BF16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(set, &cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_direct)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
