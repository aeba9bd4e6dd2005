/** Memory for large images, shared by all threads of the process: it limits how many are decoded at the same time,
 *  whatever the number of workers. An image that alone exceeds the budget waits until it is the only one. */
#ifndef LINNET_IMAGE_MEMORY_BUDGET_H
#define LINNET_IMAGE_MEMORY_BUDGET_H

#include <stddef.h>

/** Images below this size are not counted. A decoder keeps up to this much memory for its next image. */
#define MEMORY_BUDGET_FREE ((size_t)64 << 20)

/** Waits until `bytes` fit into the budget. A thread must give back what it has taken before it takes again. */
void memory_budget_acquire(size_t bytes);
void memory_budget_release(size_t bytes);

/** Sets the budget, by default a quarter of the machine's memory and at most 4 GiB. @return the previous budget */
size_t memory_budget_set(size_t bytes);
/** The largest amount in use at a time since the last memory_budget_set. */
size_t memory_budget_peak(void);

#endif
