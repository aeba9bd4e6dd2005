#include "training/run_context.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "distributed/affinity.h"
#include "training/checkpoint.h"
#include "training/class_weights.h"
#include "training/ema.h"
#include "training/run_dataset.h"
#include "training/run_loader.h"
#include "training/run_precision.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *run_context_device(const config *c) {
    if (strcmp(c->trainer.device, "auto") != 0)
        return c->trainer.device;
    return engine_unavailable("cuda") == NULL ? "cuda" : "cpu";
}

void run_context_set_resize_order(run_context *s, resize_order order) {
    s->resize_order = order;
    loader_set_resize_order(s->train_loader, order);
    loader_set_resize_order(s->val_loader, order);
}

/** Binds this rank to its cores. Called before datasets, loaders and engine start threads. */
static int share_cores(run_context *s) {
    engine_options o = engine_options_default();
    char gpu[ENGINE_PCI_ADDRESS] = "";
    int rc = OK;
    o.comm = s->ranks.comm;
    o.device_index = s->config->trainer.device_index;
    if (comm_ranks(o.comm) > 1)
        TRY(engine_pci_address(gpu, run_context_device(s->config), &o));
    TRY(affinity_bind(&s->cores, o.comm, gpu, ""));
done:
    return rc;
}

optimizer_kind run_context_optimizer(const config *c) {
    static const char *const name[] = {"sgd", "adamw", "rmsprop", "lamb", "lars"}; /* in the order of optimizer_kind */
    int k = 0;
    while (k < OPTIMIZER_LARS && strcmp(name[k], c->optimizer.name) != 0)
        k++;
    return (optimizer_kind)k;
}

static int open_engine(run_context *s, int classes) {
    const config *c = s->config;
    const char *device = run_context_device(c);
    engine_options o = engine_options_default();
    int rc = OK;
    TRY(run_precision_choose(&s->precision, c, device, s->ranks.comm));
    model_options n = {.classes = classes,
                       .zero_gamma = c->model.zero_gamma,
                       .drop_path = c->model.drop_path,
                       .decay_norm = c->optimizer.decay_norm,
                       .decay_bias = c->optimizer.decay_bias};
    TRY(model_create(&s->model, c->model.arch, &n));
    TRY(model_freeze(s->model, c->model.freeze));
    o.optimizer = run_context_optimizer(c);
    o.precision = s->precision;
    o.threads = c->trainer.threads > 0 ? c->trainer.threads : s->cores;
    o.comm = s->ranks.comm;
    o.winograd = c->trainer.winograd;
    o.recompute = c->trainer.recompute;
    o.bucket_bytes = (size_t)(c->trainer.bucket_mb * 1048576);
    o.half_gradients = strcmp(c->dist.gradients, "compute") == 0;
    o.sync_bn = c->trainer.sync_batchnorm;
    o.device_index = c->trainer.device_index;
    o.tf32 = c->trainer.tf32;
    o.deterministic = c->trainer.deterministic;
    for (int i = 0; i < 3; i++) {
        o.mean[i] = (float)c->data.mean[i];
        o.std[i] = (float)c->data.std[i];
    }
    TRY(engine_create(&s->engine, device, s->model, &o));
done:
    return rc;
}

/** The number of batches that a limit allows. A nonzero limit that allows no batch is an error. */
static int limited(int64_t *out, const char *option, double limit, int64_t batches) {
    *out = config_limit(limit, batches);
    if (*out == 0 && limit != 0 && batches > 0)
        return fail(
            E_OPTION,
            "%s %g selects none of the %lld batches: raise the value, or give a whole number of batches, such as 1",
            option, limit, (long long)batches);
    return OK;
}

/** trainer.overfit_batches replaces both limits. */
static int limited_as(int64_t *out, const config *c, const char *option, double limit, int64_t batches) {
    return c->trainer.overfit_batches != 0
               ? limited(out, "trainer.overfit_batches", c->trainer.overfit_batches, batches)
               : limited(out, option, limit, batches);
}

