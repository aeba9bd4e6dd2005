/** The ranks of a run and what they exchange. One process alone has none: a comm may be NULL everywhere here.
 *
 *  Every rank makes the same calls in the same order on each channel. Calls are started and waited for, so that a
 *  device computes meanwhile; the data belong to the call until it is waited for. One thread drives a comm. */
#ifndef LINNET_DISTRIBUTED_COMMUNICATOR_H
#define LINNET_DISTRIBUTED_COMMUNICATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct comm comm;

typedef enum comm_kind {
    COMM_MEAN, /* all get the mean over ranks; of COMM_F32 or COMM_F64 */
    COMM_SUM,  /* of COMM_BF16 and COMM_F16 too, as half_add of half.h has it */
    COMM_MAX,
    COMM_BROADCAST, /* all get rank 0's */
    COMM_GATHER     /* data holds ranks * n elements; rank r's own stand at r * n, and all get all */
} comm_kind;

typedef enum comm_type { COMM_F32, COMM_F64, COMM_I64, COMM_BF16, COMM_F16, COMM_BYTES } comm_type;

/** Calls of different channels do not wait for each other. */
typedef enum comm_channel { COMM_GRADIENTS, COMM_CONTROL, COMM_NORM, COMM_CHANNELS } comm_channel;

/** One exchange; zeros for what is not set. */
typedef struct comm_call {
    comm_kind kind;
    comm_type type;
    comm_channel channel;
    void *data;
    size_t n;    /* elements */
    void *queue; /* of the device that computes and then reads the data, which lie in its memory: start and wait are
                    ordered on it; NULL: memory of the host, ready when start is called and after wait */
    /* the comm's own */
    void *handle;
    struct comm_call *next;
    int state, rc;
    double seconds; /* from start to its end, where that is known */
} comm_call;

typedef enum comm_phase {
    COMM_STARTS,
    COMM_LOADS,    /* waits for its data */
    COMM_COMPUTES, /* forward and backward; while it waits for others, all-reduce */
    COMM_VALIDATES,
    COMM_SAVES,
    COMM_PHASES
} comm_phase;

/** Where this rank is. One thread writes, the watchdog's (watchdog.h) reads. */
typedef struct comm_progress {
    _Atomic int64_t step;
    _Atomic int64_t moves; /* grows with everything that is done */
    _Atomic int phase;
    _Atomic bool waits; /* for other ranks */
} comm_progress;

struct comm {
    comm_progress progress;
    double waited; /* seconds in wait so far, of every channel */
    int rank, ranks;
    int local_rank, local_ranks; /* among those on this host */
    bool device_memory;          /* calls with a queue may name a device's memory */
    void *state;
    int (*start)(comm *c, comm_call *call);
    /** @return 0, E_RANK (another rank has failed: names it and why; every later call fails too), E_DEVICE */
    int (*wait)(comm *c, comm_call *call);
    /** Whether every later call fails, told at once. NULL: not known before a call */
    bool (*lost)(comm *c);
    /** Tells every other rank that this one cannot go on; their calls then fail with E_RANK. NULL: nobody to tell. */
    void (*tell)(comm *c, const char *message);
};

size_t comm_bytes(comm_type t);

/** Start and wait at once; nothing to do for one rank. @return as wait */
int comm_all(comm *c, comm_kind kind, comm_type type, void *data, size_t n);
/** Sums of doubles, on a channel of the caller's choice. */
int comm_sum(comm *c, comm_channel channel, double *data, size_t n);
/** Every rank's n doubles at rank * n of data, which holds ranks * n; all get all. */
int comm_gather(comm *c, comm_channel channel, double *data, size_t n);
int comm_barrier(comm *c);

/** Whether all ranks are well: `rc` of each, 0 or an error whose message stands in status_message(). Every rank comes
 *  here. @return 0; the own rc; on ranks that are well E_RANK with the message of the first that is not */
int comm_agree(comm *c, int rc);

/** Every rank's line, a 0-terminated string of at most `bytes`; lines holds ranks * bytes. */
int comm_lines(comm *c, char *lines, size_t bytes, const char *own);

/** Notes what this rank does next, and for which step. */
static inline void comm_at(comm *c, comm_phase phase) {
    if (c == NULL)
        return;
    c->progress.phase = (int)phase;
    c->progress.moves++;
}
static inline void comm_step(comm *c, int64_t step) {
    if (c != NULL)
        c->progress.step = step;
}

static inline int comm_rank(const comm *c) { return c != NULL ? c->rank : 0; }
static inline int comm_ranks(const comm *c) { return c != NULL ? c->ranks : 1; }

#endif
