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
    double lr = schedule_lr(&t->schedule, t->epoch, step, s->steps_per_epoch);
    return (engine_hyper){.lr = lr,
                          .head_lr = lr * t->schedule.head_scale,
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

/** Load, forward, loss, backward of one micro-batch; after the last one the update. */
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
    b = NULL;                              /* now owned by the loader */
    t->in_step = true;                     /* from here on the running statistics change */
    TRY(engine_step(s->engine, p, flags)); /* after the last: all-reduce, unscale, check, clip, update */
done:
    if (b != NULL)
        loader_release(s->train_loader, b);
    return rc;
}

/** The step's outcome goes into the state. */
static int settle(step_result *out, setup *s, train_state *t) {
    engine_result_data r;
    int rc = OK;
    TRY(engine_take_result(&r, s->engine));
    *out = (step_result){.metrics = step_metrics(&r),
                         .step = t->pending.step,
                         .lr = t->pending.lr,
                         .grad_norm = r.grad_norm,
                         .scale = scaler_scale(&t->scaler),
                         .finite = r.finite};
    t->pending.on = false;
    scaler_update(&t->scaler, r.finite);
    t->in_step = !r.finite && !t->scaler.on;
    t->momentum = t->momentum || r.finite;
    metrics_add(&t->train, &out->metrics);
done:
    return rc;
}

int train_settle(step_result *out, setup *s, train_state *t) {
    *out = (step_result){.finite = true};
    return t->pending.on ? settle(out, s, t) : OK;
}

/** A device that runs ahead moves its scaler on by itself; the state here follows, and is the same where no result is
 *  still to come. */
static int hand_over_scaler(engine_hyper *h, const setup *s, const train_state *t) {
    const ckpt_scaler *c = &t->scaler.state;
    engine_scaler now = {c->scale, c->growth_factor, c->backoff_factor, c->growth_interval, c->growth_tracker};
    if (!t->scaler.on || !engine_runs_ahead(s->engine))
        return OK;
    h->loss_scale = 0;
    return t->pending.on ? OK : engine_set_scaler(s->engine, &now);
}

int train_step(step_result *out, setup *s, train_state *t, bool wait) {
    engine_hyper h = step_hyper(s, t);
    int n = micro_batches(s, t->batch_in_epoch);
    int rc = OK;
    TRY(hand_over_scaler(&h, s, t));
    TRY(engine_reset_result(s->engine));
    TRY(engine_set_hyper(s->engine, &h));
    for (int i = 0; i < n; i++)
        TRY(micro_batch(s, t, (i == 0 ? ENGINE_FIRST : 0u) | (i == n - 1 ? ENGINE_LAST : 0u)));
    TRY(engine_post_result(s->engine));
    t->in_step = false;
    TRY(train_settle(out, s, t)); /* the step before */
    t->pending = (pending_step){.on = true, .step = t->global_step, .lr = h.lr};
    t->global_step++;
    t->batches_seen += n;
    t->batch_in_epoch += n;
    if (wait || !t->momentum || !engine_runs_ahead(s->engine))
        TRY(settle(out, s, t));
done:
    return rc;
}
