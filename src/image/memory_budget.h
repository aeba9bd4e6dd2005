/** Memory of large images, over all threads of the process: few of them are decoded at a time, whatever the number of
 *  workers. An image that alone exceeds the budget waits until it is the only one. */
#ifndef LINNET_IMAGE_MEMORY_BUDGET_H
#define LINNET_IMAGE_MEMORY_BUDGET_H

#include <stddef.h>

/** Images below this size are not counted, and a decoder keeps so much memory from image to image. */
#define MEMORY_BUDGET_FREE ((size_t)64 << 20)

/** Waits until `bytes` fit. A thread must not take twice before it gives back. */
void memory_budget_take(size_t bytes);
void memory_budget_give_back(size_t bytes);

/** The budget, by default a quarter of the machine's memory and at most 4 GiB. @return the one before */
size_t memory_budget_set(size_t bytes);
/** The most that was taken at a time. */
size_t memory_budget_most(void);

#endif
