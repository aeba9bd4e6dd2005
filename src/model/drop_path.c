/* Stochastic depth: Huang et al. 2016, "Deep networks with stochastic depth". */
#include "base/status.h"
#include "model/model.h"

int model_set_drop_path(model *n, int bn, double rate) {
    if (bn < 0 || bn >= n->layer_n || n->layer[bn].kind != LAYER_BN || n->layer[bn].residual == TENSOR_NONE ||
        n->layer[bn].drop_path > 0 || !(rate >= 0 && rate < 1))
        return fail(E_SHAPE, "layer %d cannot have a drop path rate of %g", bn, rate);
    if (rate == 0)
        return OK;
    n->layer[bn].drop_path = rate;
    n->layer[bn].drop_index = n->drop_n++;
    return OK;
}

void model_draw_drop_path(uint8_t *kept, const model *n, int images, random_stream *r) {
    for (int i = 0; i < n->layer_n; i++) {
        const layer *l = &n->layer[i];
        for (int k = 0; l->drop_path > 0 && k < images; k++)
            kept[(size_t)l->drop_index * (size_t)images + (size_t)k] = random_unit(r) < 1 - l->drop_path;
    }
}
