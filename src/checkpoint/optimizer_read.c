/* Reads the optimizer's state of every file. */

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_LIMIT 1024  /* entries of a dictionary that is searched repeatedly */
#define STEP_LIMIT 0x1p53 /* steps: exact as doubles */

int layout_check_entries(const value *dict, const char *what) {
    if (dict_n(dict) > ENTRY_LIMIT)
        return fail(E_FORMAT, "%s has %zu entries, more than the limit of %d", what, dict_n(dict), ENTRY_LIMIT);
    return OK;
}

const value *layout_group(const value *top, size_t i) {
    return list_get(dict_get(list_get(dict_get(top, "optimizer_states"), 0), "param_groups"), i);
}

/* --- the options of a parameter group --- */

static bool is_false(const value *v) { return v != NULL && v->kind == VALUE_BOOL && !v->b; }

static bool any_true(const value *group, const char *const *keys) {
    for (; *keys != NULL; keys++)
        if (value_is_true(dict_get(group, *keys)))
            return true;
    return false;
}

/** The class, from the options that only it has. Options without which linnet computes must be off. */
static ckpt_optimizer_kind kind_of(const value *group) {
    static const char *const lamb[] = {"trust_clip", "always_adapt", "caution", "decoupled_decay", NULL},
                             *const rest[] = {"amsgrad", "centered", "trust_clip", "always_adapt", "maximize", NULL};
    double decay = 0;
    if (dict_get(group, "weight_decay") == NULL)
        return CKPT_NO_OPTIMIZER;
    dict_double(&decay, group, "weight_decay");
    if (dict_get(group, "grad_averaging") != NULL) {
        bool same = !any_true(group, lamb) && value_is_true(dict_get(group, "grad_averaging")) &&
                    value_is_true(dict_get(group, "bias_correction"));
        return same ? CKPT_LAMB : CKPT_OTHER_OPTIMIZER;
    }
    if (any_true(group, rest))
        return CKPT_OTHER_OPTIMIZER;
    if (dict_get(group, "trust_coeff") != NULL)
        return CKPT_LARS;
    if (dict_get(group, "dampening") != NULL)
        return CKPT_SGD;
    if (dict_get(group, "betas") != NULL && dict_get(group, "amsgrad") != NULL) /* Adam without decay is AdamW */
        return is_false(dict_get(group, "decoupled_weight_decay")) && decay != 0 ? CKPT_OTHER_OPTIMIZER : CKPT_ADAMW;
    if (dict_get(group, "alpha") != NULL && dict_get(group, "centered") != NULL)
        return CKPT_RMSPROP;
    return CKPT_OTHER_OPTIMIZER;
}

static const value *pair_get(const value *pair, size_t i) {
    return pair != NULL && pair->kind == VALUE_TUPLE && i < pair->list.n ? pair->list.items[i] : list_get(pair, i);
}

int layout_read_group(ckpt_optimizer *out, const value *top, size_t base) {
    const value *group = layout_group(top, base);
    const value *betas = dict_get(group, "betas");
    int rc = OK;
    if (group == NULL)
        return OK;
    TRY(layout_check_entries(group, "a parameter group"));
    out->kind = kind_of(group);
    dict_double(&out->lr, group, "lr");
    out->initial_lr = out->lr; /* the default, as ReduceLROnPlateau does not record it */
    dict_double(&out->initial_lr, group, "initial_lr");
    dict_double(&out->momentum, group, "momentum");
    dict_double(&out->dampening, group, "dampening");
    dict_double(&out->weight_decay, group, "weight_decay");
    dict_double(&out->alpha, group, "alpha");
    dict_double(&out->eps, group, "eps");
    dict_double(&out->trust_coeff, group, "trust_coeff");
    out->nesterov = value_is_true(dict_get(group, "nesterov"));
    value_double(&out->beta1, pair_get(betas, 0));
    value_double(&out->beta2, pair_get(betas, 1));
done:
    return rc;
}

/* --- the state of each parameter --- */

/** Reads the tensor of that key into a zeroed *out. *found: whether there is one. */
static int read_one(ckpt_tensor *out, bool *found, const value *state, const char *key, int64_t number,
                    tensor_source *source) {
    const value *v = key != NULL ? dict_get(state, key) : NULL;
    *found = v != NULL && v->kind == VALUE_TENSOR;
    int rc = *found ? tensor_load(out, source, v->tensor) : OK;
    if (rc != OK)
        fail_context(rc, "%s of parameter %lld", key, (long long)number);
    return rc;
}

/** Reads `step`, a number or a tensor of one element; the largest of all is kept. */
static int read_step(ckpt_optimizer *o, const value *step, tensor_source *source) {
    double steps = NAN;
    int rc = layout_number(&steps, step, source);
    if (rc == OK && !(steps >= 1 && steps <= STEP_LIMIT))
        rc = fail(E_FORMAT, "the optimizer's 'step' is missing or out of range");
    if (rc == OK && steps > (double)o->updates)
        o->updates = (int64_t)steps;
    return rc;
}

