/* The algorithm selected for each pass of a convolution at each CPU level. Only the lists are evaluated, so all
 * levels are checked on any machine. */
#include "backend/cpu/algo/conv_algo.h"
#include "check.h"

#ifdef __x86_64__

static const kernels *kernels_at(cpu_level level) {
    static const kernels *const of[CPU_LEVELS] = {[CPU_SSE41] = &kernels_plain,
                                                  [CPU_AVX2] = &kernels_avx2,
                                                  [CPU_AVX512] = &kernels_avx512,
                                                  [CPU_AVX512_BF16] = &kernels_avx512_bf16,
                                                  [CPU_AMX] = &kernels_avx512_bf16};
    return of[level];
}

static conv_problem problem_of(int kernel, int stride, int channels, element type) {
    tensor_shape x = {32, 16, 16, channels}, y = {32, 16 / stride, 16 / stride, channels};
    conv_problem p = {.conv = {.name = "conv",
                               .x = x,
                               .y = y,
                               .kernel = kernel,
                               .stride = stride,
                               .pad = kernel / 2,
                               .groups = 1,
                               .x_type = type,
                               .y_type = type,
                               .training = true},
                      .threads = 2};
    return p;
}

static const char *first(conv_pass pass, cpu_level level, conv_problem p) {
    p.level = level;
    p.kernels = kernels_at(level);
    for (const conv_algo *const *a = conv_algos(pass, level); *a != NULL; a++)
        if ((*a)->applicable(&p))
            return (*a)->name;
    return "none";
}

/** Names in the order of the levels from `from` on, separated by spaces. */
static void expect(const char *names, cpu_level from, conv_pass pass, const conv_problem *p) {
    char found[256] = "";
    for (cpu_level level = from; level < CPU_LEVELS; level++) {
        strcat(found, level > from ? " " : "");
        strcat(found, first(pass, level, *p));
    }
    assert_string_equal(found, names);
}

static void expect_gradients(const char *names, cpu_level from, const conv_problem *p) {
    expect(names, from, CONV_FORWARD, p);
    expect(names, from, CONV_DGRAD, p);
}

static void test_fp32(void **state) {
    (void)state;
    conv_problem p = problem_of(3, 1, 64, ELEMENT_F32);
    expect_gradients("onednn winograd_2d winograd_2d winograd_2d winograd_2d", CPU_SSE41, &p);
    expect("onednn_split winograd_2d winograd_2d winograd_2d winograd_2d", CPU_SSE41, CONV_WGRAD, &p);
    const conv_problem gemm[] = {problem_of(3, 2, 64, ELEMENT_F32), problem_of(1, 2, 64, ELEMENT_F32)};
    for (size_t i = 0; i < sizeof gemm / sizeof *gemm; i++) {
        expect_gradients("onednn implicit_gemm onednn onednn onednn", CPU_SSE41, &gemm[i]);
        expect("onednn_split implicit_gemm onednn onednn onednn", CPU_SSE41, CONV_WGRAD, &gemm[i]);
    }
    p = problem_of(1, 1, 64, ELEMENT_F32);
    expect_gradients("onednn onednn onednn onednn onednn", CPU_SSE41, &p);
    expect("onednn_split implicit_gemm onednn onednn onednn", CPU_SSE41, CONV_WGRAD, &p);
    p = problem_of(3, 1, 24, ELEMENT_F32);
    expect_gradients("onednn onednn onednn onednn onednn", CPU_SSE41, &p);
    expect("onednn_split implicit_gemm onednn onednn onednn", CPU_SSE41, CONV_WGRAD, &p);
    p = problem_of(5, 1, 64, ELEMENT_F32);
    expect_gradients("onednn onednn onednn onednn onednn", CPU_SSE41, &p);
    expect("onednn_split onednn_split onednn onednn onednn", CPU_SSE41, CONV_WGRAD, &p);
}

