#include "telemetry/host_memory.h"

#include "base/file.h"
#include "base/status.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 4096 };

/** The number after `key` at a line's start; false when there is none. */
static bool find_number(uint64_t *out, const char *path, const char *key) {
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char *end = NULL;
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        *out = strtoull(line + strlen(key), &end, 10);
        found = end != line + strlen(key);
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static size_t own_status(const char *key) {
    uint64_t kib = 0;
    return find_number(&kib, "/proc/self/status", key) ? (size_t)kib << 10 : 0;
}

size_t host_memory_resident(void) { return own_status("VmRSS:"); }
size_t host_memory_peak(void) { return own_status("VmHWM:"); }

/** The names of one version's files. */
typedef struct group_files {
    const char *folder, *limit, *usage, *cache;
} group_files;

static const group_files version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                      "total_inactive_file "};
static const group_files version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "};

/** What the group at `path` leaves; SIZE_MAX when it has no limit ("max" is no number). */
static size_t group_leaves(const char *root, const group_files *f, const char *path) {
    char file[PATH_BYTES];
    uint64_t limit = 0, usage = 0, cache = 0;
    if (path_format(file, "%s%s%s/%s", root, f->folder, path, f->limit) != OK || !find_number(&limit, file, ""))
        return SIZE_MAX;
    if (path_format(file, "%s%s%s/%s", root, f->folder, path, f->usage) != OK || !find_number(&usage, file, ""))
        return SIZE_MAX;
    if (path_format(file, "%s%s%s/memory.stat", root, f->folder, path) == OK)
        find_number(&cache, file, f->cache); /* given back on demand */
    usage -= cache < usage ? cache : usage;
    return limit > usage ? (size_t)(limit - usage) : 0;
}

/** The least that the group at `path` and those above it leave; cuts the path down on the way. */
static size_t groups_leave(const char *root, const group_files *f, char *path) {
    size_t least = SIZE_MAX;
    for (;;) {
        size_t leaves = group_leaves(root, f, path);
        least = leaves < least ? leaves : least;
        char *cut = strrchr(path, '/');
        if (cut == NULL)
            return least;
        *cut = 0;
    }
}

/** Lines of /proc/self/cgroup are NUMBER:CONTROLLERS:PATH; version 2 has 0 and no controllers. */
static size_t limited_by_groups(const char *root) {
    char name[PATH_BYTES], line[LINE_BYTES];
    size_t least = SIZE_MAX;
    FILE *file = path_format(name, "%s/proc/self/cgroup", root) == OK ? fopen(name, "r") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *controllers = strchr(line, ':'), *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        bool first = strcmp(controllers, ":memory") == 0, second = strcmp(line, "0:") == 0;
        size_t leaves = first || second ? groups_leave(root, first ? &version_1 : &version_2, path) : SIZE_MAX;
        least = leaves < least ? leaves : least;
    }
    if (file != NULL)
        fclose(file);
    return least;
}

size_t host_memory_available_in(const char *root) {
    char name[PATH_BYTES];
    uint64_t kib = 0;
    size_t free_bytes = SIZE_MAX, groups = limited_by_groups(root);
    if (path_format(name, "%s/proc/meminfo", root) == OK && find_number(&kib, name, "MemAvailable:"))
        free_bytes = (size_t)kib << 10;
    return groups < free_bytes ? groups : free_bytes;
}

size_t host_memory_available(void) { return host_memory_available_in(""); }
