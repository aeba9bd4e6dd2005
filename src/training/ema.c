#include "training/ema.h"

#include "base/status.h"

#include <math.h>

double ema_decay(const config *c, int step_images) {
    if (!c->trainer.ema_adjust)
        return c->trainer.ema;
    double adjust = (double)step_images * c->trainer.ema_steps / c->trainer.max_epochs;
    return 1 - fmin(1, (1 - c->trainer.ema) * adjust);
}

int ema_step(run_context *s, train_state *t, int64_t step) {
    const config *c = s->config;
    int rc = OK;
    if (!ema_on(s) || step % c->trainer.ema_steps != 0)
        return OK;
    TRY(engine_ema_update(s->engine,
                          t->ema_updates > 0 ? ema_decay(c, c->data.batch_size * s->micro_batches_per_step) : 0));
    bool follows = c->trainer.ema_adjust && t->epoch < c->schedule.warmup_epochs;
    t->ema_updates = follows ? 0 : t->ema_updates + 1;
done:
    return rc;
}

int ema_restart(run_context *s) { return ema_on(s) ? engine_ema_update(s->engine, 0) : OK; }

int ema_swap(run_context *s) { return ema_on(s) ? engine_ema_swap(s->engine) : OK; }
