#include "training/evaluate.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "evaluation/prediction.h"
#include "training/rank_events.h"
#include "training/step.h"

#include <stdlib.h>

/** The state of a running evaluation. */
typedef struct evaluation {
    run_context *s;
    evaluate_extras extras;
    metrics sum, all;          /* of this rank; of all ranks, as of the last exchange */
    double *logits, *mirrored; /* (logits_n) of a batch; NULL: not collected */
    size_t logits_n;
} evaluation;

static int forward(evaluation *e, engine_plan *p, const batch *b) {
    int rc = OK;
    TRY(engine_load_batch(e->s->engine, p, b));
    TRY(engine_forward(e->s->engine, p));
done:
    return rc;
}

static int make_room(evaluation *e, size_t n) {
    int rc = OK;
    if (n <= e->logits_n)
        return OK;
    TRY(memory_resize(&e->logits, n, sizeof *e->logits));
    TRY(memory_resize(&e->mirrored, n, sizeof *e->mirrored));
    e->logits_n = n;
done:
    return rc;
}

/** Number of batches that this rank evaluates: every ranks-th batch within the limit. */
static int64_t own_batches(const run_context *s) {
    int ranks = comm_ranks(s->ranks.comm);
    return (s->val_batches + ranks - 1 - comm_rank(s->ranks.comm)) / ranks;
}

/** Sets *b to the next batch, or to NULL if this rank has no more. Every rank calls it equally often, and receives
 *  the sums that the others sent in the previous call. */
static int next_batch(batch **b, evaluation *e, int64_t turn) {
    run_context *s = e->s;
    char name[32];
    int rc = OK;
    *b = NULL;
    comm_at(s->ranks.comm, COMM_VALIDATES);
    if (comm_ranks(s->ranks.comm) > 1) {
        TRY(rank_sync_end(turn > 0 ? &e->all : NULL, &s->ranks));
        TRY(rank_sync_begin(&s->ranks, &e->sum));
    }
    if (ranks_stop(&s->ranks) != 0) {
        rc = fail(E_STOPPED, "stopped by %s", text_signal(name, ranks_stop(&s->ranks)));
        goto done;
    }
    if (turn < own_batches(s))
        TRY(loader_next(b, s->val_loader));
done:
    return rc;
}

/** Mirrors the images in place. */
static void mirror(const batch *b) {
    for (int64_t row = 0; row < (int64_t)b->n * b->h; row++) {
        uint8_t *left = b->pixels + row * b->w * 3, *right = left + (int64_t)(b->w - 1) * 3;
        for (; left < right; left += 3, right -= 3)
            for (int c = 0; c < 3; c++) {
                uint8_t t = left[c];
                left[c] = right[c];
                right[c] = t;
            }
    }
}

/** Without smooth_val_loss the loss is the cross-entropy. */
static double smoothing(const config *c) { return c->optimizer.smooth_val_loss ? c->optimizer.label_smoothing : 0; }

/** Averages the logits with those of the mirrored images, and computes the metrics from the means. */
static int add_mirrored(evaluation *e, engine_plan *p, const batch *b, metrics *m) {
    int classes = e->s->model->classes, rc = OK;
    mirror(b);
    TRY(forward(e, p, b));
    TRY(engine_read_tensor(e->mirrored, e->s->engine, p, e->s->model->layer_n - 1));
    *m = (metrics){0};
    for (size_t i = 0; i < (size_t)b->n * (size_t)classes; i++)
        e->logits[i] = (e->logits[i] + e->mirrored[i]) / 2;
    for (int i = 0; i < b->n; i++) {
        const double *logits = e->logits + (size_t)i * (size_t)classes;
        prediction j = predict_labelled(logits, classes, b->label[i], smoothing(e->s->config));
        metrics_add(m, &(metrics){.loss_sum = j.loss, .images = 1, .top1 = j.rank < 1, .top5 = j.rank < 5});
    }
done:
    return rc;
}

