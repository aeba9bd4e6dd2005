#include "training/state.h"

#include "base/status.h"

int train_state_init(train_state *t, const config *c, double base_lr, bool scaling) {
    int rc = OK;
    *t = (train_state){.scaler = scaler_init(scaling)};
    TRY(topk_init(&t->best, c->checkpoint.top_k));
    TRY(schedule_init(&t->schedule, c, base_lr));
done:
    return rc;
}

void train_state_deinit(train_state *t) { topk_deinit(&t->best); }
