/** The one OpenMP team, shared with oneDNN. Without OpenMP everything runs in the caller. */
#ifndef LINNET_BACKEND_PARALLEL_FOR_H
#define LINNET_BACKEND_PARALLEL_FOR_H

#include <stdbool.h>
#include <stddef.h>

/** Works on items [begin, end). */
typedef void team_task(void *context, size_t begin, size_t end);

typedef enum team_order { TEAM_FORWARD, TEAM_BACKWARD } team_order;

/** Splits n items evenly into one contiguous range per thread and walks each range in pieces of at most `piece` items.
 *  TEAM_BACKWARD starts at a range's end: what a forward pass just read last is still in the cache.
 *  Which thread works on an item depends on the thread count, so a task's result must not. */
void team_run(int threads, size_t n, size_t piece, team_order order, team_task *task, void *context);

/** Threads a team of `wanted` (0: one for each core this process may use) gets; 1 without OpenMP. */
int team_threads(int wanted);

#endif
