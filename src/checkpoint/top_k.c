#include "checkpoint/top_k.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double counted(double value) { return isnan(value) ? INFINITY : value; }

int topk_init(topk *t, int k) {
    *t = (topk){.k = k > 0 ? k : 0};
    return memory_zeroed(&t->kept, (size_t)t->k, sizeof *t->kept);
}

void topk_deinit(topk *t) {
    free(t->kept);
    *t = (topk){0};
}

/** The first of the largest values, as Python's max() picks it. n > 0. */
static int worst(const topk *t) {
    int at = 0;
    for (int i = 1; i < t->n; i++)
        if (counted(t->kept[i].value) > counted(t->kept[at].value))
            at = i;
    return at;
}

bool topk_admits(const topk *t, double value) {
    return t->n < t->k || (t->k > 0 && counted(value) < counted(t->kept[worst(t)].value));
}

void topk_insert(char *evicted, topk *t, const char *path, double value) {
    evicted[0] = 0;
    if (!topk_admits(t, value)) {
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
    kept->value = counted(value);
}

const ckpt_kept *topk_best(const topk *t) {
    const ckpt_kept *best = NULL;
    for (int i = 0; i < t->n; i++)
        if (best == NULL || t->kept[i].value < best->value)
            best = &t->kept[i];
    return best;
}

int topk_name(char *out, const char *folder, int64_t epoch, double val_loss) {
    int rc = OK;
    char value[352], version[32] = "", name[448]; /* the largest double has 309 digits */
    if (isnan(val_loss))
        snprintf(value, sizeof value, "nan"); /* printf may write "-nan" */
    else
        snprintf(value, sizeof value, "%.2f", val_loss);
    for (long v = 1;; v++) {
        snprintf(name, sizeof name, "epoch=%lld-val_loss=%s%s.ckpt", (long long)epoch, value, version);
        TRY(path_join(out, folder, name));
        if (!file_exists(out))
            break;
        snprintf(version, sizeof version, "-v%ld", v);
    }
done:
    return rc;
}
