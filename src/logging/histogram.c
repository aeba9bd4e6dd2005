#include "logging/histogram.h"

#include "base/memory.h"
#include "base/status.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The exponent of a value and the first four bits of its mantissa select a cell. The ends of a cell differ by a
 * factor of at most 1 + 1/16, and limits by 1.1, so a cell contains at most one limit. Cells cover 2^-40 < 1e-12 to
 * 2^67 > 1e20; smaller and larger values are counted in the first and last cell, which contain no limit. */
enum {
    LIMITS = 775, /* limits above zero, the last included */
    ZERO = LIMITS,
    CELL_SHIFT = 48,
    CELL_FIRST = (1023 - 40) << 4,
    CELLS = ((40 + 67) << 4) + 1
};

static double limits[LIMITS]; /* the limits above zero */
static uint16_t below[CELLS]; /* number of limits that are less than the cell's lower end */

static void make_tables(void) {
    double v = 1.0e-12;
    for (int i = 0; i < LIMITS - 1; i++, v *= 1.1)
        limits[i] = v;
    limits[LIMITS - 1] = INFINITY; /* for DBL_MAX, which would otherwise be in no bucket */
    for (int cell = 0, i = 0; cell < CELLS; cell++) {
        uint64_t bits = (uint64_t)(CELL_FIRST + cell) << CELL_SHIFT;
        double low;
        memcpy(&low, &bits, sizeof low);
        while (limits[i] < low)
            i++;
        below[cell] = (uint16_t)i;
    }
}

int histogram_init(histogram *h) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_tables);
    *h = (histogram){0};
    int rc = memory_zeroed(&h->bucket, HISTOGRAM_BUCKETS, sizeof *h->bucket);
    if (rc == OK)
        histogram_reset(h);
    return rc;
}

void histogram_deinit(histogram *h) {
    free(h->bucket);
    h->bucket = NULL;
}

void histogram_reset(histogram *h) {
    *h = (histogram){.min = INFINITY, .max = -INFINITY, .bucket = h->bucket};
    memset(h->bucket, 0, HISTOGRAM_BUCKETS * sizeof *h->bucket);
}

/* Has no branches, because the sign of a weight is unpredictable. */
static int bucket_of(double v, uint64_t bits) {
    int cell = (int)(bits >> CELL_SHIFT & 0x7fff) - CELL_FIRST;
    cell = cell < 0 ? 0 : cell >= CELLS ? CELLS - 1 : cell;
    double magnitude = fabs(v), limit = limits[below[cell]];
    int negative = v < 0; /* false for -0.0 */
    /* a value on a limit is above it, and one on a negative limit as well */
    int k = below[cell] + ((magnitude > limit) | ((magnitude == limit) & !negative));
    return ZERO + 1 + (k ^ -negative); /* k ^ -1 is -k - 1 */
}

void histogram_add(histogram *h, const double *value, size_t n) {
    double min = h->min, max = h->max, sum = 0, sum_squares = 0;
    long long finite = 0;
    for (size_t i = 0; i < n; i++) {
        double v = value[i];
        if (!isfinite(v))
            continue;
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        h->bucket[bucket_of(v, bits)]++;
        min = v < min ? v : min;
        max = v > max ? v : max;
        sum += v;
        sum_squares += v * v;
        finite++;
    }
    h->min = min;
    h->max = max;
    h->sum += sum;
    h->sum_squares += sum_squares;
    h->n += finite;
    h->nonfinite += (long long)n - finite;
}

double histogram_limit(int bucket) {
    int k = bucket <= ZERO ? ZERO - 1 - bucket : bucket - ZERO - 1;
    if (bucket == ZERO)
        return 0;
    double limit = k == LIMITS - 1 ? DBL_MAX : limits[k];
    return bucket < ZERO ? -limit : limit;
}

size_t histogram_compact(double *limit, double *count, const histogram *h) {
    size_t n = 0;
    int last = HISTOGRAM_BUCKETS - 1;
    while (last > 0 && h->bucket[last] == 0 && h->n > 0)
        last--;
    for (int b = 0; b <= last; b++) {
        if (b > 0 && h->bucket[b] == 0 && h->bucket[b - 1] == 0)
            n--; /* use the upper limit of the last empty bucket */
        limit[n] = histogram_limit(b);
        count[n++] = (double)h->bucket[b];
    }
    return n;
}
