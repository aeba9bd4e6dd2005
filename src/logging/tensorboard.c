#define _GNU_SOURCE
#include "logging/tensorboard.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/proto.h"
#include "base/status.h"
#include "logging/summary.h"
#include "logging/tfrecord.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "events.out.tfevents."
#define FLUSH_BYTES 65536 /* buffered before a write */

struct tb_events {
    int fd;
    uint64_t written; /* bytes of whole records in the file */
    text buffer;      /* records not yet written */
    text event;       /* working memory for one event */
    char path[PATH_BYTES];
};

/* Begins an event in e->event: wall_time 1 and step 2. */
static int begin_event(tb_events *e, int64_t step) {
    e->event.n = 0;
    int rc = proto_double(&e->event, 1, clock_wall());
    return rc != OK || step == 0 ? rc : proto_varint(&e->event, 2, (uint64_t)step);
}

/* Appends the event to the buffer. */
static int end_event(tb_events *e) {
    int rc = OK;
    TRY(tfrecord_put(&e->buffer, e->event.data, e->event.n));
    if (e->buffer.n >= FLUSH_BYTES)
        rc = tb_events_flush(e);
    rc = rc == E_FULL ? OK : rc; /* the record is kept; the caller's flush reports the full disk */
done:
    return rc;
}

int tb_events_put(tb_events *e, int64_t step, const text *value) {
    size_t summary;
    int rc = OK;
    TRY(begin_event(e, step));
    TRY(proto_open(&e->event, 5, &summary));
    TRY(proto_bytes(&e->event, 1, value->data, value->n));
    TRY(proto_close(&e->event, summary));
    TRY(end_event(e));
done:
    return rc;
}

/* TensorBoard reads the files of a folder in the order of their names. So a new file gets a later time than all
 * existing ones, also after a resume within the same second or with a clock that was set back. */
static long long time_after(const char *folder) {
    long long latest = (long long)clock_wall();
    DIR *d = opendir(folder);
    if (d == NULL)
        return latest;
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        long long t = strtoll(entry->d_name + sizeof PREFIX - 1, NULL, 10);
        if (t >= latest && t < 9999999999) /* with more digits, names would not sort by time */
            latest = t + 1;
    }
    closedir(d);
    return latest;
}

static int create(tb_events *e, const char *folder) {
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    for (char *p = host; *p != 0; p++)
        if (*p == '/')
            *p = '_';
    long long time = time_after(folder);
    for (int uid = 0; uid < 1000; uid++) {
        int rc = path_format(e->path, "%s/" PREFIX "%010lld.%s.%ld.%d", folder, time, host[0] != 0 ? host : "localhost",
                             (long)getpid(), uid);
        if (rc != OK)
            return rc;
        e->fd = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (e->fd >= 0 || errno != EEXIST)
            break;
    }
    return e->fd >= 0 ? OK : fail_errno(errno, "cannot create the event file %s", e->path);
}

int tb_events_open(tb_events **out, const char *folder) {
    tb_events *e = NULL;
    int rc = OK;
    TRY(memory_zeroed(&e, 1, sizeof *e));
    e->fd = -1;
    TRY(create(e, folder));
    TRY(begin_event(e, 0));
    TRY(proto_string(&e->event, 3, "brain.Event:2"));
    TRY(end_event(e));
    TRY(tb_events_flush(e));
    *out = e;
    e = NULL; /* now owned by the caller */
done:
    if (e != NULL) {
        if (e->fd >= 0)
            unlink(e->path); /* a file without its first record is not a valid event file */
        e->buffer.n = 0;
        tb_events_close(e);
    }
    return rc;
}

int tb_events_flush(tb_events *e) {
    int rc = file_write_at(e->fd, e->written, e->buffer.data, e->buffer.n, e->path);
    if (rc != OK)
        return rc; /* the buffer is kept: a later flush writes all of it */
    e->written += e->buffer.n;
    e->buffer.n = 0;
    return OK;
}

int tb_events_close(tb_events *e) {
    if (e == NULL)
        return OK;
    int rc = e->fd >= 0 ? tb_events_flush(e) : OK;
    if (e->fd >= 0 && close(e->fd) != 0 && rc == OK)
        rc = fail_errno(errno, "cannot write %s", e->path);
    text_deinit(&e->buffer);
    text_deinit(&e->event);
    free(e);
    return rc;
}
