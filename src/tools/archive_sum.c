/* Verifies the MD5 sum of an archive and records the result. */

#define _GNU_SOURCE
#include "tools/archive_sum.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 20)
#define NOTE_PREFIX "MD5 of "

static int sum_file(char out[33], int fd, int64_t size, const char *path, const char *phase, const prepare_options *o) {
    int rc = OK;
    unsigned char *room = NULL;
    MD5_CTX m;
    MD5Init(&m);
    TRY(memory_zeroed(&room, READ_BYTES, 1));
    for (int64_t done = 0;;) {
        ssize_t got = read(fd, room, READ_BYTES);
        if (got < 0 && errno == EINTR && (o->stop == NULL || *o->stop == 0))
            continue;
        if (o->stop != NULL && *o->stop != 0) {
            rc = fail(E_STOPPED, "stopped; run the same command again to continue");
            goto done;
        }
        if (got < 0) {
            rc = fail_errno(errno, "cannot read %s", path);
            goto done;
        }
        if (got == 0)
            break;
        MD5Update(&m, room, (size_t)got);
        done += got;
        if (o->progress != NULL)
            o->progress(o->context, phase, done, size);
    }
    MD5End(&m, out);
done:
    free(room);
    return rc;
}

int archive_check_sum(const char *path, const char *sum, const char *phase, const char *staging,
                      const prepare_options *o) {
    int rc = OK, fd = -1;
    struct stat st;
    char note[PATH_BYTES], now[128], is[33];
    unsigned char *then = NULL;
    size_t then_n = 0;
    TRY(path_join(note, staging, phase));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = fail_errno(errno, "cannot read %s", path);
        goto done;
    }
    snprintf(now, sizeof now, "%lld %lld.%09ld\n", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec);
    if (file_exists(note) && file_read(&then, &then_n, note, sizeof now) == OK && strcmp((char *)then, now) == 0)
        goto done;
    TRY(sum_file(is, fd, (int64_t)st.st_size, path, phase, o));
    if (strcmp(is, sum) != 0) {
        rc = fail(E_FORMAT,
                  "%s: its MD5 sum is %s, that of the official file is %s: download it again, or skip the "
                  "check with --no-md5",
                  path, is, sum);
        goto done;
    }
    TRY(file_write_atomic(note, now, strlen(now)));
done:
    if (fd >= 0)
        close(fd);
    free(then);
    return rc;
}

void archive_forget_sums(const char *staging) {
    char path[PATH_BYTES];
    DIR *dir = opendir(staging);
    if (dir == NULL)
        return;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        if (strncmp(e->d_name, NOTE_PREFIX, strlen(NOTE_PREFIX)) == 0 && path_join(path, staging, e->d_name) == OK)
            unlink(path);
    closedir(dir);
}
