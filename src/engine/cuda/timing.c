/* How long something takes on the GPU, by events around it. */
#include "base/status.h"
#include "engine/cuda/gpu.h"

#include <math.h>

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
