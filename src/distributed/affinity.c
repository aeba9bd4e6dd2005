#define _GNU_SOURCE
#include "distributed/affinity.h"

#include "base/cgroup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

enum { LINE = 4096 };

_Static_assert(sizeof(core_set) == sizeof(cpu_set_t), "core_set is what the system calls take");

static bool has(const core_set *s, int core) { return s->bits[core / 64] >> (core % 64) & 1; }
static void add(core_set *s, int core) { s->bits[core / 64] |= (uint64_t)1 << (core % 64); }
static bool same(const core_set *a, const core_set *b) { return memcmp(a, b, sizeof *a) == 0; }

static core_set both(const core_set *a, const core_set *b) {
    core_set out;
    for (int i = 0; i < CORES_MAX / 64; i++)
        out.bits[i] = a->bits[i] & b->bits[i];
    return out;
}

int core_set_count(const core_set *s) {
    int n = 0;
    for (int i = 0; i < CORES_MAX / 64; i++)
        n += __builtin_popcountll(s->bits[i]);
    return n;
}

/** Reads the first line of a file below root; "" if it cannot be read. */
static void read_line(char out[LINE], const char *root, const char *path) {
    char whole[PATH_BYTES];
    FILE *f = path_format(whole, "%s%s", root, path) == OK ? fopen(whole, "re") : NULL;
    out[0] = 0;
    if (f == NULL)
        return;
    if (fgets(out, LINE, f) != NULL)
        out[strcspn(out, "\n")] = 0;
    fclose(f);
}

/** Parses the kernel's CPU lists: "0-15,32-47". Empty if the list is malformed. */
static core_set parse_list(const char *s) {
    core_set out = {0};
    while (*s != 0) {
        char *end = NULL;
        long low = strtol(s, &end, 10), high = low;
        if (end == s)
            break;
        if (*end == '-')
            high = strtol(end + 1, &end, 10);
        for (long core = low < 0 ? 0 : low; core <= high && core < CORES_MAX; core++)
            add(&out, (int)core);
        s = *end == ',' ? end + 1 : "";
    }
    return out;
}

static core_set siblings_of(int core, const char *root) {
    char path[128], line[LINE];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", core);
    read_line(line, root, path);
    return parse_list(line);
}

/** Numbers the physical cores of a set: unit[i] is the number of logical CPU i's core. `apart`: each hyperthread
 *  counts as a core. @return the number of cores */
static int number_cores(int unit[CORES_MAX], const core_set *s, bool apart, const char *root) {
    core_set seen = {0};
    int n = 0;
    for (int core = 0; core < CORES_MAX; core++) {
        if (!has(s, core) || has(&seen, core))
            continue;
        core_set siblings = {0};
        if (!apart)
            siblings = siblings_of(core, root);
        add(&siblings, core);
        for (int i = core; i < CORES_MAX; i++)
            if (has(&siblings, i) && !has(&seen, i)) {
                add(&seen, i);
                unit[i] = n;
            }
        n++;
    }
    return n;
}

/** Part `k` of `parts`; the whole set if it has fewer cores than parts. */
static core_set part_of(const core_set *s, int k, int parts, const char *root) {
    core_set out = {0};
    int unit[CORES_MAX], n = number_cores(unit, s, false, root);
    if (n < parts)
        n = number_cores(unit, s, true, root);
    if (n < parts)
        return *s;
    for (int core = 0; core < CORES_MAX; core++)
        if (has(s, core) && (long long)unit[core] * parts / n == k)
            add(&out, core);
    return out;
}

static bool same_host(const rank_affinity *a, const rank_affinity *b) { return strcmp(a->host, b->host) == 0; }

void cores_of(core_set *out, const rank_affinity *claims, int ranks, int rank, const char *root) {
    const rank_affinity *own = &claims[rank];
    core_set near = both(&own->gpu_local, &own->allowed);
    int local = 0, sharers = 0, before = 0;
    *out = own->allowed;
    for (int r = 0; r < ranks; r++) {
        const rank_affinity *other = &claims[r];
        core_set others = both(&other->gpu_local, &other->allowed);
        if (!same_host(other, own))
            continue;
        if (!same(&other->allowed, &own->allowed)) /* the launcher or the user has already bound the ranks */
            return;
        local++;
        sharers += same(&others, &near);
        before += r < rank && same(&others, &near);
    }
    if (local > 1 && core_set_count(&near) > 0)
        *out = part_of(&near, before, sharers, root);
}

