/** The limits that cgroups, version 1 or 2, set for this process: in a container or a batch job. Sources: cgroups(7);
 * the kernel's cgroup-v1/memory, scheduler/sched-bwc and cgroup-v2. `root` is put before every path: "", or a folder
 * that replaces / in a test. */
#ifndef LINNET_BASE_CGROUP_H
#define LINNET_BASE_CGROUP_H

#include "base/file.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cgroup {
    char folder[PATH_BYTES]; /* "": none */
    size_t mount_n;          /* length of the mount point in `folder` */
    bool v2;
} cgroup;

/** The process's cgroup in the hierarchy of a controller: "memory", "cpu". @return whether there is one */
bool cgroup_find(cgroup *out, const char *controller, text *buffer, const char *root);
/** Changes *c to its parent. @return false, and no change, at the mount point */
bool cgroup_parent(cgroup *c);
/** The number at the start of a file of the cgroup; NaN if there is none ("max"). v1, v2: the file's name */
double cgroup_value(const cgroup *c, const char *v1, const char *v2, text *buffer, const char *root);
/** The memory limit in bytes; NaN if there is none: v2 then contains "max", v1 the largest number of pages. */
double cgroup_memory_limit(const cgroup *c, text *buffer, const char *root);

/** The lowest CPU quota of the process's cgroup and its parents, in CPUs: 2.5 is 250 ms in each 100 ms. Infinite if
 *  there is none. *identity: equal for processes under the same quota on one host; 0: no quota */
double cgroup_cpu_quota(uint64_t *identity, const char *root);

#endif
