#define _GNU_SOURCE
#include "monitor/tensorboard.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "monitor/record.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "events.out.tfevents."
#define FLUSH_BYTES 65536 /* buffered before a write */

struct events {
    int fd;
    uint64_t written; /* bytes of whole records in the file */
    text buffer;      /* records not yet written */
    text event;       /* scratch of one event */
    char path[PATH_BYTES];
};

static int put_key(text *t, unsigned number, unsigned wire) {
    unsigned char key = (unsigned char)(number << 3 | wire);
    return text_append(t, &key, 1);
}

static int put_varint(text *t, uint64_t v) {
    unsigned char bytes[10];
    size_t n = 0;
    for (; v >= 128; v >>= 7)
        bytes[n++] = (unsigned char)(v | 128);
    bytes[n++] = (unsigned char)v;
    return text_append(t, bytes, n);
}

static int put_bytes(text *t, unsigned number, const void *bytes, size_t n) {
    int rc = OK;
    TRY(put_key(t, number, 2));
    TRY(put_varint(t, n));
    TRY(text_append(t, bytes, n));
done:
    return rc;
}

static int put_double(text *t, unsigned number, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = htole64(bits);
    int rc = put_key(t, number, 1);
    return rc != OK ? rc : text_append(t, &bits, sizeof bits);
}

static int put_float(text *t, unsigned number, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits = htole32(bits);
    int rc = put_key(t, number, 5);
    return rc != OK ? rc : text_append(t, &bits, sizeof bits);
}

/* Puts the event in scratch, Event{wall_time 1, step 2, field `number`: payload}, into the buffer. */
static int put_event(events *e, int64_t step, unsigned number, const void *payload, size_t n) {
    int rc = OK;
    e->event.n = 0;
    TRY(put_double(&e->event, 1, clock_wall()));
    if (step != 0) {
        TRY(put_key(&e->event, 2, 0));
        TRY(put_varint(&e->event, (uint64_t)step));
    }
    TRY(put_bytes(&e->event, number, payload, n));
    TRY(record_put(&e->buffer, e->event.data, e->event.n));
    if (e->buffer.n >= FLUSH_BYTES)
        TRY(events_flush(e));
done:
    return rc;
}

/* Event{summary 5: Summary{value 1: value}} */
static int put_summary(events *e, int64_t step, const text *value) {
    text summary = {0};
    int rc = OK;
    TRY(put_bytes(&summary, 1, value->data, value->n));
    TRY(put_event(e, step, 5, summary.data, summary.n));
done:
    text_deinit(&summary);
    return rc;
}

int events_scalar(events *e, const char *tag, int64_t step, double value) {
    text v = {0}; /* Value{tag 1, simple_value 2} */
    int rc = OK;
    TRY(put_bytes(&v, 1, tag, strlen(tag)));
    TRY(put_float(&v, 2, (float)value));
    TRY(put_summary(e, step, &v));
done:
    text_deinit(&v);
    return rc;
}

int events_text(events *e, const char *tag, int64_t step, const char *markdown) {
    /* Value{tag 1: TAG/text_summary, tensor 8: {dtype 1: string, shape 2: {dim 2: {size 1: 1}}, string_val 8},
     *       metadata 9: {plugin_data 1: {plugin_name 1: "text"}}} */
    static const unsigned char head[] = {0x08, 7, 0x12, 4, 0x12, 2, 0x08, 1};
    static const unsigned char metadata[] = {0x0a, 6, 0x0a, 4, 't', 'e', 'x', 't'};
    text v = {0}, name = {0}, tensor = {0};
    int rc = OK;
    TRY(text_printf(&name, "%s/text_summary", tag));
    TRY(put_bytes(&v, 1, name.data, name.n));
    TRY(text_append(&tensor, head, sizeof head));
    TRY(put_bytes(&tensor, 8, markdown, strlen(markdown)));
    TRY(put_bytes(&v, 8, tensor.data, tensor.n));
    TRY(put_bytes(&v, 9, metadata, sizeof metadata));
    TRY(put_summary(e, step, &v));
done:
    text_deinit(&v);
    text_deinit(&name);
    text_deinit(&tensor);
    return rc;
}

/* TensorBoard reads a folder's files in the order of their names: a new one gets a later time than all that are there,
 * also after a resume within the second or a clock set back. */
static long long time_after(const char *folder) {
    long long latest = (long long)clock_wall();
    DIR *d = opendir(folder);
    if (d == NULL)
        return latest;
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        long long t = strtoll(entry->d_name + sizeof PREFIX - 1, NULL, 10);
        if (t >= latest && t < 9999999999) /* ten digits, or the order of names is not that of times */
            latest = t + 1;
    }
    closedir(d);
    return latest;
}

static int create(events *e, const char *folder) {
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
    return e->fd >= 0 ? OK : fail_errno(errno, "cannot make the event file %s", e->path);
}

int events_open(events **out, const char *folder) {
    static const char version[] = "brain.Event:2";
    events *e = NULL;
    int rc = OK;
    TRY(memory_zeroed(&e, 1, sizeof *e));
    e->fd = -1;
    TRY(create(e, folder));
    TRY(put_event(e, 0, 3, version, sizeof version - 1));
    TRY(events_flush(e));
    *out = e;
    e = NULL; /* now owned by the caller */
done:
    if (e != NULL) {
        if (e->fd >= 0)
            unlink(e->path); /* a file without its first record is none */
        e->buffer.n = 0;
        events_close(e);
    }
    return rc;
}

int events_flush(events *e) {
    size_t done = 0;
    while (done < e->buffer.n) {
        ssize_t put = pwrite(e->fd, e->buffer.data + done, e->buffer.n - done, (off_t)(e->written + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) /* the buffer stays: a later flush writes it from its beginning */
            return fail_errno(errno, "cannot write %s", e->path);
        done += (size_t)put;
    }
    e->written += done;
    e->buffer.n = 0;
    return OK;
}

int events_close(events *e) {
    if (e == NULL)
        return OK;
    int rc = e->fd >= 0 ? events_flush(e) : OK;
    if (e->fd >= 0 && close(e->fd) != 0 && rc == OK)
        rc = fail_errno(errno, "cannot write %s", e->path);
    text_deinit(&e->buffer);
    text_deinit(&e->event);
    free(e);
    return rc;
}
