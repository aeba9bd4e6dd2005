/* The memory limit of a container or a batch job. Source: cgroups(7), kernel's cgroup-v1/memory and cgroup-v2. */
#include "telemetry/machine.h"

#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINE (2 * PATH_BYTES)

/** Copies the line at *at, cut to fit, and moves to the next. */
static bool next_line(char out[LINE], const char **at) {
    if (*at == NULL || **at == 0)
        return false;
    const char *end = strchr(*at, '\n');
    snprintf(out, LINE, "%.*s", end != NULL ? (int)(end - *at) : (int)strlen(*at), *at);
    *at = end != NULL ? end + 1 : NULL;
    return true;
}

/** Whether a list like "rw,memory" holds "memory". */
static bool lists_memory(const char *list) {
    static const char word[] = "memory";
    for (const char *p = list; p != NULL; p = strchr(p, ','), p = p != NULL ? p + 1 : NULL)
        if (strncmp(p, word, sizeof word - 1) == 0 && (p[sizeof word - 1] == 0 || p[sizeof word - 1] == ','))
            return true;
    return false;
}

/** The process's path in the hierarchy that limits memory, from /proc/self/cgroup: lines "number:controllers:path", the
 *  second part is empty for v2. */
static bool find_path(char out[PATH_BYTES], bool *v2, const char *groups) {
    char line[LINE];
    bool found = false;
    while (next_line(line, &groups)) {
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *controllers++ = 0;
        *path++ = 0;
        bool v1 = lists_memory(controllers);
        if ((v1 || (*controllers == 0 && !found)) && path_format(out, "%s", path) == OK) {
            found = true;
            *v2 = !v1;
        }
        if (v1)
            break;
    }
    return found;
}

/** Where that hierarchy is mounted, and which of its folders is the mount's top, from /proc/self/mountinfo: "36 35 98:0
 *  ROOT POINT options - TYPE source SUPER". */
static bool find_mount(char root[PATH_BYTES], char point[PATH_BYTES], bool v2, const char *mounts) {
    char line[LINE], type[64], super[LINE];
    while (next_line(line, &mounts)) {
        const char *tail = strstr(line, " - ");
        if (tail == NULL || sscanf(tail, " - %63s %*s %8191s", type, super) != 2)
            continue;
        if (strcmp(type, v2 ? "cgroup2" : "cgroup") != 0 || (!v2 && !lists_memory(super)))
            continue;
        if (sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) == 2)
            return true;
    }
    return false;
}

static double read_value(const cgroup *c, const char *folder, const char *v1, const char *v2, text *buffer,
                         const char *root) {
    char path[PATH_BYTES];
    if (path_format(path, "%s/%s", folder, c->v2 ? v2 : v1) != OK)
        return NAN;
    return proc_value(proc_text(buffer, root, path), "");
}

/** Bytes, or NaN: v2 writes "max" for no limit, v1 the largest number of pages. */
static double read_limit(const cgroup *c, const char *folder, text *buffer, const char *root) {
    double limit = read_value(c, folder, "memory.limit_in_bytes", "memory.max", buffer, root);
    return limit < 0x1p60 ? limit : NAN;
}

void cgroup_find(cgroup *out, text *buffer, const char *root) {
    char path[PATH_BYTES], top[PATH_BYTES], point[PATH_BYTES], folder[PATH_BYTES];
    double lowest = INFINITY;
    *out = (cgroup){0};
    const char *groups = proc_text(buffer, root, "/proc/self/cgroup");
    if (!find_path(path, &out->v2, groups))
        return;
    if (!find_mount(top, point, out->v2, proc_text(buffer, root, "/proc/self/mountinfo")))
        return;
    /* a container may see only its own part of the hierarchy */
    size_t top_n = strcmp(top, "/") == 0 ? 0 : strlen(top);
    const char *below = strncmp(path, top, top_n) == 0 && (path[top_n] == '/' || path[top_n] == 0) ? path + top_n : "";
    if (path_format(folder, "%s%s", point, strcmp(below, "/") == 0 ? "" : below) != OK)
        return;
    for (;;) {
        double limit = read_limit(out, folder, buffer, root);
        if (limit < lowest) {
            lowest = limit;
            memcpy(out->folder, folder, sizeof folder);
        }
        char *slash = strrchr(folder, '/');
        if (slash == NULL || strlen(folder) <= strlen(point))
            return;
        *slash = 0;
    }
}

bool cgroup_memory(double *used, double *limit, double machine_total, const cgroup *c, text *buffer, const char *root) {
    char path[PATH_BYTES];
    if (c->folder[0] == 0 || path_format(path, "%s/memory.stat", c->folder) != OK)
        return false;
    *limit = read_limit(c, c->folder, buffer, root);
    if (isnan(*limit) || *limit >= machine_total)
        return false;
    double usage = read_value(c, c->folder, "memory.usage_in_bytes", "memory.current", buffer, root);
    const char *stat = proc_text(buffer, root, path);
    double active = proc_value(stat, c->v2 ? "active_file " : "total_active_file ");
    double inactive = proc_value(stat, c->v2 ? "inactive_file " : "total_inactive_file ");
    *used = usage - active - inactive;
    if (*used < 0)
        *used = 0; /* they are read one after the other */
    return true;
}
