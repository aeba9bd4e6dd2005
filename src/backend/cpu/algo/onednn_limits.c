#include "backend/cpu/algo/onednn_limits.h"

#include "base/status.h"

enum {
    CHANNEL_BLOCK = 16, /* floats of the widest vector */
    ROW_MAX = 320,      /* pixels; of wider maps oneDNN reads scratchpad that it has not written (docs/numerics.md) */
};

static int64_t whole_blocks(int64_t channels) { return (channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK * CHANNEL_BLOCK; }

static int check_tensor(const char *name, int64_t a, int64_t b, int64_t c, int64_t d) {
    int64_t n = 1;
    if (__builtin_mul_overflow(a, b, &n) || __builtin_mul_overflow(n, c, &n) || __builtin_mul_overflow(n, d, &n) ||
        n > INT32_MAX)
        return fail(E_NOMEM,
                    "layer %s: a tensor of %lld x %lld x %lld x %lld has more elements than oneDNN supports (%d)", name,
                    (long long)a, (long long)b, (long long)c, (long long)d, INT32_MAX);
    return OK;
}

bool onednn_row_too_wide(const onednn_conv *c, onednn_pass pass) {
    return pass == ONEDNN_WGRAD && c->x_type == ELEMENT_BF16 && c->kernel > 1 && c->stride == 1 && c->x.w > ROW_MAX &&
           onednn_level() == CPU_AMX;
}

int onednn_check(const onednn_conv *c, onednn_pass pass) {
    int64_t pad = 2 * (int64_t)c->pad, kernel = c->kernel;
    int rc = OK;
    TRY(check_tensor(c->name, c->x.n, c->x.h + pad, c->x.w + pad, whole_blocks(c->x.c)));
    TRY(check_tensor(c->name, c->y.n, c->y.h, c->y.w, whole_blocks(c->y.c)));
    TRY(check_tensor(c->name, whole_blocks(c->y.c), whole_blocks(c->x.c / c->groups), kernel, kernel));
    if (onednn_row_too_wide(c, pass))
        rc = fail(E_DEVICE,
                  "layer %s: oneDNN with AMX cannot compute bf16 weight gradients for feature maps wider than %d "
                  "pixels: use smaller images, trainer.precision 32-true or LINNET_CPU=avx512_bf16",
                  c->name, ROW_MAX);
done:
    return rc;
}
