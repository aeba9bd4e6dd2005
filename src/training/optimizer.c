#include "training/optimizer.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "training/checkpoint.h"
#include "training/class_weights.h"
#include "training/weights.h"

#include <stdlib.h>
#include <string.h>

static engine_loss_options loss_options(const config *c) {
    return (engine_loss_options){.binary = strcmp(c->optimizer.loss, "bce") == 0,
                                 .bce = {.sum = c->optimizer.bce_sum, .threshold = c->optimizer.bce_threshold},
                                 .weighted = class_weights_on(c->optimizer.class_weights),
                                 .soft = c->data.mixup > 0 || c->data.cutmix > 0};
}

engine_hyper optimizer_hyper(const config *c) {
    return (engine_hyper){.momentum = c->optimizer.momentum,
                          .dampening = c->optimizer.dampening,
                          .weight_decay = c->optimizer.weight_decay,
                          .nesterov = c->optimizer.nesterov,
                          .beta1 = c->optimizer.beta1,
                          .beta2 = c->optimizer.beta2,
                          .alpha = c->optimizer.alpha,
                          .eps = config_eps(c),
                          .trust = c->optimizer.trust_coeff,
                          .clip_norm = c->trainer.clip_norm,
                          .label_smoothing = c->optimizer.label_smoothing,
                          .loss = loss_options(c)};
}

static ckpt_optimizer_kind kind_of(const config *c) {
    int k = CKPT_SGD;
    while (k < CKPT_OTHER_OPTIMIZER && strcmp(ckpt_optimizer_name((ckpt_optimizer_kind)k), c->optimizer.name) != 0)
        k++;
    return (ckpt_optimizer_kind)k;
}

ckpt_optimizer optimizer_options(const config *c, const train_state *t) {
    return (ckpt_optimizer){.kind = kind_of(c),
                            .lr = t->schedule.state.last_lr,
                            .initial_lr = t->schedule.state.base_lr,
                            .momentum = c->optimizer.momentum,
                            .dampening = c->optimizer.dampening,
                            .weight_decay = c->optimizer.weight_decay,
                            .nesterov = c->optimizer.nesterov,
                            .beta1 = c->optimizer.beta1,
                            .beta2 = c->optimizer.beta2,
                            .alpha = c->optimizer.alpha,
                            .eps = config_eps(c),
                            .trust_coeff = c->optimizer.trust_coeff,
                            .updates = t->updates};
}

int optimizer_decay(double **out, const run_context *s) {
    const double decay = s->config->optimizer.weight_decay;
    const model *n = s->model;
    bool all = true;
    int rc = OK;
    *out = NULL;
    for (int i = 0; i < n->param_n; i++)
        all = all && n->param[i].decays;
    if (all || decay == 0)
        return OK;
    TRY(memory_zeroed(out, (size_t)n->param_n, sizeof **out));
    for (int i = 0; i < n->param_n; i++)
        (*out)[i] = n->param[i].decays ? decay : 0;
done:
    return rc;
}

static int check_kind(const config *c, const ckpt_optimizer *then, const char *path) {
    const char *now = c->optimizer.name;
    if (then->kind == CKPT_NO_OPTIMIZER || then->kind == kind_of(c))
        return OK;
    if (then->kind == CKPT_OTHER_OPTIMIZER)
        return fail(E_OPTION,
                    "%s contains the state of an optimizer that linnet does not have, but the run uses %s: to use only "
                    "its weights, pass the file to --init",
                    path, now);
    return fail(E_OPTION,
                "%s was trained with optimizer.name %s, but the run uses %s: resume with --opt %s, or pass the file to "
                "--init to use only its weights",
                path, ckpt_optimizer_name(then->kind), now, ckpt_optimizer_name(then->kind));
}

/** `state`: a tensor for each parameter; one without data is 0. */
static int restore_state(run_context *s, engine_what what, const ckpt_tensor *state, const char *path) {
    double *one = NULL;
    int rc = OK;
    TRY(memory_zeroed(&one, model_largest(s->model), sizeof *one));
    for (int i = 0; i < s->model->param_n; i++) {
        const param *p = &s->model->param[i];
        const ckpt_tensor *t = &state[i];
        if (t->data != NULL && !weights_fit(t, p->shape, p->rank)) {
            rc = fail(E_FORMAT, "%s: the optimizer's state of %s has a different shape from the parameter", path,
                      p->name);
            goto done;
        }
        if (t->data != NULL)
            weights_widen(one, t);
        else
            memset(one, 0, p->count * sizeof *one);
        TRY(engine_write(s->engine, what, i, one));
    }
done:
    free(one);
    return rc;
}

