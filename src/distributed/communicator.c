/* Blocking collectives, the exchange of lines, and the agreement on errors. */

#include "distributed/communicator.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1024 };

size_t comm_bytes(comm_type t) {
    switch (t) {
    case COMM_F64:
    case COMM_I64: return 8;
    case COMM_F32: return 4;
    case COMM_BF16:
    case COMM_F16: return 2;
    case COMM_BYTES: break;
    }
    return 1;
}

static int exchange(comm *c, comm_call call) {
    int rc = OK;
    if (comm_ranks(c) < 2)
        return OK;
    TRY(c->start(c, &call));
    TRY(c->wait(c, &call));
done:
    return rc;
}

int comm_all(comm *c, comm_kind kind, comm_type type, void *data, size_t n) {
    return exchange(c, (comm_call){.kind = kind, .type = type, .channel = COMM_CONTROL, .data = data, .n = n});
}

int comm_sum(comm *c, comm_channel channel, double *data, size_t n) {
    return exchange(c, (comm_call){.kind = COMM_SUM, .type = COMM_F64, .channel = channel, .data = data, .n = n});
}

int comm_gather(comm *c, comm_channel channel, double *data, size_t n) {
    return exchange(c, (comm_call){.kind = COMM_GATHER, .type = COMM_F64, .channel = channel, .data = data, .n = n});
}

int comm_barrier(comm *c) {
    int64_t none = 0;
    return comm_all(c, COMM_SUM, COMM_I64, &none, 1);
}

int comm_lines(comm *c, char *lines, size_t bytes, const char *own) {
    int ranks = comm_ranks(c);
    memset(lines, 0, (size_t)ranks * bytes);
    snprintf(lines + (size_t)comm_rank(c) * bytes, bytes, "%s", own);
    return comm_all(c, COMM_GATHER, COMM_BYTES, lines, bytes);
}

int comm_agree(comm *c, int own) {
    char *lines = NULL;
    int64_t bad = own != OK;
    int rc = OK, ranks = comm_ranks(c);
    if (ranks < 2 || own == E_RANK) /* all ranks know this error already */
        return own;
    rc = comm_all(c, COMM_MAX, COMM_I64, &bad, 1);
    if (rc != OK || bad == 0)
        return own != OK ? own : rc;
    rc = memory_zeroed(&lines, (size_t)ranks, LINE);
    if (rc != OK) /* the other ranks then wait in vain for this rank's line */
        return rc;
    rc = comm_lines(c, lines, LINE, own != OK ? status_message() : "");
    for (int r = 0; rc == OK && own == OK && r < ranks; r++)
        if (lines[(size_t)r * LINE] != 0)
            rc = fail(E_RANK, "rank %d: %s", r, lines + (size_t)r * LINE);
    free(lines);
    return own != OK ? own : rc;
}
