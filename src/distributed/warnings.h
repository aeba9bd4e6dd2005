/** Warnings of a rank that does not print: kept until rank 0 asks for them. One list a process; thread-safe. */
#ifndef LINNET_DISTRIBUTED_WARNINGS_H
#define LINNET_DISTRIBUTED_WARNINGS_H

#include <stdbool.h>
#include <stddef.h>

/** From here on log lines are not shown: warnings are kept (the first 64 that wait), the rest is dropped. */
void warnings_keep(void);
bool warnings_wait(void);
/** The oldest, "" when none waits. */
void warnings_take(char *out, size_t bytes);

#endif
