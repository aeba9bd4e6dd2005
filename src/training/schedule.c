#include "training/schedule.h"

#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int schedule_init(schedule *s, const config *c, double base_lr) {
    static const struct {
        const char *name;
        ckpt_schedule_kind kind;
    } kinds[] = {{"none", CKPT_SCHEDULE_NONE},
                 {"step", CKPT_SCHEDULE_STEP},
                 {"multistep", CKPT_SCHEDULE_MULTISTEP},
                 {"plateau", CKPT_SCHEDULE_PLATEAU},
                 {"cosine", CKPT_SCHEDULE_COSINE}};
    int warmup = c->schedule.warmup_epochs;
    int cosine_epochs = c->trainer.max_epochs - warmup;
    *s = (schedule){.warmup_epochs = warmup, .warmup_start = c->schedule.warmup_start};
    s->state =
        (ckpt_schedule){.base_lr = base_lr,
                        .last_lr = base_lr,
                        .step_size = c->schedule.step_size,
                        .gamma = c->schedule.gamma,
                        .factor = c->schedule.factor,
                        .min_lr = strcmp(c->schedule.name, "cosine") == 0 ? c->schedule.eta_min : c->schedule.min_lr,
                        .threshold = c->schedule.threshold,
                        .eps = 1e-8,
                        .best = INFINITY,
                        .patience = c->schedule.patience,
                        .t_max = cosine_epochs > 0 ? cosine_epochs : 1};
    s->state.milestone_n = c->schedule.milestones.n;
    _Static_assert(sizeof s->state.milestones == sizeof c->schedule.milestones.at, "equal limits");
    memcpy(s->state.milestones, c->schedule.milestones.at, sizeof s->state.milestones);
    schedule_set_head(s, c->optimizer.head_lr);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(c->schedule.name, kinds[i].name) == 0) {
            s->state.kind = kinds[i].kind;
            return OK;
        }
    }
    return fail(E_OPTION, "schedule.name must be none, step, multistep, plateau or cosine, not '%s'", c->schedule.name);
}

void schedule_set_head(schedule *s, double head_lr) {
    s->head_scale = s->state.base_lr > 0 ? head_lr / s->state.base_lr : 0;
}

/** LR of the epoch schedule `epoch` epochs after the warm-up. */
static double epoch_lr(const ckpt_schedule *s, int64_t epoch) {
    int64_t cuts = 0;
    switch (s->kind) {
    case CKPT_SCHEDULE_STEP: cuts = epoch / s->step_size; return s->base_lr * pow(s->gamma, (double)cuts);
    case CKPT_SCHEDULE_MULTISTEP:
        while (cuts < s->milestone_n && s->milestones[cuts] <= epoch)
            cuts++;
        return s->base_lr * pow(s->gamma, (double)cuts);
    case CKPT_SCHEDULE_COSINE:
        if (epoch >= s->t_max)
            return s->min_lr;
        return s->min_lr + (s->base_lr - s->min_lr) * 0.5 * (1 + cos(M_PI * (double)epoch / s->t_max));
    case CKPT_SCHEDULE_PLATEAU: return s->last_lr;
    case CKPT_SCHEDULE_NONE:
    case CKPT_SCHEDULE_KINDS: break;
    }
    return s->base_lr;
}

double schedule_lr(const schedule *s, int64_t epoch, int64_t step, int64_t steps_per_epoch) {
    int64_t after = epoch - s->warmup_epochs;
    if (after >= 0)
        return epoch_lr(&s->state, after);
    double done = (double)(epoch * steps_per_epoch + step) / (double)(s->warmup_epochs * steps_per_epoch);
    return s->state.last_lr * (s->warmup_start + (1 - s->warmup_start) * done);
}

/** torch.optim.lr_scheduler.ReduceLROnPlateau, mode min, threshold_mode rel. */
static void plateau_observe(ckpt_schedule *s, double value) {
    if (value < s->best * (1 - s->threshold)) {
        s->best = value;
        s->num_bad_epochs = 0;
    } else {
        s->num_bad_epochs++;
    }
    if (s->cooldown_counter > 0) {
        s->cooldown_counter--;
        s->num_bad_epochs = 0;
    }
    if (s->num_bad_epochs > s->patience) {
        double lr = fmax(s->last_lr * s->factor, s->min_lr);
        if (s->last_lr - lr > s->eps)
            s->last_lr = lr;
        s->cooldown_counter = s->cooldown;
        s->num_bad_epochs = 0;
    }
}

bool schedule_end_epoch(schedule *s, int64_t epoch, double val_loss) {
    double before = s->state.last_lr;
    int64_t after = epoch + 1 - s->warmup_epochs;
    if (after < 0)
        return false;
    s->state.last_epoch = after;
    if (s->state.kind != CKPT_SCHEDULE_PLATEAU)
        s->state.last_lr = epoch_lr(&s->state, after);
    else if (after > 0)
        plateau_observe(&s->state, val_loss);
    return s->state.last_lr != before;
}

const char *schedule_reason(char out[128], const schedule *s) {
    const ckpt_schedule *t = &s->state;
    switch (t->kind) {
    case CKPT_SCHEDULE_STEP: snprintf(out, 128, "StepLR, every %d epochs", t->step_size); break;
    case CKPT_SCHEDULE_MULTISTEP:
        snprintf(out, 128, "MultiStepLR, milestone at epoch %lld", (long long)t->last_epoch);
        break;
    case CKPT_SCHEDULE_PLATEAU:
        snprintf(out, 128, "ReduceLROnPlateau, no improvement of val_loss over %.4g for %d epochs", t->best,
                 t->patience + 1);
        break;
    case CKPT_SCHEDULE_COSINE:
        snprintf(out, 128, "cosine annealing, epoch %lld of %d", (long long)t->last_epoch, t->t_max);
        break;
    case CKPT_SCHEDULE_NONE: /* never changes the LR */
    case CKPT_SCHEDULE_KINDS: out[0] = 0; break;
    }
    return out;
}
