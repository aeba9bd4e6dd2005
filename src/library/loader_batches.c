/* The batches of an epoch, one after the other. */
#include "library/loader_handle.h"

#include "base/status.h"
#include "training/run_loader.h"

#include <string.h>

int64_t loader_own_batches(const linnet_loader *l, int64_t first) {
    int64_t left = loader_batches(l->loader) - first, count = l->ranks.count;
    if (l->training) /* the same number on every rank */
        return left / count;
    return left > l->ranks.rank ? (left - l->ranks.rank + count - 1) / count : 0;
}

int loader_begin(linnet_loader *l, int64_t epoch, int64_t first) {
    int rc = OK;
    workers_begin(&l->workers, l->loader);
    if (l->training)
        loader_set_size(l->loader, run_loader_train_size(&l->config, epoch));
    TRY(loader_start(l->loader, (uint32_t)epoch, first));
    l->epoch = epoch;
    l->first = first;
    l->started = true;
    l->images = 0;
done:
    return rc;
}

int linnet_loader_start(linnet_loader *l, int64_t epoch, int64_t number) {
    int64_t own = linnet_loader_batches(l), all = loader_batches(l->loader);
    locale_t before = api_enter();
    int rc = OK;
    if (epoch < 0 || epoch > UINT32_MAX)
        rc = fail(E_OPTION, "loader: epoch %lld; must be from 0 to 2^32-1", (long long)epoch);
    else if (number < 0 || number > own)
        rc = fail(E_OPTION, "loader: cannot start at batch %lld of the %lld batches of this rank", (long long)number,
                  (long long)own);
    else
        rc = loader_begin(l, epoch, number * l->ranks.count < all ? number * l->ranks.count : all);
    return api_return(before, rc);
}

int64_t linnet_loader_epoch(const linnet_loader *l) { return l->epoch; }

int64_t linnet_loader_position(const linnet_loader *l) {
    int64_t count = l->ranks.count, before = (l->first + count - 1) / count;
    return before + (l->started ? loader_taken(l->loader) : 0);
}

static void write_targets(float *targets, const batch *b, int classes) {
    memset(targets, 0, (size_t)b->n * (size_t)classes * sizeof *targets);
    for (int i = 0; i < b->n; i++) {
        float *row = targets + (size_t)i * (size_t)classes;
        row[b->label[i]] += b->mix[i];
        row[b->label_b[i]] += 1 - b->mix[i];
    }
}

static int next(void *pixels, int64_t *labels, float *targets, int64_t *indices, linnet_loader *l, linnet_format f) {
    batch *b = NULL;
    int rc = OK;
    TRY(pixels_check(f));
    if (!l->started)
        TRY(loader_begin(l, l->epoch, l->first));
    if (l->images > 0)
        workers_count(&l->workers, l->loader, l->images);
    l->images = 0;
    if (loader_taken(l->loader) >= loader_own_batches(l, l->first))
        goto done;
    TRY(loader_next(&b, l->loader));
    if (b == NULL)
        goto done;
    if (l->training) /* where no batch is skipped */
        run_loader_mix(&l->config, l->epoch, l->first + (loader_taken(l->loader) - 1) * l->ranks.count + l->ranks.rank,
                       b);
    if (pixels != NULL)
        pixels_write(pixels, b->pixels, b->n, b->h, f, &l->table);
    for (int i = 0; labels != NULL && i < b->n; i++)
        labels[i] = b->label[i];
    if (targets != NULL)
        write_targets(targets, b, l->dataset->class_n);
    if (indices != NULL)
        memcpy(indices, b->index, (size_t)b->n * sizeof *indices);
    l->images = rc = b->n;
    loader_release(l->loader, b);
done:
    return rc;
}

int linnet_loader_next(void *pixels, int64_t *labels, float *targets, int64_t *indices, linnet_loader *l,
                       linnet_format format) {
    locale_t before = api_enter();
    return api_return(before, next(pixels, labels, targets, indices, l, format));
}
