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

/** The number of values of `last` (n, increasing) that are less than v. */
static int less_than(const double *last, int n, double v) {
    int low = 0;
    while (low < n) {
        int middle = low + (n - low) / 2;
        if (last[middle] < v)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

int lr_curve_valley(int *at, const double *smoothed, int n) {
    const int from = n / 10;
    int rc = OK, points = 0, longest = 0, length = 0, end = 0, *index = NULL;
    double *last =
        NULL; /* of the decreasing subsequences of each length, negated: the one that is easiest to continue */
    *at = -1;
    TRY(memory_zeroed(&last, (size_t)n + 1, sizeof *last));
    TRY(memory_zeroed(&index, (size_t)n + 1, sizeof *index));
    for (int i = from; i < n - LR_CURVE_VALLEY_END; i++) {
        double y = -lr_curve_unbiased(smoothed, i);
        if (!isfinite(y))
            continue;
        int k = less_than(last, length, y);
        last[k] = y;
        length = k == length ? length + 1 : length;
        if (k + 1 > longest) {
            longest = k + 1;
            end = points;
        }
        index[points++] = i;
    }
    if (points >= 2) {
        int middle = end - longest + longest / 3 + longest / 6;
        *at = index[middle > 0 ? middle : 0];
    }
done:
    free(last);
    free(index);
    return rc;
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
