#include "backend/cpu/algo/subsample.h"

#include "backend/parallel_for.h"
#include "base/memory.h"

#include <string.h>

subsample_plan subsample_planned(onednn_conv *c, int threads) {
    size_t bytes = element_bytes(c->x_type);
    subsample_plan p = {.x = c->x, .y = c->y, .stride = c->stride, .threads = threads};
    if (c->kernel != 1 || c->pad != 0 || c->stride == 1)
        return p;
    c->x = (tensor_shape){c->y.n, c->y.h, c->y.w, c->x.c};
    c->stride = 1;
    p.pixel_bytes = (size_t)c->x.c * bytes;
    p.bytes = memory_round(tensor_count(c->x) * bytes);
    return p;
}

typedef struct subsample_call {
    const subsample_plan *plan;
    const unsigned char *x;
    unsigned char *out;
} subsample_call;

/** Rows [begin, end) of n * p: copies every stride-th pixel of every stride-th row. */
static void lines(void *context, size_t begin, size_t end) {
    const subsample_call *t = context;
    const subsample_plan *s = t->plan;
    size_t p = (size_t)s->y.h, q = (size_t)s->y.w, stride = (size_t)s->stride, bytes = s->pixel_bytes;
    for (size_t i = begin; i < end; i++) {
        size_t line = i / p * (size_t)s->x.h + i % p * stride;
        for (size_t j = 0; j < q; j++)
            memcpy(t->out + (i * q + j) * bytes, t->x + (line * (size_t)s->x.w + j * stride) * bytes, bytes);
    }
}

void subsample_run(const subsample_plan *p, void *out, const void *x) {
    subsample_call t = {p, x, out};
    parallel_for(p->threads, (size_t)p->y.n * (size_t)p->y.h, SIZE_MAX, LOOP_FORWARD, lines, &t);
}
