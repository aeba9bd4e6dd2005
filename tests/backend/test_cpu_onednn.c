/* Convolutions computed by oneDNN: the result does not depend on the previous content of memory, and shapes with
 * which oneDNN would crash or never finish planning are refused first. */
#include "backend/cpu/algo/onednn.h"
#include "check.h"

typedef struct kernel_shape {
    int kernel, stride, pad;
} kernel_shape;

static const kernel_shape kernels[] = {{7, 2, 3}, {3, 1, 1}, {3, 2, 1}, {1, 1, 0}, {1, 2, 0}}; /* those of a ResNet */

static onednn_conv conv_of(int n, int h, int w, int in_c, int out_c, kernel_shape k, element type) {
    onednn_conv c = {.name = "conv",
                     .x = {n, h, w, in_c},
                     .kernel = k.kernel,
                     .stride = k.stride,
                     .pad = k.pad,
                     .groups = 1,
                     .x_type = type,
                     .y_type = type,
                     .training = true};
    c.y = (tensor_shape){n, (int)(((int64_t)h + 2 * k.pad - k.kernel) / k.stride + 1),
                         (int)(((int64_t)w + 2 * k.pad - k.kernel) / k.stride + 1), out_c};
    return c;
}

/* ---- memory ---- */

enum { GUARD_BYTES = 1 << 20, GUARD = 0x5a }; /* on both sides of a block */

typedef struct block {
    unsigned char *data;
    size_t bytes;
} block;

static block block_of(size_t bytes) {
    unsigned char *base = aligned_alloc(64, (bytes + 64) / 64 * 64 + 2 * (size_t)GUARD_BYTES);
    assert_non_null(base);
    block b = {base + GUARD_BYTES, bytes};
    memset(base, GUARD, GUARD_BYTES);
    memset(b.data + bytes, GUARD, GUARD_BYTES);
    return b;
}

static bool is_within(block b) {
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (b.data[i - GUARD_BYTES] != GUARD || b.data[b.bytes + i] != GUARD)
            return false;
    return true;
}

static void block_free(block b) { free(b.data - GUARD_BYTES); }

static void fill(block b, element type, uint32_t seed) {
    for (size_t i = 0; i < b.bytes / element_bytes(type); i++) {
        seed = seed * 1664525 + 1013904223;
        float f = (float)(seed >> 24) / 256 - 0.5f;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        if (type == ELEMENT_F32)
            memcpy(b.data + i * sizeof f, &f, sizeof f);
        else
            memcpy(b.data + i * sizeof(uint16_t), (uint16_t[]){(uint16_t)(bits >> 16)}, sizeof(uint16_t));
    }
}

/** The result is the same if the memory initially contains zeros or NaNs, and nothing is written outside it. */
static void run_over_garbage(onednn *o, const onednn_conv *c, onednn_pass pass) {
    onednn_op *op = NULL;
    assert_ok(onednn_op_create(&op, o, c, pass));
    element w_type = pass == ONEDNN_WGRAD ? ELEMENT_F32 : c->x_type;
    block x = block_of(tensor_count(c->x) * element_bytes(c->x_type));
    block y = block_of(tensor_count(c->y) * element_bytes(c->y_type));
    block w = block_of(onednn_layout_bytes(onednn_op_layout(op))), scratchpad = block_of(onednn_op_scratchpad(op));
    block *out = pass == ONEDNN_FORWARD ? &y : pass == ONEDNN_DGRAD ? &x : &w;
    block first = block_of(out->bytes);
    fill(x, c->x_type, 1);
    fill(y, c->y_type, 2);
    fill(w, w_type, 3);
    for (int garbage = 0; garbage < 2; garbage++) {
        memset(out->data, garbage ? 0xff : 0, out->bytes);
        memset(scratchpad.data, garbage ? 0xff : 0, scratchpad.bytes);
        assert_ok(onednn_op_run(op, x.data, w.data, y.data, scratchpad.data));
        if (garbage && memcmp(first.data, out->data, out->bytes) != 0)
            fail_msg("pass %d (%s) of %d x %d x %d x %d, kernel %d / %d: reads unwritten memory", (int)pass,
                     onednn_op_implementation(op), c->x.n, c->x.h, c->x.w, c->x.c, c->kernel, c->stride);
        memcpy(first.data, out->data, out->bytes);
    }
    const block all[] = {x, y, w, scratchpad, first};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!is_within(all[i]))
            fail_msg("pass %d (%s) of %d x %d x %d x %d, kernel %d / %d: writes outside block %zu", (int)pass,
                     onednn_op_implementation(op), c->x.n, c->x.h, c->x.w, c->x.c, c->kernel, c->stride, i);
        block_free(all[i]);
    }
    onednn_op_destroy(op);
}

