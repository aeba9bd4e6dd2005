/** The functions that a message-passing library provides to the communication thread (comm_thread.h). Only that thread
 * calls them, so the library need not be thread-safe. They return NULL, or the reason of a failure (a static text).
 *
 *  No function blocks. Every function except close may write to the data of all exchanges in progress. A transport is a
 * shared object that is opened when it is needed and links with no part of the program, so this header depends on
 * communicator.h only. */
#ifndef LINNET_DISTRIBUTED_TRANSPORT_H
#define LINNET_DISTRIBUTED_TRANSPORT_H

#include "distributed/communicator.h"

#define TRANSPORT_NOTE 1024 /* bytes of a note */

typedef struct transport transport;

struct transport {
    int rank, ranks;
    int local_rank, local_ranks;
    void *state;
    /** Begins an exchange and sets call->handle. COMM_MEAN begins as a sum. */
    const char *(*start)(transport *t, comm_call *call);
    /** Advances the exchange. @param[out] done the exchange is complete, and its handle is released */
    const char *(*test)(bool *done, transport *t, comm_call *call);
    /** Sends a short message to one rank, outside all exchanges and not ordered with them. */
    const char *(*send)(transport *t, int to, const char note[TRANSPORT_NOTE]);
    /** Whether all messages of `send` have been read, or can no longer be read. */
    bool (*sent)(transport *t);
    /** @param[out] from the sender of `note`; -1: no message has arrived */
    const char *(*receive)(int *from, transport *t, char note[TRANSPORT_NOTE]);
    /** in_order: all ranks call it and no message is in transit. Otherwise messages in transit are abandoned, and the
     *  process should end soon. */
    void (*close)(transport *t, bool in_order);
};

/** The name of the only function that the shared object exports. */
#define TRANSPORT_OPEN "linnet_transport_open"
typedef const char *transport_open_function(transport *t);

#endif
