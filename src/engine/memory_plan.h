/** Places blocks with known live ranges in one arena: blocks whose live ranges overlap never share bytes. */
#ifndef LINNET_ENGINE_MEMORY_PLAN_H
#define LINNET_ENGINE_MEMORY_PLAN_H

#include <stddef.h>

typedef struct plan_block {
    size_t bytes;
    int first, last; /* time steps of the first write and the last use, inclusive */
    size_t offset;   /* out: 64-byte aligned */
} plan_block;

/** Greedy by size: each block is placed at the lowest offset that is free during its live range (Pisarchyk and Lee
 *  2020, "Efficient memory management for deep neural net inference", greedy by size). @param[out] total bytes needed.
 *  @return 0, E_NOMEM */
int plan_layout(size_t *total, plan_block *block, int n);

#endif