/** Warns of a value that linnet does not have: neither 0 nor that of the convolutions, or 0 for weights. */
static void compare_values(const run_context *s, const ckpt *c, const char *path) {
    const double now = s->config->optimizer.weight_decay;
    for (int i = 0; i < s->model->param_n; i++) {
        const param *p = &s->model->param[i];
        if (c->decay[i] == c->decay[0] || (c->decay[i] == 0 && p->rank == 1))
            continue;
        log_warn("%s was trained with weight decay %g for %s and %g for %s: this run applies %g and %g", path,
                 c->decay[i], p->name, c->decay[0], s->model->param[0].name, p->decays ? now : 0, now);
        return;
    }
}

/** A number of tensors of batch norm, [0], and of the classifier's bias, [1]. */
typedef struct decayed {
    int with[2], without[2];
} decayed;

/** Counts by the file's parameter groups; nothing if they have no weight decay. */
static void count_groups(decayed *out, const run_context *s, const ckpt *c, const char *path) {
    bool any = false;
    for (int i = 0; i < s->model->param_n; i++)
        any = any || c->decay[i] != 0;
    if (!any)
        return;
    compare_values(s, c, path);
    for (int i = 0; i < s->model->param_n; i++) {
        const param *p = &s->model->param[i];
        if (p->rank == 1)
            (c->decay[i] != 0 ? out->with : out->without)[p->head]++;
    }
}

/** The same by the options in a file of linnet, each as one tensor: files of earlier versions have one group. */
static int count_options(decayed *out, const ckpt *c) {
    config *then = NULL;
    bool found = false;
    int rc = OK;
    TRY(memory_zeroed(&then, 1, sizeof *then));
    if (checkpoint_config(then, &found, c) == OK && found && then->optimizer.weight_decay > 0) {
        const bool decays[] = {then->optimizer.decay_norm, then->optimizer.decay_bias};
        for (int k = 0; k < 2; k++)
            (decays[k] ? out->with : out->without)[k] = 1;
    }
done:
    free(then);
    return rc;
}

/** Warns if the run decays other parameters than the run of the file. */
static int compare_decay(const run_context *s, const ckpt *c, const char *path) {
    static const char *const what[] = {"batch norm's parameters", "the classifier's bias"}, *const option[] = {
                                                                                                "optimizer.decay_norm",
                                                                                                "optimizer.decay_bias"};
    const bool now[] = {s->config->optimizer.decay_norm, s->config->optimizer.decay_bias};
    decayed then = {0};
    int rc = OK;
    if (s->config->optimizer.weight_decay == 0)
        return OK;
    if (c->own_n > 0)
        TRY(count_options(&then, c));
    else if (c->decay != NULL && c->param_n == s->model->param_n)
        count_groups(&then, s, c, path);
    for (int k = 0; k < 2; k++) {
        const int with = then.with[k], n = with + then.without[k];
        if (with > 0 && with < n)
            log_warn("%s was trained with weight decay for only %d of %d tensors of %s: this run applies it to %s of "
                     "them (%s)",
                     path, with, n, what[k], now[k] ? "all" : "none", option[k]);
        else if (n > 0 && (with > 0) != now[k])
            log_warn("%s was trained %s weight decay for %s, but this run %s it: to continue as before, set %s %s",
                     path, with > 0 ? "with" : "without", what[k], now[k] ? "applies" : "does not apply", option[k],
                     with > 0 ? "true" : "false");
    }
done:
    return rc;
}

int optimizer_restore(run_context *s, train_state *t, const ckpt *c, const char *path) {
    int rc = OK;
    TRY(check_kind(s->config, &c->optimizer, path));
    TRY(compare_decay(s, c, path));
    t->momentum = c->momentum_n > 0;
    t->updates = c->optimizer.updates;
    if (c->momentum_n == 0)
        return OK;
    if (c->momentum_n != s->model->param_n)
        return fail(E_FORMAT, "%s contains the optimizer's state for %d parameters, but the model has %d", path,
                    c->momentum_n, s->model->param_n);
    TRY(restore_state(s, ENGINE_MOMENTUM, c->momentum, path));
    if (c->square_n > 0)
        TRY(restore_state(s, ENGINE_SQUARE, c->square, path));
done:
    return rc;
}
