/** Collective communication between the ranks of a run. A single process has no comm: NULL is allowed everywhere here.
 *
 *  On each channel every rank makes the same calls in the same order. A call is first started and later waited for, so
 *  the device computes in the meantime. The data belong to the call until the wait returns. Only one thread uses a
 *  comm. */
#ifndef LINNET_DISTRIBUTED_COMMUNICATOR_H
#define LINNET_DISTRIBUTED_COMMUNICATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct comm comm;

typedef enum comm_kind {
    COMM_MEAN,      /* all-reduce to the mean over ranks; COMM_F32 or COMM_F64 */
    COMM_SUM,       /* all-reduce; COMM_BF16 and COMM_F16 too, with half_add of half.h */
    COMM_MAX,       /* all-reduce */
    COMM_BROADCAST, /* from rank 0 to all ranks */
    COMM_GATHER     /* all-gather: data has ranks * n elements, those of rank r from r * n on */
} comm_kind;

typedef enum comm_type { COMM_F32, COMM_F64, COMM_I64, COMM_BF16, COMM_F16, COMM_BYTES } comm_type;

/** Calls on different channels do not wait for each other. */
typedef enum comm_channel { COMM_GRADIENTS, COMM_CONTROL, COMM_SYNC_BN, COMM_CHANNELS } comm_channel;

/** One collective operation. Fields that are not needed are zero. */
typedef struct comm_call {
    comm_kind kind;
    comm_type type;
    comm_channel channel;
    void *data;
    size_t n;    /* elements */
    void *queue; /* queue of the device that writes the data before and reads them afterwards; the data are in its
                    memory, and start and wait are ordered on the queue. NULL: host memory, ready when start is called
                    and after wait */
    /* private to the comm */
    void *handle;
    struct comm_call *next;
    int state, rc;
    double seconds; /* from start to completion, if known */
} comm_call;

typedef enum comm_phase {
    COMM_STARTS,
    COMM_LOADS,    /* waits for data */
    COMM_COMPUTES, /* forward and backward; all-reduce while it waits for other ranks */
    COMM_VALIDATES,
    COMM_SAVES,
    COMM_PHASES
} comm_phase;

/** The progress of this rank. One thread writes it, the watchdog's thread (watchdog.h) reads it. */
typedef struct comm_progress {
    _Atomic int64_t step;
    _Atomic int64_t progress_count; /* counter that increases whenever the rank makes progress */
    _Atomic int phase;              /* comm_phase */
    _Atomic bool waits;             /* for other ranks */
} comm_progress;

struct comm {
    comm_progress progress;
    double waited; /* seconds spent in wait so far, on all channels */
    int rank, ranks;
    int local_rank, local_ranks; /* among the ranks on this host */
    bool device_memory;          /* calls with a queue may use device memory */
    void *state;
    int (*start)(comm *c, comm_call *call);
    /** @return 0, E_RANK (another rank has failed; the message has the rank and the reason, and every later call fails
     *  too), E_DEVICE */
    int (*wait)(comm *c, comm_call *call);
    /** Whether every later call fails; returns at once. NULL: not known before a call */
    bool (*lost)(comm *c);
    /** Tells all other ranks that this one has failed; their calls then fail with E_RANK. NULL: not supported. */
    void (*tell)(comm *c, const char *message);
};

size_t comm_bytes(comm_type t);

/** A blocking collective on the control channel: start and wait. Does nothing for one rank. @return as wait */
int comm_all(comm *c, comm_kind kind, comm_type type, void *data, size_t n);
/** A blocking all-reduce: sums of doubles on a channel of the caller's choice. */
int comm_sum(comm *c, comm_channel channel, double *data, size_t n);
/** A blocking all-gather of n doubles per rank. @param data (ranks * n); rank r's are at r * n */
int comm_gather(comm *c, comm_channel channel, double *data, size_t n);
int comm_barrier(comm *c);

/** Tells all ranks whether any rank has failed. Every rank calls it with its own `rc`: 0, or an error whose message is
 *  status_message(). @return 0 if all succeeded; the own rc; E_RANK on a rank that succeeded while another failed, with
 *  the message of the first that failed */
int comm_agree(comm *c, int rc);

/** An all-gather of one string per rank, of at most `bytes` with its terminator. @param[out] lines (ranks * bytes) */
int comm_lines(comm *c, char *lines, size_t bytes, const char *own);

/** Record what this rank does next, and for which step, for the watchdog. */
static inline void comm_at(comm *c, comm_phase phase) {
    if (c == NULL)
        return;
    c->progress.phase = (int)phase;
    c->progress.progress_count++;
}
/** Records progress within the same phase. Any thread may call it. */
static inline void comm_moves(comm *c) {
    if (c != NULL)
        c->progress.progress_count++;
}
static inline void comm_step(comm *c, int64_t step) {
    if (c != NULL)
        c->progress.step = step;
}

static inline int comm_rank(const comm *c) { return c != NULL ? c->rank : 0; }
static inline int comm_ranks(const comm *c) { return c != NULL ? c->ranks : 1; }

#endif
