#include "train/bench.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "train/setup.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLASSES = 1000, BATCHES = 2 };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int one_step(engine *e, engine_plan *p, const batch *b) {
    engine_result_data r;
    int rc = OK;
    TRY(engine_load_batch(e, p, b));
    TRY(engine_forward(e, p));
    TRY(engine_loss(e, p));
    TRY(engine_backward(e, p, ENGINE_FIRST | ENGINE_LAST));
    TRY(engine_unscale(e));
    TRY(engine_update(e));
    TRY(engine_result(&r, e));
done:
    return rc;
}

static int time_steps(bench_result *out, profile *detail, setup *s, const config *c, batch *b, int steps, int warmup) {
    double *seconds = NULL;
    engine_plan *p = NULL;
    engine_result_data r;
    engine_hyper h = {.lr = 1e-3,
                      .momentum = c->optimizer.momentum,
                      .weight_decay = c->optimizer.weight_decay,
                      .first_step = true,
                      .clip_norm = c->trainer.clip_norm,
                      .loss_scale = 1,
                      .images = c->data.batch_size};
    int rc = OK;
    TRY(memory_zeroed(&seconds, (size_t)steps, sizeof *seconds));
    TRY(engine_compile(&p, s->engine, c->data.batch_size, c->data.image_size, c->data.image_size, true));
    for (int i = 0; i < warmup + steps; i++) {
        TRY(engine_set_hyper(s->engine, &h));
        TRY(engine_reset_result(s->engine));
        if (i == warmup && detail != NULL)
            engine_profile_start(s->engine);
        double start = clock_seconds();
        TRY(one_step(s->engine, p, &b[i % BATCHES]));
        if (i >= warmup)
            out->seconds += seconds[i - warmup] = clock_seconds() - start;
        h.first_step = false;
    }
    engine_profile_stop(s->engine);
    TRY(engine_result(&r, s->engine));
    qsort(seconds, (size_t)steps, sizeof *seconds, by_value);
    engine_memory memory = engine_plan_memory(s->engine, p);
    out->step_min = seconds[0];
    out->step_median = seconds[steps / 2];
    out->images_per_second = c->data.batch_size / out->step_median;
    out->loss = r.loss_sum / (double)r.images;
    out->parameters_bytes = memory.parameters;
    out->activations_bytes = memory.activations;
    if (detail != NULL)
        TRY(profile_collect(detail, s->engine, p, s->net, steps, out->seconds));
done:
    free(seconds);
    return rc;
}

int bench_train(bench_result *out, profile *detail, const config *c, int steps, int warmup) {
    setup s = {0};
    batch b[BATCHES] = {0};
    int rc = OK;
    if (detail != NULL)
        *detail = (profile){0};
    *out = (bench_result){.steps = steps, .batch = c->data.batch_size};
    TRY(setup_open_engine(&s, c, CLASSES));
    TRY(engine_init_weights(s.engine, c->trainer.seed));
    for (int i = 0; i < BATCHES; i++) {
        TRY(batch_init(&b[i], c->data.batch_size, c->data.image_size, c->data.image_size));
        batch_synthetic(&b[i], c->data.batch_size, CLASSES, c->trainer.seed, (uint64_t)i);
    }
    TRY(time_steps(out, detail, &s, c, b, steps, warmup));
    snprintf(out->engine, sizeof out->engine, "%s", engine_description(s.engine));
    snprintf(out->precision, sizeof out->precision, "%s", precision_name(s.precision));
    snprintf(out->arch, sizeof out->arch, "%s", s.net->arch);
done:
    for (int i = 0; i < BATCHES; i++)
        batch_deinit(&b[i]);
    setup_close(&s);
    return rc;
}
