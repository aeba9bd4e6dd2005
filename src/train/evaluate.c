#include "train/evaluate.h"

#include "base/file.h"
#include "base/status.h"
#include "train/step.h"

static int evaluate_batch(metrics *m, mistakes *wrong, setup *s, const batch *b) {
    engine_plan *p = NULL;
    engine_result_data r;
    int rc = OK;
    TRY(engine_reset_result(s->engine));
    TRY(engine_compile(&p, s->engine, b->n, b->h, b->w, false));
    TRY(engine_load_batch(s->engine, p, b));
    TRY(engine_forward(s->engine, p));
    TRY(engine_loss(s->engine, p));
    TRY(engine_result(&r, s->engine));
    metrics some = step_metrics(&r);
    metrics_add(m, &some);
    if (wrong != NULL)
        TRY(mistakes_add(wrong, s, p, b));
done:
    return rc;
}

/** Batches that this rank evaluates: every ranks-th of those within the limit. */
static int64_t own_batches(const setup *s) {
    int ranks = comm_ranks(s->ranks.comm);
    return (s->val_batches + ranks - 1 - comm_rank(s->ranks.comm)) / ranks;
}

/** *b: the next batch, NULL when there are no more of this rank's. Every rank comes here as often, and learns what the
 *  others told the time before. */
static int next_batch(batch **b, setup *s, const metrics *own, int64_t turn) {
    int rc = OK;
    *b = NULL;
    if (comm_ranks(s->ranks.comm) > 1) {
        TRY(ranks_hear(NULL, &s->ranks));
        TRY(ranks_tell(&s->ranks, own));
    }
    if (ranks_stop(&s->ranks) != 0) {
        rc = fail(E_STOPPED, "stopped by signal %d", ranks_stop(&s->ranks));
        goto done;
    }
    if (turn < own_batches(s))
        TRY(loader_next(b, s->val_loader));
done:
    return rc;
}

static progress_state shown_state(const setup *s, const metrics *m, int64_t done_n, double start, double waited) {
    double seconds = clock_seconds() - start;
    int64_t all = done_n * comm_ranks(s->ranks.comm);
    if (all > s->val_batches)
        all = s->val_batches;
    return (progress_state){.done = all,
                            .loss = metrics_loss(m),
                            .top1 = metrics_top1(m),
                            .images_per_second = (double)m->images * (double)all / (double)done_n / seconds,
                            .wait_share = (loader_waited(s->val_loader) - waited) / seconds,
                            .remaining_seconds = seconds / (double)all * (double)(s->val_batches - all)};
}

int evaluate(metrics *out, mistakes *wrong, setup *s, progress *p, int64_t epoch) {
    metrics m = {0};
    batch *b = NULL;
    engine_hyper plain = {.loss_scale = 1, .images = 1}; /* no label smoothing: the loss is the cross-entropy */
    double start = clock_seconds(), waited = loader_waited(s->val_loader);
    int ranks = comm_ranks(s->ranks.comm);
    progress_state shown = {0};
    int rc = OK;
    if (wrong != NULL)
        wrong->n = 0;
    TRY(engine_set_hyper(s->engine, &plain));
    workers_begin(&s->val_workers, s->val_loader);
    TRY(loader_start(s->val_loader, 0, 0));
    if (p != NULL)
        progress_begin(p, "val", epoch, s->config->trainer.max_epochs, 0, s->val_batches);
    for (int64_t turn = 0; turn < (s->val_batches + ranks - 1) / ranks; turn++) {
        TRY(next_batch(&b, s, &m, turn));
        if (b == NULL)
            continue;
        TRY(evaluate_batch(&m, wrong, s, b));
        workers_count(&s->val_workers, s->val_loader, b->n);
        loader_release(s->val_loader, b);
        b = NULL; /* now owned by the loader */
        shown = shown_state(s, &m, turn + 1, start, waited);
        if (p != NULL)
            progress_update(p, &shown);
    }
    if (p != NULL)
        progress_end(p, &shown);
    TRY(ranks_tell(&s->ranks, &m));
    TRY(ranks_hear(out, &s->ranks));
done:
    if (b != NULL)
        loader_release(s->val_loader, b);
    return rc;
}
