#include "training/run_loader.h"

#include "distributed/affinity.h"
#include "loader/mix.h"
#include "loader/workers.h"

#include <math.h>
#include <string.h>

int run_loader_train_size(const config *c, int64_t epoch) {
    int from = c->data.progressive_size, to = c->data.image_size;
    int begin = c->data.progressive_begin, end = c->data.progressive_end;
    if (from == 0 || epoch >= end)
        return to;
    if (epoch <= begin)
        return from;
    double between = from + (double)(to - from) * (double)(epoch - begin) / (end - begin);
    int size = (int)nearbyint(between / 32) * 32;
    return size < from ? from : size < to ? size : to;
}

int run_loader_val_size(const config *c) { return c->data.val_size > 0 ? c->data.val_size : c->data.image_size; }

int run_loader_resize(const config *c) {
    if (c->data.resize_size > 0)
        return c->data.resize_size;
    if (c->data.crop_pct > 0)
        return (int)floor(run_loader_val_size(c) / c->data.crop_pct);
    return (int)nearbyint(run_loader_val_size(c) / 0.875); /* 256 for 224 */
}

static resample_filter filter_of(const char *name) {
    return strcmp(name, "bicubic") == 0   ? RESAMPLE_BICUBIC
           : strcmp(name, "lanczos") == 0 ? RESAMPLE_LANCZOS
                                          : RESAMPLE_BILINEAR;
}

/** The filters of the random crops, and of the validation transform. */
static void set_interpolation(transform *t, const config *c) {
    const char *name = c->data.interpolation, *train = c->data.train_interpolation;
    bool random_crop = t->training && t->augment;
    if (random_crop && strcmp(train, "same") != 0)
        name = train;
    t->resizing = (resizing){.filter = filter_of(name), .order = run_loader_resize_order(c)};
    t->random_filter = random_crop && strcmp(train, "random") == 0;
    t->squash = strcmp(c->data.crop_mode, "squash") == 0;
}

resize_order run_loader_resize_order(const config *c) {
    return strcmp(c->data.resize_order, "horizontal") == 0 ? RESIZE_HORIZONTAL : RESIZE_NEWEST;
}

int run_loader_val_batch_size(const config *c) {
    return c->data.val_batch_size > 0 ? c->data.val_batch_size : c->data.batch_size;
}

/** timm's RandAugment, which uses the filter of the random crop. */
static void set_rand_augment(augment *a, const config *c, const transform *t) {
    config_rand_augment r;
    if (!config_read_rand_augment(&r, c->data.auto_augment))
        return;
    a->kind = AUGMENT_TIMM;
    a->ops = r.ops;
    a->magnitude = r.magnitude;
    a->timm = (augment_timm){.deviation = r.deviation,
                             .most = r.most,
                             .probability = r.probability,
                             .increasing = r.increasing,
                             .bicubic = t->resizing.filter == RESAMPLE_BICUBIC,
                             .random_filter = t->random_filter};
    memcpy(a->timm.fill, t->erase.fill, sizeof a->timm.fill);
}

static augment augment_of(const config *c) {
    static const char *const kinds[] = {
        [AUGMENT_NONE] = "none",        [AUGMENT_RAND] = "randaugment", [AUGMENT_TRIVIAL] = "trivialaugment",
        [AUGMENT_AUTO] = "autoaugment", [AUGMENT_AUGMIX] = "augmix",    [AUGMENT_3] = "3augment"};
    augment a = {.ops = c->data.ra_ops,
                 .magnitude = c->data.ra_magnitude,
                 .severity = c->data.augmix_severity,
                 .jitter_probability = c->data.color_jitter_prob,
                 .gray_probability = c->data.grayscale};
    for (augment_kind k = AUGMENT_NONE; k <= AUGMENT_3; k++)
        if (strcmp(c->data.auto_augment, kinds[k]) == 0)
            a.kind = k;
    for (int i = 0; i < 4; i++) {
        double automatic = a.kind == AUGMENT_3 && i < 3 ? 0.3 : 0;
        a.jitter[i] = c->data.color_jitter[i] >= 0 ? c->data.color_jitter[i] : automatic;
    }
    return a;
}

long long run_loader_shuffle_buffer(const config *c) { return c->data.sequential ? c->data.shuffle_buffer : 0; }

loader_options run_loader_options(const config *c, bool training) {
    int size = training ? c->data.image_size : run_loader_val_size(c);
    loader_options o = {.transform = transform_default(training, size, run_loader_resize(c)),
                        .limits = image_limits_default(),
                        .batch_size = training ? c->data.batch_size : run_loader_val_batch_size(c),
                        .workers = workers_init("", c->data.workers, affinity_cores()).n,
                        .ahead = c->data.ahead,
                        .seed = c->trainer.seed,
                        .shuffle = training && c->data.shuffle,
                        .repeats = training ? c->data.repeats : 1,
                        .balance = training ? c->data.balance : 0,
                        .drop_last = training && c->data.drop_last,
                        .max_bad = c->data.max_bad,
                        .read_ahead = c->data.read_ahead,
                        .buffer = training ? run_loader_shuffle_buffer(c) : 0,
                        .micro_batches_per_step = 1,
                        .micro_batch_count = 1};
    o.transform.augment = strcmp(c->data.augment, "none") != 0;
    set_interpolation(&o.transform, c);
    o.transform.scale[0] = c->data.scale_min;
    o.transform.scale[1] = c->data.scale_max;
    o.transform.ratio[0] = c->data.ratio_min;
    o.transform.ratio[1] = c->data.ratio_max;
    o.transform.pad_crop = c->data.pad_crop;
    o.transform.flip = c->data.flip;
    o.transform.vertical_flip = c->data.vertical_flip;
    o.transform.erase.probability = c->data.random_erase;
    for (int i = 0; i < 3; i++)
        o.transform.erase.fill[i] = (uint8_t)lrint(c->data.mean[i] * 255);
    o.transform.auto_augment = augment_of(c);
    set_rand_augment(&o.transform.auto_augment, c, &o.transform);
    o.transform.fast_decode = training && c->data.fast_decode;
    o.limits.max_pixels = c->data.max_pixels;
    o.limits.max_scans = c->data.max_scans;
    return o;
}

void run_loader_mix(const config *c, int64_t epoch, int64_t number, batch *b) {
    random_stream r = random_open(c->trainer.seed, (uint32_t)epoch, (uint64_t)number, RANDOM_MIX);
    mix_batch(b, c->data.mixup, c->data.cutmix, &r);
}
