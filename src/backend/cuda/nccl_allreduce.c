/* All-reduce of gradients between GPUs by NCCL, on a separate stream. An event makes that stream wait until backward
 * has completed a bucket. The host waits for the last all-reduce before it queues the work that reads the sums. So the
 * compute stream never waits for another rank, and the host can detect a lost rank while it waits and abort. For the
 * same reason no NCCL call blocks. */
#include "backend/cuda/nccl_allreduce.h"

#include "backend/cuda/nccl.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE = 512, PAUSE = 20000 /* nanoseconds between two polls */ };

typedef struct exchange {
    comm comm;
    comm *ranks; /* the host communicator, which detects lost ranks */
    const cuda_device *device;
    const nccl_library *nccl;
    ncclComm_t group; /* NULL: not yet created, or aborted */
    CUstream stream;
    CUevent ready, done; /* ready: the gradients of a bucket; done: all reductions started so far */
    status_saved failed; /* the first failure, returned by every later call */
} exchange;

static const char *const what = "exchanging gradients";

/** Saves the first failure and aborts all NCCL work. */
static int give_up(exchange *x, int rc) {
    if (x->failed.code == OK)
        status_save(&x->failed, rc);
    if (x->group != NULL)
        x->nccl->abort(x->group);
    x->group = NULL;
    return status_restore(&x->failed);
}

static bool is_lost(comm *ranks) { return ranks->lost != NULL && ranks->lost(ranks); }

/** *state: of the NCCL calls so far. Fails if NCCL or another rank has failed. */
static int look(ncclResult_t *state, exchange *x) {
    int rc = OK;
    TRY(NCCL(x->nccl, what, state, x->group, state));
    TRY(nccl_check(x->nccl, *state, "state", what));
    if (is_lost(x->ranks))
        rc = comm_barrier(x->ranks); /* fails with the reason */
done:
    return rc;
}

static void pause_shortly(void) { nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL); }

/** Waits until the work of a nonblocking NCCL call is queued. */
static int settle(exchange *x) {
    ncclResult_t state = ncclInProgress;
    int rc = OK;
    TRY(look(&state, x));
    while (state == ncclInProgress) {
        pause_shortly();
        TRY(look(&state, x));
    }
done:
    return rc;
}

/** fp32 gradients are averaged; 16-bit gradients are summed, because compress has already divided them. */
static int queue_reduction(exchange *x, const comm_call *call) {
    const cuda_driver *driver = x->device->driver;
    ncclDataType_t type = call->type == COMM_BF16 ? ncclBfloat16 : call->type == COMM_F16 ? ncclFloat16 : ncclFloat32;
    int rc = OK;
    TRY(DRIVER(driver, what, event_record, x->ready, call->queue));
    TRY(DRIVER(driver, what, stream_wait_event, x->stream, x->ready, 0));
    TRY(NCCL(x->nccl, what, all_reduce, call->data, call->data, call->n, type,
             call->kind == COMM_MEAN ? ncclAvg : ncclSum, x->group, (cudaStream_t)x->stream));
    TRY(settle(x));
    TRY(DRIVER(driver, what, event_record, x->done, x->stream));
done:
    return rc;
}

static int start(comm *c, comm_call *call) {
    exchange *x = c->state;
    int rc = x->failed.code == OK ? queue_reduction(x, call) : x->failed.code;
    return rc != OK ? give_up(x, rc) : OK;
}

/** Waits for all reductions started so far, because the engine waits for all of them. */
static int await(exchange *x) {
    ncclResult_t state = ncclSuccess;
    int rc = OK;
    for (;;) {
        CUresult done = x->device->driver->event_query(x->done);
        if (done != CUDA_ERROR_NOT_READY)
            return driver_check(x->device->driver, done, "event_query", what);
        TRY(look(&state, x));
        pause_shortly();
    }
done:
    return rc;
}

static int wait(comm *c, comm_call *call) {
    exchange *x = c->state;
    comm_progress *progress = &x->ranks->progress;
    double start = clock_seconds();
    (void)call;
    progress->waits = true;
    int rc = x->failed.code == OK ? await(x) : x->failed.code;
    progress->waits = false;
    progress->progress_count++;
    x->ranks->waited += clock_seconds() - start;
    return rc != OK ? give_up(x, rc) : OK;
}

/** "+" and the UUID of this rank's GPU, or the reason why NCCL cannot be used. */
static int own_line(char out[LINE], exchange *x) {
    CUuuid id;
    int rc = OK;
    if (nccl_open(&x->nccl) != OK) {
        snprintf(out, LINE, "%s", status_message());
        return OK;
    }
    TRY(DRIVER(x->device->driver, "querying the GPU", device_uuid, &id, x->device->gpu));
    out[0] = '+';
    for (size_t i = 0; i < sizeof id.bytes; i++)
        snprintf(out + 1 + 2 * i, 3, "%02x", (unsigned char)id.bytes[i]);
done:
    return rc;
}

