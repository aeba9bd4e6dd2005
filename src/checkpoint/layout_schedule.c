/* Writes the state of the learning rate schedule as torch.optim.lr_scheduler's state_dict(). */
#include "checkpoint/layout.h"

#include <math.h>
#include <stddef.h>

const char *const layout_kinds[CKPT_SCHEDULE_KINDS] = {"none", "step", "plateau", "cosine", "multistep"};

const layout_field layout_schedule[] = {
    {"last_epoch", 'q', offsetof(ckpt_schedule, last_epoch)},
    {"base_lr", 'd', offsetof(ckpt_schedule, base_lr)},
    {"last_lr", 'd', offsetof(ckpt_schedule, last_lr)},
    {"step_size", 'i', offsetof(ckpt_schedule, step_size)},
    {"gamma", 'd', offsetof(ckpt_schedule, gamma)},
    {"factor", 'd', offsetof(ckpt_schedule, factor)},
    {"min_lr", 'd', offsetof(ckpt_schedule, min_lr)},
    {"threshold", 'd', offsetof(ckpt_schedule, threshold)},
    {"best", 'd', offsetof(ckpt_schedule, best)},
    {"eps", 'd', offsetof(ckpt_schedule, eps)},
    {"patience", 'i', offsetof(ckpt_schedule, patience)},
    {"cooldown", 'i', offsetof(ckpt_schedule, cooldown)},
    {"cooldown_counter", 'i', offsetof(ckpt_schedule, cooldown_counter)},
    {"num_bad_epochs", 'i', offsetof(ckpt_schedule, num_bad_epochs)},
    {"t_max", 'i', offsetof(ckpt_schedule, t_max)},
    {0},
};

/** Writes a list with the rate of each parameter group. */
static void write_rates(pickle *p, const char *key, const ckpt *c, double rate) {
    layout_division group[LAYOUT_GROUPS];
    const int n = layout_divide(group, c);
    pickle_string(p, key);
    pickle_list(p);
    for (int g = 0; g < n; g++)
        pickle_float(p, rate * group[g].scale);
    pickle_list_end(p);
}

static void write_plateau(pickle *p, const ckpt *c) {
    const ckpt_schedule *s = &c->schedule;
    pickle_item_float(p, "factor", s->factor);
    write_rates(p, "min_lrs", c, s->min_lr);
    pickle_item_int(p, "patience", s->patience);
    pickle_item_int(p, "cooldown", s->cooldown);
    pickle_item_int(p, "cooldown_counter", s->cooldown_counter);
    pickle_item_string(p, "mode", "min");
    pickle_item_float(p, "threshold", s->threshold);
    pickle_item_string(p, "threshold_mode", "rel");
    pickle_item_float(p, "best", s->best);
    pickle_item_int(p, "num_bad_epochs", s->num_bad_epochs);
    pickle_item_float(p, "mode_worse", INFINITY);
    pickle_item_float(p, "eps", s->eps);
}

/** A milestone that occurs once has the count 1. */
static void write_milestones(pickle *p, const ckpt_schedule *s) {
    pickle_string(p, "milestones");
    pickle_counter(p);
    for (int i = 0; i < s->milestone_n; i++) {
        pickle_int(p, s->milestones[i]);
        pickle_int(p, 1);
    }
    pickle_counter_end(p);
}

static void write_function_of_epoch(pickle *p, const ckpt *c) {
    const ckpt_schedule *s = &c->schedule;
    if (s->kind == CKPT_SCHEDULE_STEP)
        pickle_item_int(p, "step_size", s->step_size);
    if (s->kind == CKPT_SCHEDULE_MULTISTEP)
        write_milestones(p, s);
    if (s->kind == CKPT_SCHEDULE_COSINE) {
        pickle_item_int(p, "T_max", s->t_max);
        pickle_item_float(p, "eta_min", s->min_lr);
    } else {
        pickle_item_float(p, "gamma", s->gamma);
    }
    write_rates(p, "base_lrs", c, s->base_lr);
    pickle_item_int(p, "_step_count", s->last_epoch + 1);
    pickle_item_bool(p, "_get_lr_called_within_step", false);
}

void layout_write_schedule(pickle *p, const ckpt *c) {
    const ckpt_schedule *s = &c->schedule;
    pickle_string(p, "lr_schedulers");
    pickle_list(p);
    if (s->kind != CKPT_SCHEDULE_NONE) {
        pickle_dict(p);
        if (s->kind == CKPT_SCHEDULE_PLATEAU)
            write_plateau(p, c);
        else
            write_function_of_epoch(p, c);
        pickle_item_int(p, "last_epoch", s->last_epoch);
        pickle_item_bool(p, "verbose", false);
        write_rates(p, "_last_lr", c, s->last_lr);
        pickle_dict_end(p);
    }
    pickle_list_end(p);
}
