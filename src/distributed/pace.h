/** How ranks spend their time: which of them the others wait for, and what it costs to exchange. */
#ifndef LINNET_DISTRIBUTED_PACE_H
#define LINNET_DISTRIBUTED_PACE_H

/** Of one rank, seconds since an epoch's training began there. All doubles: it is part of an exchange. */
typedef struct rank_time {
    double seconds;
    double waited; /* of them for exchanges (comm.waited) */
    double loaded; /* of them for its data */
} rank_time;

static inline rank_time time_since(rank_time now, const rank_time *before) {
    return (rank_time){now.seconds - before->seconds, now.waited - before->waited, now.loaded - before->loaded};
}

/** The slowest rank works longest, and so waits least: what it still waits is for the network, not for another rank. */
typedef struct pace {
    int slowest;   /* -1: not known (one rank, or no time has passed) */
    double comm;   /* 0..1: share of the slowest's time in which it waited for exchanges */
    double excess; /* how much longer it works than the mean of the others: 0.1 is a tenth */
    double loaded; /* 0..1: share of its time in which it waited for its data */
} pace;

/** What lies between `before` (NULL: the epoch's beginning) and `now`, each (ranks); of equals the first is slowest. */
pace pace_between(const rank_time *now, const rank_time *before, int ranks);

#endif
