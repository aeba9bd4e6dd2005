#include "training/lr_curve.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>

#define BETA 0.98

enum { SKIP_END = 1 };

int lr_curve_init(lr_curve *c, int steps) {
    int rc = OK;
    *c = (lr_curve){.capacity = steps};
    TRY(memory_zeroed(&c->lr, (size_t)steps, sizeof *c->lr));
    TRY(memory_zeroed(&c->loss, (size_t)steps, sizeof *c->loss));
    TRY(memory_zeroed(&c->smoothed, (size_t)steps, sizeof *c->smoothed));
done:
    return rc;
}

void lr_curve_deinit(lr_curve *c) {
    free(c->lr);
    free(c->loss);
    free(c->smoothed);
    *c = (lr_curve){0};
}

double lr_curve_rate(double low, double high, int steps, int k) {
    return k == 0 ? low : low * pow(high / low, (double)(k + 1) / steps);
}

bool lr_curve_add(lr_curve *c, double lr, double loss, double stop) {
    int step = c->n + 1; /* Lightning's global_step */
    c->average = BETA * c->average + (1 - BETA) * loss;
    double smoothed = c->average / (1 - pow(BETA, step + 1));
    bool diverged = stop > 0 && step > 1 && smoothed > stop * c->best;
    if (smoothed < c->best || step == 1)
        c->best = smoothed;
    c->lr[c->n] = lr;
    c->loss[c->n] = loss;
    c->smoothed[c->n++] = smoothed;
    return diverged || c->n == c->capacity;
}

double lr_curve_unbiased(const double *smoothed, int i) {
    return smoothed[i] * (1 - pow(BETA, i + 2)) / (1 - pow(BETA, i + 1));
}

int lr_curve_suggest(double *slope, const double *smoothed, int from, int n) {
    int at = -1, before[2] = {-1, -1}; /* the last two finite points, the nearer first */
    float steepest = INFINITY;
    for (int i = from; i < n - SKIP_END; i++) {
        float y = (float)smoothed[i];
        if (!isfinite(y))
            continue;
        if (before[0] >= 0) {
            /* gradient at the previous point: central, one-sided at the first point */
            bool first = before[1] < 0;
            float g = first ? y - (float)smoothed[before[0]] : (y - (float)smoothed[before[1]]) / 2;
            if (g < steepest || at < 0) {
                steepest = g;
                at = before[0];
            }
        }
        before[1] = before[0];
        before[0] = i;
    }
    if (at >= 0 && (float)smoothed[before[0]] - (float)smoothed[before[1]] < steepest) {
        steepest = (float)smoothed[before[0]] - (float)smoothed[before[1]];
        at = before[0];
    }
    *slope = (double)steepest;
    return at;
}
