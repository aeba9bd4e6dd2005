/** A folder in memory for targets whose readers take paths, and inputs that consist of several files. */
#ifndef LINNET_FUZZ_SCRATCH_H
#define LINNET_FUZZ_SCRATCH_H

#include "base/file.h"
#include "base/status.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static char scratch_folder[64];

/** Removes what a folder contains, without following links. */
static inline void scratch_empty(const char *folder) {
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        char path[PATH_BYTES];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || path_join(path, folder, e->d_name) != OK)
            continue;
        if (unlink(path) != 0) {
            scratch_empty(path);
            rmdir(path);
        }
    }
    if (dir != NULL)
        closedir(dir);
}

static inline void scratch_remove(void) {
    scratch_empty(scratch_folder);
    rmdir(scratch_folder);
}

/** The folder of this process; created at the first call, removed when the process ends. */
static inline const char *scratch(void) {
    if (scratch_folder[0] == 0) {
        snprintf(scratch_folder, sizeof scratch_folder, "%s/linnet-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(scratch_folder) == NULL)
            abort();
        atexit(scratch_remove);
    }
    return scratch_folder;
}

/** The path of a name below the folder. */
static inline const char *scratch_path(char out[PATH_BYTES], const char *name) {
    if (path_join(out, scratch(), name) != OK)
        abort();
    return out;
}

static inline void scratch_write(const char *name, const void *bytes, size_t n) {
    char path[PATH_BYTES];
    FILE *f = fopen(scratch_path(path, name), "wb");
    if (f == NULL || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        abort();
}

/** A part of an input: "@NAME" alone in a line, then its bytes up to the line end before the next '@'. What precedes
 *  the first '@' is omitted. */
typedef struct part {
    char name[512];
    const uint8_t *bytes;
    size_t n;
} part;

/** The next part; *at is 0 at first. @return false after the last */
static inline bool part_next(part *out, size_t *at, const uint8_t *bytes, size_t n) {
    while (*at < n && !(bytes[*at] == '@' && (*at == 0 || bytes[*at - 1] == '\n')))
        (*at)++;
    if (*at == n)
        return false;
    size_t name = ++*at, end = name;
    while (end < n && bytes[end] != '\n')
        end++;
    size_t name_n = end - name < sizeof out->name - 1 ? end - name : sizeof out->name - 1;
    memcpy(out->name, bytes + name, name_n);
    out->name[name_n] = 0;
    size_t first = end < n ? end + 1 : n;
    for (*at = first; *at < n && !(bytes[*at] == '@' && bytes[*at - 1] == '\n');)
        (*at)++;
    out->bytes = bytes + first;
    out->n = *at - first;
    if (*at < n && out->n > 0)
        out->n--; /* the line end before the '@' */
    return true;
}

#endif
