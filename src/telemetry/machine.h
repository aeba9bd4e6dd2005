/** What Linux tells about the machine and this process, cheap enough to ask anywhere. What it does not tell is NaN.
 *  Private to telemetry. */
#ifndef LINNET_TELEMETRY_MACHINE_H
#define LINNET_TELEMETRY_MACHINE_H

#include "base/file.h"
#include "base/text.h"
#include "telemetry/device_stats.h"

#include <stdbool.h>
#include <stdint.h>

enum { MACHINE_CPUS = 8192, MACHINE_WORDS = MACHINE_CPUS / 64 }; /* as many as Linux can have on x86 */

/** Ticks of one CPU since the machine started. */
typedef struct cpu_time {
    uint64_t busy, total;
} cpu_time;

/** The folder whose memory limit is the lowest of the process's cgroups. */
typedef struct cgroup {
    char folder[PATH_BYTES]; /* "": no limit */
    bool v2;
} cgroup;

typedef struct machine {
    const char *root; /* before every path: "" */
    text buffer;      /* the file being read */
    cgroup cgroup;
    cpu_time *last;                    /* (MACHINE_CPUS) at the last reading; total 0: none; owned */
    uint64_t allowed[MACHINE_WORDS];   /* one bit for each CPU the process may use */
    double last_seconds, last_process; /* clock_seconds() and the process's CPU seconds at the last reading */
    double cpu, process_cpu;           /* percent, as of the last reading */
} machine;

/** Takes the first reading. `root` must stay: "", or a folder that stands for / in a test. @return 0 or E_NOMEM */
int machine_init(machine *m, const char *root);
void machine_deinit(machine *m);
/** Sets all but the GPUs of *out. CPU percentages are of the time since the last reading; less than 50 ms after it they
 *  stay what they were. */
void machine_read(device_sample *out, machine *m);

/* Its parts, for tests. */

/** The whole file `root` + `path` in `buffer`, or NULL. */
const char *proc_text(text *buffer, const char *root, const char *path);
/** The whole number behind `key` at the start of a line ("MemTotal:", "active_file "); NaN when there is none. NULL
 *  holds no line. */
double proc_value(const char *lines, const char *key);
/** Percent busy of the allowed CPUs, from /proc/stat and the times at the last reading, which become this one's. CPUs
 *  may come and go. NaN when none of them counted. */
double cpu_percent(cpu_time *last, const uint64_t *allowed, const char *stat);

void cgroup_find(cgroup *out, text *buffer, const char *root);
/** @return whether it has a limit below what the machine has (NaN: not known). *used: bytes without file cache, or NaN
 */
bool cgroup_memory(double *used, double *limit, double machine_total, const cgroup *c, text *buffer, const char *root);

#endif
