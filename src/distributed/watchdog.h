/** Detects a rank that is killed, stopped, cut off or stuck. A thread in every rank sends the progress of its rank
 *  (comm.progress) to rank 0 once per second, over TCP. Rank 0 answers, so all ranks detect the loss of rank 0. The
 *  watchdog does not end a process; it calls a function of the caller. */
#ifndef LINNET_DISTRIBUTED_WATCHDOG_H
#define LINNET_DISTRIBUTED_WATCHDOG_H

#include "distributed/communicator.h"

#include <stdint.h>

typedef struct watchdog watchdog;

typedef enum watch_cause {
    WATCH_ENDED,   /* its connection was closed without a message: it was killed or has crashed */
    WATCH_STOPPED, /* no heartbeat, but its host acknowledges the data sent to it */
    WATCH_CUT,     /* no heartbeat, and its host does not acknowledge data: the host is cut off */
    WATCH_STUCK,   /* it makes no progress, and others wait for it */
    WATCH_LEFT,    /* it ended with a reason, and this rank did not end too; or rank 0 has announced a loss */
    WATCH_ALL /* every rank waits for the others: their network carries no data. `rank` has made the least progress */
} watch_cause;

typedef struct watch_loss {
    int rank;
    const char *host;
    int64_t step;      /* of its last heartbeat */
    const char *phase; /* of its last heartbeat */
    watch_cause cause;
    double seconds;  /* how long the condition has lasted */
    const char *why; /* the reason it has sent, or an error of the connection; "": none */
    bool cut;        /* a host is cut off, this rank's or another one */
    bool tell;       /* whether this rank prints the message; false: another rank does */
} watch_loss;

typedef struct watchdog_options {
    /** Seconds T, > 0. A loss is reported after T - min(0.3 T, 4), so that the job can end within T. A host that is cut
     *  off is reported after T / 2, because a launcher needs time to detect it. */
    double timeout;
    const char *interfaces; /* as for watch_listen; NULL: all */
    int port;               /* on which rank 0 listens; 0: any free port */
    /** Called once, in the watchdog's thread; the process should end. After it has returned, nothing is watched. */
    void (*lost)(void *context, const watch_loss *l);
    void *context;
} watchdog_options;

/** All ranks call it. They exchange rank 0's addresses over `c`, which remains the caller's and must outlive the
 *  watchdog. *out is NULL for one rank. @return 0, E_IO (rank 0 cannot be reached), E_OPTION (as watch_listen), E_RANK,
 * E_DEVICE, E_NOMEM */
int watchdog_open(watchdog **out, comm *c, const watchdog_options *o);

/** Tells the other ranks that this rank ends intentionally. Then a rank other than rank 0 waits until rank 0 has sent
 *  the same message or has ended, at most for the timeout. Otherwise a launcher that sees a rank exit with an error or
 *  by a signal would end rank 0 before it has saved and printed.
 *  @param w may be NULL
 *  @param why the reason; "" or NULL: success */
void watchdog_close(watchdog *w, const char *why);

#endif
