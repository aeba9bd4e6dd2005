#include "backend/sync_bn.h"

#include "base/status.h"

#include <string.h>

bool sync_bn_on(const engine_options *o) { return o->sync_bn && comm_ranks(o->comm) > 1; }

/** Start of rank r's mean, variance and row count within the gathered buffer. */
static double *slot_of(double *work, int r, int c) { return work + (size_t)r * sync_bn_values(c); }

/** Adds in rank order, so all ranks compute the same values. The mean and variance of a rank without rows are
 *  ignored. */
int sync_bn_statistics(comm *all, double *mean, double *var, double *m, int c, double *work) {
    double *own = slot_of(work, all->rank, c);
    int rc = OK;
    memcpy(own, mean, (size_t)c * sizeof *own);
    memcpy(own + c, var, (size_t)c * sizeof *own);
    own[2 * c] = *m;
    TRY(comm_gather(all, COMM_SYNC_BN, work, sync_bn_values(c)));
    *m = 0;
    for (int r = 0; r < all->ranks; r++)
        *m += slot_of(work, r, c)[2 * c];
    memset(mean, 0, (size_t)c * sizeof *mean);
    memset(var, 0, (size_t)c * sizeof *var);
    for (int r = 0; r < all->ranks; r++) {
        const double *s = slot_of(work, r, c);
        double share = s[2 * c] / *m;
        for (int k = 0; k < c && share > 0; k++)
            mean[k] += share * s[k];
    }
    for (int r = 0; r < all->ranks; r++) {
        const double *s = slot_of(work, r, c);
        double share = s[2 * c] / *m;
        for (int k = 0; k < c && share > 0; k++)
            var[k] += share * (s[c + k] + (s[k] - mean[k]) * (s[k] - mean[k]));
    }
done:
    return rc;
}

int sync_bn_sums(comm *all, double *values, int c) { return comm_sum(all, COMM_SYNC_BN, values, sync_bn_values(c)); }
