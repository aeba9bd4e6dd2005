/** The messages between the watchdogs of the ranks, over TCP. Rank 0 listens; the other ranks connect to it. */
#ifndef LINNET_DISTRIBUTED_HEARTBEAT_H
#define LINNET_DISTRIBUTED_HEARTBEAT_H

#include <stdint.h>
#include <sys/socket.h>

enum { WATCH_HOST = 64, WATCH_TEXT = 448, WATCH_ADDRESSES = 8 };

typedef enum watch_kind { WATCH_HELLO = 1, WATCH_WELCOME, WATCH_BEAT, WATCH_BYE, WATCH_OVER } watch_kind;

/** The message format. All hosts of a run have the same byte order; MPI requires it too. */
typedef struct watch_record {
    uint64_t key;       /* of the run; programs outside the run do not know it */
    int32_t kind, rank; /* watch_kind; the sender */
    int64_t step, progress_count;
    int32_t phase, waiting;
    int32_t successor;     /* BEAT of rank 0: the rank that prints the message if rank 0 is lost */
    int32_t cut;           /* OVER: 1 if a host is cut off */
    char text[WATCH_TEXT]; /* HELLO, WELCOME: the host. BYE: the reason, "" after success. OVER, by which rank 0
                              announces a loss: "" */
} watch_record;

/** The addresses on which rank 0 listens; those of the loopback interface are last. */
typedef struct watch_endpoint {
    uint64_t key;
    int32_t n, spare;
    struct sockaddr_storage address[WATCH_ADDRESSES];
} watch_endpoint;

/** Opens rank 0's listening socket.
 *  @param[out] fd the socket, owned by the caller
 *  @param interfaces names, separated by commas, of the interfaces whose addresses are announced; "": all interfaces
 *  @param port 0: any free port
 *  @return 0, E_OPTION (no such interface, or it has no address), E_IO (the port is in use) */
int watch_listen(int *fd, watch_endpoint *out, const char *interfaces, int port);

/** Connects to rank 0: tries its addresses one after the other, for 5 s each.
 *  @param[out] fd the connection, owned by the caller @param[out] welcome rank 0's answer to `hello` @return 0, E_IO */
int watch_connect(int *fd, watch_record *welcome, const watch_endpoint *where, const watch_record *hello);

/** Accepts the next connection and answers with `welcome`.
 *  @param[out] fd the connection, owned by the caller; -1: the sender does not belong to the run, or no connection came
 *  before `until` (clock_seconds) */
void watch_accept(int *fd, watch_record *hello, int listener, const watch_record *welcome, double until);

#endif
