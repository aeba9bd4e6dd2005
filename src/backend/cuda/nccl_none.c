/* Used in a build without NCCL's header: gradients are exchanged through host memory. */
#include "backend/cuda/nccl_allreduce.h"

#include "base/log.h"
#include "base/status.h"

int nccl_comm_text(char out[ENGINE_EXCHANGE_TEXT]) {
    out[0] = 0;
    return fail(E_UNSUPPORTED, "built without NCCL: install its header (nccl.h) and build again");
}

int nccl_comm_open(comm **out, cuda_device *d) {
    *out = NULL;
    if (comm_ranks(d->options.comm) > 1 && comm_rank(d->options.comm) == 0)
        log_warn("gradients are exchanged through host memory: built without NCCL (nccl.h)");
    return 0;
}

void nccl_comm_close(comm *c) { (void)c; }
