/* The consumer's side of the loader. */
#define _GNU_SOURCE
#include "loader/loader.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "loader/loader_state.h"

#include <assert.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int check_options(const dataset *d, const loader_options *o) {
    if (o->batch_size < 1 || o->workers < 1 || o->ahead < 2)
        return fail(E_OPTION, "loader: batch_size %d and workers %d must be at least 1, ahead %d at least 2",
                    o->batch_size, o->workers, o->ahead);
    if (o->micro_batch_first < 0 || o->micro_batch_count < 1 ||
        o->micro_batch_first + o->micro_batch_count > o->micro_batches_per_step)
        return fail(E_OPTION, "loader: invalid range of micro-batches: %d to %d of %d per step", o->micro_batch_first,
                    o->micro_batch_first + o->micro_batch_count - 1, o->micro_batches_per_step);
    if (!(o->max_bad >= 0 && o->max_bad <= 1))
        return fail(E_OPTION, "data.max_bad %g must be from 0 to 1", o->max_bad);
    if (d->image_n < (o->transform.training ? 1 : 0) || d->image_n > UINT32_MAX)
        return fail(E_DATA, "%s: %lld images; the number of images must be from 1 to 2^32-1", d->root,
                    (long long)d->image_n);
    if (o->drop_last && d->image_n < o->batch_size)
        return fail(E_DATA,
                    "%s: %lld images do not fill one batch of %d: lower data.batch_size or set data.drop_last false",
                    d->root, (long long)d->image_n, o->batch_size);
    return OK;
}

static void worker_destroy(worker *w) {
    if (w == NULL)
        return;
    decoder_destroy(w->decoder);
    image_buffer_deinit(&w->file);
    free(w);
}

/** Starts one more thread, with all signals blocked, because the main thread handles signals. */
static int start_worker(loader *l) {
    int rc = OK;
    worker *w = NULL;
    sigset_t all, before;
    TRY(memory_resize(&l->worker, (size_t)l->started + 1, sizeof *l->worker));
    TRY(memory_zeroed(&w, 1, sizeof *w));
    w->loader = l;
    w->number = l->started;
    TRY(decoder_create(&w->decoder, &l->options.limits));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, loader_work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        rc = fail_errno(error, "cannot start loader thread %d (data.workers)", l->started + 1);
        goto done;
    }
    l->worker[l->started++] = w;
    w = NULL; /* now owned by the loader */
done:
    worker_destroy(w);
    return rc;
}

int loader_set_workers(loader *l, int n) {
    int rc = OK;
    if (n < 1)
        return fail(E_OPTION, "loader: %d workers; at least 1 is required", n);
    while (l->started < n)
        TRY(start_worker(l));
    pthread_mutex_lock(&l->lock);
    l->active = n;
    pthread_cond_broadcast(&l->work);
    pthread_cond_broadcast(&l->rest);
    pthread_mutex_unlock(&l->lock);
done:
    return rc;
}

int loader_open(loader **out, const dataset *d, const loader_options *o) {
    int rc = check_options(d, o);
    if (rc != OK)
        return rc;
    loader *l = NULL;
    TRY(memory_zeroed(&l, 1, sizeof *l));
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->rest, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->dataset = d;
    l->options = *o;
    l->size = l->largest = o->transform.size;
    l->batches = o->drop_last ? d->image_n / o->batch_size : (d->image_n + o->batch_size - 1) / o->batch_size;
    /* rank_batches is 0 until loader_start, so the workers wait. */
    l->bad_limit = (int64_t)floor(o->max_bad * (double)d->image_n + 1e-6); /* 0.29 * 100 is a little below 29 */
    TRY(memory_zeroed(&l->order, (size_t)d->image_n, sizeof *l->order));
    TRY(loader_sequence_init(l));
    TRY(memory_zeroed(&l->ring, (size_t)o->ahead, sizeof *l->ring));
    for (int i = 0; i < o->ahead; i++)
        TRY(batch_init(&l->ring[i].batch, o->batch_size, o->transform.size, o->transform.size));
    TRY(loader_set_workers(l, o->workers));
    *out = l;
    l = NULL; /* now owned by the caller */
done:
    loader_close(l);
    return rc;
}

void loader_close(loader *l) {
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    l->quit = l->drain = true;
    pthread_cond_broadcast(&l->work);
    pthread_cond_broadcast(&l->rest);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++) {
        pthread_join(l->worker[i]->thread, NULL);
        worker_destroy(l->worker[i]);
    }
    for (int i = 0; l->ring != NULL && i < l->options.ahead; i++) {
        bad_clear(&l->ring[i]);
        free(l->ring[i].bad);
        batch_deinit(&l->ring[i].batch);
    }
    bad_deinit(l);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->rest);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    free(l->worker);
    free(l->ring);
    free(l->order);
    free(l->share);
    free(l->stream);
    free(l->parts);
    free(l->by_location);
    free(l->shards);
    free(l->shard_first);
    free(l);
}

int64_t loader_batches(const loader *l) { return l->batches; }