/** Sets the interval of validations within an epoch. As in Lightning, a whole number counts batches of one rank. */
static int choose_val_interval(run_context *s) {
    double interval = s->config->trainer.val_check_interval;
    int ranks = comm_ranks(s->ranks.comm);
    int64_t batches = (s->train_batches + ranks - 1) / ranks;
    s->val_interval = 0;
    if (interval == 1 || s->val_batches == 0)
        return OK;
    if (interval > 0) {
        s->val_interval = config_limit(interval, s->train_batches);
        s->val_interval = s->val_interval > 0 ? s->val_interval : 1;
        return OK;
    }
    if (-interval > (double)batches)
        return fail(E_OPTION,
                    "trainer.val_check_interval %.0f is more than the %lld training batches of an epoch: lower it, or "
                    "leave it out to validate at the end of each epoch",
                    -interval, (long long)batches);
    s->val_interval = (int64_t)-interval * ranks;
    return OK;
}

double run_context_validations(const run_context *s, double batches) {
    double per_epoch = s->val_interval > 0 ? ceil((double)s->train_batches / (double)s->val_interval) : 1;
    double epochs = batches / (double)s->train_batches;
    return s->val_batches > 0 ? epochs * per_epoch / s->config->trainer.check_val_every_n_epoch : 0;
}

/** Opens the validation loader. The batches are assigned to the ranks in turn. */
static int open_val(run_context *s) {
    loader_options o = run_loader_options(s->config, false);
    int rc = OK;
    s->val_workers = workers_init("val loader", s->config->data.workers, s->cores);
    o.workers = s->val_workers.n;
    o.micro_batches_per_step = comm_ranks(s->ranks.comm);
    o.micro_batch_first = comm_rank(s->ranks.comm);
    TRY(loader_open(&s->val_loader, s->val, &o));
    TRY(limited_as(&s->val_batches, s->config, "trainer.limit_val_batches", s->config->trainer.limit_val_batches,
                   loader_batches(s->val_loader)));
done:
    return rc;
}

static int check_devices(const run_context *s) {
    int devices = s->config->trainer.devices, ranks = comm_ranks(s->ranks.comm);
    if (devices > 1 && devices != ranks)
        return fail(E_OPTION,
                    "trainer.devices is %d, but the run has %d rank%s: each rank uses one device; set trainer.devices "
                    "to the number of ranks or leave it out",
                    devices, ranks, ranks == 1 ? "" : "s");
    return OK;
}

int run_context_micro_batches(const config *c, const comm *all) {
    int batches = c->trainer.global_batch / c->data.batch_size;
    return batches > 0 ? batches : c->trainer.accumulate * comm_ranks(all);
}

/** The first micro-batch of a step on `rank`. If they cannot be divided evenly, lower ranks have one more. */
static int first_of(const run_context *s, int rank) {
    int ranks = comm_ranks(s->ranks.comm);
    return (int)(((long long)s->micro_batches_per_step * rank + ranks - 1) / ranks);
}

/** Sets the host of each micro-batch of a step. */
static int find_hosts(run_context *s) {
    int ranks = comm_ranks(s->ranks.comm), *number = NULL, rc = OK;
    TRY(memory_zeroed(&number, (size_t)ranks, sizeof *number));
    TRY(memory_zeroed(&s->micro_batch_host, (size_t)s->micro_batches_per_step, sizeof *s->micro_batch_host));
    s->hosts = ranks_number_hosts(number, &s->ranks);
    for (int rank = 0; rank < ranks; rank++)
        for (int k = first_of(s, rank); k < first_of(s, rank + 1); k++)
            s->micro_batch_host[k] = number[rank];
done:
    free(number);
    return rc;
}

