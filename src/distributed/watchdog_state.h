/** What the watchdog knows of each rank, and which rank is lost by that. Internal to src/distributed/watchdog*.c. */
#ifndef LINNET_DISTRIBUTED_WATCHDOG_STATE_H
#define LINNET_DISTRIBUTED_WATCHDOG_STATE_H

#include "distributed/heartbeat.h"
#include "distributed/watchdog.h"

#include <poll.h>
#include <pthread.h>

/** What is known of one rank. */
typedef struct peer {
    int fd;          /* -1: no connection, or none any more */
    bool met;        /* has been connected, or is this rank */
    bool left, over; /* has said that it ends; that all must end */
    bool ended; /* has left, and sends no more. Its connection stays open: it shows the peer that this rank lives */
    bool cut;   /* ... as a host is cut off */
    int error;  /* of the connection that was lost */
    int64_t step, moves;
    int phase;
    bool waits;
    double heard, moved; /* when it last was, on this host's clock */
    char host[WATCH_HOST], why[WATCH_TEXT];
    watch_record in, out;
    size_t in_n, out_left; /* bytes of them that have come, and that could not be sent yet */
} peer;

struct watchdog {
    comm *comm;
    watchdog_options options;
    uint64_t key;
    int rank, ranks, heir;
    double interval;         /* between heartbeats */
    double limit, cut_limit; /* until a loss is one; of a host that is cut off */
    peer *peers;             /* (ranks); only rank 0 has connections to all, the others one to rank 0 */
    struct pollfd *polls;    /* (ranks + 1) */
    int quit_fd;
    pthread_t thread;
};

/** Whether a rank is gone, or has left and this one did not follow; fills `l`. now: clock_seconds() */
bool watchdog_find_lost(watch_loss *l, const watchdog *w, double now);
/** Rank 0: whether the ranks wait for one that does not go on; fills `l`. */
bool watchdog_find_stuck(watch_loss *l, const watchdog *w, double now);

#endif
