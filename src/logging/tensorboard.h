/** TensorBoard event files. Format: docs/formats.md; CRC-32C masked, protobuf lines of our own. */
#ifndef LINNET_LOGGING_TENSORBOARD_H
#define LINNET_LOGGING_TENSORBOARD_H

#include "logging/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct events events;

/** Makes FOLDER/events.out.tfevents.TIME.HOST.PID.UID, whose name sorts behind those of the folder. @return 0, E_IO,
 * E_FULL, E_NOMEM */
int events_open(events **out, const char *folder);
/** Flushes and closes. @return 0 or what writing failed with */
int events_close(events *e);

/** Wall time is now. Buffered; see events_flush. */
int events_scalar(events *e, const char *tag, int64_t step, double value);
int events_text(events *e, const char *tag, int64_t step, const char *markdown);
/** A picture of w x h pixels: the (n) bytes of a PNG or JPEG file. */
int events_image(events *e, const char *tag, int64_t step, const void *encoded, size_t n, int w, int h);
/** An empty histogram is written too, and shown as no values. */
int events_histogram(events *e, const char *tag, int64_t step, const histogram *h);

/** One value a run was started with. */
typedef struct events_hparam {
    const char *name;
    char kind;          /* 'd' number, 's' string, 'b' bool: number is not 0 */
    double number;      /* nan and infinities are shown as strings, as TensorBoard shows no such numbers */
    const char *string; /* of kind 's' */
} events_hparam;

/** TensorBoard's HPARAMS page: what the run was started with, and the scalar tags (metric_n) shown beside it. At step
 * 0, once a run: of later ones in its folder TensorBoard takes no notice. `group`: runs of one group are shown as one
 * row, the mean of them; NULL: a row of its own. */
int events_hparams(events *e, const events_hparam *h, size_t n, const char *const *metric, size_t metric_n,
                   const char *group);
/** The session of events_hparams has come to its end. At the last step there is, so that every resume drops it: of two
 *  ends TensorBoard would show the first. */
int events_hparams_end(events *e, bool success);

/** To the operating system (so that a running TensorBoard sees it, and before a checkpoint, so that a killed run has
 * all values up to it). When writing fails what is buffered stays and the next flush tries it again. */
int events_flush(events *e);

/** Resume: drops every record with a step > `last_step` from the folder's event files (rewritten atomically, torn tails
 *  cut off). A missing folder is no error. @return 0, E_IO, E_FULL, E_NOMEM */
int events_trim(const char *folder, int64_t last_step);

/** Walks the records of an event file; stops at the first torn or corrupt one.
 *  visit: step, tag and value of each scalar. @return 0, E_NOTFOUND, E_IO, E_FORMAT */
int events_read(const char *path, void (*visit)(void *context, int64_t step, const char *tag, double value),
                void *context);

#endif
