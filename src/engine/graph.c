/* Data derived from the model alone: the readers of each tensor, update ranges, gradient buckets (grad_sync.h). */
#include "base/memory.h"
#include "base/status.h"
#include "engine/grad_sync.h"
#include "engine/internal.h"

#include <stdlib.h>

static int add_reader(int *slot, engine *e, int t, int layer_number) {
    const layer *l = &e->model->layer[layer_number];
    if (t < MODEL_INPUT || t >= layer_number)
        return fail(E_SHAPE, "layer %s reads tensor %d, which has not been computed yet", l->name, t);
    tensor_readers *r = readers_of(e, t);
    if (r->n == 2)
        return fail(E_SHAPE, "layer %s: tensor %s already has two consumers, the maximum", l->name,
                    t == MODEL_INPUT ? "input" : e->model->layer[t].name);
    *slot = r->n;
    r->layer[r->n++] = layer_number;
    return OK;
}

static int find_readers(engine *e) {
    const model *n = e->model;
    int rc = OK;
    if (n->layer_n < 1)
        return fail(E_SHAPE, "the model has no layers");
    for (int i = 0; i < n->layer_n; i++) {
        const layer *l = &n->layer[i];
        TRY(add_reader(&e->slots[i].input, e, l->input, i));
        e->slots[i].residual = -1;
        if (l->kind == LAYER_BN && l->residual != TENSOR_NONE)
            TRY(add_reader(&e->slots[i].residual, e, l->residual, i));
    }
    for (int i = 0; i < n->layer_n - 1; i++)
        if (readers_of(e, i)->n == 0)
            return fail(E_SHAPE, "no layer reads the output of %s", n->layer[i].name);
done:
    return rc;
}

/** owner[p]: the layer that computes the gradient of parameter p. */
static int find_owners(int *owner, const model *n) {
    for (int p = 0; p < n->param_n; p++)
        owner[p] = -1;
    for (int i = 0; i < n->layer_n; i++) {
        int of_layer[2] = {n->layer[i].weight, n->layer[i].bias};
        for (int k = 0; k < 2; k++) {
            if (of_layer[k] < 0)
                continue;
            if (of_layer[k] >= n->param_n || owner[of_layer[k]] >= 0)
                return fail(E_SHAPE, "layer %s: parameter %d belongs to another layer or is not in the table",
                            n->layer[i].name, of_layer[k]);
            owner[of_layer[k]] = i;
        }
    }
    for (int p = 0; p < n->param_n; p++)
        if (owner[p] < 0)
            return fail(E_SHAPE, "parameter %s belongs to no layer", n->param[p].name);
    return OK;
}

/** The frozen layers and parameters must be the first ones, so that backward can stop and one range is trained. */
static int check_frozen(const engine *e, const int *owner) {
    const model *n = e->model;
    for (int p = 0; p < n->param_n; p++)
        if ((owner[p] < n->frozen_layer_n) != (n->param[p].offset < n->frozen_n))
            return fail(E_SHAPE, "parameter %s: the parameters of frozen layers must be the first in the table",
                        n->param[p].name);
    if (n->frozen_n % 16 != 0)
        return fail(E_SHAPE, "%zu frozen parameters: must be a multiple of 16", n->frozen_n);
    return OK;
}

static void merge_ranges(engine *e) {
    const model *n = e->model;
    for (int p = 0; p < n->param_n; p++) {
        const param *q = &n->param[p];
        update_range *last = e->range_n > 0 ? &e->range[e->range_n - 1] : NULL;
        if (q->offset < n->frozen_n)
            continue;
        if (last != NULL && !optimizer_adapts(e->options.optimizer) && last->decays == q->decays &&
            last->head == q->head && last->end == q->offset)
            last->end += q->count;
        else
            /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): range has one entry per parameter */
            e->range[e->range_n++] = (update_range){q->offset, q->offset + q->count, q->decays, q->head};
    }
}

int engine_analyse(engine *e) {
    const model *n = e->model;
    int rc = OK;
    int *owner = NULL;
    size_t layers = n->layer_n > 0 ? (size_t)n->layer_n : 0, params = n->param_n > 0 ? (size_t)n->param_n : 0;
    TRY(memory_zeroed(&e->readers, layers + 1, sizeof *e->readers));
    TRY(memory_zeroed(&e->slots, layers, sizeof *e->slots));
    TRY(memory_zeroed(&e->bucket, params, sizeof *e->bucket));
    TRY(memory_zeroed(&e->range, params, sizeof *e->range));
    TRY(memory_zeroed(&owner, params, sizeof *owner));
    TRY(find_readers(e));
    TRY(find_owners(owner, n));
    TRY(check_frozen(e, owner));
    grad_sync_cut(e, owner);
    merge_ranges(e);
done:
    free(owner);
    return rc;
}
