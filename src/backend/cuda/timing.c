/* GPU times from pairs of events: gpu_time measures one operation on its own; cuda_time_* measure the work of a step,
 * with nested intervals, and are read after the step. */
#include "backend/cuda/gpu.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>

int gpu_time(double *microseconds, const cuda_device *d, int (*queue)(void *what), void *what) {
    enum { RUNS = 3 };
    static const char *const doing = "measuring";
    CUevent start = NULL, end = NULL;
    int rc = OK;
    *microseconds = INFINITY;
    TRY(DRIVER(d->driver, doing, event_create, &start, CU_EVENT_DEFAULT));
    TRY(DRIVER(d->driver, doing, event_create, &end, CU_EVENT_DEFAULT));
    for (int i = 0; i <= RUNS; i++) {
        float ms = 0;
        TRY(DRIVER(d->driver, doing, event_record, start, d->stream));
        TRY(queue(what));
        TRY(DRIVER(d->driver, doing, event_record, end, d->stream));
        TRY(DRIVER(d->driver, doing, event_wait, end));
        TRY(DRIVER(d->driver, doing, event_elapsed, &ms, start, end));
        *microseconds = i > 0 ? fmin(*microseconds, 1e3 * (double)ms) : INFINITY;
    }
done:
    if (start != NULL)
        d->driver->event_destroy(start);
    if (end != NULL)
        d->driver->event_destroy(end);
    return rc;
}

static const char *const profiling = "timing a step";

static int one_more_span(cuda_device *d) {
    timed_span s = {0};
    int rc = OK;
    TRY(memory_resize(&d->span, (size_t)d->span_room + 1, sizeof *d->span));
    TRY(DRIVER(d->driver, profiling, event_create, &s.start, CU_EVENT_DEFAULT));
    TRY(DRIVER(d->driver, profiling, event_create, &s.end, CU_EVENT_DEFAULT));
    d->span[d->span_room++] = s;
done:
    if (rc != OK && s.start != NULL)
        d->driver->event_destroy(s.start);
    return rc;
}

int cuda_time_begin(void *device) {
    cuda_device *d = device;
    int rc = OK;
    if (d->open_n == SPANS_OPEN)
        return fail(E_DEVICE, "%s: more than %d nested operations", profiling, SPANS_OPEN);
    if (d->span_n == d->span_room)
        TRY(one_more_span(d));
    d->span[d->span_n].seconds = NULL;
    TRY(DRIVER(d->driver, profiling, event_record, d->span[d->span_n].start, d->stream));
    d->open[d->open_n++] = d->span_n++;
done:
    return rc;
}

int cuda_time_end(double *seconds, void *device) {
    cuda_device *d = device;
    timed_span *s = &d->span[d->open[d->open_n - 1]];
    int rc = OK;
    TRY(DRIVER(d->driver, profiling, event_record, s->end, d->stream));
    s->seconds = seconds;
    d->open_n--;
done:
    return rc;
}

int cuda_time_read(void *device) {
    cuda_device *d = device;
    int rc = OK;
    TRY(gpu_wait(d));
    for (int i = 0; i < d->span_n; i++) {
        float ms = 0;
        if (d->span[i].seconds == NULL)
            continue;
        TRY(DRIVER(d->driver, profiling, event_elapsed, &ms, d->span[i].start, d->span[i].end));
        *d->span[i].seconds += (double)ms / 1e3;
    }
done:
    d->span_n = d->open_n = 0;
    return rc;
}

void cuda_time_deinit(cuda_device *d) {
    for (int i = 0; i < d->span_room; i++) {
        d->driver->event_destroy(d->span[i].start);
        d->driver->event_destroy(d->span[i].end);
    }
    free(d->span);
}
