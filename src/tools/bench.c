#include "tools/bench.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "telemetry/host_memory.h"
#include "training/batch_fit.h"
#include "training/class_weights.h"
#include "training/optimizer.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLASSES = 1000, BATCHES = 2 };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int one_step(engine *e, engine_plan *p, const batch *b, bool training) {
    engine_result_data r;
    int rc = OK;
    TRY(engine_load_batch(e, p, b));
    if (!training) {
        TRY(engine_forward(e, p));
        TRY(engine_loss(e, p));
        return engine_result(&r, e);
    }
    TRY(engine_draw_drop_path(e, p, 0, 0, 0));
    TRY(engine_step(e, p, ENGINE_FIRST | ENGINE_LAST));
    TRY(engine_result(&r, e));
done:
    return rc;
}

/** Times the steps: sets `seconds` (steps) and the results of the steps. */
static int time_steps(bench_result *out, double *seconds, run_context *s, engine_plan *p, const batch *b, bool training,
                      bool profiled) {
    const config *c = s->config;
    engine *e = s->engine;
    engine_result_data r;
    engine_hyper h = optimizer_hyper(c);
    int rc = OK;
    h.lr = 1e-3;
    h.first_step = true;
    h.loss_scale = 1;
    h.images = c->data.batch_size;
    for (int i = -out->warmup; i < out->steps; i++) {
        TRY(engine_set_hyper(e, &h));
        TRY(engine_reset_result(e));
        if (i == 0 && profiled)
            engine_profile_start(e);
        if (i == 0)
            ranks_begin(&s->ranks, 0);
        double start = clock_seconds();
        TRY(one_step(e, p, &b[(i + out->warmup) % BATCHES], training));
        if (i >= 0)
            out->seconds += seconds[i] = clock_seconds() - start;
        h.first_step = false;
        h.updates++;
    }
    TRY(engine_profile_stop(e));
    TRY(rank_sync_begin(&s->ranks, NULL));
    TRY(rank_sync_end(NULL, &s->ranks));
    out->timing = ranks_timing(&s->ranks);
    TRY(engine_result(&r, e));
    out->loss = r.loss_sum / (double)r.images;
    qsort(seconds, (size_t)out->steps, sizeof *seconds, by_value);
    out->step_min = seconds[0];
    out->step_median = seconds[out->steps / 2];
    out->images_per_second = (double)out->ranks * out->batch / out->step_median;
done:
    return rc;
}

/** With optimizer.class_weights every weight is 1: the synthetic images have no classes to look up. */
static int set_class_weights(engine *e, const char *option) {
    double weight[CLASSES];
    for (int i = 0; i < CLASSES; i++)
        weight[i] = 1;
    return class_weights_on(option) ? engine_set_class_weights(e, weight) : OK;
}

static int make_batches(batch *b, const config *c, int rank) {
    int rc = OK;
    for (int i = 0; i < BATCHES; i++) {
        TRY(batch_init(&b[i], c->data.batch_size, c->data.image_size, c->data.image_size));
        batch_synthetic(&b[i], c->data.batch_size, CLASSES, c->trainer.seed, (uint64_t)rank * BATCHES + (uint64_t)i);
    }
done:
    return rc;
}

int bench_steps(bench_result *out, profile *detail, const config *c, comm *all, bool training, int steps, int warmup) {
    run_context s = {0};
    batch b[BATCHES] = {0};
    engine_plan *p = NULL;
    double *seconds = NULL;
    int rc = OK;
    if (detail != NULL)
        *detail = (profile){0};
    *out = (bench_result){.steps = steps, .warmup = warmup, .batch = c->data.batch_size, .ranks = comm_ranks(all)};
    TRY(memory_zeroed(&seconds, (size_t)steps, sizeof *seconds));
    TRY(run_context_open_engine(&s, c, CLASSES, all));
    TRY(run_context_compile_batch(&p, &s, c->data.batch_size, training));
    TRY(engine_init_weights(s.engine, c->trainer.seed));
    TRY(set_class_weights(s.engine, c->optimizer.class_weights));
    TRY(make_batches(b, c, comm_rank(all)));
    TRY(time_steps(out, seconds, &s, p, b, training, detail != NULL));
    out->memory = engine_plan_memory(s.engine, p);
    out->memory.process += (size_t)BATCHES * 3 * (size_t)b->n * (size_t)b->h * (size_t)b->w;
    out->peak_bytes = host_memory_peak();
    snprintf(out->engine, sizeof out->engine, "%s", engine_description(s.engine));
    snprintf(out->precision, sizeof out->precision, "%s", precision_name(s.precision));
    snprintf(out->arch, sizeof out->arch, "%s", s.model->arch);
    if (detail != NULL)
        TRY(profile_collect(detail, s.engine, p, s.model, steps, out->seconds));
done:
    for (int i = 0; i < BATCHES; i++)
        batch_deinit(&b[i]);
    free(seconds);
    ranks_failed(all, rc);
    run_context_close(&s);
    return rc;
}
