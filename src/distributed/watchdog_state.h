/** The watchdog's state of each rank, and the decision which rank is lost. Internal to src/distributed/watchdog*.c. */
#ifndef LINNET_DISTRIBUTED_WATCHDOG_STATE_H
#define LINNET_DISTRIBUTED_WATCHDOG_STATE_H

#include "distributed/heartbeat.h"
#include "distributed/watchdog.h"

#include <poll.h>
#include <pthread.h>

/** The state of one rank. */
typedef struct peer {
    int fd;             /* -1: not connected */
    bool was_connected; /* has been connected, or is this rank */
    bool left;          /* has announced that it ends */
    bool over;          /* has announced that all ranks must end */
    bool ended; /* has announced its end and closed its side. The connection remains open, to show that this rank lives
                 */
    bool cut;   /* with `over`: because a host is cut off */
    int error;  /* of the lost connection */
    int64_t step, progress_count;
    int phase;
    bool waits;
    double last_message, last_progress; /* time of the last message and of the last progress, by this host's clock */
    char host[WATCH_HOST], why[WATCH_TEXT];
    watch_record in, out;
    size_t in_n, out_left; /* bytes of `in` received; bytes of `out` not sent yet */
} peer;

struct watchdog {
    comm *comm;
    watchdog_options options;
    uint64_t key;
    int rank, ranks, successor;
    double interval;         /* between heartbeats, in seconds */
    double limit, cut_limit; /* seconds of silence until a rank is lost; until a host is cut off */
    peer *peers;             /* (ranks); rank 0 is connected to all others, each other rank to rank 0 only */
    struct pollfd *polls;    /* (ranks + 1) */
    int quit_fd;
    pthread_t thread;
};

/** Whether a rank is lost, or has announced its end and this rank has not ended. @param[out] l filled if so
 *  @param now clock_seconds() */
bool watchdog_find_lost(watch_loss *l, const watchdog *w, double now);
/** For rank 0: whether the ranks wait for one that makes no progress. @param[out] l filled if so */
bool watchdog_find_stuck(watch_loss *l, const watchdog *w, double now);

#endif
