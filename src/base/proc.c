#include "base/proc.h"

#include "base/file.h"
#include "base/status.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *proc_text(text *buffer, const char *root, const char *path) {
    char full[PATH_BYTES], chunk[4096];
    if (path_format(full, "%s%s", root, path) != OK)
        return NULL;
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    ssize_t got = 1;
    buffer->n = 0;
    int rc = text_append(buffer, "", 0); /* an empty file is an empty string */
    while (rc == OK && (got = read(fd, chunk, sizeof chunk)) > 0)
        rc = text_append(buffer, chunk, (size_t)got);
    close(fd);
    return rc == OK && got == 0 ? text_string(buffer) : NULL;
}

double proc_value(const char *lines, const char *key) {
    size_t n = strlen(key);
    while (lines != NULL && *lines != 0) {
        if (strncmp(lines, key, n) == 0) {
            char *end = NULL;
            unsigned long long v = strtoull(lines + n, &end, 10);
            return end != lines + n ? (double)v : NAN;
        }
        lines = strchr(lines, '\n');
        if (lines != NULL)
            lines++;
    }
    return NAN;
}
