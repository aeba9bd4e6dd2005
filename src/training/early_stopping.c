#include "training/early_stopping.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

early_stopping early_stopping_init(const config *c) {
    early_stopping e = {.min_delta = c->early_stopping.min_delta};
    ckpt_early_stopping *s = &e.state;
    s->on = strcmp(c->early_stopping.monitor, "none") != 0;
    snprintf(s->monitor, sizeof s->monitor, "%s", c->early_stopping.monitor);
    s->max = config_monitors_max(c->early_stopping.monitor, c->early_stopping.mode);
    s->patience = c->early_stopping.patience;
    s->best_score = s->max ? -INFINITY : INFINITY;
    return e;
}

void early_stopping_check(early_stopping *e, double value, int64_t epoch) {
    ckpt_early_stopping *s = &e->state;
    if (!s->on)
        return;
    bool better = s->max ? value - e->min_delta > s->best_score : value + e->min_delta < s->best_score;
    if (isfinite(value) && better) {
        s->best_score = value;
        s->wait_count = 0;
        return;
    }
    e->not_finite = !isfinite(value);
    s->wait_count = e->not_finite ? s->patience : s->wait_count + 1;
    e->stop = s->wait_count >= s->patience;
    if (e->stop)
        s->stopped_epoch = epoch;
}

bool early_stopping_restore(early_stopping *e, const ckpt_early_stopping *saved) {
    ckpt_early_stopping *s = &e->state;
    if (!s->on || !saved->on || saved->max != s->max || strcmp(saved->monitor, s->monitor) != 0)
        return false;
    s->wait_count = saved->wait_count;
    s->stopped_epoch = saved->stopped_epoch;
    s->best_score = saved->best_score;
    e->stop = s->wait_count >= s->patience;
    return true;
}

const char *early_stopping_reason(char out[128], const early_stopping *e) {
    const ckpt_early_stopping *s = &e->state;
    if (e->not_finite)
        snprintf(out, 128, "early stopping: %s is not finite", s->monitor);
    else
        snprintf(out, 128, "early stopping: %s has not improved on %.6g in the last %lld checks", s->monitor,
                 s->best_score, (long long)s->wait_count);
    return out;
}
