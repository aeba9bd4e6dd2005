/* The native kernel of dw = dy^T x, compared to sums in double precision, for shapes at and beyond the edges of its
 * tiles and blocks, divided among threads by rows and by channels, and with accumulation. */
#include "backend/bf16_values.h"
#include "backend/cpu/algo/wgrad_gemm.h"

typedef struct gemm_case {
    size_t m;
    int k, c, threads;
    bool by_rows;
} gemm_case;

static const gemm_case cases[] = {{1, 1, 1, 1, false},     {2, 8, 32, 1, false},    {7, 9, 33, 1, false},
                                  {256, 8, 32, 1, true},   {257, 40, 24, 1, true},  {513, 31, 65, 1, true},
                                  {300, 64, 20, 2, false}, {1100, 24, 40, 2, true}, {1311, 16, 96, 3, true},
                                  {515, 100, 33, 2, true}, {49, 72, 64, 9, false},  {2500, 20, 8, 9, false},
                                  {98, 5, 48, 4, false},   {640, 130, 70, 2, true}, {1000, 256, 64, 8, false}};

static void check_case(const kernels *set, const gemm_case *t) {
    size_t k = (size_t)t->k, c = (size_t)t->c;
    uint16_t *dy = bf16_values(t->m * k, 1), *x = bf16_values(t->m * c, 2);
    wgrad_gemm_plan p = wgrad_gemm_planned(set, t->threads, t->m, t->k, t->c);
    assert_int_equal(p.by_rows, t->by_rows);
    guarded workspace = guarded_make(wgrad_gemm_plan_workspace(&p));
    float *dw = malloc(k * c * sizeof *dw), *again = malloc(k * c * sizeof *again);
    assert_true(dw != NULL && again != NULL);
    wgrad_gemm_run(&p, dw, dy, x, false, workspace.memory);
    memcpy(again, dw, k * c * sizeof *dw);
    wgrad_gemm_run(&p, again, dy, x, true, workspace.memory);
    guarded_free(&workspace);
    for (size_t i = 0; i < k * c; i++) {
        double sum = 0, size = 0;
        for (size_t r = 0; r < t->m; r++) {
            double product = bf16_value(dy[r * k + i / c]) * bf16_value(x[r * c + i % c]);
            sum += product;
            size += fabs(product);
        }
        if (!(fabs((double)dw[i] - sum) <= 3e-7 * size) || !(fabs((double)again[i] - 2 * sum) <= 6e-7 * size))
            fail_msg("m %zu, k %zu, c %zu, %d threads: dw[%zu] is %g and %g, not %g", t->m, k, c, t->threads, i,
                     (double)dw[i], (double)again[i], sum);
    }
    free(dy);
    free(x);
    free(dw);
    free(again);
}

static void test_gemm(void **state) {
    (void)state;
    const kernels *set = kernels_or_skip(CPU_AVX512_BF16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(set, &cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gemm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
