/** Memory of this process as reported by the system, in bytes. */
#ifndef LINNET_TELEMETRY_HOST_MEMORY_H
#define LINNET_TELEMETRY_HOST_MEMORY_H

#include <stddef.h>

/** Resident memory (VmRSS) and its peak (VmHWM); 0: unknown. */
size_t host_memory_resident(void);
size_t host_memory_peak(void);

/** Memory that this process can additionally allocate without swapping: MemAvailable, or less if its cgroup (version 1
 * or 2) or a parent of it allows less. SIZE_MAX: unknown. */
size_t host_memory_available(void);
/** The same with `root` before every path, for tests; "" is the machine itself. */
size_t host_memory_available_in(const char *root);

#endif
