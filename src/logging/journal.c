#define _GNU_SOURCE
#include "logging/journal.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct journal {
    int fd;
    text line; /* working memory */
    char path[PATH_BYTES];
};

const char *journal_time(char out[24], double wall) {
    time_t seconds = (time_t)wall;
    struct tm t;
    gmtime_r(&seconds, &t);
    strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &t);
    return out;
}

/** Writes the complete line in j->line or, if that fails, nothing. */
static int put_line(journal *j) {
    off_t before = lseek(j->fd, 0, SEEK_END);
    size_t done = 0;
    while (done < j->line.n) {
        ssize_t put = write(j->fd, j->line.data + done, j->line.n - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            int rc = fail_errno(errno, "cannot write %s", j->path);
            if (done > 0 && before >= 0 && ftruncate(j->fd, before) != 0)
                fail_context(rc, "the last line of the event log is incomplete");
            return rc;
        }
        done += (size_t)put;
    }
    return OK;
}

/** Terminates an incomplete last line left by a crash, so that the next entry begins a new line. */
static int end_torn_line(journal *j) {
    char last = '\n';
    off_t end = lseek(j->fd, 0, SEEK_END);
    if (end <= 0 || pread(j->fd, &last, 1, end - 1) != 1 || last == '\n')
        return OK;
    j->line.n = 0;
    int rc = text_append(&j->line, "\n", 1);
    return rc != OK ? rc : put_line(j);
}

int journal_open(journal **out, const char *path) {
    journal *j = NULL;
    int rc = OK;
    TRY(memory_zeroed(&j, 1, sizeof *j));
    j->fd = -1;
    TRY(path_format(j->path, "%s", path));
    j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (j->fd < 0) {
        rc = fail_errno(errno, "cannot write %s", path);
        goto done;
    }
    TRY(end_torn_line(j));
    *out = j;
    j = NULL; /* now owned by the caller */
done:
    journal_close(j);
    return rc;
}

int journal_close(journal *j) {
    int rc = OK;
    if (j == NULL)
        return OK;
    if (j->fd >= 0 && close(j->fd) != 0)
        rc = fail_errno(errno, "cannot write %s", j->path);
    text_deinit(&j->line);
    free(j);
    return rc;
}

int journal_line(journal *j, int64_t epoch, int64_t step, const char *kind, const char *format, ...) {
    char time[24], message[1024];
    va_list arguments;
    int rc = OK;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (char *p = message; *p != 0; p++)
        if (*p == '\t' || *p == '\n' || *p == '\r')
            *p = ' ';
    j->line.n = 0;
    TRY(text_printf(&j->line, "%s\t%" PRId64 "\t%" PRId64 "\t%s\t%s\n", journal_time(time, clock_wall()), epoch + 1,
                    step, kind, message));
    TRY(put_line(j));
done:
    return rc;
}
