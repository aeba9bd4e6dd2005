/** A distribution of values in TensorFlow's default buckets: limits 0, +-1e-12 * 1.1^k up to 1e20, and +-DBL_MAX. A
 *  value is in bucket b when limit[b-1] <= value < limit[b]; DBL_MAX is in the last.
 *  Source: tensorflow/core/lib/histogram/histogram.cc. */
#ifndef LINNET_LOGGING_HISTOGRAM_H
#define LINNET_LOGGING_HISTOGRAM_H

#include <stddef.h>

#define HISTOGRAM_BUCKETS 1551

typedef struct histogram {
    double min, max, sum, sum_squares; /* min and max: infinity and -infinity while n is 0 */
    long long n, nonfinite;            /* values that are not finite are counted only in `nonfinite` */
    long long *bucket;                 /* (HISTOGRAM_BUCKETS) owned */
} histogram;

/** Empty. @return 0 or E_NOMEM */
int histogram_init(histogram *h);
void histogram_deinit(histogram *h);
void histogram_reset(histogram *h);

/** Adds (n) values: a table look-up and one comparison per value. */
void histogram_add(histogram *h, const double *value, size_t n);

/** The upper limit of a bucket; it increases with the bucket's index. */
double histogram_limit(int bucket);

/** The buckets as TensorFlow and PyTorch write them: (HISTOGRAM_BUCKETS) upper limits and counts; consecutive empty
 *  buckets are merged. The first bucket is empty and so gives the lower limit of the second; the last is not empty.
 *  @return the number of buckets; 1 for an empty histogram */
size_t histogram_compact(double *limit, double *count, const histogram *h);

#endif
