#include "base/status.h"
#include "dist/comm.h"

static int mean_of_one(comm *c, void *data, size_t n, size_t element_bytes, void *queue) {
    (void)c, (void)data, (void)n, (void)element_bytes, (void)queue;
    return OK;
}

comm comm_single(void) { return (comm){.rank = 0, .ranks = 1, .all_reduce_mean = mean_of_one}; }
