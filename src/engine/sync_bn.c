#include "engine/sync_bn.h"

#include "base/status.h"

#include <string.h>

bool sync_bn_on(const engine_options *o) { return o->sync_bn && comm_ranks(o->comm) > 1; }

int sync_bn_statistics(comm *all, double *mean, double *var, double *m, int c, double *work) {
    double own = *m;
    int rc = OK;
    for (int k = 0; k < c; k++)
        work[k] = own * mean[k];
    work[c] = own;
    TRY(comm_sum(all, COMM_NORM, work, (size_t)c + 1));
    *m = work[c];
    for (int k = 0; k < c; k++) {
        double joined = work[k] / *m, away = mean[k] - joined;
        work[k] = own * (var[k] + away * away);
        mean[k] = joined;
    }
    TRY(comm_sum(all, COMM_NORM, work, (size_t)c));
    for (int k = 0; k < c; k++)
        var[k] = work[k] / *m;
done:
    return rc;
}

int sync_bn_sums(comm *all, double *work, int c) { return comm_sum(all, COMM_NORM, work, sync_bn_work(c)); }
