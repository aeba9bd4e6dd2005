/** Formats the progress line. The sink, which src/cli sets, prints it. */
#ifndef LINNET_LOGGING_PROGRESS_H
#define LINNET_LOGGING_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/** final: the line is kept (end of a phase, plain lines); else the next line overwrites it (terminals). */
typedef void progress_sink(void *context, const char *line, bool final);

typedef struct progress_options {
    progress_sink *sink; /* NULL: silent */
    void *context;
    bool terminal; /* redraw in place about 5 times per second; else plain lines about every 10 seconds */
    int width;     /* columns of the terminal; 0: 80 */
} progress_options;

typedef struct progress progress;

int progress_open(progress **out, const progress_options *o);
void progress_close(progress *p);

/** Begins phase "train" or "val" of an epoch (given from 0, shown from 1); epochs 0: only `phase` is shown. The bar has
 *  `total` batches and starts at `done`. */
void progress_begin(progress *p, const char *phase, int64_t epoch, int64_t epochs, int64_t done, int64_t total);

typedef struct progress_state {
    int64_t done;      /* batches */
    double loss, top1; /* running means of the phase; NaN: not shown */
    double images_per_second;
    double wait_share;        /* 0..1 of the time spent waiting for data */
    double remaining_seconds; /* of the phase */
    double run_seconds;       /* remaining, of the whole run; 0 or NaN: not shown */
    int ranks;                /* less than 2: the values below are not shown */
    int slowest;              /* slowest rank; -1: not known yet */
    double comm_share;        /* 0..1 of its time, spent in communication */
    double excess;            /* how much longer it works than the mean of the others; 0.1: a tenth */
} progress_state;

void progress_update(progress *p, const progress_state *s);
/** Ends the phase with a line that is kept. */
void progress_end(progress *p, const progress_state *s);

/** The line that progress_update would draw, for tests: at most `bytes`. */
void progress_format(char *out, int bytes, const progress *p, const progress_state *s);

#endif
