/** How the ranks spend their time: which rank is the slowest, and how much time communication takes. */
#ifndef LINNET_DISTRIBUTED_RANK_TIMING_H
#define LINNET_DISTRIBUTED_RANK_TIMING_H

/** The times of one rank, in seconds since its training of the epoch began. All doubles, because it is exchanged. */
typedef struct rank_time {
    double seconds; /* all time */
    double waited;  /* the part spent waiting for exchanges (comm.waited) */
    double loaded;  /* the part spent waiting for data */
} rank_time;

static inline rank_time time_since(rank_time now, const rank_time *before) {
    return (rank_time){now.seconds - before->seconds, now.waited - before->waited, now.loaded - before->loaded};
}

/** The slowest rank works longest and therefore waits least; it waits for the network only, never for another rank. */
typedef struct rank_timing {
    int slowest;   /* rank; -1: not known (one rank, or no time has passed) */
    double comm;   /* 0..1: fraction of the slowest rank's time spent waiting for exchanges */
    double excess; /* how much longer it works than the mean of the others: 0.1 is a tenth */
    double loaded; /* 0..1: fraction of its time spent waiting for data */
} rank_timing;

/** The timing between `before` (NULL: the beginning of the epoch) and `now`, each (ranks). Of equally slow ranks the
 *  first one counts. */
rank_timing rank_timing_between(const rank_time *now, const rank_time *before, int ranks);

#endif
