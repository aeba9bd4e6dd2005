/** What the ranks of a run tell each other once a step, so that they go on, save and stop as one. */
#ifndef LINNET_TRAINING_RANKS_H
#define LINNET_TRAINING_RANKS_H

#include "distributed/communicator.h"
#include "distributed/pace.h"
#include "training/state.h"

#include <signal.h>

/** Of one rank; all numbers, so that one exchange carries them. */
typedef struct rank_report {
    double loss_sum, images, top1, top5; /* of the step's own images */
    double stop;                         /* number of the signal that asks to save and end; 0: none */
    double save;                         /* 1: asked to save */
    double seconds;                      /* since the run began */
    double news;                         /* 1: has some (news.h) */
    double samples;                      /* hash of the step's own images (samples.h), below 2^48 */
    rank_time time;
} rank_report;

enum { RANK_REPORT = sizeof(rank_report) / sizeof(double), RANK_HOST = 64 };

typedef struct rank_group {
    comm *comm;          /* NULL: one. Borrowed */
    rank_report *report; /* (ranks) of the exchange that is on its way, or the last */
    comm_call call;
    bool on_its_way;
    const volatile sig_atomic_t *stop; /* train_hooks; NULL: never */
    volatile sig_atomic_t *save;
    double started;       /* clock_seconds */
    bool news;            /* goes into the next report, as do ... */
    uint64_t samples;     /* ... this */
    double loaded;        /* ... and this: loader_waited */
    rank_time began;      /* clock_seconds, comm.waited, loader_waited when the epoch's training did */
    char *host;           /* (ranks * RANK_HOST); NULL for one rank */
    rank_time *now, *row; /* (ranks) as last heard in the epoch; at the last ranks_pace_row */
    /* what the last exchange agreed on */
    int agreed_stop;
    bool agreed_save; /* and no save has followed yet */
    double agreed_seconds;
    bool agreed_news;        /* a rank has some */
    uint64_t agreed_samples; /* of all ranks' images */
} rank_group;

/** Every rank calls. stop and save are the caller's to set. @return 0, E_NOMEM, E_RANK, E_DEVICE. ranks_deinit is due
 * either way */
int ranks_init(rank_group *r, comm *c);
void ranks_deinit(rank_group *r);

/** The one that writes files, logs and prints. */
static inline bool ranks_lead(const rank_group *r) { return comm_rank(r->comm) == 0; }

/** After an error of this rank alone: the others cannot go on without it. What all agreed on they know. */
void ranks_failed(comm *c, int rc);

/** Begins an epoch's training: the time of ranks counts from here on. loaded: loader_waited. */
void ranks_begin(rank_group *r, double loaded);
/** How ranks have spent the epoch's training so far; since the last call of ranks_pace_row, or ranks_begin. */
pace ranks_pace(const rank_group *r);
pace ranks_pace_row(rank_group *r);
/** The host's name. NULL for one rank */
const char *ranks_host(const rank_group *r, int rank);

/** Begins to tell the others; `own` may be NULL. A second call waits for the first. @return as comm.wait */
int ranks_tell(rank_group *r, const metrics *own);
/** Waits for what all have told; *sum: over all ranks, added in their order. NULL: not wanted. */
int ranks_hear(metrics *sum, rank_group *r);

/** As of the last exchange, and so the same on every rank: the signal that asks to stop, or 0; whether to save (cleared
 *  by asking); seconds since the run began, by rank 0's clock. For one rank: now. */
int ranks_stop(const rank_group *r);
bool ranks_save(rank_group *r);
double ranks_seconds(const rank_group *r);

#endif
