#define _GNU_SOURCE
#include "train/setup.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <sched.h>
#include <string.h>

static int cores(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/** "auto" resolved: the device that will be used. */
static const char *device_name(const config *c) {
    if (strcmp(c->trainer.device, "auto") != 0)
        return c->trainer.device;
    return engine_unavailable("cuda") == NULL ? "cuda" : "cpu";
}

int setup_resize(const config *c) {
    if (c->data.resize_size > 0)
        return c->data.resize_size;
    return (int)nearbyint(c->data.image_size / 0.875); /* 256 for 224 */
}

/** "auto" resolved for this machine. @return 0, E_OPTION */
static int choose_precision(precision *out, const config *c, const char *device) {
    const char *name = c->trainer.precision;
    if (strcmp(name, "auto") == 0) {
        bool cpu_bf16 = strcmp(device, "cpu") == 0 && engine_has_bf16();
        *out = strcmp(device, "cuda") == 0 ? PRECISION_16 : cpu_bf16 ? PRECISION_BF16 : PRECISION_32;
        return OK;
    }
    for (precision p = PRECISION_32; p <= PRECISION_16; p++) {
        if (strcmp(name, precision_name(p)) == 0) {
            *out = p;
            return OK;
        }
    }
    return fail(E_OPTION, "trainer.precision '%s' is none of auto, 32-true, bf16-mixed, 16-mixed", name);
}

static int val_batch_size(const config *c) {
    return c->data.val_batch_size > 0 ? c->data.val_batch_size : c->data.batch_size;
}

loader_options setup_loader_options(const config *c, bool training) {
    loader_options o = {.transform = transform_default(training, c->data.image_size, setup_resize(c)),
                        .limits = image_limits_default(),
                        .batch_size = training ? c->data.batch_size : val_batch_size(c),
                        .workers = workers_init("", c->data.workers, cores()).n,
                        .ahead = c->data.ahead,
                        .seed = c->trainer.seed,
                        .shuffle = training && c->data.shuffle,
                        .drop_last = training && c->data.drop_last,
                        .max_bad = c->data.max_bad,
                        .read_ahead = c->data.read_ahead,
                        .buffer = training && c->data.sequential ? c->data.shuffle_buffer : 0,
                        .rank = 0,
                        .ranks = 1};
    o.transform.augment = strcmp(c->data.augment, "none") != 0;
    o.transform.scale[0] = c->data.scale_min;
    o.transform.scale[1] = c->data.scale_max;
    o.transform.ratio[0] = c->data.ratio_min;
    o.transform.ratio[1] = c->data.ratio_max;
    o.transform.flip = c->data.flip;
    o.transform.fast_decode = training && c->data.fast_decode;
    o.limits.max_pixels = c->data.max_pixels;
    o.limits.max_scans = c->data.max_scans;
    return o;
}

static int open_engine(setup *s, int classes) {
    const config *c = s->config;
    const char *device = device_name(c);
    engine_options o = engine_options_default();
    int rc = OK;
    TRY(choose_precision(&s->precision, c, device));
    net_options n = {
        .classes = classes, .zero_gamma = c->model.zero_gamma, .decay_all = c->optimizer.decay_norm_and_bias};
    TRY(net_create(&s->net, c->model.arch, &n));
    TRY(net_freeze(s->net, c->model.freeze));
    o.precision = s->precision;
    o.threads = c->trainer.threads > 0 ? c->trainer.threads : cores();
    o.winograd = c->trainer.winograd;
    o.recompute = c->trainer.recompute;
    o.tf32 = c->trainer.tf32;
    for (int i = 0; i < 3; i++) {
        o.mean[i] = (float)c->data.mean[i];
        o.std[i] = (float)c->data.std[i];
    }
    TRY(engine_create(&s->engine, device, s->net, &o));
done:
    return rc;
}

/** Batches that a limit leaves. A limit that leaves none although it is not 0 is a mistake. */
static int limited(int64_t *out, const char *option, double limit, int64_t batches) {
    *out = config_limit(limit, batches);
    if (*out == 0 && limit != 0 && batches > 0)
        return fail(E_OPTION, "%s %g leaves none of %lld batches: raise it (0 switches that part off)", option, limit,
                    (long long)batches);
    return OK;
}

static int open_val(setup *s) {
    loader_options o = setup_loader_options(s->config, false);
    int rc = OK;
    s->val_workers = workers_init("val loader", s->config->data.workers, cores());
    TRY(loader_open(&s->val_loader, s->val, &o));
    TRY(limited(&s->val_batches, "trainer.limit_val_batches", s->config->trainer.limit_val_batches,
                loader_batches(s->val_loader)));
done:
    return rc;
}

static int check_devices(const config *c) {
    if (c->trainer.devices > 1)
        return fail(E_UNSUPPORTED, "trainer.devices %d: this build trains on one device", c->trainer.devices);
    return OK;
}

int setup_open(setup *s, const config *c) {
    int rc = OK;
    *s = (setup){.config = c};
    TRY(check_devices(c));
    TRY(dataset_open(&s->train, c->data.path, "train"));
    TRY(dataset_open(&s->val, c->data.path, "val"));
    TRY(dataset_same_classes(s->train, s->val));
    fingerprint_begin(&s->fingerprint[0], s->train);
    fingerprint_begin(&s->fingerprint[1], s->val);
    TRY(open_engine(s, s->train->class_n));
    TRY(engine_init_weights(s->engine, c->trainer.seed));
    loader_options o = setup_loader_options(c, true);
    s->workers = workers_init("loader", c->data.workers, cores());
    TRY(loader_open(&s->train_loader, s->train, &o));
    TRY(open_val(s));
    TRY(limited(&s->train_batches, "trainer.limit_train_batches", c->trainer.limit_train_batches,
                loader_batches(s->train_loader)));
    if (s->val_batches == 0 && strcmp(c->schedule.name, "plateau") == 0) {
        rc = fail(E_OPTION, "schedule.name plateau needs a validation: trainer.limit_val_batches is 0");
        goto done;
    }
    if (s->train_batches < 1) {
        rc = fail(E_OPTION,
                  "no training batch is left of %lld images in batches of %d: lower data.batch_size, turn "
                  "data.drop_last off or raise trainer.limit_train_batches",
                  (long long)s->train->image_n, c->data.batch_size);
        goto done;
    }
    int k = c->trainer.accumulate;
    s->steps_per_epoch = (s->train_batches + k - 1) / k;
    s->base_lr = c->optimizer.lr;
done:
    return rc;
}

int setup_open_evaluation(setup *s, const config *c, int classes) {
    int rc = OK;
    *s = (setup){.config = c};
    TRY(check_devices(c));
    TRY(dataset_open(&s->val, c->data.path, "val"));
    if (s->val->class_n != classes) {
        rc = fail(E_DATA, "%s has %d classes, the model was trained on %d", s->val->root, s->val->class_n, classes);
        goto done;
    }
    TRY(open_engine(s, classes));
    TRY(open_val(s));
done:
    return rc;
}

int setup_open_prediction(setup *s, const config *c, int classes, dataset *images) {
    loader_options o = setup_loader_options(c, false);
    int rc = OK;
    *s = (setup){.config = c, .val = images};
    o.max_bad = 1;
    TRY(check_devices(c));
    TRY(open_engine(s, classes));
    TRY(loader_open(&s->val_loader, s->val, &o));
done:
    return rc;
}

int setup_open_engine(setup *s, const config *c, int classes) {
    int rc = OK;
    *s = (setup){.config = c};
    TRY(check_devices(c));
    TRY(open_engine(s, classes));
done:
    return rc;
}

/** The most images, below `images`, whose plan leaves the total of `m` within `limit`; 0: not even one. Memory grows
 *  almost linearly with the batch, so few plans are tried. @param m activations: those of `images`, 0 when not known */
static int largest_batch(int *out, setup *s, engine_memory m, size_t limit, int images, bool training) {
    int size = s->config->data.image_size, low = 0, high = images;
    double low_bytes = 0, high_bytes = (double)m.activations;
    m.activations = 0;
    double room = (double)limit - (double)engine_memory_total(&m);
    while (high - low > 1) {
        double part = high_bytes > low_bytes ? (room - low_bytes) / (high_bytes - low_bytes) : 0.5;
        int guess = low + (int)(part * (high - low)), middle = guess <= low    ? low + 1
                                                               : guess >= high ? high - 1
                                                                               : guess;
        size_t bytes = 0;
        int rc = engine_plan_bytes(&bytes, s->engine, middle, size, size, training);
        if (rc < 0 && rc != E_NOMEM && rc != E_SHAPE)
            return rc;
        if (rc == OK && (double)bytes <= room) {
            low = middle;
            low_bytes = (double)bytes;
        } else {
            high = middle;
            high_bytes = rc == OK ? (double)bytes : 0;
        }
    }
    *out = low;
    return OK;
}

/** `m`: as for largest_batch. @return E_NOMEM with the message, or why it could not be told */
static int refuse_batch(setup *s, engine_memory m, size_t limit, int images, bool training) {
    const char *option = training ? "data.batch_size" : "data.val_batch_size";
    int size = s->config->data.image_size, most = 0, rc = OK;
    char need[32] = "more memory than there can be", room[32];
    if (m.activations > 0)
        text_bytes(need, (double)engine_memory_total(&m));
    text_bytes(room, (double)limit);
    TRY(largest_batch(&most, s, m, limit, images, training));
    if (most < 1)
        rc = fail(E_NOMEM, "a batch of %d images of %d x %d needs %s, there are %s: not even one image fits", images,
                  size, size, need, room);
    else
        rc = fail(E_NOMEM, "a batch of %d images of %d x %d needs %s, there are %s: the largest that fits is %s %d",
                  images, size, size, need, room, option, most);
done:
    return rc;
}

int setup_compile_batch(engine_plan **out, setup *s, int images, bool training) {
    int size = s->config->data.image_size;
    size_t bytes = 0;
    int rc = engine_compile(out, s->engine, images, size, size, training);
    if (rc < 0 && rc != E_NOMEM)
        return rc;
    size_t limit = engine_memory_limit(s->engine);
    engine_memory m = engine_plan_memory(s->engine, *out);
    if (rc == OK && engine_memory_total(&m) <= limit)
        return OK;
    if (limit == SIZE_MAX)
        return rc;
    if (rc == E_NOMEM && engine_plan_bytes(&bytes, s->engine, images, size, size, training) == OK)
        m.activations = bytes;
    *out = NULL;
    return refuse_batch(s, m, limit, images, training);
}

/** The last batch's size makes a batch norm see single values where images are tiny. */
static int compile_last(setup *s, int size) {
    engine_plan *p = NULL;
    int last = setup_batch_images(s, s->train_batches - 1);
    int rc = engine_compile(&p, s->engine, last, size, size, true);
    if (rc == E_SHAPE)
        fail_context(rc, "the last batch of an epoch has %d image%s (data.drop_last leaves it out)", last,
                     last == 1 ? "" : "s");
    return rc;
}

int setup_compile(engine_memory *out, setup *s) {
    const config *c = s->config;
    int size = c->data.image_size, rc = OK;
    engine_plan *p = NULL;
    TRY(compile_last(s, size));
    if (s->val_batches > 0) {
        int val = val_batch_size(c);
        TRY(setup_compile_batch(&p, s, val < s->val->image_n ? val : (int)s->val->image_n, false));
    }
    TRY(setup_compile_batch(&p, s, setup_batch_images(s, 0), true));
    *out = engine_plan_memory(s->engine, p);
done:
    return rc;
}

void setup_close(setup *s) {
    for (int i = 0; i < 2; i++)
        fingerprint_end(&s->fingerprint[i]);
    loader_close(s->train_loader);
    loader_close(s->val_loader);
    engine_destroy(s->engine);
    net_destroy(s->net);
    dataset_close(s->train);
    dataset_close(s->val);
    *s = (setup){0};
}

int setup_batch_images(const setup *s, int64_t b) {
    int64_t left = s->train->image_n - b * s->config->data.batch_size;
    return left < s->config->data.batch_size ? (int)left : s->config->data.batch_size;
}
