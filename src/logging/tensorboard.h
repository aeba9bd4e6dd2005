/** TensorBoard event files. Format: docs/formats.md; masked CRC-32C, protocol buffers by base/proto.h. */
#ifndef LINNET_LOGGING_TENSORBOARD_H
#define LINNET_LOGGING_TENSORBOARD_H

#include "logging/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tb_events tb_events;

/** Creates FOLDER/events.out.tfevents.TIME.HOST.PID.UID, whose name sorts after the existing ones. @return 0, E_IO,
 * E_FULL, E_NOMEM */
int tb_events_open(tb_events **out, const char *folder);
/** Flushes and closes. @return 0 or the error of writing */
int tb_events_close(tb_events *e);

/** The functions below use the current wall time and buffer; see tb_events_flush. */
int tb_events_scalar(tb_events *e, const char *tag, int64_t step, double value);
int tb_events_text(tb_events *e, const char *tag, int64_t step, const char *markdown);
/** An image of w x h pixels: the (n) bytes of a PNG or JPEG file. */
int tb_events_image(tb_events *e, const char *tag, int64_t step, const void *encoded, size_t n, int w, int h);
/** An empty histogram is written too and shown without values. */
int tb_events_histogram(tb_events *e, const char *tag, int64_t step, const histogram *h);

/** One hyperparameter of a run. */
typedef struct tb_events_hparam {
    const char *name;
    char kind;          /* 'd' number, 's' string, 'b' bool: number is not 0 */
    double number;      /* NaN and infinity are written as strings, since TensorBoard does not show such numbers */
    const char *string; /* of kind 's' */
} tb_events_hparam;

/** TensorBoard's HPARAMS page: the hyperparameters and the scalar tags (metric_n) shown beside them. Written at step
 *  0, once per run, because TensorBoard ignores later ones in the folder. `group`: runs of one group are shown as
 *  one row with their mean; NULL: a separate row. */
int tb_events_hparams(tb_events *e, const tb_events_hparam *h, size_t n, const char *const *metric, size_t metric_n,
                      const char *group);
/** Ends the session of tb_events_hparams. Written at the largest possible step, so that every resume removes it; if
 *  there were two ends, TensorBoard would show the first. */
int tb_events_hparams_end(tb_events *e, bool success);

/** Writes the buffer to the operating system, so that a running TensorBoard sees it. It is also called before a
 *  checkpoint, so that the log of a killed run has all values up to it. If it fails, the buffer is kept and the next
 *  flush tries again. */
int tb_events_flush(tb_events *e);

/** For a resume: removes all records with a step > `last_step` from the folder's event files (rewritten atomically,
 *  incomplete ends removed). A missing folder is not an error. @return 0, E_IO, E_FULL, E_NOMEM */
int tb_events_trim(const char *folder, int64_t last_step);

/** Reads the records of an event file; stops at the first truncated or corrupt one.
 *  visit is called with step, tag and value of each scalar. @return 0, E_NOTFOUND, E_IO, E_FORMAT */
int tb_events_read(const char *path, void (*visit)(void *context, int64_t step, const char *tag, double value),
                   void *context);

#endif
