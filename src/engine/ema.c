/* The EMA of weights and running statistics, in host memory, in the device's element order. It is updated only every
 * few steps, so the copies to and from the device do not matter. */
#include "base/memory.h"
#include "base/status.h"
#include "engine/internal.h"

#include <string.h>

enum { CHUNK = 1 << 18 }; /* elements per transfer */

/** a = decay * a + (1 - decay) * w; each product and the sum are rounded, as in torch. */
static void blend_f32(float *a, const float *w, double decay, size_t n) {
    float keep = (float)decay, take = (float)(1 - decay);
    for (size_t i = 0; i < n; i++)
        a[i] = keep * a[i] + take * w[i];
}

static void blend_f64(double *a, const double *w, double decay, size_t n) {
    for (size_t i = 0; i < n; i++)
        a[i] = decay * a[i] + (1 - decay) * w[i];
}

static void blend(void *ema, const void *now, double decay, element type, size_t n) {
    if (decay == 0) /* also initialises the EMA */
        memcpy(ema, now, n * element_bytes(type));
    else if (type == ELEMENT_F64)
        blend_f64(ema, now, decay, n);
    else
        blend_f32(ema, now, decay, n);
}

/** Up to CHUNK elements of an arena, and their EMA. */
typedef struct part {
    void *memory, *ema;
    size_t n; /* elements */
} part;

/** Part number `i` of the weights, then of the statistics. @return false after the last */
static bool part_of(part *out, const engine *e, size_t i) {
    size_t unit = element_bytes(e->ops->master), all[2] = {e->model->weight_n, e->model->stats_elements}, before = 0;
    void *from[2] = {e->weight, e->stats};
    for (int k = 0; k < 2; before += all[k++]) {
        size_t parts = (all[k] + CHUNK - 1) / CHUNK;
        if (i >= parts) {
            i -= parts;
            continue;
        }
        size_t at = i * CHUNK;
        *out = (part){.memory = (unsigned char *)from[k] + at * unit,
                      .ema = (unsigned char *)e->ema + (before + at) * unit,
                      .n = all[k] - at < CHUNK ? all[k] - at : CHUNK};
        return true;
    }
    return false;
}

size_t engine_ema_bytes(const engine *e) {
    return e->ema == NULL ? 0 : (e->model->weight_n + e->model->stats_elements) * element_bytes(e->ops->master);
}

int engine_ema_update(engine *e, double decay) {
    size_t unit = element_bytes(e->ops->master);
    part p;
    int rc = OK;
    if (e->ema == NULL) {
        TRY(memory_zeroed(&e->ema, e->model->weight_n + e->model->stats_elements, unit));
        decay = 0;
    }
    TRY(engine_stage(e, CHUNK * unit, 0));
    for (size_t i = 0; part_of(&p, e, i); i++) {
        TRY(e->ops->download(e->device, e->staging, p.memory, p.n * unit));
        blend(p.ema, e->staging, decay, e->ops->master, p.n);
    }
done:
    return rc;
}

int engine_ema_swap(engine *e) {
    size_t unit = element_bytes(e->ops->master);
    part p;
    int rc = OK;
    if (e->ema == NULL)
        return fail(E_OPTION, "there is no EMA of the weights to swap in");
    TRY(engine_stage(e, CHUNK * unit, 0));
    e->version++;
    e->written++;
    for (size_t i = 0; part_of(&p, e, i); i++) {
        TRY(e->ops->download(e->device, e->staging, p.memory, p.n * unit));
        TRY(e->ops->upload(e->device, p.memory, p.ema, p.n * unit));
        memcpy(p.ema, e->staging, p.n * unit);
    }
done:
    return rc;
}
