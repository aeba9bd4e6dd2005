/** Load of the machine and of this process as reported by Linux, cheap to read. Values that it does not report are NaN.
 *  Private to telemetry. */
#ifndef LINNET_TELEMETRY_MACHINE_H
#define LINNET_TELEMETRY_MACHINE_H

#include "base/cgroup.h"
#include "base/text.h"
#include "telemetry/device_stats.h"

#include <stdbool.h>
#include <stdint.h>

enum { MACHINE_CPUS = 8192, MACHINE_WORDS = MACHINE_CPUS / 64 }; /* Linux's maximum on x86 */

/** Ticks of one CPU since the machine started. */
typedef struct cpu_time {
    uint64_t busy, total;
} cpu_time;

typedef struct machine {
    const char *root; /* before every path: "" */
    text buffer;      /* the file being read */
    cgroup cgroup;    /* among the process's cgroups, the one with the lowest memory limit; folder "": no limit */
    cpu_time *last;   /* (MACHINE_CPUS) at the last reading; total 0: not read yet; owned */
    uint64_t allowed[MACHINE_WORDS];   /* one bit per CPU that the process may use */
    double last_seconds, last_process; /* clock_seconds() and the process's CPU seconds at the last reading */
    double cpu, process_cpu;           /* percent, as of the last reading */
} machine;

/** Takes the first reading. `root` must stay valid: "", or a folder that replaces / in a test. @return 0 or E_NOMEM */
int machine_init(machine *m, const char *root);
void machine_deinit(machine *m);
/** Sets everything except the GPUs of *out. CPU percentages cover the time since the last reading; less than 50 ms
 * after it they are unchanged. */
void machine_read(device_sample *out, machine *m);

/* Its parts, for tests. */

/** Percent busy of the allowed CPUs, from /proc/stat and the times of the last reading, which are updated. CPUs may be
 *  added and removed. NaN if no CPU could be counted. */
double cpu_percent(cpu_time *last, const uint64_t *allowed, const char *stat);

#endif
