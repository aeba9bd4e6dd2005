/* Writes the optimizer's state as the state_dict() of its class in torch.optim or timm.optim. */

#include "checkpoint/layout.h"

#include <stddef.h>

const char *ckpt_optimizer_name(ckpt_optimizer_kind k) {
    static const char *const names[] = {"none", "sgd", "adamw", "rmsprop", "lamb", "lars", "other"};
    return names[k];
}

const layout_optimizer layout_optimizers[CKPT_OTHER_OPTIMIZER + 1] = {
    [CKPT_NO_OPTIMIZER] = {.momentum = "momentum_buffer"},
    [CKPT_SGD] = {.momentum = "momentum_buffer"},
    [CKPT_ADAMW] = {.momentum = "exp_avg", .square = "exp_avg_sq", .steps = true},
    [CKPT_RMSPROP] = {.momentum = "momentum_buffer", .square = "square_avg", .steps = true},
    [CKPT_LAMB] = {.momentum = "exp_avg", .square = "exp_avg_sq"},
    [CKPT_LARS] = {.momentum = "momentum_buffer"},
};

const layout_field layout_sgd[] = {
    {"lr", 'd', offsetof(ckpt_optimizer, lr)},
    {"initial_lr", 'd', offsetof(ckpt_optimizer, initial_lr)},
    {"momentum", 'd', offsetof(ckpt_optimizer, momentum)},
    {"dampening", 'd', offsetof(ckpt_optimizer, dampening)},
    {"weight_decay", 'd', offsetof(ckpt_optimizer, weight_decay)},
    {"nesterov", 'b', offsetof(ckpt_optimizer, nesterov)},
    {0},
};

/** The part of a parameter group that torch.optim.AdamW and timm.optim.Lamb share. */
static void write_betas(pickle *p, const ckpt_optimizer *o) {
    pickle_string(p, "betas");
    pickle_pair(p, o->beta1, o->beta2);
    pickle_item_float(p, "eps", o->eps);
    pickle_item_float(p, "weight_decay", o->weight_decay);
}

static void write_sgd(pickle *p, const ckpt_optimizer *o) {
    layout_write_fields(p, layout_sgd, o);
    pickle_item_bool(p, "maximize", false);
    pickle_item_none(p, "foreach");
    pickle_item_bool(p, "differentiable", false);
    pickle_item_none(p, "fused");
}

static void write_adamw(pickle *p, const ckpt_optimizer *o) {
    static const char *const off[] = {"amsgrad", "maximize", "capturable", "differentiable"};
    write_betas(p, o);
    for (int i = 0; i < 4; i++)
        pickle_item_bool(p, off[i], false);
    pickle_item_none(p, "foreach");
    pickle_item_none(p, "fused");
    pickle_item_bool(p, "decoupled_weight_decay", true);
}

static void write_rmsprop(pickle *p, const ckpt_optimizer *o) {
    static const char *const off[] = {"centered", "maximize", "capturable", "differentiable"};
    pickle_item_float(p, "momentum", o->momentum);
    pickle_item_float(p, "alpha", o->alpha);
    pickle_item_float(p, "eps", o->eps);
    pickle_item_float(p, "weight_decay", o->weight_decay);
    for (int i = 0; i < 4; i++)
        pickle_item_bool(p, off[i], false);
    pickle_item_none(p, "foreach");
}

/** max_grad_norm is None, because trainer.clip_norm clips. */
static void write_lamb(pickle *p, const ckpt_optimizer *o) {
    static const char *const off[] = {"trust_clip", "always_adapt", "caution", "decoupled_decay",
                                      "corrected_weight_decay"};
    write_betas(p, o);
    pickle_item_bool(p, "bias_correction", true);
    pickle_item_bool(p, "grad_averaging", true);
    pickle_item_none(p, "max_grad_norm");
    for (int i = 0; i < 5; i++)
        pickle_item_bool(p, off[i], false);
    if (o->updates > 0) { /* timm counts in the group, from the first step on */
        pickle_string(p, "step");
        pickle_scalar(p, (double)o->updates);
    }
}

