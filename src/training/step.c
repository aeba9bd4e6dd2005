#include "training/step.h"

#include "base/status.h"
#include "loader/samples.h"
#include "training/optimizer.h"
#include "training/rank_events.h"
#include "training/run_loader.h"

/** Number of micro-batches of the step that begins at batch `first`, over all ranks. */
static int micro_batches(const run_context *s, int64_t first) {
    int64_t left = s->train_batches - first;
    return left < s->micro_batches_per_step ? (int)left : s->micro_batches_per_step;
}

/** Number of micro-batches of this rank, of the `n` micro-batches of a step. */
static int own_micro_batches(const run_context *s, int n) {
    int own = n - s->micro_batch_first;
    return own < 0 ? 0 : own < s->micro_batch_count ? own : s->micro_batch_count;
}

metrics step_metrics(const engine_result_data *r) {
    return (metrics){.loss_sum = r->loss_sum, .images = r->images, .top1 = r->top1, .top5 = r->top5};
}

engine_hyper step_hyper(const run_context *s, const train_state *t) {
    int images = 0;
    for (int i = 0; i < micro_batches(s, t->batch_in_epoch); i++)
        images += run_context_batch_images(s, t->batch_in_epoch + i);
    int64_t step = t->batch_in_epoch / s->micro_batches_per_step;
    double lr = schedule_lr(&t->schedule, t->epoch, step, s->steps_per_epoch);
    engine_hyper h = optimizer_hyper(s->config);
    h.lr = lr;
    h.head_lr = lr * t->schedule.head_scale;
    h.first_step = !t->momentum;
    h.updates = t->updates;
    h.loss_scale = grad_scaler_scale(&t->scaler);
    h.images = (double)images / comm_ranks(s->ranks.comm);
    return h;
}

/** Largest number of micro-batches on a rank, which is that of rank 0. */
static int most_micro_batches(const run_context *s, int n) {
    int ranks = comm_ranks(s->ranks.comm), most = (s->micro_batches_per_step + ranks - 1) / ranks;
    return n < most ? n : most;
}

/** With trainer.global_batch, only the first micro-batch of a step updates the running statistics, so that they do
 *  not depend on the distribution of the micro-batches over ranks. Otherwise every micro-batch updates those of its
 *  rank, and rank 0's are used, as in DDP. */
static unsigned statistics_flag(const run_context *s, int i) {
    return s->config->trainer.global_batch > 0 && s->micro_batch_first + i > 0 ? ENGINE_KEEP_STATISTICS : 0;
}

static int statistics_updates(const run_context *s, int n) {
    return s->config->trainer.global_batch > 0 ? 1 : most_micro_batches(s, n);
}

/** Load, forward, loss and backward of one micro-batch, and the update after the last one. The hash of its images is
 *  added to *samples. */
static int micro_batch(uint64_t *samples, run_context *s, train_state *t, int64_t number, unsigned flags) {
    batch *b = NULL;
    engine_plan *p = NULL;
    int rc = OK;
    comm_at(s->ranks.comm, COMM_LOADS);
    TRY(loader_next(&b, s->train_loader));
    if (b == NULL) {
        rc = fail(E_DATA, "the data loader returned fewer batches than the epoch has");
        goto done;
    }
    if (s->on_batch != NULL)
        s->on_batch(s->on_batch_context, b);
    comm_at(s->ranks.comm, COMM_COMPUTES);
    run_loader_mix(s->config, t->epoch, number, b);
    *samples = samples_join(*samples, samples_hash(number * s->config->data.batch_size, b->index, b->n));
    TRY(engine_compile(&p, s->engine, b->n, b->h, b->w, true));
    TRY(engine_load_batch(s->engine, p, b));
    TRY(engine_draw_drop_path(s->engine, p, s->config->trainer.seed, (uint32_t)t->epoch, (uint64_t)number));
    loader_release(s->train_loader, b);
    b = NULL;                              /* now owned by the loader */
    t->in_step = true;                     /* from here on the running statistics change */
    TRY(engine_step(s->engine, p, flags)); /* with ENGINE_LAST: all-reduce, unscale, check, clip, update */
done:
    if (b != NULL)
        loader_release(s->train_loader, b);
    return rc;
}

