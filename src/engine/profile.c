#include "engine/profile.h"

#include "base/file.h"
#include "base/status.h"
#include "engine/internal.h"

#include <string.h>

void engine_profile_start(engine *e) {
    engine_times *t = &e->times;
    memset(t->phase, 0, sizeof t->phase);
    memset(t->layer, 0, (size_t)e->model->layer_n * sizeof *t->layer);
    t->on = true;
}

int profile_read(const engine *e) {
    return e->times.on && e->ops->stream != NULL ? e->ops->stream->time_read(e->device) : 0;
}

int profile_begin(double *start, const engine *e) {
    *start = 0;
    if (!e->times.on)
        return OK;
    if (e->ops->stream != NULL)
        return e->ops->stream->time_begin(e->device);
    *start = clock_seconds();
    return OK;
}

int profile_add(double *seconds, const engine *e, double start) {
    if (!e->times.on)
        return OK;
    if (e->ops->stream != NULL)
        return e->ops->stream->time_end(seconds, e->device);
    *seconds += clock_seconds() - start;
    return OK;
}

int engine_profile_stop(engine *e) {
    engine_times *t = &e->times;
    if (!t->on)
        return 0;
    int rc = profile_read(e);
    t->on = false;
    for (int i = 0; i < e->model->layer_n; i++) /* the backward time includes wgrad */
        t->layer[i][PASS_BACKWARD] -= t->layer[i][PASS_WGRAD];
    return rc;
}

const engine_times *engine_profile_times(const engine *e) { return &e->times; }

int engine_measure_peaks(engine_peaks *out, engine *e) {
    *out = (engine_peaks){0};
    return e->ops->peaks != NULL ? e->ops->peaks(e->device, out) : 0;
}
