#include "training/grad_scaler.h"

scaler grad_scaler_init(bool on) {
    return (scaler){
        .on = on,
        .state = {.on = on, .scale = 65536, .growth_factor = 2, .backoff_factor = 0.5, .growth_interval = 2000}};
}

double grad_scaler_scale(const scaler *s) { return s->on ? s->state.scale : 1; }

void grad_scaler_update(scaler *s, bool finite) {
    ckpt_grad_scaler *t = &s->state;
    if (!s->on)
        return;
    if (!finite) {
        t->scale *= t->backoff_factor;
        t->growth_tracker = 0;
        s->skipped++;
    } else if (++t->growth_tracker == t->growth_interval) {
        t->scale *= t->growth_factor;
        t->growth_tracker = 0;
    }
}
