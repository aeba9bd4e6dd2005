/* Creates, locks and names the folders of a run. */

#define _GNU_SOURCE
#include "training/folder.h"

#include "base/log.h"
#include "base/status.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Converts the path of an existing folder to its absolute form, which checkpoints store. */
static int absolute(char path[PATH_BYTES]) {
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        return fail_errno(errno, "cannot resolve %s", path);
    return path_format(path, "%s", real);
}

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

/** Removes the incomplete checkpoints of a killed process. The lock is held, so no other process writes here. */
static int remove_temporary(const run_folder *f) {
    static const char suffix[] = ".tmp";
    char name[NAME_MAX + 1], path[PATH_BYTES];
    const struct dirent *e = NULL;
    int rc = OK;
    DIR *d = opendir(f->checkpoints);
    if (d == NULL)
        return fail_errno(errno, "cannot read %s", f->checkpoints);
    while ((e = readdir(d)) != NULL) {
        if (!has_suffix(e->d_name, suffix))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(strlen(e->d_name) - strlen(suffix)), e->d_name);
        if (!run_folder_is_last(name) && !run_folder_is_best(name))
            continue;
        TRY(path_join(path, f->checkpoints, e->d_name));
        TRY(file_remove(path));
        log_info("removed %s, an incomplete checkpoint of a killed process", path);
    }
done:
    closedir(d);
    return rc;
}

int run_folder_open(run_folder *f, const char *out, const char *arch) {
    char lock[PATH_BYTES];
    int rc = OK;
    *f = (run_folder){.version = -1, .lock_fd = -1};
    TRY(path_format(f->checkpoints, "%s/checkpoints/%s", out, arch));
    TRY(folder_make(f->checkpoints));
    TRY(absolute(f->checkpoints));
    TRY(path_join(lock, f->checkpoints, ".lock"));
    TRY(lock_take(&f->lock_fd, lock));
    TRY(remove_temporary(f));
done:
    return rc;
}

void run_folder_close(run_folder *f) {
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    f->lock_fd = -1;
}

bool run_folder_is_last(const char *path) {
    const char *name = path_name(path);
    return strcmp(name, "last.ckpt") == 0 || (strncmp(name, "last-v", 6) == 0 && has_suffix(name, ".ckpt"));
}

bool run_folder_is_best(const char *path) {
    const char *name = path_name(path);
    return strncmp(name, "epoch=", 6) == 0 && has_suffix(name, ".ckpt");
}

bool run_folder_holds(const run_folder *f, const char *path) {
    size_t n = strlen(f->checkpoints);
    return strncmp(path, f->checkpoints, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL;
}

int run_folder_path(char out[PATH_BYTES], const run_folder *f, const char *path) {
    return path_join(out, f->checkpoints, path_name(path));
}

/** One more than the largest N of version_N in `logs`, but at least `least`. */
static int next_version(const char *logs, int least) {
    int next = least;
    DIR *d = opendir(logs);
    if (d == NULL)
        return next;
    const struct dirent *e = NULL;
    while ((e = readdir(d)) != NULL) {
        char *end = NULL;
        if (strncmp(e->d_name, "version_", 8) != 0)
            continue;
        long n = strtol(e->d_name + 8, &end, 10);
        if (*end == 0 && n >= next && n < INT_MAX)
            next = (int)n + 1;
    }
    closedir(d);
    return next;
}

static int free_last_name(run_folder *f) {
    int rc = path_join(f->last, f->checkpoints, "last.ckpt");
    for (int v = 1; rc == OK && file_exists(f->last); v++)
        rc = path_format(f->last, "%s/last-v%d.ckpt", f->checkpoints, v);
    return rc;
}

int run_folder_logs(run_folder *f, const char *out, const char *arch, int version, int free_version, const char *last) {
    char logs[PATH_BYTES];
    int rc = OK;
    TRY(path_format(logs, "%s/logs/%s", out, arch));
    TRY(folder_make(logs));
    TRY(absolute(logs));
    f->version = version >= 0 ? version : next_version(logs, free_version);
    if (version >= 0 && run_folder_is_last(last))
        TRY(run_folder_path(f->last, f, last));
    else
        TRY(free_last_name(f));
    TRY(path_format(f->logs, "%s/version_%d", logs, f->version));
    TRY(folder_make(f->logs));
done:
    return rc;
}
