/* Reads the load of CPUs and memory from /proc. */

#define _GNU_SOURCE
#include "telemetry/machine.h"

#include "base/memory.h"
#include "base/proc.h"
#include "base/status.h"

#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SHORTEST 0.05 /* seconds: /proc/stat counts in ticks of 10 ms */

/** Parses "12 4705 356 584 3699 ...": the number of a CPU and its ticks as user, nice, system, idle, iowait, irq,
 *  softirq, steal. The guest times after them are already included in user and nice. Source: proc_stat(5). @return
 *  the CPU, or -1 */
static long parse_cpu(cpu_time *out, const char *s) {
    enum { IDLE = 3, IOWAIT = 4, FIELDS = 8 };
    char *end = NULL;
    long cpu = strtol(s, &end, 10);
    if (end == s || cpu < 0 || cpu >= MACHINE_CPUS)
        return -1;
    *out = (cpu_time){0};
    for (int i = 0; i < FIELDS && *end == ' '; i++) {
        unsigned long long ticks = strtoull(end, &end, 10);
        out->total += ticks;
        if (i != IDLE && i != IOWAIT)
            out->busy += ticks;
    }
    return cpu;
}

double cpu_percent(cpu_time *last, const uint64_t *allowed, const char *stat) {
    uint64_t busy = 0, total = 0;
    while (stat != NULL && strncmp(stat, "cpu", 3) == 0) {
        cpu_time now;
        long cpu = stat[3] != ' ' ? parse_cpu(&now, stat + 3) : -1; /* the first line is the sum of all CPUs */
        if (cpu >= 0) {
            const cpu_time before = last[cpu];
            last[cpu] = now;
            /* a CPU added again may count from 0, and iowait may decrease */
            if ((allowed[cpu / 64] >> (cpu % 64) & 1) && before.total > 0 && now.total > before.total) {
                uint64_t more = now.total - before.total, worked = now.busy > before.busy ? now.busy - before.busy : 0;
                total += more;
                busy += worked < more ? worked : more;
            }
        }
        stat = strchr(stat, '\n');
        if (stat != NULL)
            stat++;
    }
    return total > 0 ? 100 * (double)busy / (double)total : NAN;
}

static void add_affinity(uint64_t *allowed, pid_t thread) {
    uint64_t mask[MACHINE_WORDS] = {0};
    if (sched_getaffinity(thread, sizeof mask, (cpu_set_t *)mask) == 0)
        for (int i = 0; i < MACHINE_WORDS; i++)
            allowed[i] |= mask[i];
}

/** Finds the CPUs that any thread of the process may use, since OpenMP may have bound each thread to one. @return
 *  their number */
static int find_allowed(machine *m) {
    int n = 0;
    memset(m->allowed, 0, sizeof m->allowed);
    DIR *threads = opendir("/proc/self/task");
    for (struct dirent *e; threads != NULL && (e = readdir(threads)) != NULL;) {
        long long thread = 0;
        if (text_to_int(&thread, e->d_name))
            add_affinity(m->allowed, (pid_t)thread);
    }
    if (threads != NULL)
        closedir(threads);
    else
        add_affinity(m->allowed, 0);
    for (int i = 0; i < MACHINE_WORDS; i++)
        n += __builtin_popcountll(m->allowed[i]);
    return n;
}

static double process_seconds(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
        return NAN;
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void read_cpu(machine *m, double now) {
    int cores = find_allowed(m);
    double process = process_seconds();
    m->cpu = cpu_percent(m->last, m->allowed, proc_text(&m->buffer, m->root, "/proc/stat"));
    m->process_cpu = cores > 0 ? 100 * (process - m->last_process) / ((now - m->last_seconds) * cores) : NAN;
    m->last_process = process;
    m->last_seconds = now;
}

/** @return whether the cgroup has a limit below machine_total (NaN: unknown). *used: bytes without file cache, or NaN
 */
static bool group_memory(double *used, double *limit, double machine_total, machine *m) {
    const cgroup *c = &m->cgroup;
    char path[PATH_BYTES];
    if (c->folder[0] == 0 || path_format(path, "%s/memory.stat", c->folder) != OK)
        return false;
    *limit = cgroup_memory_limit(c, &m->buffer, m->root);
    if (isnan(*limit) || *limit >= machine_total)
        return false;
    double usage = cgroup_value(c, "memory.usage_in_bytes", "memory.current", &m->buffer, m->root);
    const char *stat = proc_text(&m->buffer, m->root, path);
    double active = proc_value(stat, c->v2 ? "active_file " : "total_active_file ");
    double inactive = proc_value(stat, c->v2 ? "inactive_file " : "total_inactive_file ");
    *used = usage - active - inactive;
    if (*used < 0)
        *used = 0; /* limit and usage are not read at the same instant */
    return true;
}

static void read_memory(device_sample *out, machine *m) {
    double used = NAN, limit = NAN;
    const char *statm = proc_text(&m->buffer, m->root, "/proc/self/statm"); /* pages: size, resident, ... */
    const char *resident = statm != NULL ? strchr(statm, ' ') : NULL;
    out->process_memory = resident != NULL ? proc_value(resident, " ") * (double)sysconf(_SC_PAGESIZE) : NAN;
    const char *info = proc_text(&m->buffer, m->root, "/proc/meminfo");
    out->memory_total = 1024 * proc_value(info, "MemTotal:");
    out->memory_used = out->memory_total - 1024 * proc_value(info, "MemAvailable:");
    if (group_memory(&used, &limit, out->memory_total, m)) {
        out->memory_total = limit;
        out->memory_used = used;
    }
}

/** Sets *out to the cgroup with the lowest memory limit, among the process's cgroup and its parents. */
static void find_memory_group(cgroup *out, text *buffer, const char *root) {
    double lowest = INFINITY;
    cgroup c;
    *out = (cgroup){0};
    for (bool more = cgroup_find(&c, "memory", buffer, root); more; more = cgroup_parent(&c)) {
        double limit = cgroup_memory_limit(&c, buffer, root);
        if (limit < lowest) {
            lowest = limit;
            *out = c;
        }
    }
}

int machine_init(machine *m, const char *root) {
    *m = (machine){.root = root};
    int rc = memory_zeroed(&m->last, MACHINE_CPUS, sizeof *m->last);
    if (rc != OK)
        return rc;
    find_memory_group(&m->cgroup, &m->buffer, root);
    read_cpu(m, clock_seconds());
    m->cpu = m->process_cpu = NAN; /* no interval yet */
    return OK;
}

void machine_deinit(machine *m) {
    free(m->last);
    text_deinit(&m->buffer);
    *m = (machine){0};
}

void machine_read(device_sample *out, machine *m) {
    double now = clock_seconds();
    if (now - m->last_seconds >= SHORTEST)
        read_cpu(m, now);
    out->seconds = clock_wall();
    out->cpu = m->cpu;
    out->process_cpu = m->process_cpu;
    read_memory(out, m);
}
