/* A build without NCCL's header: gradients go by the host's memory. */
#include "backend/cuda/exchange.h"

#include "base/log.h"
#include "base/status.h"

int exchange_text(char out[ENGINE_EXCHANGE_TEXT]) {
    out[0] = 0;
    return fail(E_UNSUPPORTED, "built without NCCL: install its header (nccl.h) and build again");
}

int exchange_open(comm **out, cuda_device *d) {
    *out = NULL;
    if (comm_ranks(d->options.comm) > 1 && comm_rank(d->options.comm) == 0)
        log_warn("gradients are exchanged through host memory: built without NCCL (nccl.h)");
    return 0;
}

void exchange_close(comm *c) { (void)c; }
