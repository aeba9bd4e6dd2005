#include "tools/profile.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const phase_names[ENGINE_PHASES] = {[PHASE_LOAD] = "load",
                                                       [PHASE_LOSS] = "loss",
                                                       [PHASE_ALL_REDUCE] = "all-reduce",
                                                       [PHASE_UNSCALE] = "unscale",
                                                       [PHASE_UPDATE] = "update"};

double profile_seconds(const profile_line *l) {
    double sum = 0;
    for (int k = 0; k < ENGINE_PASSES; k++)
        sum += l->seconds[k];
    return sum;
}

double profile_beyond_products(const profile *p) {
    double products = 0;
    for (int i = 0; i < p->kind_n; i++)
        products += p->kind[i].product ? profile_seconds(&p->kind[i]) : 0;
    return 1e3 * (p->step_seconds - products) / p->batch;
}

static void name_kind(char *out, size_t bytes, const layer *l) {
    switch (l->kind) {
    case LAYER_CONV: snprintf(out, bytes, "conv %dx%d", l->kernel, l->kernel); break;
    case LAYER_BN:
        snprintf(out, bytes, "bn%s%s", l->residual != TENSOR_NONE ? "+add" : "", l->relu ? "+relu" : "");
        break;
    case LAYER_MAXPOOL: snprintf(out, bytes, "maxpool"); break;
    case LAYER_AVGPOOL: snprintf(out, bytes, "avgpool"); break;
    case LAYER_SHORTCUT: snprintf(out, bytes, "shortcut"); break;
    default: snprintf(out, bytes, "linear"); break;
    }
}

static void collect_layer(profile_line *out, const engine *e, const engine_plan *p, const model *n, int i, int steps) {
    const layer *l = &n->layer[i];
    const double *seconds = engine_profile_times(e)->layer[i];
    snprintf(out->name, sizeof out->name, "%s", l->name);
    name_kind(out->kind, sizeof out->kind, l);
    out->x = engine_tensor_shape(p, l->input);
    out->y = engine_tensor_shape(p, i);
    out->product = l->kind == LAYER_CONV || l->kind == LAYER_LINEAR;
    out->layers = 1;
    for (int k = 0; k < ENGINE_PASSES; k++) {
        out->seconds[k] = seconds[k] / steps;
        out->work[k] = engine_layer_work(p, i, k);
        out->algorithm[k] = engine_layer_algorithm(p, i, k);
    }
    if (seconds[PASS_WGRAD] == 0) {
        out->work[PASS_BACKWARD] = work_sum(out->work[PASS_BACKWARD], out->work[PASS_WGRAD]);
        out->work[PASS_WGRAD] = (engine_work){0};
    }
}

/** Adds a layer or phase to the line of its kind, which is created if absent; the array is large enough. */
static void add_to_kind(profile *p, const profile_line *l) {
    int i = 0;
    while (i < p->kind_n && strcmp(p->kind[i].kind, l->kind) != 0)
        i++;
    profile_line *to = &p->kind[i];
    if (i == p->kind_n) {
        p->kind_n++;
        snprintf(to->kind, sizeof to->kind, "%s", l->kind);
        snprintf(to->name, sizeof to->name, "%s", l->kind);
        to->product = l->product;
    }
    to->layers += l->layers;
    for (int k = 0; k < ENGINE_PASSES; k++) {
        to->seconds[k] += l->seconds[k];
        to->work[k] = work_sum(to->work[k], l->work[k]);
    }
}

static int by_time(const void *a, const void *b) {
    double x = profile_seconds(a), y = profile_seconds(b);
    return (x < y) - (x > y);
}

static void collect_phases(profile *out, const engine *e, const engine_plan *p) {
    for (int k = 0; k < ENGINE_PHASES; k++) {
        profile_line l = {.seconds = {engine_profile_times(e)->phase[k] / out->steps},
                          .work = {engine_phase_work(p, k)}};
        snprintf(l.kind, sizeof l.kind, "%s", phase_names[k]);
        if (l.seconds[0] > 0)
            add_to_kind(out, &l);
    }
}

int profile_collect(profile *out, engine *e, const engine_plan *p, const model *n, int steps, double seconds) {
    int rc = OK;
    *out = (profile){.batch = engine_tensor_shape(p, MODEL_INPUT).n, .steps = steps, .step_seconds = seconds / steps};
    TRY(memory_zeroed(&out->layer, (size_t)n->layer_n, sizeof *out->layer));
    TRY(memory_zeroed(&out->kind, (size_t)n->layer_n + ENGINE_PHASES, sizeof *out->kind));
    out->layer_n = n->layer_n;
    for (int i = 0; i < n->layer_n; i++) {
        collect_layer(&out->layer[i], e, p, n, i, steps);
        add_to_kind(out, &out->layer[i]);
    }
    collect_phases(out, e, p);
    for (int i = 0; i < out->kind_n; i++)
        out->known_seconds += profile_seconds(&out->kind[i]);
    qsort(out->kind, (size_t)out->kind_n, sizeof *out->kind, by_time);
    TRY(engine_measure_peaks(&out->peaks, e));
done:
    return rc;
}

void profile_deinit(profile *p) {
    free(p->layer);
    free(p->kind);
    *p = (profile){0};
}