static void small_maps(onednn *o, element type) {
    static const int heights[] = {1, 3}, widths[] = {1, 2, 6}, channels[] = {3, 32};
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        for (size_t h = 0; h < sizeof heights / sizeof *heights; h++)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
                    onednn_conv c = conv_of(3, heights[h], widths[w], channels[i], 32, kernels[k], type);
                    for (int pass = ONEDNN_FORWARD; pass <= ONEDNN_WGRAD; pass++)
                        run_over_garbage(o, &c, (onednn_pass)pass);
                }
}

/** Rows wider than those of ImageNet. Shapes that the check refuses are skipped. */
static void wide_maps(onednn *o, element type) {
    static const int widths[] = {56, 224, 320, 321, 400, 700};
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            onednn_conv c = conv_of(1, 6, widths[w], 32, 32, kernels[k], type);
            for (int pass = ONEDNN_FORWARD; pass <= ONEDNN_WGRAD; pass++)
                if (!onednn_row_too_wide(&c, (onednn_pass)pass))
                    run_over_garbage(o, &c, (onednn_pass)pass);
        }
}

static void garbage(void **state) {
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        onednn *o = NULL;
        assert_ok(onednn_open(&o, threads));
        small_maps(o, ELEMENT_F32);
        wide_maps(o, ELEMENT_F32);
        if (onednn_level() >= CPU_AVX512) {
            small_maps(o, ELEMENT_BF16);
            wide_maps(o, ELEMENT_BF16);
        }
        onednn_close(o);
    }
}

/* ---- sizes ---- */

static void expect_size(bool fits, const onednn_conv *c) {
    onednn *o = NULL;
    onednn_op *op = NULL;
    assert_ok(onednn_open(&o, 2));
    for (int pass = ONEDNN_FORWARD; pass <= ONEDNN_WGRAD; pass++) {
        if (!fits)
            assert_fails(E_NOMEM, "more elements than oneDNN", onednn_op_create(&op, o, c, (onednn_pass)pass));
        else if (onednn_row_too_wide(c, (onednn_pass)pass))
            assert_fails(E_DEVICE, "smaller images", onednn_op_create(&op, o, c, (onednn_pass)pass));
        else
            assert_ok(onednn_op_create(&op, o, c, (onednn_pass)pass));
        onednn_op_destroy(op);
    }
    if (c->kernel == 1 && c->stride == 1 && !fits) {
        assert_fails(E_NOMEM, "more elements than oneDNN",
                     onednn_gemm_create(&op, o, "product", c->x, c->y, c->x_type, false));
        assert_null(op);
    }
    onednn_close(o);
}

/** The largest allowed batch and image are planned; larger ones are refused. */
static void sizes(void **state) {
    (void)state;
    static const int many[] = {1 << 28, 1000 * 1000 * 1000, INT32_MAX};
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        for (int half = 0; half < (onednn_level() >= CPU_AVX512 ? 2 : 1); half++) {
            element type = half ? ELEMENT_BF16 : ELEMENT_F32;
            int pads = 2 * kernels[k].pad, row = (8 + pads) * (8 + pads) * 64, most = INT32_MAX / row;
            int size = 8 * (int)((sqrt((double)INT32_MAX / 64) - pads) / 8);
            onednn_conv c = conv_of(most, 8, 8, 64, 64, kernels[k], type);
            expect_size(true, &c);
            c = conv_of(most + 1, 8, 8, 64, 64, kernels[k], type);
            expect_size(false, &c);
            c = conv_of(1, size, size, 64, 64, kernels[k], type);
            expect_size(true, &c);
            for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
                c = conv_of(many[i], 7, 7, 512, 512, kernels[k], type);
                expect_size(false, &c);
                c = conv_of(1, many[i], 7, 3, 64, kernels[k], type);
                expect_size(false, &c);
                c = conv_of(1, 7, many[i], 64, 64, kernels[k], type);
                expect_size(false, &c);
                c = conv_of(many[i], many[i], many[i], 64, 64, kernels[k], type);
                expect_size(false, &c);
            }
            c = conv_of(1, 7, 7, 1 << 20, 1 << 20, kernels[k], type);
            expect_size(false, &c);
        }
}

/** The names that oneDNN 2 and 3 give their reference implementations, and other names that contain "ref". */
static void reference(void **state) {
    (void)state;
    static const char *const slow[] = {"ref:any", "ref", "gemm:ref"};
    static const char *const fast[] = {"x64:gemm:jit", "brgconv:avx512_core", "jit:avx2", "prefer:jit", ""};
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
        assert_true(onednn_is_reference(slow[i]));
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
        assert_false(onednn_is_reference(fast[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(garbage), cmocka_unit_test(sizes), cmocka_unit_test(reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
