/* The cpu engine's native kernels against the ref engine. */
#include "backend/cpu/simd/kernels.h"
#include "base/half.h"
#include "engine/layer_cases.h"

static void test_bf16_rounding(void **state) {
    (void)state;
    static const struct {
        uint32_t in;
        uint16_t out;
    } cases[] = {
        {0x3f800000, 0x3f80}, /* 1 */
        {0x3f808000, 0x3f80}, /* half way: to even */
        {0x3f818000, 0x3f82}, /* half way: to even, up */
        {0x3f808001, 0x3f81}, /* just above */
        {0x7f7fffff, 0x7f80}, /* overflow */
        {0xff800000, 0xff80}, /* -infinity */
        {0x80000000, 0x8000}, /* -0 */
        {0x7fffffff, 0x7fff}, /* NaN remains NaN; the next one too */
        {0x7f800001, 0x7fc0},
    };
    enum { N = sizeof cases / sizeof *cases };
    float in[N];
    uint16_t out[N];
    for (int i = 0; i < N; i++)
        memcpy(&in[i], &cases[i].in, sizeof in[i]);
    for (int repeat = 1; repeat <= 4; repeat++) { /* full vectors and tails */
        float many[4 * N];
        uint16_t rounded[4 * N];
        for (int i = 0; i < repeat * N; i++)
            many[i] = in[i % N];
        kernels_of(cpu_level_get())->to_bf16(rounded, many, (size_t)(repeat * N));
        for (int i = 0; i < repeat * N; i++)
            if (rounded[i] != cases[i % N].out)
                fail_msg("%08x became %04x, expected %04x", (unsigned)cases[i % N].in, rounded[i], cases[i % N].out);
        memcpy(out, rounded, sizeof out);
    }
}

/** The same as base/half.h around every midpoint, except for denormal numbers, which AVX-512's instruction treats as 0.
 */
static void test_bf16_midpoints(void **state) {
    (void)state;
    enum { N = 3 * 0x10000 };
    float *in = malloc(N * sizeof *in);
    uint16_t *out = malloc(N * sizeof *out);
    assert_true(in != NULL && out != NULL);
    for (uint32_t i = 0; i < N; i++) {
        uint32_t bits = i / 3 << 16 | (0x7fff + i % 3);
        memcpy(&in[i], &bits, sizeof bits);
    }
    kernels_of(cpu_level_get())->to_bf16(out, in, N);
    for (uint32_t i = 0; i < N; i++)
        if (fpclassify(in[i]) != FP_SUBNORMAL && out[i] != bf16_from_float(in[i]))
            fail_msg("%a became %04x, expected %04x", (double)in[i], out[i], bf16_from_float(in[i]));
    free(in);
    free(out);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16_rounding),
        cmocka_unit_test(test_bf16_midpoints),
        cmocka_unit_test(test_bn),
        cmocka_unit_test(test_shortcut),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_load_and_loss),
        cmocka_unit_test(test_loss_order),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_nonfinite),
    };
    (void)argc;
    pair_main_start(argv);
    find_precisions();
    print_message("kernels: %s\n", kernels_of(cpu_level_get())->name);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
