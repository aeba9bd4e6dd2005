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

int evaluate(metrics *out, mistakes *wrong, setup *s, progress *p, int64_t epoch, const volatile sig_atomic_t *stop) {
    metrics m = {0};
    batch *b = NULL;
    engine_hyper plain = {.loss_scale = 1, .images = 1}; /* no label smoothing: the loss is the cross-entropy */
    double start = clock_seconds(), waited = loader_waited(s->val_loader);
    int64_t done_n = 0;
    progress_state shown = {0};
    int rc = OK;
    if (wrong != NULL)
        wrong->n = 0;
    TRY(engine_set_hyper(s->engine, &plain));
    workers_begin(&s->val_workers, s->val_loader);
    TRY(loader_start(s->val_loader, 0, 0));
    if (p != NULL)
        progress_begin(p, "val", epoch, s->config->trainer.max_epochs, 0, s->val_batches);
    while (done_n < s->val_batches) {
        if (stop != NULL && *stop != 0) {
            rc = fail(E_STOPPED, "stopped by signal %d", (int)*stop);
            goto done;
        }
        TRY(loader_next(&b, s->val_loader));
        if (b == NULL)
            break;
        TRY(evaluate_batch(&m, wrong, s, b));
        workers_count(&s->val_workers, s->val_loader, b->n);
        loader_release(s->val_loader, b);
        b = NULL; /* now owned by the loader */
        done_n++;
        double seconds = clock_seconds() - start;
        shown = (progress_state){.done = done_n,
                                 .loss = metrics_loss(&m),
                                 .top1 = metrics_top1(&m),
                                 .images_per_second = (double)m.images / seconds,
                                 .wait_share = (loader_waited(s->val_loader) - waited) / seconds,
                                 .remaining_seconds = seconds / (double)done_n * (double)(s->val_batches - done_n)};
        if (p != NULL)
            progress_update(p, &shown);
    }
    if (p != NULL)
        progress_end(p, &shown);
    *out = m;
done:
    if (b != NULL)
        loader_release(s->val_loader, b);
    return rc;
}
