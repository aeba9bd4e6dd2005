/* A whole step, captured and replayed if the device supports it, and its result. */
#include "backend/sync_bn.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "engine/internal.h"

#include <string.h>

static int run_step(engine *e, engine_plan *p, unsigned flags) {
    int rc = OK;
    e->keep_statistics = (flags & ENGINE_KEEP_STATISTICS) != 0;
    TRY(engine_forward(e, p));
    TRY(engine_loss(e, p));
    TRY(engine_backward(e, p, flags));
    if (flags & ENGINE_LAST) {
        TRY(engine_unscale(e));
        TRY(engine_update(e));
    }
done:
    e->keep_statistics = false;
    return rc;
}

/** Not with several ranks, because communicators are not captured, and not while profiling, because each call is
 *  timed. */
static bool can_record(const engine *e, const engine_plan *p) {
    const comm *c = e->options.comm;
    return e->ops->stream != NULL && p->training && !e->times.on && (c == NULL || c->ranks < 2);
}

static void forget(engine *e, plan_recording *r) {
    if (r->recording != NULL)
        e->ops->stream->recording_free(e->device, r->recording);
    r->recording = NULL;
    r->runs = 0;
}

void plan_forget_steps(engine_plan *p) {
    for (int i = 0; i < STEP_KINDS; i++)
        forget(p->engine, &p->step[i]);
}

/** After a failure the plan runs without a recording. */
static int record(engine *e, engine_plan *p, unsigned flags, plan_recording *r) {
    int rc = OK, run = OK;
    TRY(e->ops->stream->record_begin(e->device));
    e->recording = true;
    run = run_step(e, p, flags);
    e->recording = false;
    rc = e->ops->stream->record_end(&r->recording, e->device); /* also after a failure, to end the capture */
    rc = run != OK ? run : rc;
done:
    if (rc != OK) {
        log_warn("the training step cannot be captured as a CUDA graph; its kernels are launched one by one: %s",
                 status_message());
        forget(e, r);
        r->failed = true;
    }
    return OK;
}

/** *done: whether the step is queued; false if the recording was stale and has been freed. */
static int replay(bool *done, engine *e, unsigned flags, plan_recording *r) {
    bool stale = false;
    int rc = OK;
    TRY(e->ops->stream->replay(&stale, e->device, r->recording));
    *done = !stale;
    if (stale)
        forget(e, r);
    else if (flags & ENGINE_LAST)
        e->version++;
done:
    return rc;
}

int engine_step(engine *e, engine_plan *p, unsigned flags) {
    plan_recording *r = &p->step[flags % STEP_KINDS];
    bool done = false;
    int rc = OK;
    if (!can_record(e, p) || r->failed)
        return run_step(e, p, flags);
    TRY(plan_check_active(p));
    TRY(engine_before_step(e));
    if (r->recording == NULL && r->runs > 0) /* the first run has made the one-time allocations */
        TRY(record(e, p, flags, r));
    if (r->recording != NULL)
        TRY(replay(&done, e, flags, r));
    if (!done) {
        TRY(run_step(e, p, flags));
        r->runs++;
    }
done:
    return rc;
}

/** Takes part in the synchronised batch norms of the other ranks with 0 rows. */
static int join_batch_norms(engine *e) {
    const model *n = e->model;
    int most = 0, rc = OK;
    for (int i = 0; i < n->stats_n; i++)
        most = n->stats[i].c > most ? n->stats[i].c : most;
    if (e->empty_work == NULL)
        TRY(memory_zeroed(&e->empty_work, 2 * (size_t)most + sync_bn_work(e->options.comm, most),
                          sizeof *e->empty_work));
    double *mean = e->empty_work, *var = mean + most, *work = var + most;
    for (int i = n->frozen_layer_n; i < n->layer_n; i++) {
        double m = 0;
        if (n->layer[i].kind == LAYER_BN)
            TRY(sync_bn_statistics(e->options.comm, mean, var, &m, n->stats[n->layer[i].stats].c, work));
    }
    for (int i = n->layer_n - 1; i >= n->frozen_layer_n; i--) {
        if (n->layer[i].kind != LAYER_BN)
            continue;
        int c = n->stats[n->layer[i].stats].c;
        memset(work, 0, sync_bn_values(c) * sizeof *work);
        TRY(sync_bn_sums(e->options.comm, work, c));
    }
done:
    return rc;
}

int engine_step_empty(engine *e, unsigned flags) {
    int rc = OK;
    if (sync_bn_on(&e->options))
        TRY(join_batch_norms(e));
    if (!(flags & ENGINE_LAST))
        return OK;
    TRY(engine_before_step(e));
    TRY(engine_clear_gradient(e));
    TRY(engine_exchange(e));
    TRY(engine_unscale(e));
    TRY(engine_update(e));
done:
    return rc;
}

bool engine_runs_ahead(const engine *e) { return e->ops->stream != NULL; }

int engine_set_grad_scaler(engine *e, const engine_grad_scaler *s) {
    if (e->ops->stream == NULL)
        return fail(E_UNSUPPORTED, "the %s engine does not implement loss scaling", e->ops->name);
    return e->ops->stream->set_grad_scaler(e->device, s);
}

int engine_result(engine_result_data *out, engine *e) { return e->ops->result(e->device, out); }
int engine_reset_result(engine *e) { return e->ops->reset_result(e->device); }

int engine_post_result(engine *e) {
    int slot = (int)(e->posted_n % DEVICE_RESULTS), rc = OK;
    if (e->posted_n - e->taken_n == DEVICE_RESULTS)
        return fail(E_DEVICE, "%d step results are pending and none has been read", DEVICE_RESULTS);
    if (e->ops->stream != NULL)
        TRY(e->ops->stream->post_result(e->device, slot));
    else
        TRY(e->ops->result(e->device, &e->posted[slot]));
    e->posted_n++;
done:
    return rc;
}

int engine_take_result(engine_result_data *out, engine *e) {
    int slot = (int)(e->taken_n % DEVICE_RESULTS);
    if (e->posted_n == e->taken_n)
        return fail(E_DEVICE, "no step result is pending");
    e->taken_n++;
    if (e->ops->stream != NULL)
        return e->ops->stream->take_result(e->device, slot, out);
    *out = e->posted[slot];
    return OK;
}
