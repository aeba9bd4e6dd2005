/* Finds, sets and checks options. */

#include "config/config.h"

#include "base/status.h"
#include "config/options.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static char same_sign(char c) { return c == '-' ? '_' : c; }

bool option_same_name(const char *a, const char *b) {
    while (*a != 0 && same_sign(*a) == same_sign(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Earlier option names, which older checkpoints, YAML files and scripts contain. */
static const char *const renamed[][2] = {{"lr_finder.repeats", "lr_finder.sweeps"}, {"repeats", "sweeps"}};

const option *option_find(const char *name) {
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (option_same_name(name, renamed[i][0]))
            name = renamed[i][1];
    for (int i = 0; i < option_n; i++)
        if (option_same_name(name, option_table[i].name) ||
            (option_table[i].alias != NULL && option_same_name(name, option_table[i].alias)))
            return &option_table[i];
    return NULL;
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
    const foreign_name *f = o == NULL && !full_only ? foreign_alias(name) : NULL;
    char word[FOREIGN_WORD];
    if (f != NULL)
        return option_parse(c, option_find(f->option), foreign_value(word, f, value), where);
    if (o != NULL)
        return option_parse(c, o, value, where);
    return option_unknown(name, where);
}

int config_set(config *c, const char *name, const char *value, const char *where) {
    return option_set(c, name, value, where != NULL ? where : name, false);
}

long long config_limit(double limit, long long batches) {
    if (limit < 0)
        return -limit < (double)batches ? (long long)-limit : batches;
    return (long long)floor(limit * (double)batches);
}

double config_eps(const config *c) {
    if (c->optimizer.eps >= 0)
        return c->optimizer.eps;
    return strcmp(c->optimizer.name, "lamb") == 0 ? 1e-6 : 1e-8;
}

bool config_monitors_val(const char *monitor) { return strncmp(monitor, "val_", 4) == 0; }

bool config_monitors_max(const char *monitor, const char *mode) {
    return strcmp(mode, "auto") == 0 ? strcmp(monitor, "val_acc") == 0 : strcmp(mode, "max") == 0;
}

bool config_is_option(const char *name, const char *full) {
    const option *o = option_find(name);
    const foreign_name *f = o == NULL ? foreign_alias(name) : NULL;
    return (o != NULL && strcmp(o->name, full) == 0) || (f != NULL && strcmp(f->option, full) == 0);
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

/** An option that changes training images at random, apart from crop and flip; NULL: none is set */
static const char *random_augmentation(const config *c) {
    const double *jitter = c->data.color_jitter;
    return c->data.random_erase > 0                                           ? "random_erase"
           : strcmp(c->data.auto_augment, "none") != 0                        ? "auto_augment"
           : jitter[0] > 0 || jitter[1] > 0 || jitter[2] > 0 || jitter[3] > 0 ? "color_jitter"
           : c->data.grayscale > 0                                            ? "grayscale"
                                                                              : NULL;
}

/** Checks the options of the order in which training images are read. */
static int check_order(const config *c) {
    if (c->data.repeats > 1 && c->data.sequential)
        return fail(
            E_OPTION,
            "data.repeats %d needs random access, but data.sequential reads the shards in order: use only one of them",
            c->data.repeats);
    if (c->data.balance > 0 && c->data.sequential)
        return fail(E_OPTION,
                    "data.balance %g needs random access, but data.sequential reads the shards in order: use only one "
                    "of them",
                    c->data.balance);
    if (c->data.balance > 0 && !c->data.shuffle)
        return fail(E_OPTION, "data.balance %g draws images at random, but data.shuffle is false: use only one of them",
                    c->data.balance);
    return OK;
}

static int check_transforms(const config *c) {
    int smallest = c->data.progressive_size > 0 ? c->data.progressive_size : c->data.image_size;
    if (c->data.pad_crop >= smallest)
        return fail(E_OPTION, "data.pad_crop %d must be less than the size of the images in pixels, %d",
                    c->data.pad_crop, smallest);
    if (c->data.scale_min > c->data.scale_max)
        return fail(E_OPTION, "data.scale_min %g is greater than data.scale_max %g: lower data.scale_min",
                    c->data.scale_min, c->data.scale_max);
    if (c->data.ratio_min > c->data.ratio_max)
        return fail(E_OPTION, "data.ratio_min %g is greater than data.ratio_max %g: lower data.ratio_min",
                    c->data.ratio_min, c->data.ratio_max);
    const char *other = strcmp(c->data.augment, "none") == 0 ? random_augmentation(c) : NULL;
    if (other != NULL)
        return fail(E_OPTION, "data.%s cannot be combined with data.augment none: change one of them", other);
    const char *filter =
        strcmp(c->data.train_interpolation, "same") == 0 ? c->data.interpolation : c->data.train_interpolation;
    config_rand_augment ra;
    if (config_read_rand_augment(&ra, c->data.auto_augment) && strcmp(filter, "lanczos") == 0)
        return fail(
            E_OPTION,
            "data.auto_augment %s cannot be combined with lanczos: set data.train_interpolation bilinear, bicubic or "
            "random",
            c->data.auto_augment);
    int crop = c->data.val_size > 0 ? c->data.val_size : c->data.image_size;
    if (c->data.resize_size != 0 && c->data.resize_size < crop)
        return fail(E_OPTION,
                    "data.resize_size %d is less than the crop size data.%s %d: raise data.resize_size or set it to 0",
                    c->data.resize_size, c->data.val_size > 0 ? "val_size" : "image_size", crop);
    if (c->data.resize_size != 0 && c->data.crop_pct > 0)
        return fail(E_OPTION, "data.resize_size %d and data.crop_pct %g both set the resize: set one of them to 0",
                    c->data.resize_size, c->data.crop_pct);
    if (c->data.batch_size == CONFIG_BATCH_AUTO)
        return fail(E_OPTION, "data.batch_size auto is for train and find-lr only: give a number");
    return check_progressive(c);
}

/** An option of other optimizers must have its default. */
static int check_optimizer(const config *c) {
    static const struct {
        const char *option, *of;
    } only[] = {{"optimizer.momentum", "sgd rmsprop lars"},
                {"optimizer.dampening", "sgd lars"},
                {"optimizer.nesterov", "sgd lars"},
                {"optimizer.beta1", "adamw lamb"},
                {"optimizer.beta2", "adamw lamb"},
                {"optimizer.alpha", "rmsprop"},
                {"optimizer.eps", "adamw rmsprop lamb lars"},
                {"optimizer.trust_coeff", "lars"}};
    const char *name = c->optimizer.name;
    for (size_t i = 0; i < sizeof only / sizeof *only; i++) {
        const option *o = option_find(only[i].option);
        char value[OPTION_PRINT];
        option_print(value, o, c);
        if (!text_in_list(only[i].of, ' ', name) && strcmp(value, o->initial) != 0)
            return fail(E_OPTION,
                        "%s has no effect with optimizer.name %s, only with: %s. Leave it out or change "
                        "optimizer.name",
                        o->name, name, only[i].of);
    }
    if (c->optimizer.beta1 >= 1 || c->optimizer.beta2 >= 1)
        return fail(E_OPTION, "optimizer.beta1 %g and optimizer.beta2 %g must be less than 1", c->optimizer.beta1,
                    c->optimizer.beta2);
    return OK;
}

static int check_training(const config *c) {
    if (c->optimizer.nesterov && (c->optimizer.momentum <= 0 || c->optimizer.dampening != 0))
        return fail(E_OPTION, "optimizer.nesterov needs optimizer.momentum > 0 and optimizer.dampening 0");
    if (strcmp(c->optimizer.loss, "bce") != 0 && (c->optimizer.bce_sum || c->optimizer.bce_threshold >= 0))
        return fail(E_OPTION, "optimizer.%s has an effect only with optimizer.loss bce: set it, or leave this out",
                    c->optimizer.bce_sum ? "bce_sum" : "bce_threshold");
    if (strcmp(c->schedule.name, "plateau") == 0 && c->schedule.factor >= 1)
        return fail(E_OPTION, "schedule.factor must be less than 1 for schedule.name plateau, not %g",
                    c->schedule.factor);
    if (strcmp(c->schedule.name, "multistep") == 0 && c->schedule.milestones.n == 0)
        return fail(E_OPTION, "schedule.name multistep needs schedule.milestones, such as 30,60,80");
    if (strcmp(c->schedule.name, "multistep") != 0 && c->schedule.milestones.n > 0)
        return fail(E_OPTION, "schedule.milestones has no effect with schedule.name %s, only with multistep",
                    c->schedule.name);
    if (c->lr_finder.min >= c->lr_finder.max)
        return fail(E_OPTION,
                    "lr_finder.min %g must be less than lr_finder.max %g: lower lr_finder.min or raise lr_finder.max",
                    c->lr_finder.min, c->lr_finder.max);
    if (c->schedule.warmup_epochs > c->trainer.max_epochs)
        return fail(E_OPTION,
                    "schedule.warmup_epochs %d is greater than trainer.max_epochs %d: lower schedule.warmup_epochs",
                    c->schedule.warmup_epochs, c->trainer.max_epochs);
    if (strcmp(c->trainer.device, "cpu") == 0 && strcmp(c->trainer.precision, "16-mixed") == 0)
        return fail(E_OPTION, "trainer.precision 16-mixed needs trainer.device cuda; on cpu use bf16-mixed or 32-true");
    if (c->trainer.global_batch > 0 && c->trainer.accumulate > 1)
        return fail(E_OPTION,
                    "trainer.global_batch already determines gradient accumulation: leave out trainer.accumulate");
    if (c->trainer.global_batch % c->data.batch_size != 0)
        return fail(E_OPTION, "trainer.global_batch %d is not a multiple of data.batch_size %d: change one of them",
                    c->trainer.global_batch, c->data.batch_size);
    if (c->model.init[0] != 0 && c->trainer.resume[0] != 0 && strcmp(c->trainer.resume, "auto") != 0)
        return fail(E_OPTION, "model.init and trainer.resume both set the initial weights: give only one of them");
    return OK;
}

static int check_validation(const config *c) {
    if (c->trainer.val_check_interval == 0)
        return fail(E_OPTION, "trainer.val_check_interval must not be 0: to train without validation, set "
                              "trainer.limit_val_batches 0");
    bool none = c->trainer.overfit_batches == 0 && c->trainer.limit_val_batches == 0;
    if (none && config_monitors_val(c->early_stopping.monitor))
        return fail(E_OPTION, "early_stopping.monitor %s needs validation, but trainer.limit_val_batches is 0",
                    c->early_stopping.monitor);
    return OK;
}

int config_check(const config *c) {
    int rc = check_order(c);
    rc = rc != OK ? rc : check_transforms(c);
    rc = rc != OK ? rc : check_optimizer(c);
    rc = rc != OK ? rc : check_training(c);
    return rc != OK ? rc : check_validation(c);
}

void config_visit(const config *c, void (*visit)(void *context, const char *name, const char *value), void *context) {
    for (int i = 0; i < option_n; i++) {
        char value[OPTION_PRINT];
        option_print(value, &option_table[i], c);
        visit(context, option_table[i].name, value);
    }
}
