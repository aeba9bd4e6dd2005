/* Reads and trims TensorBoard event files. */

#define _GNU_SOURCE
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "logging/tensorboard.h"
#include "logging/tfrecord.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PREFIX "events.out.tfevents."

static int open_records(tfrecord_reader *r, const char *path) {
    struct stat st;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return fail_errno(errno, "cannot open %s", path);
    if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode)) {
        fclose(file);
        return fail(E_IO, "%s is not a regular file", path);
    }
    tfrecord_open(r, file, (uint64_t)st.st_size);
    return OK;
}

static void close_records(tfrecord_reader *r) {
    FILE *file = r->file;
    tfrecord_close(r);
    fclose(file);
}

int tb_events_read(const char *path, tb_event_visit *visit, void *context) {
    tfrecord_reader r = {0};
    tb_event_view event;
    bool found;
    int rc = open_records(&r, path);
    if (rc != OK)
        return rc;
    for (;;) {
        rc = tfrecord_next(&r, &found);
        if (rc != OK || !found)
            break;
        rc = tb_event_decode(&event, r.data, r.n, visit, context);
        if (rc != OK)
            break;
    }
    if (rc == E_FORMAT)
        rc = OK; /* an invalid event ends the reading, like a corrupt record */
    else if (rc != OK)
        fail_context(rc, "%s", path);
    else if (r.foreign)
        rc = fail(E_FORMAT, "%s is not a TensorBoard event file", path);
    close_records(&r);
    return rc;
}

/* Copies the records to keep. With out == NULL it copies nothing; *changed: whether any record would be removed. */
static int filter(tfrecord_reader *r, int64_t last_step, atomic_file *out, bool *changed) {
    int rc = OK;
    text record = {0};
    tb_event_view event;
    bool found = false;
    uint64_t size = r->left, kept = 0;
    for (;;) {
        TRY(tfrecord_next(r, &found));
        if (!found)
            break;
        int decoded = tb_event_decode(&event, r->data, r->n, NULL, NULL);
        if (decoded == E_FORMAT)
            break;
        TRY(decoded);
        if (!event.version && event.step > last_step)
            continue;
        record.n = 0;
        TRY(tfrecord_put(&record, r->data, r->n));
        kept += record.n;
        if (out != NULL)
            TRY(atomic_write(out, record.data, record.n));
    }
    *changed = kept != size;
done:
    text_deinit(&record);
    return rc;
}

static int trim_file(const char *path, int64_t last_step) {
    atomic_file out = {.fd = -1};
    tfrecord_reader r = {0};
    bool changed, foreign;
    int rc = open_records(&r, path);
    if (rc != OK)
        return rc;
    rc = filter(&r, last_step, NULL, &changed);
    foreign = r.foreign;
    close_records(&r);
    if (rc == OK && foreign)
        log_warn("%s is not a TensorBoard event file: left unchanged", path);
    if (rc != OK || foreign || !changed)
        return rc;
    rc = open_records(&r, path);
    if (rc != OK)
        return rc;
    TRY(atomic_open(&out, path));
    TRY(filter(&r, last_step, &out, &changed));
    TRY(atomic_commit(&out));
done:
    if (rc != OK)
        atomic_abort(&out);
    close_records(&r);
    return rc;
}

static int is_event_file(const struct dirent *entry) { return strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) == 0; }

int tb_events_trim(const char *folder, int64_t last_step) {
    struct dirent **entry = NULL;
    int rc = OK, n = scandir(folder, &entry, is_event_file, alphasort);
    if (n < 0)
        return errno == ENOENT ? OK : fail_errno(errno, "cannot read the folder %s", folder);
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES];
        const char *name = entry[i]->d_name;
        size_t name_n = strlen(name);
        TRY(path_join(path, folder, name));
        if (name_n > 4 && strcmp(name + name_n - 4, ".tmp") == 0)
            TRY(file_remove(path)); /* left by an interrupted trim; the original file still has all its records */
        else
            TRY(trim_file(path, last_step));
    }
done:
    for (int i = 0; i < n; i++)
        free(entry[i]);
    free(entry);
    return rc;
}
