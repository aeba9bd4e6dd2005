/** What the watchdogs of the ranks send each other over TCP, and how they meet: rank 0 listens, the others knock. */
#ifndef LINNET_DISTRIBUTED_HEARTBEAT_H
#define LINNET_DISTRIBUTED_HEARTBEAT_H

#include <stdint.h>
#include <sys/socket.h>

enum { WATCH_HOST = 64, WATCH_TEXT = 448, WATCH_ADDRESSES = 8 };

typedef enum watch_kind { WATCH_HELLO = 1, WATCH_WELCOME, WATCH_BEAT, WATCH_BYE, WATCH_OVER } watch_kind;

/** The one kind of message. All hosts of a run have the same byte order, as MPI asks. */
typedef struct watch_record {
    uint64_t key; /* of the run: strangers do not know it */
    int32_t kind, rank;
    int64_t step, moves;
    int32_t phase, waiting;
    int32_t heir;          /* BEAT of rank 0: who tells when rank 0 is gone */
    int32_t cut;           /* OVER: 1 where a host is cut off */
    char text[WATCH_TEXT]; /* HELLO, WELCOME: the host; BYE: why, "" in order; OVER (rank 0 tells who is lost): "" */
} watch_record;

/** Where rank 0 listens: its addresses, those of the loopback last. */
typedef struct watch_invitation {
    uint64_t key;
    int32_t n, spare;
    struct sockaddr_storage address[WATCH_ADDRESSES];
} watch_invitation;

/** @param[out] fd listens. @return 0, E_IO */
int watch_listen(int *fd, watch_invitation *out);

/** Tries the addresses one after the other, 5 s each. *welcome: rank 0's answer to `hello`. @return 0, E_IO */
int watch_connect(int *fd, watch_record *welcome, const watch_invitation *where, const watch_record *hello);

/** The next that knocks, which is told `welcome`. @param[out] fd -1: a stranger, or nobody before `until`
 *  (clock_seconds) */
void watch_accept(int *fd, watch_record *hello, int listener, const watch_record *welcome, double until);

#endif
