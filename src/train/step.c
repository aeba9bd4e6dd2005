#include "train/step.h"

#include "base/status.h"

/** Micro-batches of the step that begins at batch `first`. */
static int micro_batches(const setup *s, int64_t first) {
    int64_t left = s->train_batches - first;
    int k = s->config->trainer.accumulate;
    return left < k ? (int)left : k;
}

metrics step_metrics(const engine_result_data *r) {
    return (metrics){.loss_sum = r->loss_sum, .images = r->images, .top1 = r->top1, .top5 = r->top5};
}

engine_hyper step_hyper(const setup *s, const train_state *t) {
    const config *c = s->config;
    int images = 0;
    for (int i = 0; i < micro_batches(s, t->batch_in_epoch); i++)
        images += setup_batch_images(s, t->batch_in_epoch + i);
    int64_t step = t->batch_in_epoch / c->trainer.accumulate;
    return (engine_hyper){.lr = schedule_lr(&t->schedule, t->epoch, step, s->steps_per_epoch),
                          .momentum = c->optimizer.momentum,
                          .dampening = c->optimizer.dampening,
                          .weight_decay = c->optimizer.weight_decay,
                          .nesterov = c->optimizer.nesterov,
                          .first_step = !t->momentum,
                          .clip_norm = c->trainer.clip_norm,
                          .loss_scale = scaler_scale(&t->scaler),
                          .label_smoothing = c->optimizer.label_smoothing,
                          .images = images};
}

/** Load, forward, loss, backward of one micro-batch. */
static int micro_batch(setup *s, train_state *t, unsigned flags) {
    batch *b = NULL;
    engine_plan *p = NULL;
    int rc = OK;
    TRY(loader_next(&b, s->train_loader));
    if (b == NULL) {
        rc = fail(E_DATA, "the training data ended before the epoch did");
        goto done;
    }
    if (s->on_batch != NULL)
        s->on_batch(s->on_batch_context, b);
    TRY(engine_compile(&p, s->engine, b->n, b->h, b->w, true));
    TRY(engine_load_batch(s->engine, p, b));
    loader_release(s->train_loader, b);
    b = NULL;          /* now owned by the loader */
    t->in_step = true; /* from here on the running statistics change */
    TRY(engine_forward(s->engine, p));
    TRY(engine_loss(s->engine, p));
    TRY(engine_backward(s->engine, p, flags));
done:
    if (b != NULL)
        loader_release(s->train_loader, b);
    return rc;
}

int train_step(step_result *out, setup *s, train_state *t) {
    engine_hyper h = step_hyper(s, t);
    engine_result_data r;
    int n = micro_batches(s, t->batch_in_epoch);
    int rc = OK;
    TRY(engine_reset_result(s->engine));
    TRY(engine_set_hyper(s->engine, &h));
    for (int i = 0; i < n; i++)
        TRY(micro_batch(s, t, (i == 0 ? ENGINE_FIRST : 0u) | (i == n - 1 ? ENGINE_LAST : 0u)));
    TRY(engine_unscale(s->engine));
    TRY(engine_update(s->engine));
    TRY(engine_result(&r, s->engine));
    *out = (step_result){
        .metrics = step_metrics(&r), .lr = h.lr, .grad_norm = r.grad_norm, .scale = h.loss_scale, .finite = r.finite};
    scaler_update(&t->scaler, r.finite);
    t->in_step = !r.finite && !t->scaler.on;
    t->momentum = t->momentum || r.finite;
    t->global_step++;
    t->batches_seen += n;
    t->batch_in_epoch += n;
    metrics_add(&t->train, &out->metrics);
done:
    return rc;
}
