/** Notices when a rank is killed, stopped, cut off or stuck. A thread in every rank tells rank 0 once a second, over
 * TCP, where its rank is (comm.progress), and rank 0 answers: so all know when rank 0 is gone. Nothing here ends a
 * process: what was noticed goes to a function of the caller's. */
#ifndef LINNET_DISTRIBUTED_WATCHDOG_H
#define LINNET_DISTRIBUTED_WATCHDOG_H

#include "distributed/communicator.h"

#include <stdint.h>

typedef struct watchdog watchdog;

typedef enum watch_cause {
    WATCH_ENDED,   /* its connection was closed without a word: killed, or crashed */
    WATCH_STOPPED, /* no heartbeat, though its host takes what is sent to it */
    WATCH_CUT,     /* no heartbeat, nor does its host take what is sent: it is cut off */
    WATCH_STUCK,   /* it does not go on, and others wait for it */
    WATCH_LEFT,    /* it ended for a reason that it told, and this rank did not follow; or rank 0 has told of a loss */
    WATCH_ALL      /* every rank waits for the others: their network carries no data. `rank` is the furthest behind */
} watch_cause;

typedef struct watch_loss {
    int rank;
    const char *host;
    int64_t step; /* and phase: where it was when it was last heard of */
    const char *phase;
    watch_cause cause;
    double seconds;  /* how long it has been so */
    const char *why; /* what it told, or an error of the connection; "" none */
    bool cut;        /* a host is cut off, if not this one */
    bool tell;       /* false: it is for another rank to tell the user */
} watch_loss;

typedef struct watchdog_options {
    /** Seconds T, > 0. A loss is noticed so early that the job can end within T: at T - min(0.3 T, 4); a cut host at T
     * / 2, as a launcher takes its time to notice that. */
    double timeout;
    /** Called once, in the watchdog's thread; the process should end. When it returns, nothing is watched any more. */
    void (*lost)(void *context, const watch_loss *l);
    void *context;
} watchdog_options;

/** All ranks call; they meet over `c`, which stays the caller's and must outlive the watchdog. *out is NULL for one
 *  rank. @return 0, E_IO (rank 0 cannot be reached), E_RANK, E_DEVICE, E_NOMEM */
int watchdog_open(watchdog **out, comm *c, const watchdog_options *o);

/** Tells the others that this rank ends on purpose, "" or NULL: in order, else why. Then a rank that is not rank 0
 *  waits until rank 0 says the same or has ended, at most the timeout: a launcher that sees a rank exit with an error
 * or after a signal ends all of them, and rank 0 has yet to save and to print. NULL is allowed. */
void watchdog_close(watchdog *w, const char *why);

#endif