static int quota_sharers(const rank_affinity *claims, int ranks, int rank) {
    int n = 0;
    for (int r = 0; r < ranks; r++)
        n += same_host(&claims[r], &claims[rank]) && claims[r].quota_group == claims[rank].quota_group;
    return n;
}

int affinity_cores_per_rank(const core_set *sets, const rank_affinity *claims, int ranks, int rank) {
    double own = 0;
    for (int core = 0; core < CORES_MAX; core++) {
        int users = 0;
        if (!has(&sets[rank], core))
            continue;
        for (int r = 0; r < ranks; r++)
            users += same_host(&claims[r], &claims[rank]) && has(&sets[r], core);
        own += 1.0 / users;
    }
    if (claims[rank].quota > 0)
        own = fmin(own, claims[rank].quota / quota_sharers(claims, ranks, rank));
    return own < 1 ? 1 : (int)(own + 1e-6); /* the sum of fractions such as 1/3 is not exact */
}

/** @return false, and an empty set, if the kernel has more than CORES_MAX CPUs */
static bool affinity(core_set *out) {
    *out = (core_set){0};
    return sched_getaffinity(0, sizeof *out, (cpu_set_t *)out) == 0;
}

int affinity_cores(void) {
    core_set s;
    uint64_t group = 0;
    double cores = affinity(&s) ? core_set_count(&s) : 1;
    cores = fmin(cores, cgroup_cpu_quota(&group, ""));
    return cores < 1 ? 1 : (int)(cores + 1e-6);
}

static rank_affinity claim(const char *gpu, const char *root) {
    rank_affinity out = {0};
    struct utsname system;
    char line[LINE], path[128];
    read_line(line, root, "/proc/sys/kernel/random/boot_id"); /* containers may have their own host names */
    if (line[0] == 0 && uname(&system) == 0)
        snprintf(line, sizeof line, "%s", system.nodename);
    snprintf(out.host, sizeof out.host, "%.63s", line);
    affinity(&out.allowed);
    out.quota = cgroup_cpu_quota(&out.quota_group, root);
    if (!isfinite(out.quota))
        out.quota = 0;
    if (gpu[0] != 0) {
        snprintf(path, sizeof path, "/sys/bus/pci/devices/%.32s/local_cpulist", gpu);
        read_line(line, root, path);
        out.gpu_local = parse_list(line);
    }
    return out;
}

/** Binds all existing threads; threads that they start later inherit the affinity. */
static void bind_threads(const core_set *s) {
    DIR *threads = opendir("/proc/self/task");
    int error = threads == NULL ? errno : 0;
    for (struct dirent *e; threads != NULL && (e = readdir(threads)) != NULL;) {
        long long thread = 0;
        if (text_to_int(&thread, e->d_name) && sched_setaffinity((pid_t)thread, sizeof *s, (const cpu_set_t *)s) != 0 &&
            errno != ESRCH)
            error = errno;
    }
    if (threads != NULL)
        closedir(threads);
    if (error != 0)
        log_warn("cannot bind this rank to the cores near its GPU: %s", strerror(error));
}

int affinity_bind(int *own, comm *c, const char *gpu, const char *root) {
    int ranks = comm_ranks(c), rank = comm_rank(c), rc = OK;
    rank_affinity *claims = NULL;
    core_set *sets = NULL;
    *own = affinity_cores();
    if (ranks < 2)
        return OK;
    TRY(memory_zeroed(&claims, (size_t)ranks, sizeof *claims));
    TRY(memory_zeroed(&sets, (size_t)ranks, sizeof *sets));
    claims[rank] = claim(gpu, root);
    TRY(comm_all(c, COMM_GATHER, COMM_BYTES, claims, sizeof *claims));
    for (int r = 0; r < ranks; r++)
        if (same_host(&claims[r], &claims[rank]))
            cores_of(&sets[r], claims, ranks, r, root);
    if (!same(&sets[rank], &claims[rank].allowed))
        bind_threads(&sets[rank]);
    *own = affinity_cores_per_rank(sets, claims, ranks, rank);
done:
    free(claims);
    free(sets);
    return rc;
}
