#include "training/ema.h"

#include "base/status.h"

#include <math.h>

double average_decay(const config *c, int step_images) {
    double adjust = (double)step_images * c->trainer.ema_steps / c->trainer.max_epochs;
    return 1 - fmin(1, (1 - c->trainer.ema) * adjust);
}

int average_step(setup *s, train_state *t, int64_t step) {
    const config *c = s->config;
    int rc = OK;
    if (!average_on(s) || step % c->trainer.ema_steps != 0)
        return OK;
    TRY(engine_average_update(s->engine, t->averaged > 0 ? average_decay(c, c->data.batch_size * s->row) : 0));
    t->averaged = t->epoch < c->schedule.warmup_epochs ? 0 : t->averaged + 1;
done:
    return rc;
}

int average_restart(setup *s) { return average_on(s) ? engine_average_update(s->engine, 0) : OK; }

int average_swap(setup *s) { return average_on(s) ? engine_average_swap(s->engine) : OK; }
