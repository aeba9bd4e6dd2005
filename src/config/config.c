#include "config/config.h"

#include "base/status.h"
#include "config/options.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static char same_sign(char c) { return c == '-' ? '_' : c; }

static bool same_name(const char *a, const char *b) {
    while (*a != 0 && same_sign(*a) == same_sign(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Earlier names, found in older checkpoints, YAML files and scripts. */
static const char *const renamed[][2] = {{"lr_finder.repeats", "lr_finder.sweeps"}, {"repeats", "sweeps"}};

const option *option_find(const char *name) {
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (same_name(name, renamed[i][0]))
            name = renamed[i][1];
    for (int i = 0; i < option_n; i++)
        if (same_name(name, option_table[i].name) ||
            (option_table[i].alias != NULL && same_name(name, option_table[i].alias)))
            return &option_table[i];
    return NULL;
}

/* Into `out` with - as _, at most n - 1 characters. */
static void spell(char *out, size_t n, const char *name) {
    size_t i = 0;
    for (; i < n - 1 && name[i] != 0; i++)
        out[i] = same_sign(name[i]);
    out[i] = 0;
}

/* How far a name that is wanted is from one that is known. */
static int name_distance(const char *wanted, const char *known) {
    int distance = text_distance(wanted, known);
    if (strlen(wanted) > 2 && strstr(known, wanted) != NULL)
        return distance / 2; /* "epochs": max_epochs is meant, not path */
    const char *field = strchr(wanted, '.');
    if (field != NULL && distance > 1 && strcmp(field + 1, known) == 0)
        return 1; /* the right field in the wrong group */
    return distance;
}

const option *option_nearest(const char *name) {
    char wanted[64], spelled[64];
    spell(wanted, sizeof wanted, name);
    const option *best = &option_table[0];
    int least = INT_MAX;
    for (int i = 0; i < option_n; i++) {
        const option *o = &option_table[i];
        const char *known[3] = {o->name, strchr(o->name, '.') + 1, o->alias};
        for (int k = 0; k < 3 && known[k] != NULL; k++) {
            spell(spelled, sizeof spelled, known[k]);
            int distance = name_distance(wanted, spelled);
            if (distance < least) {
                least = distance;
                best = o;
            }
        }
    }
    return best;
}

void config_defaults(config *c) {
    memset(c, 0, sizeof *c);
    for (int i = 0; i < option_n; i++) {
        int rc = option_parse(c, &option_table[i], option_table[i].initial, "default");
        assert(rc == OK);
        (void)rc;
    }
}

int option_set(config *c, const char *name, const char *value, const char *where, bool full_only) {
    const option *o = option_find(name);
    if (full_only && strchr(name, '.') == NULL)
        o = NULL; /* an alias */
    if (o != NULL)
        return option_parse(c, o, value, where);
    return fail(E_OPTION, "%s: unknown option '%.100s'; did you mean %s%s?", where, name,
                strncmp(where, "--", 2) == 0 ? "--" : "", option_nearest(name)->name);
}

int config_set(config *c, const char *name, const char *value, const char *where) {
    return option_set(c, name, value, where != NULL ? where : name, false);
}

long long config_limit(double limit, long long batches) {
    if (limit < 0)
        return -limit < (double)batches ? (long long)-limit : batches;
    return (long long)floor(limit * (double)batches);
}

static int check_progressive(const config *c) {
    if (c->data.progressive_size == 0)
        return OK;
    if (c->data.progressive_size < 8 || c->data.progressive_size > c->data.image_size)
        return fail(E_OPTION, "data.progressive_size %d must be from 8 to data.image_size %d", c->data.progressive_size,
                    c->data.image_size);
    if (c->data.progressive_begin >= c->data.progressive_end)
        return fail(E_OPTION, "data.progressive_begin %d must be less than data.progressive_end %d",
                    c->data.progressive_begin, c->data.progressive_end);
    return OK;
}

static int check_data(const config *c) {
    if (c->data.repeats > 1 && c->data.sequential)
        return fail(E_OPTION,
                    "data.repeats %d needs random access, data.sequential reads in order: use only one of them",
                    c->data.repeats);
    if (c->data.scale_min > c->data.scale_max)
        return fail(E_OPTION, "data.scale_min %g is over data.scale_max %g: lower it", c->data.scale_min,
                    c->data.scale_max);
    if (c->data.ratio_min > c->data.ratio_max)
        return fail(E_OPTION, "data.ratio_min %g is over data.ratio_max %g: lower it", c->data.ratio_min,
                    c->data.ratio_max);
    if (strcmp(c->data.augment, "none") == 0 && (strcmp(c->data.auto_augment, "none") != 0 || c->data.random_erase > 0))
        return fail(E_OPTION, "data.%s cannot be combined with data.augment none: change one of them",
                    c->data.random_erase > 0 ? "random_erase" : "auto_augment");
    int crop = c->data.val_size > 0 ? c->data.val_size : c->data.image_size;
    if (c->data.resize_size != 0 && c->data.resize_size < crop)
        return fail(E_OPTION, "data.resize_size %d is under data.%s %d, the size of the crop: raise it or set it to 0",
                    c->data.resize_size, c->data.val_size > 0 ? "val_size" : "image_size", crop);
    return check_progressive(c);
}

static int check_training(const config *c) {
    if (c->optimizer.nesterov && (c->optimizer.momentum <= 0 || c->optimizer.dampening != 0))
        return fail(E_OPTION, "optimizer.nesterov needs optimizer.momentum > 0 and optimizer.dampening 0");
    if (strcmp(c->schedule.name, "plateau") == 0 && c->schedule.factor >= 1)
        return fail(E_OPTION, "schedule.factor must be under 1 for schedule.name plateau, not %g", c->schedule.factor);
    if (c->lr_finder.min >= c->lr_finder.max)
        return fail(E_OPTION, "lr_finder.min %g is not under lr_finder.max %g", c->lr_finder.min, c->lr_finder.max);
    if (c->schedule.warmup_epochs > c->trainer.max_epochs)
        return fail(E_OPTION, "schedule.warmup_epochs %d is over trainer.max_epochs %d: lower it",
                    c->schedule.warmup_epochs, c->trainer.max_epochs);
    if (strcmp(c->trainer.device, "cpu") == 0 && strcmp(c->trainer.precision, "16-mixed") == 0)
        return fail(E_OPTION, "trainer.precision 16-mixed needs trainer.device cuda; on cpu use bf16-mixed or 32-true");
    if (c->trainer.global_batch > 0 && c->trainer.accumulate > 1)
        return fail(E_OPTION,
                    "trainer.global_batch already determines gradient accumulation: leave out trainer.accumulate");
    if (c->trainer.global_batch % c->data.batch_size != 0)
        return fail(E_OPTION, "trainer.global_batch %d is not a multiple of data.batch_size %d",
                    c->trainer.global_batch, c->data.batch_size);
    if (c->model.init[0] != 0 && c->trainer.resume[0] != 0 && strcmp(c->trainer.resume, "auto") != 0)
        return fail(E_OPTION, "model.init and trainer.resume both set the initial weights: give only one of them");
    return OK;
}

int config_check(const config *c) {
    int rc = check_data(c);
    return rc != OK ? rc : check_training(c);
}

void config_visit(const config *c, void (*visit)(void *context, const char *name, const char *value), void *context) {
    for (int i = 0; i < option_n; i++) {
        char value[OPTION_PRINT];
        option_print(value, &option_table[i], c);
        visit(context, option_table[i].name, value);
    }
}
