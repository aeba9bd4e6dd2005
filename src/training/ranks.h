/** The exchange between the ranks at each step, by which they continue, save and stop together. */
#ifndef LINNET_TRAINING_RANKS_H
#define LINNET_TRAINING_RANKS_H

#include "distributed/communicator.h"
#include "distributed/rank_timing.h"
#include "training/state.h"

#include <signal.h>

/** The data of one rank; only doubles, so that one exchange transfers them. */
typedef struct rank_report {
    double loss_sum, images, top1, top5; /* of the step's own images */
    double stop;                         /* number of the stop signal received; 0: none */
    double save;                         /* ranks_save_reason */
    double seconds;                      /* since the run began */
    double has_events;                   /* 1: has rank events (rank_events.h) */
    double samples;                      /* hash of the step's own images (samples.h), below 2^48 */
    rank_time time;
} rank_report;

enum { RANK_REPORT = sizeof(rank_report) / sizeof(double), RANK_HOST = 64 };

/** The reason for which all ranks save between two steps. */
typedef enum ranks_save_reason {
    RANKS_SAVE_NONE,
    RANKS_SAVE_DUE,      /* a save has failed, and rank 0 wants to try again */
    RANKS_SAVE_REQUESTED /* by train_hooks.save */
} ranks_save_reason;

typedef struct rank_group {
    comm *comm;          /* NULL: one rank. Borrowed */
    rank_report *report; /* (ranks) of the pending exchange, or of the last */
    comm_call call;
    bool pending;                      /* an exchange is pending */
    const volatile sig_atomic_t *stop; /* train_hooks; NULL: never */
    volatile sig_atomic_t *save;
    bool save_due;           /* set by rank 0: RANKS_SAVE_DUE, sent in the next report */
    double started;          /* clock_seconds */
    bool has_events;         /* sent in the next report */
    uint64_t samples;        /* sent in the next report */
    double loaded;           /* loader_waited; sent in the next report */
    rank_time began;         /* clock_seconds, comm.waited, loader_waited at the start of the epoch's training */
    char *host;              /* (ranks * RANK_HOST); NULL for one rank */
    rank_time *now, *logged; /* (ranks) as of the last exchange; as of the last ranks_timing_row */
    /* the result of the last exchange, the same on every rank */
    int agreed_stop;
    ranks_save_reason agreed_save; /* why to save; reset by ranks_save */
    double agreed_seconds;
    bool agreed_events;      /* a rank has events */
    uint64_t agreed_samples; /* of all ranks' images */
} rank_group;

/** Called by every rank. The caller sets stop and save. @return 0, E_NOMEM, E_RANK, E_DEVICE. ranks_deinit must be
 *  called in either case */
int ranks_init(rank_group *r, comm *c);
void ranks_deinit(rank_group *r);

/** Whether this is the rank that writes files, logs and prints (rank 0). */
static inline bool ranks_lead(const rank_group *r) { return comm_rank(r->comm) == 0; }

/** To be called after an error of this rank alone, since the other ranks cannot continue without it. */
void ranks_failed(comm *c, int rc);

/** Begins the training part of an epoch, from which rank times are measured. loaded: loader_waited. */
void ranks_begin(rank_group *r, double loaded);
/** How the ranks have spent their time since ranks_begin. ranks_timing_row: since its last call, or ranks_begin. */
rank_timing ranks_timing(const rank_group *r);
rank_timing ranks_timing_row(rank_group *r);
/** The host's name. NULL for one rank */
const char *ranks_host(const rank_group *r, int rank);
/** Numbers the hosts, which are distinguished by their names, from 0 in the order of their first rank.
 *  @param[out] number (ranks) the host of each rank  @return the number of hosts */
int ranks_number_hosts(int *number, const rank_group *r);

/** Starts an exchange; `own` may be NULL. A second call waits for the first. @return as comm.wait */
int rank_sync_begin(rank_group *r, const metrics *own);
/** Waits for the end of the exchange; *sum: over all ranks, added in rank order. NULL: not wanted. */
int rank_sync_end(metrics *sum, rank_group *r);

/** The result of the last exchange, the same on every rank: the stop signal, or 0; why to save (reset by this
 * call); seconds since the run began by rank 0's clock. For one rank: the current values. */
int ranks_stop(const rank_group *r);
ranks_save_reason ranks_save(rank_group *r);
double ranks_seconds(const rank_group *r);
/** ranks_seconds, and the time before a resume: what trainer.max_time limits. */
double ranks_run_seconds(const rank_group *r, const train_state *t);

#endif
