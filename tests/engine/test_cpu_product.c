/* dw = dy^T x by the device's own kernel: against sums in double precision, for shapes at and over the edges of its
 * tiles and blocks, split among threads by rows and by channels, added to what is there. */
#include "base/memory.h"
#include "engine/cpu/product.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct product_case {
    size_t m;
    int k, c, threads;
    bool by_rows;
} product_case;

static const product_case cases[] = {{1, 1, 1, 1, false},     {2, 8, 32, 1, false},    {7, 9, 33, 1, false},
                                     {256, 8, 32, 1, true},   {257, 40, 24, 1, true},  {513, 31, 65, 1, true},
                                     {300, 64, 20, 2, false}, {1100, 24, 40, 2, true}, {1311, 16, 96, 3, true},
                                     {515, 100, 33, 2, true}, {49, 72, 64, 9, false},  {2500, 20, 8, 9, false},
                                     {98, 5, 48, 4, false},   {640, 130, 70, 2, true}, {1000, 256, 64, 8, false}};

/** bf16 values of either sign around 1. */
static uint16_t *values(size_t n, uint64_t stream) {
    uint16_t *v = aligned_alloc(64, memory_round(n * sizeof *v));
    assert_non_null(v);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)((i + 1) * 2654435761u + stream * 40503u);
        bits ^= bits >> 15;
        bits *= 2246822519u;
        v[i] = (uint16_t)(0x3f00 + ((bits >> 9) & 0x80ff));
    }
    return v;
}

static double value(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &wide, sizeof f);
    return (double)f;
}

static void check_case(const kernels *set, const product_case *t) {
    size_t k = (size_t)t->k, c = (size_t)t->c;
    uint16_t *dy = values(t->m * k, 1), *x = values(t->m * c, 2);
    product_plan p = product_planned(set, t->threads, t->m, t->k, t->c);
    assert_int_equal(p.by_rows, t->by_rows);
    size_t bytes = product_plan_scratch(&p);
    unsigned char *scratch = aligned_alloc(64, memory_round(bytes) + 64);
    float *dw = malloc(k * c * sizeof *dw), *again = malloc(k * c * sizeof *again);
    assert_true(scratch != NULL && dw != NULL && again != NULL);
    memset(scratch, 0xa5, memory_round(bytes) + 64);
    product_run(&p, dw, dy, x, false, scratch);
    memcpy(again, dw, k * c * sizeof *dw);
    product_run(&p, again, dy, x, true, scratch);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(scratch[memory_round(bytes) + i], 0xa5);
    for (size_t i = 0; i < k * c; i++) {
        double sum = 0, size = 0;
        for (size_t r = 0; r < t->m; r++) {
            double product = value(dy[r * k + i / c]) * value(x[r * c + i % c]);
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
    free(scratch);
}

static void test_product(void **state) {
    (void)state;
    const kernels *set = kernels_of(KERNELS_AVX512_BF16);
    if (set == NULL) {
        print_message("this machine has no AVX-512 bf16\n");
        skip();
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(set, &cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_product)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
