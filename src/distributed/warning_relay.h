/** Warnings of a rank that does not print: they are stored until rank 0 prints them. One list per process;
 *  thread-safe. */
#ifndef LINNET_DISTRIBUTED_WARNING_RELAY_H
#define LINNET_DISTRIBUTED_WARNING_RELAY_H

#include <stdbool.h>
#include <stddef.h>

/** From this call on log lines are not printed. Warnings are stored, at most 64 at a time; other lines are discarded.
 */
void warning_relay_keep(void);
/** Whether a warning is stored. */
bool warning_relay_pending(void);
/** Removes the oldest warning; "" if none is stored. */
void warning_relay_take(char *out, size_t bytes);

#endif
