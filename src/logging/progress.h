/** The line a person watches. It formats; printing is the sink's, which src/cli sets. */
#ifndef LINNET_LOGGING_PROGRESS_H
#define LINNET_LOGGING_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/** final: the line stays (end of a phase, plain lines); else it may be overwritten by the next (terminals). */
typedef void progress_sink(void *context, const char *line, bool final);

typedef struct progress_options {
    progress_sink *sink; /* NULL: silent */
    void *context;
    bool terminal; /* redraw in place about 5 times a second; else plain lines about every 10 seconds */
    int width;     /* columns of the terminal; 0: 80 */
} progress_options;

typedef struct progress progress;

int progress_open(progress **out, const progress_options *o);
void progress_close(progress *p);

/** phase "train" or "val" of an epoch, which counts from 0 and is shown from 1; epochs 0: `phase` says all. A bar of
 * `total` batches begins at `done`. */
void progress_begin(progress *p, const char *phase, int64_t epoch, int64_t epochs, int64_t done, int64_t total);

typedef struct progress_state {
    int64_t done;      /* batches */
    double loss, top1; /* running means of the phase; NaN: not shown */
    double images_per_second;
    double wait_share;        /* 0..1 of the time spent waiting for data */
    double remaining_seconds; /* of the phase */
    int ranks;                /* below 2: what follows is not shown */
    int slowest;              /* rank; -1: not known yet */
    double comm_share;        /* 0..1 of its time, spent waiting for exchanges */
    double excess;            /* how much longer it works than the mean of the others; 0.1: a tenth */
} progress_state;

void progress_update(progress *p, const progress_state *s);
/** Ends the phase with a line that stays. */
void progress_end(progress *p, const progress_state *s);

/** Formats as progress_update would draw it, for tests: at most `bytes`. */
void progress_format(char *out, int bytes, const progress *p, const progress_state *s);

#endif
