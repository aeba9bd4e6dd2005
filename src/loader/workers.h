/** data.workers auto: how many loader threads take part, from what an image costs to prepare and to compute.
 *
 *      workers_begin(&w, loader);
 *      loader_start(loader, epoch, 0);
 *      for each step { ...; workers_count(&w, loader, images); } */
#ifndef LINNET_LOADER_WORKERS_H
#define LINNET_LOADER_WORKERS_H

#include "loader/loader.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct workers {
    const char *name; /* of the loader, in the log; static */
    bool automatic;   /* else n stays as it is */
    int n;            /* threads that take part */
    int cores;        /* the most that are chosen */
    int extra;        /* beyond the rule: it said enough, and yet the data were late */
    bool chosen;      /* from measurements, and told */

    /* the epoch, from its fourth step on or the last choice within it */
    int steps;
    double start, waited_before;
    int64_t images;
    double seconds, waited;
} workers;

/** @param option data.workers; below 1: auto, which begins with 1 + cores/8 */
workers workers_init(const char *name, int option, int cores);

/** The rule: as many threads as prepare 1.2 times what is computed, at most `cores`; one more than before when the data
 *  were late although that many took part. Measurements that are not positive change nothing.
 *  @param cost, compute seconds an image takes a worker, and the network @param wait_share of the time, 0..1
 *  @return `w` with n and extra as they should be */
workers workers_choose(workers w, double cost, double compute, double wait_share);

/** Before an epoch: chooses from what was measured in the one before. The loader must be one that has w->n workers. */
void workers_begin(workers *w, loader *l);
/** After a step: the first eight of the process lead to the first choice. */
void workers_count(workers *w, loader *l, int64_t images);

#endif
