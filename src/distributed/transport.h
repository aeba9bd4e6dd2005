/** What a message passing library supplies to the communication thread (thread.h), which makes all of its calls: so it
 *  need not be safe for threads. Functions return NULL, or why they failed (a static text).
 *
 *  No function waits. This header stands alone: a transport is a shared object that is opened when it is needed, and
 *  links with nothing of the program. */
#ifndef LINNET_DISTRIBUTED_TRANSPORT_H
#define LINNET_DISTRIBUTED_TRANSPORT_H

#include "distributed/communicator.h"

#define TRANSPORT_NOTE 1024 /* bytes of a note */

typedef struct transport transport;

struct transport {
    int rank, ranks;
    int local_rank, local_ranks;
    void *state;
    /** Begins an exchange and sets call->handle. COMM_MEAN is begun as a sum. */
    const char *(*start)(transport *t, comm_call *call);
    /** Moves things on. @param[out] done the exchange is complete; its handle is free then */
    const char *(*test)(bool *done, transport *t, comm_call *call);
    /** A short message to one rank, outside of all exchanges and in no order with them. */
    const char *(*send)(transport *t, int to, const char note[TRANSPORT_NOTE]);
    /** @param[out] from the sender of `note`; -1: none has come */
    const char *(*receive)(int *from, transport *t, char note[TRANSPORT_NOTE]);
    /** In order: all ranks come here and nothing is on its way. Else what is on its way is left as it is, and the
     *  process should end soon. */
    void (*close)(transport *t, bool in_order);
};

/** The one function that the shared object offers, under this name. */
#define TRANSPORT_OPEN "linnet_transport_open"
typedef const char *transport_open_function(transport *t);

#endif