/** Adds the result of a step to the state. If the exchange with the other ranks fails, the sums cover only this
 *  rank's images. */
static int settle(step_result *out, run_context *s, train_state *t) {
    engine_result_data r;
    int rc = OK;
    TRY(engine_take_result(&r, s->engine));
    metrics own = step_metrics(&r), all = own;
    double scale = grad_scaler_scale(&t->scaler);
    t->pending.on = false;
    grad_scaler_update(&t->scaler, r.finite);
    t->in_step = !r.finite && !t->scaler.on;
    t->momentum = t->momentum || r.finite;
    t->updates += r.finite;
    s->ranks.has_events = rank_events_pending(s);
    s->ranks.samples = t->pending.samples;
    s->ranks.loaded = loader_waited(s->train_loader);
    rc = rank_sync_begin(&s->ranks, &own);
    if (rc == OK)
        rc = rank_sync_end(&all, &s->ranks);
    *out = (step_result){.metrics = all,
                         .own_images = own.images,
                         .step = t->pending.step,
                         .lr = t->pending.lr,
                         .grad_norm = r.grad_norm,
                         .scale = scale,
                         .samples = s->ranks.agreed_samples,
                         .finite = r.finite};
    metrics_add(&t->train, &out->metrics);
done:
    return rc;
}

int train_settle(step_result *out, run_context *s, train_state *t) {
    *out = (step_result){.finite = true};
    return t->pending.on ? settle(out, s, t) : OK;
}

/** A device that runs asynchronously updates its own loss scaler and counts its updates, and the state here follows
 * with the results. Both are equal if no result is pending. */
static int hand_over(engine_hyper *h, const run_context *s, const train_state *t) {
    const ckpt_grad_scaler *c = &t->scaler.state;
    engine_grad_scaler now = {c->scale, c->growth_factor, c->backoff_factor, c->growth_interval, c->growth_tracker};
    if (t->pending.on)
        h->updates = -1;
    if (!t->scaler.on || !engine_runs_ahead(s->engine))
        return OK;
    h->loss_scale = 0;
    return t->pending.on ? OK : engine_set_grad_scaler(s->engine, &now);
}

int train_step(step_result *out, run_context *s, train_state *t, bool wait) {
    engine_hyper h = step_hyper(s, t);
    int n = micro_batches(s, t->batch_in_epoch), own = own_micro_batches(s, n);
    uint64_t samples = 0;
    int rc = OK;
    comm_step(s->ranks.comm, t->global_step);
    comm_at(s->ranks.comm, COMM_COMPUTES);
    TRY(hand_over(&h, s, t));
    TRY(engine_reset_result(s->engine));
    TRY(engine_set_hyper(s->engine, &h));
    for (int i = own; i < most_micro_batches(s, n); i++)
        TRY(engine_step_empty(s->engine, own == 0 && i == most_micro_batches(s, n) - 1 ? ENGINE_LAST : 0));
    for (int i = 0; i < own; i++)
        TRY(micro_batch(&samples, s, t, t->batch_in_epoch + s->micro_batch_first + i,
                        (i == 0 ? ENGINE_FIRST : 0u) | (i == own - 1 ? ENGINE_LAST : 0u) | statistics_flag(s, i)));
    TRY(engine_post_result(s->engine));
    t->in_step = false;
    TRY(train_settle(out, s, t)); /* the result of the previous step */
    t->pending = (pending_step){.on = true, .step = t->global_step, .lr = h.lr, .samples = samples};
    t->global_step++;
    t->batches_seen += statistics_updates(s, n);
    t->batch_in_epoch += n;
    if (wait || !t->momentum || !engine_runs_ahead(s->engine))
        TRY(settle(out, s, t));
done:
    return rc;
}
