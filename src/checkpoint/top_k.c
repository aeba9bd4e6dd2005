/* Selects the best k checkpoints. */

#include "checkpoint/top_k.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The value as one of which lower is better; NaN is the worst. */
static double counted(const top_k *t, double value) { return isnan(value) ? INFINITY : t->max ? -value : value; }

int top_k_init(top_k *t, int k, bool max) {
    *t = (top_k){.k = k > 0 ? k : 0, .max = max};
    return memory_zeroed(&t->kept, (size_t)t->k, sizeof *t->kept);
}

void top_k_deinit(top_k *t) {
    free(t->kept);
    *t = (top_k){0};
}

/** The index of the first of the worst values, as Python's max() or min() selects it. n > 0. */
static int worst(const top_k *t) {
    int at = 0;
    for (int i = 1; i < t->n; i++)
        if (counted(t, t->kept[i].value) > counted(t, t->kept[at].value))
            at = i;
    return at;
}

bool top_k_admits(const top_k *t, double value) {
    if (!isfinite(value))
        return false;
    return t->n < t->k || (t->k > 0 && counted(t, value) < counted(t, t->kept[worst(t)].value));
}

void top_k_insert(char *evicted, top_k *t, const char *path, double value) {
    evicted[0] = 0;
    if (!top_k_admits(t, value)) {
        snprintf(evicted, PATH_BYTES, "%s", path);
        return;
    }
    if (t->n == t->k) {
        int at = worst(t);
        memcpy(evicted, t->kept[at].path, PATH_BYTES);
        memmove(&t->kept[at], &t->kept[at + 1], (size_t)(t->n - at - 1) * sizeof *t->kept);
        t->n--;
    }
    ckpt_kept *kept = &t->kept[t->n++];
    snprintf(kept->path, sizeof kept->path, "%s", path);
    kept->value = value;
}

const ckpt_kept *top_k_best(const top_k *t) {
    const ckpt_kept *best = NULL;
    for (int i = 0; i < t->n; i++)
        if (best == NULL || counted(t, t->kept[i].value) < counted(t, best->value))
            best = &t->kept[i];
    return best;
}

int top_k_name(char *out, const char *folder, int64_t epoch, const char *monitor, double scored) {
    int rc = OK;
    char value[352], version[32] = "", name[448]; /* the largest double has 309 digits */
    if (isnan(scored))
        snprintf(value, sizeof value, "nan"); /* printf may write "-nan" */
    else
        snprintf(value, sizeof value, "%.2f", scored);
    for (long v = 1;; v++) {
        snprintf(name, sizeof name, "epoch=%lld-%s=%s%s.ckpt", (long long)epoch, monitor, value, version);
        TRY(path_join(out, folder, name));
        if (!file_exists(out))
            break;
        snprintf(version, sizeof version, "-v%ld", v);
    }
done:
    return rc;
}