int loader_start(loader *l, uint32_t epoch, int64_t first) {
    if (first < 0 || first > l->batches)
        return fail(E_OPTION, "loader: cannot start at batch %lld of %lld", (long long)first, (long long)l->batches);
    pthread_mutex_lock(&l->lock);
    l->drain = true;
    while (l->busy > 0)
        pthread_cond_wait(&l->ready, &l->lock);
    for (int i = 0; i < l->options.ahead; i++) {
        bad_clear(&l->ring[i]);
        l->ring[i].state = ENTRY_FREE;
    }
    l->epoch = epoch;
    l->options.transform.size = l->size;
    for (int i = 0; i < l->options.ahead; i++)
        l->ring[i].batch.h = l->ring[i].batch.w = l->size;
    loader_sequence_start(l);
    const loader_options *o = &l->options;
    int64_t left = l->batches - first, steps = left / o->micro_batches_per_step, own = o->micro_batch_count;
    int64_t rest = left % o->micro_batches_per_step - o->micro_batch_first; /* batches in an incomplete last step */
    rest = rest <= 0 ? 0 : rest < own ? rest : own;
    l->first = first;
    l->rank_batches = steps * own + rest;
    l->claim = l->deliver = 0;
    l->advised = l->stream != NULL ? l->part_first + loader_sequence_images(l, first) : 0;
    l->failed.code = OK;
    l->drain = false;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    return OK;
}

void loader_set_resize_order(loader *l, resize_order order) { l->options.transform.resizing.order = order; }

void loader_set_size(loader *l, int size) {
    assert(size > 0 && size <= l->largest);
    l->size = size;
}

/** Validation: removes the positions of unreadable images. */
static void close_gaps(batch *b) {
    int kept = 0;
    size_t bytes = (size_t)b->h * (size_t)b->w * 3;
    for (int i = 0; i < b->n; i++) {
        if (b->index[i] < 0)
            continue;
        if (i != kept) {
            memcpy(b->pixels + (size_t)kept * bytes, b->pixels + (size_t)i * bytes, bytes);
            b->label[kept] = b->label[i];
            b->label_b[kept] = b->label_b[i];
            b->mix[kept] = b->mix[i];
            b->index[kept] = b->index[i];
        }
        kept++;
    }
    b->n = kept;
}

static bool is_complete(const loader *l, const ring_entry *s) {
    return s->state == ENTRY_FILLING && s->number == l->deliver && s->done == s->positions;
}

/** Waits until the batch in `s` is complete. The caller holds the lock. */
static void wait_for(loader *l, const ring_entry *s) {
    if (is_complete(l, s))
        return;
    double begin = clock_seconds();
    while (!is_complete(l, s))
        pthread_cond_wait(&l->ready, &l->lock);
    l->waited += clock_seconds() - begin;
}

/** Stores the error that stopped the epoch; every further loader_next returns it. */
static int stop(loader *l, int rc) {
    status_save(&l->failed, rc);
    return rc;
}

/** Merges the bad images of the batch in `s` into the list, then checks for an error of a worker. The caller holds
 *  the lock. */
static int take_over(loader *l, ring_entry *s) {
    int rc = OK;
    TRY(bad_merge(l, s));
    TRY(bad_over_limit(l));
    if (s->error.code != OK)
        rc = status_restore(&s->error);
    else if (!l->options.transform.training && l->bad_n == l->dataset->image_n)
        rc = fail(E_DATA, "none of the %lld images in %s can be read; the first error: %s", (long long)l->bad_n,
                  l->dataset->root, l->bad[0].message);
done:
    return rc;
}

static void give_back(loader *l, ring_entry *s) {
    s->state = ENTRY_FREE;
    pthread_cond_broadcast(&l->work);
}

int loader_next(batch **out, loader *l) {
    int rc = OK;
    *out = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->failed.code != OK) {
        rc = status_restore(&l->failed);
        goto done;
    }
    while (*out == NULL && l->deliver < l->rank_batches) {
        ring_entry *s = &l->ring[l->deliver % l->options.ahead];
        assert(s->state != ENTRY_HELD); /* the caller holds the whole ring: waiting would never end */
        wait_for(l, s);
        rc = take_over(l, s);
        if (rc != OK) {
            rc = stop(l, rc);
            goto done;
        }
        l->deliver++;
        if (l->claim < l->deliver) /* the worker of the last position may have paused since */
            l->claim = l->deliver;
        s->batch.n = s->positions;
        if (!l->options.transform.training)
            close_gaps(&s->batch);
        if (s->batch.n > 0) {
            s->state = ENTRY_HELD;
            *out = &s->batch;
        } else {
            give_back(l, s);
        }
    }
done:
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void loader_release(loader *l, batch *b) {
    pthread_mutex_lock(&l->lock);
    for (int i = 0; i < l->options.ahead; i++)
        if (&l->ring[i].batch == b && l->ring[i].state == ENTRY_HELD)
            give_back(l, &l->ring[i]);
    pthread_mutex_unlock(&l->lock);
}

int64_t loader_taken(const loader *l) { return l->deliver; } /* only the consumer changes it */

double loader_waited(const loader *l) { return l->waited; }

double loader_cost(loader *l) {
    pthread_mutex_lock(&l->lock);
    double cost = l->cost_images > 0 ? l->cost_seconds / (double)l->cost_images : NAN;
    pthread_mutex_unlock(&l->lock);
    return cost;
}