static int evaluate_batch(evaluation *e, const batch *b) {
    run_context *s = e->s;
    engine_plan *p = NULL;
    engine_result_data r;
    int rc = OK, classes = s->model->classes;
    TRY(engine_reset_result(s->engine));
    TRY(engine_compile(&p, s->engine, b->n, b->h, b->w, false));
    TRY(forward(e, p, b));
    TRY(engine_loss(s->engine, p));
    TRY(engine_result(&r, s->engine));
    metrics some = step_metrics(&r);
    if (e->extras.wrong != NULL || e->extras.evaluated != NULL || e->extras.flip) {
        TRY(make_room(e, (size_t)b->n * (size_t)classes));
        TRY(engine_read_tensor(e->logits, s->engine, p, s->model->layer_n - 1));
    }
    if (e->extras.flip)
        TRY(add_mirrored(e, p, b, &some));
    metrics_add(&e->sum, &some);
    if (e->extras.wrong != NULL)
        misclassified_add(e->extras.wrong, e->logits, classes, b);
    if (e->extras.evaluated != NULL)
        evaluation_report_add(e->extras.evaluated, e->logits, b->label, b->n);
done:
    return rc;
}

/** Loss and accuracy cover all ranks; with several ranks they are one exchange old. The throughput is this rank's,
 *  multiplied by the number of ranks. */
static progress_state shown_state(const evaluation *e, int64_t done_n, double start, double waited) {
    const run_context *s = e->s;
    const metrics *m = comm_ranks(s->ranks.comm) > 1 ? &e->all : &e->sum;
    double seconds = clock_seconds() - start;
    int64_t all = done_n * comm_ranks(s->ranks.comm);
    if (all > s->val_batches)
        all = s->val_batches;
    return (progress_state){.done = all,
                            .loss = metrics_loss(m),
                            .top1 = metrics_top1(m),
                            .images_per_second = (double)e->sum.images * (double)all / (double)done_n / seconds,
                            .wait_share = (loader_waited(s->val_loader) - waited) / seconds,
                            .remaining_seconds = seconds / (double)all * (double)(s->val_batches - all)};
}

int evaluate(metrics *out, const evaluate_extras *extras, run_context *s, progress *p, int64_t epoch) {
    evaluation e = {.s = s};
    batch *b = NULL;
    engine_hyper plain = {.loss_scale = 1, .images = 1, .label_smoothing = smoothing(s->config)};
    double start = clock_seconds(), waited = loader_waited(s->val_loader);
    int ranks = comm_ranks(s->ranks.comm);
    progress_state shown;
    int rc = OK;
    if (extras != NULL)
        e.extras = *extras;
    if (e.extras.wrong != NULL)
        e.extras.wrong->n = 0;
    TRY(engine_set_hyper(s->engine, &plain));
    workers_begin(&s->val_workers, s->val_loader);
    TRY(loader_start(s->val_loader, 0, 0));
    if (p != NULL)
        progress_begin(p, "val", epoch, epoch >= 0 ? s->config->trainer.max_epochs : 0, 0, s->val_batches);
    for (int64_t turn = 0; turn < (s->val_batches + ranks - 1) / ranks; turn++) {
        TRY(next_batch(&b, &e, turn));
        if (b == NULL)
            continue;
        TRY(evaluate_batch(&e, b));
        workers_count(&s->val_workers, s->val_loader, b->n);
        loader_release(s->val_loader, b);
        b = NULL; /* now owned by the loader */
        shown = shown_state(&e, turn + 1, start, waited);
        if (p != NULL)
            progress_update(p, &shown);
    }
    s->ranks.has_events = rank_events_pending(s);
    TRY(rank_sync_begin(&s->ranks, &e.sum));
    TRY(rank_sync_end(&e.all, &s->ranks));
    *out = e.all;
    shown = shown_state(&e, (s->val_batches + ranks - 1) / ranks, start, waited);
    if (p != NULL)
        progress_end(p, &shown);
    if (e.extras.wrong != NULL)
        TRY(misclassified_join(e.extras.wrong, s->ranks.comm));
    if (e.extras.evaluated != NULL)
        TRY(evaluation_report_join(e.extras.evaluated, s->ranks.comm));
done:
    if (b != NULL)
        loader_release(s->val_loader, b);
    free(e.logits);
    free(e.mirrored);
    return rc;
}
