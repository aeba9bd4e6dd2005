/* Initialises the state of a run. */

#include "training/state.h"

#include "base/status.h"

#include <math.h>
#include <string.h>

int train_state_init(train_state *t, const config *c, double base_lr, bool scaling) {
    int rc = OK;
    *t = (train_state){.scaler = grad_scaler_init(scaling), .early_stopping = early_stopping_init(c), .val_step = -1};
    TRY(top_k_init(&t->best, c->checkpoint.top_k, config_monitors_max(c->checkpoint.monitor, c->checkpoint.mode)));
    TRY(schedule_init(&t->schedule, c, base_lr));
done:
    return rc;
}

void train_state_deinit(train_state *t) { top_k_deinit(&t->best); }

double train_state_score(const train_state *t, const char *monitor) {
    if (strcmp(monitor, "train_loss") == 0)
        return t->epoch_done ? metrics_loss(&t->train) : NAN;
    if (t->val.images == 0 || t->val_step != t->global_step)
        return NAN;
    return strcmp(monitor, "val_acc") == 0 ? metrics_top1(&t->val) : metrics_loss(&t->val);
}
