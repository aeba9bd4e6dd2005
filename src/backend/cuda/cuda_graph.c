/* CUDA graphs: the work queued between record_begin and record_end is captured and not executed. Replay executes it
 * with the current data at the recorded addresses. */
#include "backend/cuda/gpu.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>

typedef struct recording {
    CUgraphExec graph;
    unsigned generation; /* of the memory that the graph uses */
} recording;

static const char *const what = "capturing a step as a CUDA graph";

int cuda_record_begin(void *device) {
    const cuda_device *d = device;
    return DRIVER(d->driver, what, capture_begin, d->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

int cuda_record_end(void **out, void *device) {
    const cuda_device *d = device;
    recording *r = NULL;
    CUgraph graph = NULL;
    int rc = OK;
    *out = NULL;
    TRY(DRIVER(d->driver, what, capture_end, d->stream, &graph));
    TRY(memory_zeroed(&r, 1, sizeof *r));
    r->generation = d->generation;
    TRY(DRIVER(d->driver, what, graph_instantiate, &r->graph, graph, 0));
    *out = r;
    r = NULL; /* now owned by the caller */
done:
    if (graph != NULL)
        d->driver->graph_destroy(graph);
    free(r);
    return rc;
}

int cuda_replay(bool *stale, void *device, void *recorded) {
    const cuda_device *d = device;
    const recording *r = recorded;
    *stale = r->generation != d->generation;
    return *stale ? OK : DRIVER(d->driver, "launching the CUDA graph of a step", graph_launch, r->graph, d->stream);
}

void cuda_recording_free(void *device, void *recorded) {
    const cuda_device *d = device;
    recording *r = recorded;
    if (r == NULL)
        return;
    d->driver->stream_wait(d->stream);
    d->driver->graph_exec_destroy(r->graph);
    free(r);
}
