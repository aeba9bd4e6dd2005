/** TensorBoard event files. Format: docs/formats.md; CRC-32C masked, protobuf lines of our own. */
#ifndef LINNET_MONITOR_TENSORBOARD_H
#define LINNET_MONITOR_TENSORBOARD_H

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
