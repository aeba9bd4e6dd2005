#include "base/cgroup.h"

#include "base/proc.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINE (2 * PATH_BYTES)

/** Copies the line at *at, truncated to fit, and advances to the next. */
static bool next_line(char out[LINE], const char **at) {
    if (*at == NULL || **at == 0)
        return false;
    const char *end = strchr(*at, '\n');
    snprintf(out, LINE, "%.*s", end != NULL ? (int)(end - *at) : (int)strlen(*at), *at);
    *at = end != NULL ? end + 1 : NULL;
    return true;
}

/** Whether a list such as "rw,memory" contains a word. */
static bool lists(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; p != NULL; p = strchr(p, ','), p = p != NULL ? p + 1 : NULL)
        if (strncmp(p, word, n) == 0 && (p[n] == 0 || p[n] == ','))
            return true;
    return false;
}

/** Finds the process's path in the hierarchy of a controller, from /proc/self/cgroup. Its lines are
 *  "number:controllers:path"; for v2 the controllers are empty. */
static bool find_path(char out[PATH_BYTES], bool *v2, const char *controller, const char *groups) {
    char line[LINE];
    bool found = false;
    while (next_line(line, &groups)) {
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *controllers++ = 0;
        *path++ = 0;
        bool v1 = lists(controllers, controller);
        if ((v1 || (*controllers == 0 && !found)) && path_format(out, "%s", path) == OK) {
            found = true;
            *v2 = !v1;
        }
        if (v1)
            break;
    }
    return found;
}

/** Finds the mount point of that hierarchy, and the folder of the hierarchy that is mounted there, from
 *  /proc/self/mountinfo: "36 35 98:0 ROOT POINT options - TYPE source SUPER". */
static bool find_mount(char root[PATH_BYTES], char point[PATH_BYTES], bool v2, const char *controller,
                       const char *mounts) {
    char line[LINE], type[64], super[LINE];
    while (next_line(line, &mounts)) {
        const char *tail = strstr(line, " - ");
        if (tail == NULL || sscanf(tail, " - %63s %*s %8191s", type, super) != 2)
            continue;
        if (strcmp(type, v2 ? "cgroup2" : "cgroup") != 0 || (!v2 && !lists(super, controller)))
            continue;
        if (sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) == 2)
            return true;
    }
    return false;
}

bool cgroup_find(cgroup *out, const char *controller, text *buffer, const char *root) {
    char path[PATH_BYTES], top[PATH_BYTES], point[PATH_BYTES];
    *out = (cgroup){0};
    if (!find_path(path, &out->v2, controller, proc_text(buffer, root, "/proc/self/cgroup")) ||
        !find_mount(top, point, out->v2, controller, proc_text(buffer, root, "/proc/self/mountinfo")))
        return false;
    /* a container may see only its own part of the hierarchy */
    size_t top_n = strcmp(top, "/") == 0 ? 0 : strlen(top);
    const char *below = strncmp(path, top, top_n) == 0 && (path[top_n] == '/' || path[top_n] == 0) ? path + top_n : "";
    out->mount_n = strlen(point);
    if (path_format(out->folder, "%s%s", point, strcmp(below, "/") == 0 ? "" : below) != OK)
        out->folder[0] = 0;
    return out->folder[0] != 0;
}

bool cgroup_parent(cgroup *c) {
    char *slash = strrchr(c->folder, '/');
    if (slash == NULL || strlen(c->folder) <= c->mount_n)
        return false;
    *slash = 0;
    return true;
}

double cgroup_value(const cgroup *c, const char *v1, const char *v2, text *buffer, const char *root) {
    char path[PATH_BYTES];
    if (path_format(path, "%s/%s", c->folder, c->v2 ? v2 : v1) != OK)
        return NAN;
    return proc_value(proc_text(buffer, root, path), "");
}

double cgroup_memory_limit(const cgroup *c, text *buffer, const char *root) {
    double limit = cgroup_value(c, "memory.limit_in_bytes", "memory.max", buffer, root);
    return limit < 0x1p60 ? limit : NAN;
}

/** The quota of one cgroup in CPUs, or NaN. v2: "cpu.max" has QUOTA PERIOD in microseconds, "max" is no quota; v1: two
 *  files, and a quota of -1 is none. */
static double cpu_quota(const cgroup *c, text *buffer, const char *root) {
    char path[PATH_BYTES], *end = NULL;
    double period = c->v2 ? 0 : cgroup_value(c, "cpu.cfs_period_us", "", buffer, root);
    if (path_format(path, "%s/%s", c->folder, c->v2 ? "cpu.max" : "cpu.cfs_quota_us") != OK)
        return NAN;
    const char *line = proc_text(buffer, root, path);
    double quota = line != NULL ? strtod(line, &end) : 0;
    if (c->v2 && line != NULL)
        period = strtod(end, NULL);
    return quota > 0 && period > 0 ? quota / period : NAN;
}

static uint64_t inode_of(const cgroup *c, const char *root) {
    char path[PATH_BYTES];
    struct stat s;
    return path_format(path, "%s%s", root, c->folder) == OK && stat(path, &s) == 0 ? (uint64_t)s.st_ino : 1;
}

double cgroup_cpu_quota(uint64_t *identity, const char *root) {
    double lowest = INFINITY;
    text buffer = {0};
    cgroup c;
    *identity = 0;
    for (bool more = cgroup_find(&c, "cpu", &buffer, root); more; more = cgroup_parent(&c)) {
        double quota = cpu_quota(&c, &buffer, root);
        if (quota < lowest) {
            lowest = quota;
            *identity = inode_of(&c, root);
        }
    }
    text_deinit(&buffer);
    return lowest;
}