int run_context_stream_hosts(text *out, const run_context *s) {
    int rc = OK, n = s->micro_batches_per_step;
    const int *host = s->micro_batch_host;
    if (run_loader_shuffle_buffer(s->config) == 0 || !s->config->data.shuffle || s->hosts < 2)
        return OK;
    for (int k = 0, next; k < n; k = next) {
        for (next = k + 1; next < n && host[next] == host[k];)
            next++;
        TRY(text_printf(out, "%s%d x%d", k > 0 ? ", " : "", host[k], next - k));
    }
done:
    return rc;
}

/** Assigns contiguous micro-batches of each step to the ranks. */
static int share_out(run_context *s) {
    int ranks = comm_ranks(s->ranks.comm), rank = comm_rank(s->ranks.comm);
    const config *c = s->config;
    s->micro_batches_per_step = run_context_micro_batches(c, s->ranks.comm);
    if (s->micro_batches_per_step < ranks)
        return fail(E_OPTION,
                    "trainer.global_batch %d gives only %d batch%s of data.batch_size %d per step, fewer than the %d "
                    "ranks: lower data.batch_size or start fewer ranks",
                    c->trainer.global_batch, s->micro_batches_per_step, s->micro_batches_per_step == 1 ? "" : "es",
                    c->data.batch_size, ranks);
    s->micro_batch_first = first_of(s, rank);
    s->micro_batch_count = first_of(s, rank + 1) - s->micro_batch_first;
    return find_hosts(s);
}

static int open_train(run_context *s) {
    loader_options o = run_loader_options(s->config, true);
    int rc = OK;
    s->workers = workers_init("loader", s->config->data.workers, s->cores);
    o.workers = s->workers.n;
    o.micro_batches_per_step = s->micro_batches_per_step;
    o.micro_batch_first = s->micro_batch_first;
    o.micro_batch_count = s->micro_batch_count;
    o.micro_batch_host = s->micro_batch_host;
    o.hosts = s->hosts;
    TRY(loader_open(&s->train_loader, s->train, &o));
    loader_set_size(s->train_loader, run_loader_train_size(s->config, 0)); /* for the LR finder */
done:
    return rc;
}

/** Images of a step that the ranks of this host compute; 0 without training. */
static int64_t host_images(const run_context *s) {
    int64_t n = 0;
    for (int k = 0; s->micro_batch_host != NULL && k < s->micro_batches_per_step; k++)
        n += s->micro_batch_host[k] == s->micro_batch_host[s->micro_batch_first];
    return n * s->config->data.batch_size;
}

/** Rank 0 lists the images first and stores the index; the other ranks then read it. */
static int open_data(run_context *s, splits_request *q) {
    bool lead = ranks_lead(&s->ranks);
    run_dataset_reading(q, s->config, host_images(s), s->ranks.comm);
    int rc = comm_agree(s->ranks.comm, lead ? splits_open(&s->train, &s->val, q) : OK);
    return rc != OK || lead ? rc : splits_open(&s->train, &s->val, q);
}

