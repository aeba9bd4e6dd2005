/** data.workers auto: the number of active loader threads, chosen from the time per image that workers and model need.
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
    const char *name; /* of the loader, for the log; static */
    bool automatic;   /* else n does not change */
    int n;            /* active threads */
    int cores;        /* upper limit of n */
    int extra;        /* threads in addition to the rule's number, because the data were late nevertheless */
    bool chosen;      /* n comes from measurements and was logged */

    /* measurements of the epoch, from its fourth step or from the last choice in it */
    int steps;
    double start, waited_before;
    int64_t images;
    double seconds, waited;
} workers;

/** @param option data.workers; below 1: auto, which begins with 1 + cores/8 threads */
workers workers_init(const char *name, int option, int cores);

/** The rule: the smallest number of threads that prepares 1.2 times as many images as the model computes, at most
 *  `cores`; one more than before if the data were late with that number of threads. Without positive measurements
 *  nothing changes.
 *  @param cost, compute seconds per image of a worker and of the model
 *  @param wait_share fraction of the time spent waiting for data, 0..1
 *  @return `w` with the new n and extra */
workers workers_choose(workers w, double cost, double compute, double wait_share);

/** Call before an epoch: chooses from the measurements of the previous epoch. The loader must have w->n workers. */
void workers_begin(workers *w, loader *l);
/** Call after a step: the first choice is made after the first eight steps of the process. */
void workers_count(workers *w, loader *l, int64_t images);

#endif
