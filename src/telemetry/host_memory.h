/** What the system says about this process's memory, in bytes. */
#ifndef LINNET_TELEMETRY_HOST_MEMORY_H
#define LINNET_TELEMETRY_HOST_MEMORY_H

#include <stddef.h>

/** Resident now (VmRSS), and the most so far (VmHWM); 0: not known. */
size_t host_memory_resident(void);
size_t host_memory_peak(void);

/** What this process may take beyond what it has, without swapping: MemAvailable, or less where a control group
 *  (version 1 or 2) or one above it leaves less. SIZE_MAX: not known. */
size_t host_memory_available(void);
/** The same with `root` before every path: for tests; "" is the machine itself. */
size_t host_memory_available_in(const char *root);

#endif