int run_context_open(run_context *s, const config *c, comm *all) {
    splits_request data = run_context_data(c);
    int rc = OK;
    *s = (run_context){.config = c};
    TRY(ranks_init(&s->ranks, all));
    TRY(check_devices(s));
    TRY(share_cores(s));
    TRY(share_out(s));
    TRY(open_data(s, &data));
    TRY(run_dataset_check_copies(c, s->train, s->val));
    TRY(dataset_use_classes(s->val, s->train->class_name, s->train->class_n, s->train->root));
    if (ranks_lead(&s->ranks)) { /* only rank 0 saves checkpoints */
        fingerprint_begin(&s->fingerprint[0], s->train);
        fingerprint_begin(&s->fingerprint[1], s->val);
    }
    TRY(open_engine(s, s->train->class_n));
    TRY(class_weights_set(s->engine, c->optimizer.class_weights, s->train));
    TRY(engine_init_weights(s->engine, c->trainer.seed));
    TRY(ema_restart(s));
    TRY(open_train(s));
    TRY(open_val(s));
    TRY(limited_as(&s->train_batches, c, "trainer.limit_train_batches", c->trainer.limit_train_batches,
                   loader_batches(s->train_loader)));
    if (s->val_batches == 0 && strcmp(c->schedule.name, "plateau") == 0) {
        rc = fail(E_OPTION, "schedule.name plateau needs validation, but %s",
                  s->val->image_n > 0 ? "trainer.limit_val_batches is 0"
                                      : "there are no validation images: pass --data.val_split 0.1");
        goto done;
    }
    if (s->train_batches < 1) {
        rc = fail(E_OPTION,
                  "the %lld training images give no training batch of %d: lower data.batch_size, disable "
                  "data.drop_last or raise trainer.limit_train_batches",
                  (long long)s->train->image_n, c->data.batch_size);
        goto done;
    }
    s->steps_per_epoch = (s->train_batches + s->micro_batches_per_step - 1) / s->micro_batches_per_step;
    TRY(choose_val_interval(s));
    s->base_lr = c->optimizer.lr;
    s->resize_order = run_loader_resize_order(c);
done:
    return rc;
}

static int same_classes(bool *out, const dataset *d, char *const *names, int n) {
    int rc = OK;
    *out = names != NULL && d->class_n == n;
    for (int i = 0; rc == OK && *out && i < n; i++)
        rc = checkpoint_same_class(out, d->class_name[i], names[i]);
    return rc;
}

int run_context_open_evaluation(run_context *s, const config *c, int classes, char *const *names, const char *of,
                                comm *all) {
    splits_request data = run_context_data(c);
    bool same = false;
    int rc = OK;
    data.train = false;
    data.prefer_val_set = true; /* val_split may come from the checkpoint; a validation set takes precedence */
    *s = (run_context){.config = c};
    TRY(ranks_init(&s->ranks, all));
    TRY(check_devices(s));
    TRY(share_cores(s));
    TRY(open_data(s, &data));
    TRY(same_classes(&same, s->val, names, classes));
    if (names != NULL && !same)
        TRY(dataset_use_classes(s->val, names, classes, of));
    if (s->val->class_n != classes) {
        rc = fail(E_DATA, "%s has %d classes, but the model was trained on %d", s->val->root, s->val->class_n, classes);
        goto done;
    }
    TRY(open_engine(s, classes));
    TRY(open_val(s));
done:
    return rc;
}

int run_context_open_prediction(run_context *s, const config *c, int classes, dataset *images) {
    loader_options o = run_loader_options(c, false);
    int rc = OK;
    *s = (run_context){.config = c, .val = images};
    o.max_bad = 1;
    TRY(share_cores(s));
    TRY(open_engine(s, classes));
    TRY(loader_open(&s->val_loader, s->val, &o));
done:
    return rc;
}

int run_context_open_engine(run_context *s, const config *c, int classes, comm *all) {
    int rc = OK;
    *s = (run_context){.config = c};
    TRY(ranks_init(&s->ranks, all));
    TRY(check_devices(s));
    TRY(share_cores(s));
    TRY(open_engine(s, classes));
done:
    return rc;
}

void run_context_close(run_context *s) {
    for (int i = 0; i < 2; i++)
        fingerprint_end(&s->fingerprint[i]);
    loader_close(s->train_loader);
    loader_close(s->val_loader);
    for (int i = 0; i < 2; i++)
        free(s->told[i].image);
    engine_destroy(s->engine);
    ranks_deinit(&s->ranks);
    free(s->micro_batch_host); /* after the loader */
    model_destroy(s->model);
    dataset_close(s->train);
    dataset_close(s->val);
    *s = (run_context){0};
}

int run_context_batch_images(const run_context *s, int64_t b) {
    int64_t left = s->train->image_n - b * s->config->data.batch_size;
    return left < s->config->data.batch_size ? (int)left : s->config->data.batch_size;
}