static void write_lars(pickle *p, const ckpt_optimizer *o) {
    pickle_item_float(p, "momentum", o->momentum);
    pickle_item_float(p, "dampening", o->dampening);
    pickle_item_float(p, "weight_decay", o->weight_decay);
    pickle_item_bool(p, "nesterov", o->nesterov);
    pickle_item_float(p, "trust_coeff", o->trust_coeff);
    pickle_item_float(p, "eps", o->eps);
    pickle_item_bool(p, "trust_clip", false);
    pickle_item_bool(p, "always_adapt", false);
}

int layout_divide(layout_division out[LAYOUT_GROUPS], const ckpt *c) {
    const int body_n = c->param_n - c->head_n;
    /* the order of timm if the classifier's bias does not decay, else that of torchvision */
    const bool decay_first = c->decay == NULL || c->param_n == 0 || c->decay[c->param_n - 1] != 0;
    int n = 0;
    for (int k = 0; k < LAYOUT_GROUPS; k++) {
        layout_division d = {.begin = k < 2 ? 0 : body_n, .end = k < 2 ? body_n : c->param_n, .scale = 1};
        if (k >= 2)
            d.scale = c->head_scale;
        d.decays = (k % 2 == 0) == decay_first;
        for (int i = d.begin; i < d.end; i++)
            d.n += layout_divided(&d, c, i);
        if (d.n > 0 || (k == 0 && c->decay == NULL))
            out[n++] = d;
    }
    return n;
}

bool layout_divided(const layout_division *d, const ckpt *c, int i) {
    return i >= d->begin && i < d->end && (c->decay == NULL || c->decay[i] != 0) == d->decays;
}

/** Writes an element of param_groups. */
static void write_group(pickle *p, const ckpt *c, const layout_division *d) {
    ckpt_optimizer o = c->optimizer;
    o.lr *= d->scale;
    o.initial_lr *= d->scale;
    o.weight_decay = d->decays ? o.weight_decay : 0;
    pickle_dict(p);
    if (o.kind != CKPT_SGD) {
        pickle_item_float(p, "lr", o.lr);
        pickle_item_float(p, "initial_lr", o.initial_lr);
    }
    switch (o.kind) {
    case CKPT_SGD: write_sgd(p, &o); break;
    case CKPT_ADAMW: write_adamw(p, &o); break;
    case CKPT_RMSPROP: write_rmsprop(p, &o); break;
    case CKPT_LAMB: write_lamb(p, &o); break;
    case CKPT_LARS: write_lars(p, &o); break;
    default: break;
    }
    pickle_string(p, "params");
    pickle_list(p);
    for (int i = d->begin; i < d->end; i++)
        if (layout_divided(d, c, i))
            pickle_int(p, i);
    pickle_list_end(p);
    pickle_dict_end(p);
}

/** Writes the state of parameter i. */
static void write_state(pickle *p, const ckpt *c, int i) {
    const layout_optimizer *l = &layout_optimizers[c->optimizer.kind];
    pickle_int(p, i);
    pickle_dict(p);
    if (l->steps) { /* a tensor of its own for each parameter: torch increments it in place */
        pickle_string(p, "step");
        pickle_scalar(p, (double)c->optimizer.updates);
    }
    pickle_string(p, l->momentum);
    pickle_tensor(p, &c->momentum[i]);
    if (l->square != NULL) {
        pickle_string(p, l->square);
        pickle_tensor(p, &c->square[i]);
    }
    pickle_dict_end(p);
}

void layout_write_optimizer(pickle *p, const ckpt *c) {
    layout_division group[LAYOUT_GROUPS];
    const int n = layout_divide(group, c);
    pickle_string(p, "optimizer_states");
    pickle_list(p);
    pickle_dict(p);
    pickle_item_dict(p, "state");
    for (int i = 0; i < c->momentum_n; i++)
        write_state(p, c, i);
    pickle_dict_end(p);
    pickle_string(p, "param_groups");
    pickle_list(p);
    for (int g = 0; g < n; g++)
        write_group(p, c, &group[g]);
    pickle_list_end(p);
    pickle_dict_end(p);
    pickle_list_end(p);
}
