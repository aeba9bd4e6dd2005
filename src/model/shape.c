#include "model/model.h"

#include "base/status.h"

#include <stdlib.h>

/* Number of positions of a window along one side, rounded down as in PyTorch; 0 if it does not fit. */
static int window_places(int size, const layer *l) {
    int64_t room = (int64_t)size + 2 * l->pad - l->kernel;
    return room < 0 ? 0 : (int)(room / l->stride + 1);
}

static int layer_shape(tensor_shape *y, const layer *l, tensor_shape x) {
    *y = (tensor_shape){.n = x.n, .h = x.h, .w = x.w, .c = l->out_c};
    switch (l->kind) {
    case LAYER_CONV:
    case LAYER_MAXPOOL:
    case LAYER_SHORTCUT:
        y->h = window_places(x.h, l);
        y->w = window_places(x.w, l);
        break;
    case LAYER_AVGPOOL: y->h = y->w = 1; break;
    case LAYER_LINEAR:
        if (x.h != 1 || x.w != 1)
            return fail(E_SHAPE, "layer %s: a linear layer needs an input of 1 x 1, not %d x %d: add a pooling layer",
                        l->name, x.h, x.w);
        break;
    default: break;
    }
    if (y->h < 1 || y->w < 1)
        return fail(E_SHAPE, "layer %s: a feature map of %d x %d is too small; use larger images", l->name, x.h, x.w);
    return 0;
}

int model_shapes(tensor_shape *out, const model *n, int batch, int h, int w) {
    if (batch < 1 || h < 1 || w < 1)
        return fail(E_SHAPE, "invalid batch of %d images of %d x %d pixels: all sizes must be at least 1", batch, h, w);
    if (n->layer_n == 0)
        return 0;
    tensor_shape image = {.n = batch, .h = h, .w = w, .c = n->layer[0].in_c};
    for (int i = 0; i < n->layer_n; i++) {
        const layer *l = &n->layer[i];
        int rc = layer_shape(&out[i], l, l->input == MODEL_INPUT ? image : out[l->input]);
        if (rc < 0)
            return rc;
        if (l->residual == TENSOR_NONE)
            continue;
        tensor_shape r = l->residual == MODEL_INPUT ? image : out[l->residual];
        if (r.h != out[i].h || r.w != out[i].w)
            return fail(E_SHAPE, "layer %s: cannot add a feature map of %d x %d to one of %d x %d", l->name, r.h, r.w,
                        out[i].h, out[i].w);
    }
    return 0;
}

double model_macs(const model *n, int h, int w) {
    double sum = 0;
    tensor_shape *shape = calloc((size_t)n->layer_n + 1, sizeof *shape);
    if (shape != NULL && model_shapes(shape, n, 1, h, w) == 0)
        for (int i = 0; i < n->layer_n; i++) {
            const layer *l = &n->layer[i];
            int group_c = l->groups > 0 ? l->in_c / l->groups : 0;
            if (l->kind == LAYER_CONV)
                sum += (double)tensor_count(shape[i]) * group_c * l->kernel * l->kernel;
            else if (l->kind == LAYER_LINEAR)
                sum += (double)tensor_count(shape[i]) * l->in_c;
        }
    free(shape);
    return sum;
}