/** *can: every rank has NCCL and a GPU of its own, because NCCL refuses two ranks on one GPU. The result is the same on
 *  all ranks. */
static int ask_all(bool *can, exchange *x) {
    char own[LINE] = "", *lines = NULL, why[LINE + 64] = "";
    int ranks = x->ranks->ranks, rc = OK;
    TRY(own_line(own, x));
    TRY(memory_zeroed(&lines, (size_t)ranks, LINE));
    TRY(comm_lines(x->ranks, lines, LINE, own));
    for (int r = 0; r < ranks && why[0] == 0; r++) {
        const char *line = lines + (size_t)r * LINE;
        if (line[0] != '+')
            snprintf(why, sizeof why, "rank %d: %s", r, line);
        for (int i = 0; i < r && why[0] == 0; i++)
            if (strcmp(lines + (size_t)i * LINE, line) == 0)
                snprintf(why, sizeof why, "ranks %d and %d use the same GPU, which NCCL does not support", i, r);
    }
    *can = why[0] == 0;
    if (!*can && x->ranks->rank == 0)
        log_warn("gradients are exchanged through host memory: %s", why);
done:
    free(lines);
    return rc;
}

static int join(exchange *x) {
    static const char *const joining = "initialising NCCL";
    const cuda_driver *driver = x->device->driver;
    ncclUniqueId id = {{0}};
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    int rc = OK;
    config.blocking = 0;
    TRY(DRIVER(driver, "creating a stream", stream_create, &x->stream, CU_STREAM_NON_BLOCKING));
    TRY(DRIVER(driver, "creating an event", event_create, &x->ready, CU_EVENT_DISABLE_TIMING));
    TRY(DRIVER(driver, "creating an event", event_create, &x->done, CU_EVENT_DISABLE_TIMING));
    if (x->ranks->rank == 0)
        TRY(NCCL(x->nccl, joining, unique_id, &id));
    TRY(comm_all(x->ranks, COMM_BROADCAST, COMM_BYTES, &id, sizeof id));
    TRY(NCCL(x->nccl, joining, join, &x->group, x->ranks->ranks, id, x->ranks->rank, &config));
    TRY(settle(x));
done:
    return rc != OK ? give_up(x, rc) : OK;
}

/** "NCCL 2.28.9" */
static void name_nccl(char *out, size_t n, const nccl_library *nccl) {
    int version = nccl->version_number;
    snprintf(out, n, "NCCL %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
}

int nccl_comm_text(char out[ENGINE_EXCHANGE_TEXT]) {
    const nccl_library *nccl = NULL;
    int rc = OK;
    out[0] = 0;
    TRY(nccl_open(&nccl));
    name_nccl(out, ENGINE_EXCHANGE_TEXT, nccl);
    size_t n = strlen(out);
    snprintf(out + n, ENGINE_EXCHANGE_TEXT - n, ", %s", nccl->file);
done:
    return rc;
}

static void describe(cuda_device *d, const nccl_library *nccl) {
    char name[32];
    size_t n = strlen(d->description);
    name_nccl(name, sizeof name, nccl);
    snprintf(d->description + n, sizeof d->description - n, ", %s", name);
}

int nccl_comm_open(comm **out, cuda_device *d) {
    comm *ranks = d->options.comm;
    exchange *x = NULL;
    bool can = false;
    int rc = OK;
    *out = NULL;
    if (comm_ranks(ranks) < 2)
        return OK;
    TRY(memory_zeroed(&x, 1, sizeof *x));
    x->device = d;
    x->ranks = ranks;
    x->comm = (comm){.rank = ranks->rank,
                     .ranks = ranks->ranks,
                     .local_rank = ranks->local_rank,
                     .local_ranks = ranks->local_ranks,
                     .device_memory = true,
                     .state = x,
                     .start = start,
                     .wait = wait};
    TRY(ask_all(&can, x));
    if (!can)
        goto done;
    TRY(join(x));
    describe(d, x->nccl);
    *out = &x->comm;
    x = NULL; /* now owned by the caller */
done:
    nccl_comm_close(x != NULL ? &x->comm : NULL);
    return rc;
}

void nccl_comm_close(comm *c) {
    if (c == NULL)
        return;
    exchange *x = c->state;
    const cuda_driver *driver = x->device->driver;
    if (x->group != NULL && is_lost(x->ranks))
        x->nccl->abort(x->group);
    else if (x->group != NULL)
        x->nccl->leave(x->group);
    if (x->ready != NULL)
        driver->event_destroy(x->ready);
    if (x->done != NULL)
        driver->event_destroy(x->done);
    if (x->stream != NULL)
        driver->stream_destroy(x->stream);
    free(x);
}
