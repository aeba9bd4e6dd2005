#include "training/broadcast.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "training/ema.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int broadcast(comm *c, void *data, size_t bytes) { return comm_all(c, COMM_BROADCAST, COMM_BYTES, data, bytes); }

static int broadcast_params(run_context *s, engine_what what) {
    comm *c = s->ranks.comm;
    int n = what == ENGINE_STATS ? s->model->stats_n : s->model->param_n, rc = OK;
    double *one = NULL;
    TRY(memory_zeroed(&one, model_largest(s->model), sizeof *one));
    for (int i = 0; i < n; i++) {
        size_t count = what == ENGINE_STATS ? 2 * (size_t)s->model->stats[i].c : s->model->param[i].count;
        TRY(engine_read(one, s->engine, what, i));
        TRY(broadcast(c, one, count * sizeof *one));
        if (comm_rank(c) != 0)
            TRY(engine_write(s->engine, what, i, one));
    }
done:
    free(one);
    return rc;
}

/** Broadcasts the EMA to every rank, since each rank updates its own copy with the same weights. */
static int broadcast_ema(run_context *s) {
    int rc = OK;
    TRY(ema_swap(s));
    TRY(broadcast_params(s, ENGINE_WEIGHT));
    TRY(broadcast_params(s, ENGINE_STATS));
    TRY(ema_swap(s));
done:
    return rc;
}

int broadcast_statistics(run_context *s) {
    return comm_ranks(s->ranks.comm) > 1 ? broadcast_params(s, ENGINE_STATS) : OK;
}

/** A hash of the image names. It needs no access to the files. */
static uint64_t names_hash(const dataset *d) {
    uint64_t h = HASH_START;
    for (int64_t i = 0; i < d->image_n; i++)
        h = hash_bytes(h, dataset_name(d, i), strlen(dataset_name(d, i)) + 1);
    return h;
}

/** Checks that all ranks have the same images; otherwise they would silently train on different data. */
static int check_images(const run_context *s) {
    comm *c = s->ranks.comm;
    uint64_t own[2] = {names_hash(s->train), names_hash(s->val)}, lead[2] = {own[0], own[1]};
    int rc = broadcast(c, lead, sizeof lead);
    if (rc == OK && memcmp(own, lead, sizeof own) != 0)
        rc = fail(E_DATA,
                  "%s on this rank does not contain the same images as on rank 0: every host needs the same files",
                  run_context_data_name(s->config));
    return comm_agree(c, rc);
}

int broadcast_state(run_context *s, train_state *t) {
    comm *c = s->ranks.comm;
    train_state lead = *t;
    int rc = OK;
    if (comm_ranks(c) < 2)
        return OK;
    TRY(check_images(s));
    for (engine_what what = ENGINE_WEIGHT; what <= ENGINE_STATS; what++)
        if (what != ENGINE_GRADIENT)
            TRY(broadcast_params(s, what));
    if (optimizer_squares(run_context_optimizer(s->config)))
        TRY(broadcast_params(s, ENGINE_SQUARE));
    if (ema_on(s))
        TRY(broadcast_ema(s));
    TRY(broadcast(c, &lead, sizeof lead));
    lead.best = t->best; /* it contains addresses */
    *t = lead;
    TRY(broadcast(c, &s->base_lr, sizeof s->base_lr));
    resize_order order = s->resize_order;
    TRY(broadcast(c, &order, sizeof order));
    run_context_set_resize_order(s, order);
done:
    return rc;
}