/** Reads the state of parameter `i`. *complete: whether it has everything that the optimizer needs. */
static int read_state(bool *complete, ckpt *c, int64_t i, const value *state, tensor_source *source) {
    const layout_optimizer *l = &layout_optimizers[c->optimizer.kind];
    bool momentum = false, square = false;
    int rc = OK;
    TRY(layout_check_entries(state, "the state of a parameter"));
    TRY(read_one(&c->momentum[i], &momentum, state, l->momentum, i, source));
    if (l->square != NULL)
        TRY(read_one(&c->square[i], &square, state, l->square, i, source));
    /* RMSprop without momentum has no buffer */
    *complete = (momentum || c->optimizer.kind == CKPT_RMSPROP) && (square || l->square == NULL);
    if (*complete && l->steps)
        TRY(read_step(&c->optimizer, dict_get(state, "step"), source));
done:
    return rc;
}

static void drop_states(ckpt *c) {
    for (int i = 0; i < c->momentum_n; i++)
        free(c->momentum[i].data);
    for (int i = 0; i < c->square_n; i++)
        free(c->square[i].data);
    c->momentum_n = c->square_n = 0;
    c->optimizer.updates = 0;
}

/** Gives each state the place of its parameter in the model. */
static int arrange(ckpt_tensor **state, const layout_groups *g) {
    ckpt_tensor *old = *state, *arranged = NULL;
    int rc = OK;
    TRY(memory_zeroed(&arranged, (size_t)g->param_n, sizeof *arranged));
    for (int i = 0; i < g->param_n; i++)
        arranged[i] = old[g->number[i]];
    *state = arranged;
    free(old);
done:
    return rc;
}

/** Reads the states by the file's numbers. *found: how many are complete. */
static int read_numbered(int *found, ckpt *c, const value *states, tensor_source *source) {
    bool *seen = NULL;
    int rc = OK;
    *found = 0;
    TRY(memory_zeroed(&seen, (size_t)c->param_n, sizeof *seen));
    for (size_t i = 0; i < dict_n(states); i++) {
        const value *key = states->list.items[2 * i];
        bool complete = false;
        if (key->kind != VALUE_INT || key->i < 0 || key->i >= c->param_n || seen[key->i])
            continue;
        seen[key->i] = true;
        TRY(read_state(&complete, c, key->i, states->list.items[2 * i + 1], source));
        *found += complete;
    }
done:
    free(seen);
    return rc;
}

static int read_states(ckpt *c, const value *optimizer, const layout_groups *g, tensor_source *source) {
    const layout_optimizer *l = &layout_optimizers[c->optimizer.kind];
    const value *states = dict_get(optimizer, "state");
    size_t n = dict_n(states);
    int rc = OK, found = 0;
    if (n == 0 || c->param_n == 0 || l->momentum == NULL)
        return OK;
    if (n > LAYOUT_PARAM_LIMIT)
        return fail(E_FORMAT, "%zu parameters in the optimizer state, more than the limit of %d", n,
                    LAYOUT_PARAM_LIMIT);
    if (g->lost) {
        log_warn("the parameter groups of the checkpoint's optimizer %s: the optimizer starts without state",
                 g->ambiguous ? "fit the model's parameters in more than one way"
                              : "do not fit the model's parameters");
        return OK;
    }
    TRY(memory_zeroed(&c->momentum, (size_t)c->param_n, sizeof *c->momentum));
    c->momentum_n = c->param_n;
    if (l->square != NULL) {
        TRY(memory_zeroed(&c->square, (size_t)c->param_n, sizeof *c->square));
        c->square_n = c->param_n;
    }
    TRY(read_numbered(&found, c, states, source));
    if (found == c->param_n && c->optimizer.kind == CKPT_LAMB)
        TRY(read_step(&c->optimizer, dict_get(list_get(dict_get(optimizer, "param_groups"), g->base), "step"), source));
    if (found < c->param_n) {
        if (found > 0)
            log_warn("the checkpoint has the optimizer's state for only %d of %d parameters: the optimizer starts "
                     "without state",
                     found, c->param_n);
        drop_states(c);
    }
    if (c->momentum_n > 0 && g->number != NULL)
        TRY(arrange(&c->momentum, g));
    if (c->square_n > 0 && g->number != NULL)
        TRY(arrange(&c->square, g));
    for (int i = 0; i < c->momentum_n && g->param != NULL; i++)
        memcpy(c->momentum[i].name, g->param[i]->name, sizeof c->momentum[i].name);
done:
    return rc;
}

int layout_read_optimizer(ckpt *c, const value *top, const layout_groups *groups, tensor_source *source) {
    c->param_n = groups->param_n;
    return read_states(c, list_get(dict_get(top, "optimizer_states"), 0), groups, source);
}