static void test_bf16(void **state) {
    (void)state;
    conv_problem p = problem_of(3, 1, 64, ELEMENT_BF16);
    expect_gradients("onednn winograd_1d onednn", CPU_AVX512, &p);
    expect("onednn_split direct onednn_split", CPU_AVX512, CONV_WGRAD, &p);
    p.winograd = true;
    expect_gradients("onednn winograd_2d onednn", CPU_AVX512, &p);
    expect("onednn_split winograd_2d onednn_split", CPU_AVX512, CONV_WGRAD, &p);
    p = problem_of(1, 1, 64, ELEMENT_BF16);
    expect_gradients("onednn pointwise onednn", CPU_AVX512, &p);
    expect("onednn_split gemm onednn_gemm", CPU_AVX512, CONV_WGRAD, &p);
    p = problem_of(3, 1, 64, ELEMENT_BF16);
    p.onednn_fails = true;
    expect("onednn_split direct direct", CPU_AVX512, CONV_WGRAD, &p);
    p = problem_of(3, 2, 64, ELEMENT_BF16);
    expect_gradients("onednn onednn onednn", CPU_AVX512, &p);
    expect("onednn_split direct onednn_split", CPU_AVX512, CONV_WGRAD, &p);
    p = problem_of(7, 2, 3, ELEMENT_BF16);
    expect_gradients("onednn onednn onednn", CPU_AVX512, &p);
    expect("onednn_split onednn_split onednn_split", CPU_AVX512, CONV_WGRAD, &p);
}

static void test_linear(void **state) {
    (void)state;
    conv_problem p = problem_of(1, 1, 64, ELEMENT_BF16);
    p.conv.y_type = ELEMENT_F32;
    expect_gradients("onednn onednn onednn", CPU_AVX512, &p);
    expect("onednn_split gemm onednn_gemm", CPU_AVX512, CONV_WGRAD, &p);
}

/** In evaluation the choice does not depend on the batch, and in bf16 it is oneDNN's unless requested otherwise. */
static void test_evaluation(void **state) {
    (void)state;
    conv_problem p = problem_of(3, 1, 64, ELEMENT_F32);
    p.conv.x.n = p.conv.y.n = 1;
    expect("onednn implicit_gemm onednn onednn onednn", CPU_SSE41, CONV_FORWARD, &p);
    p.conv.training = false;
    expect("onednn_by_image winograd_2d winograd_2d winograd_2d winograd_2d", CPU_SSE41, CONV_FORWARD, &p);
    for (int kernel = 1; kernel <= 3; kernel += 2) {
        p = problem_of(kernel, 1, 64, ELEMENT_BF16);
        p.conv.training = false;
        expect("onednn_by_image onednn_by_image onednn_by_image", CPU_AVX512, CONV_FORWARD, &p);
        p.winograd = true;
        expect(kernel == 1 ? "onednn_by_image pointwise onednn_by_image"
                           : "onednn_by_image winograd_2d onednn_by_image",
               CPU_AVX512, CONV_FORWARD, &p);
    }
}

static void test_not_applicable(void **state) {
    (void)state;
    conv_problem small = problem_of(3, 1, 32, ELEMENT_F32), grouped = small, bf16 = problem_of(1, 1, 64, ELEMENT_BF16);
    small.conv.x = small.conv.y = (tensor_shape){5, 8, 8, 32};
    assert_string_equal(first(CONV_FORWARD, CPU_AVX2, small), "implicit_gemm");
    small.conv.x.n = small.conv.y.n = 6;
    assert_string_equal(first(CONV_FORWARD, CPU_AVX2, small), "winograd_2d");
    grouped.conv.groups = 2;
    assert_string_equal(first(CONV_FORWARD, CPU_AVX2, grouped), "onednn");
    assert_string_equal(first(CONV_WGRAD, CPU_AVX2, grouped), "onednn_split");
    bf16.conv.groups = 2;
    assert_string_equal(first(CONV_WGRAD, CPU_AVX512_BF16, bf16), "onednn_split");
    assert_string_equal(first(CONV_WGRAD, CPU_AMX, bf16), "onednn_split");
}

/** One thread, more threads than images, and large thread teams: work is not split explicitly. */
static void test_split(void **state) {
    (void)state;
    static const int threads[] = {1, 33, 9};
    conv_problem p = problem_of(5, 1, 64, ELEMENT_F32);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        p.threads = threads[i];
        assert_string_equal(first(CONV_WGRAD, CPU_AVX2, p), "onednn");
    }
    p.threads = 8;
    assert_string_equal(first(CONV_WGRAD, CPU_AVX2, p), "onednn_split");
    p.conv.x.n = p.conv.y.n = 7;
    assert_string_equal(first(CONV_WGRAD, CPU_AVX2, p), "onednn");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fp32),           cmocka_unit_test(test_bf16),
                                       cmocka_unit_test(test_linear),         cmocka_unit_test(test_evaluation),
                                       cmocka_unit_test(test_not_applicable), cmocka_unit_test(test_split)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) { return 77; }

#endif
