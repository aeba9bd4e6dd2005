/* Opens the loader of `linnet train` for one split and one rank, and says what it has. */
#include "library/loader_handle.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/splits/splits.h"
#include "distributed/affinity.h"
#include "training/run_dataset.h"
#include "training/run_loader.h"

#include <stdlib.h>
#include <string.h>

static int set_ranks(linnet_loader *l, const linnet_ranks *r) {
    int rc = OK;
    l->ranks = r != NULL ? *r : (linnet_ranks){.count = 1};
    if (l->ranks.per_host == 0)
        l->ranks.per_host = l->ranks.count;
    if (l->ranks.count < 1 || l->ranks.rank < 0 || l->ranks.rank >= l->ranks.count || l->ranks.per_host < 1)
        return fail(E_OPTION,
                    "ranks: rank %d of %d with %d per host; rank must be from 0 to count - 1, count and per_host at "
                    "least 1",
                    l->ranks.rank, l->ranks.count, l->ranks.per_host);
    TRY(memory_zeroed(&l->host, (size_t)l->ranks.count, sizeof *l->host));
    for (int i = 0; i < l->ranks.count; i++)
        l->host[i] = i / l->ranks.per_host;
    l->hosts = l->host[l->ranks.count - 1] + 1;
done:
    return rc;
}

static int set_split(linnet_loader *l, const char *split) {
    l->training = strcmp(split, "train") == 0;
    if (!l->training && strcmp(split, "val") != 0)
        return fail(E_OPTION, "split '%s': must be train or val", split);
    if (linnet_loader_batch_size(l) == CONFIG_BATCH_AUTO)
        return fail(E_OPTION,
                    "data.batch_size auto: a loader has no model whose memory could be measured; give a number%s",
                    l->training ? "" : ", or set data.val_batch_size");
    l->config.data.batch_size = linnet_loader_batch_size(l); /* the split uses no other */
    return OK;
}

/** Ranks of this rank's host. The last host may have fewer. */
static int host_ranks(const linnet_loader *l) {
    int n = 1;
    for (int i = 0; i < l->ranks.count; i++)
        n += i != l->ranks.rank && l->host[i] == l->host[l->ranks.rank];
    return n;
}

/** Gives validation images the labels of the training images, if there are any: a class may have no folder. */
static int use_training_classes(linnet_loader *l, const splits_request *wanted) {
    splits_request q = *wanted;
    dataset *train = NULL, *none = NULL;
    int rc = OK;
    q.train = true;
    q.val = false;
    rc = splits_open(&train, &none, &q);
    if (rc == E_NOTFOUND || rc == E_OPTION) /* a validation set alone */
        return OK;
    if (rc == OK)
        rc = dataset_use_classes(l->dataset, train->class_name, train->class_n, train->root);
    dataset_close(train);
    return rc;
}

static int open_dataset(linnet_loader *l) {
    splits_request q = run_context_data(&l->config);
    dataset *none = NULL;
    int rc = OK;
    q.train = l->training;
    q.val = !l->training;
    run_dataset_reading(&q, &l->config, (int64_t)host_ranks(l) * l->config.data.batch_size, NULL);
    if (l->training)
        return splits_open(&l->dataset, &none, &q);
    TRY(splits_open(&none, &l->dataset, &q));
    TRY(use_training_classes(l, &q));
done:
    return rc;
}

static int cores_of_rank(const linnet_loader *l) {
    int cores = affinity_cores() / host_ranks(l);
    return cores > 0 ? cores : 1;
}

static int open_batches(linnet_loader *l) {
    loader_options o = run_loader_options(&l->config, l->training);
    l->workers = workers_init(l->training ? "loader" : "val loader", l->config.data.workers, cores_of_rank(l));
    o.workers = l->workers.n;
    o.micro_batches_per_step = l->ranks.count;
    o.micro_batch_first = l->ranks.rank;
    o.micro_batch_host = l->host;
    o.hosts = l->hosts;
    return loader_open(&l->loader, l->dataset, &o);
}

static int open_loader(linnet_loader **out, const linnet_options *options, const char *split,
                       const linnet_ranks *ranks) {
    linnet_loader *l = NULL;
    int rc = OK;
    *out = NULL;
    TRY(memory_zeroed(&l, 1, sizeof *l));
    config_defaults(&l->config);
    TRY(options_apply(&l->config, options));
    TRY(set_split(l, split));
    TRY(config_check(&l->config));
    TRY(set_ranks(l, ranks));
    TRY(open_dataset(l));
    TRY(open_batches(l));
    normalisation_init(&l->table, l->config.data.mean, l->config.data.std);
    *out = l;
    l = NULL; /* now owned by the caller */
done:
    linnet_loader_close(l);
    return rc;
}

int linnet_loader_open(linnet_loader **out, const linnet_options *options, const char *split,
                       const linnet_ranks *ranks) {
    locale_t before = api_enter();
    return api_return(before, open_loader(out, options, split, ranks));
}

void linnet_loader_close(linnet_loader *l) {
    if (l == NULL)
        return;
    fingerprint_end(&l->fingerprint);
    loader_close(l->loader);
    dataset_close(l->dataset);
    free(l->host);
    free(l);
}

int64_t linnet_loader_images(const linnet_loader *l) { return l->dataset->image_n; }

int64_t linnet_loader_batches(const linnet_loader *l) { return loader_own_batches(l, 0); }

int linnet_loader_batch_size(const linnet_loader *l) {
    return l->training ? l->config.data.batch_size : run_loader_val_batch_size(&l->config);
}

int linnet_loader_image_size(const linnet_loader *l) {
    return l->training ? run_loader_train_size(&l->config, l->epoch) : run_loader_val_size(&l->config);
}

int linnet_loader_classes(const linnet_loader *l) { return l->dataset->class_n; }

const char *linnet_loader_class_name(const linnet_loader *l, int i) {
    return i >= 0 && i < l->dataset->class_n ? l->dataset->class_name[i] : NULL;
}

const char *linnet_loader_image_name(const linnet_loader *l, int64_t index) {
    return index >= 0 && index < l->dataset->image_n ? dataset_name(l->dataset, index) : NULL;
}

int linnet_loader_mixes(const linnet_loader *l) {
    return l->training && (l->config.data.mixup > 0 || l->config.data.cutmix > 0);
}

int linnet_loader_set_workers(linnet_loader *l, int n) {
    int rc = loader_set_workers(l->loader, n);
    if (rc == OK)
        l->workers = workers_init(l->workers.name, n, l->workers.cores);
    return rc;
}

static const bad_image *bad_at(linnet_loader *l, int64_t i) {
    const bad_image *bad = NULL;
    int64_t n = loader_bad(&bad, l->loader);
    return i >= 0 && i < n ? &bad[i] : NULL;
}

int64_t linnet_loader_bad_n(linnet_loader *l) {
    const bad_image *bad = NULL;
    return loader_bad(&bad, l->loader);
}

const char *linnet_loader_bad_message(linnet_loader *l, int64_t i) {
    const bad_image *bad = bad_at(l, i);
    return bad != NULL ? bad->message : NULL;
}

int64_t linnet_loader_bad_index(linnet_loader *l, int64_t i) {
    const bad_image *bad = bad_at(l, i);
    return bad != NULL ? bad->index : -1;
}
