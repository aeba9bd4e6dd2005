/** The ranks of a run and what they exchange. One process has none. */
#ifndef LINNET_DIST_COMM_H
#define LINNET_DIST_COMM_H

#include <stddef.h>

typedef struct comm comm;

/** What a transport supplies. all_reduce_mean replaces `n` elements of `element_bytes` (4: float, 8: double) on every
 *  rank by their mean over ranks, ordered after what is already on the device's `queue` (NULL on a CPU). */
struct comm {
    int rank, ranks;
    void *state;
    int (*all_reduce_mean)(comm *c, void *data, size_t n, size_t element_bytes, void *queue);
};

#endif
