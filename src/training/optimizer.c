#include "training/optimizer.h"

#include "base/memory.h"
#include "base/status.h"
#include "training/weights.h"

#include <stdlib.h>
#include <string.h>

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
                          .label_smoothing = c->optimizer.label_smoothing};
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

int optimizer_restore(run_context *s, train_state *t, const ckpt *c, const char *path) {
    int rc = OK;
    TRY(check_kind(s->config, &c->optimizer, path));
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
