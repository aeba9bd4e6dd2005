/** Parallel loops on the OpenMP threads, which oneDNN uses too. Without OpenMP everything runs in the calling
 *  thread. */
#ifndef LINNET_BACKEND_PARALLEL_FOR_H
#define LINNET_BACKEND_PARALLEL_FOR_H

#include <stdbool.h>
#include <stddef.h>

/** Processes items [begin, end). */
typedef void parallel_task(void *context, size_t begin, size_t end);

typedef enum loop_order { LOOP_FORWARD, LOOP_BACKWARD } loop_order;

/** Splits n items evenly into one contiguous range per thread. Each thread processes its range in pieces of at most
 *  `piece` items. LOOP_BACKWARD starts at the end of each range, because the data that a forward loop has read last are
 *  still in the cache. The assignment of items to threads depends on the number of threads, so the result of a task
 *  must not depend on it. */
void parallel_for(int threads, size_t n, size_t piece, loop_order order, parallel_task *task, void *context);

/** Number of threads that parallel_for uses if `wanted` are requested (0: affinity_cores()); 1 without
 *  OpenMP. */
int parallel_threads(int wanted);

#endif
