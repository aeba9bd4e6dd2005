/* Reads memory usage and limits from /proc and the cgroups. */

#include "telemetry/host_memory.h"

#include "base/cgroup.h"
#include "base/proc.h"
#include "base/status.h"

#include <math.h>
#include <stdint.h>

static size_t own_status(const char *key) {
    text buffer = {0};
    double kib = proc_value(proc_text(&buffer, "", "/proc/self/status"), key);
    text_deinit(&buffer);
    return kib > 0 ? (size_t)kib << 10 : 0;
}

size_t host_memory_resident(void) { return own_status("VmRSS:"); }
size_t host_memory_peak(void) { return own_status("VmHWM:"); }

/** The memory in bytes that one cgroup still allows; infinite if it has no limit. */
static double group_leaves(const cgroup *c, text *buffer, const char *root) {
    char path[PATH_BYTES];
    double limit = cgroup_memory_limit(c, buffer, root);
    double usage = cgroup_value(c, "memory.usage_in_bytes", "memory.current", buffer, root), cache = NAN;
    if (isnan(limit) || isnan(usage))
        return INFINITY;
    if (path_format(path, "%s/memory.stat", c->folder) == OK) /* the kernel can reclaim the file cache */
        cache = proc_value(proc_text(buffer, root, path), c->v2 ? "inactive_file " : "total_inactive_file ");
    usage -= isnan(cache) ? 0 : cache < usage ? cache : usage;
    return limit > usage ? limit - usage : 0;
}

size_t host_memory_available_in(const char *root) {
    text buffer = {0};
    cgroup c;
    double kib = proc_value(proc_text(&buffer, root, "/proc/meminfo"), "MemAvailable:");
    double least = isnan(kib) ? INFINITY : 1024 * kib;
    for (bool more = cgroup_find(&c, "memory", &buffer, root); more; more = cgroup_parent(&c))
        least = fmin(least, group_leaves(&c, &buffer, root));
    text_deinit(&buffer);
    return least < 0x1p63 ? (size_t)least : SIZE_MAX;
}

size_t host_memory_available(void) { return host_memory_available_in(""); }
