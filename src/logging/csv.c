#define _GNU_SOURCE
#include "logging/csv.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST "epoch,step"

struct csv {
    int fd;
    uint64_t written; /* bytes of whole rows */
    int column_n;     /* besides epoch and step */
    text rows;        /* rows that are not written yet */
    char path[PATH_BYTES];
};

static int put_cell(text *t, const char *s) {
    int rc = text_append(t, ",", 1);
    return rc == OK ? text_csv_cell(t, s) : rc;
}

/* The shortest text that parses to the same double. */
static int put_real(text *t, double v) {
    char s[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    return text_printf(t, ",%s", isnan(v) ? "nan" : s);
}

/* Writes c->rows after the last row. After a failure the file still ends with a complete row, and c->rows is kept. */
static int write_rows(csv *c) {
    int rc = file_write_at(c->fd, c->written, c->rows.data, c->rows.n, c->path);
    if (rc == OK) {
        c->written += c->rows.n;
        c->rows.n = 0;
    } else if (ftruncate(c->fd, (off_t)c->written) != 0) {
        log_warn("%s: the last row is incomplete", c->path);
    }
    return rc;
}

/* Length up to and including the last line end; the rest is an incomplete line of a crashed process. */
static size_t whole_lines(const unsigned char *bytes, size_t n) {
    while (n > 0 && bytes[n - 1] != '\n')
        n--;
    return n;
}

/* Continues an existing file; *n is 0 if it has no complete line. */
static int continue_file(csv *c, size_t *n) {
    unsigned char *bytes = NULL;
    size_t bytes_n = 0;
    int rc = OK;
    TRY(file_read(&bytes, &bytes_n, c->path, 0));
    *n = whole_lines(bytes, bytes_n);
    if (*n > 0 && (*n < c->rows.n || memcmp(bytes, c->rows.data, c->rows.n) != 0)) {
        rc = fail(E_FORMAT,
                  "%s has different columns (%.*s) from this run's (%.*s): move it away or choose another --out",
                  c->path, (int)strcspn((char *)bytes, "\r\n"), (char *)bytes, (int)c->rows.n - 1, c->rows.data);
        goto done;
    }
    if (*n < bytes_n && ftruncate(c->fd, (off_t)*n) != 0)
        rc = fail_errno(errno, "cannot remove the incomplete last line of %s", c->path);
done:
    free(bytes);
    return rc;
}

int csv_open(csv **out, const char *path, const char *const *column, int column_n) {
    csv *c = NULL;
    size_t n = 0;
    int rc = OK;
    TRY(memory_zeroed(&c, 1, sizeof *c));
    c->fd = -1;
    c->column_n = column_n;
    TRY(path_format(c->path, "%s", path));
    TRY(text_printf(&c->rows, FIRST));
    for (int i = 0; i < column_n; i++)
        TRY(put_cell(&c->rows, column[i]));
    TRY(text_append(&c->rows, "\n", 1));
    c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (c->fd < 0) {
        rc = fail_errno(errno, "cannot write %s", path);
        goto done;
    }
    TRY(continue_file(c, &n));
    c->written = n;
    if (n == 0)
        TRY(write_rows(c));
    c->rows.n = 0;
    *out = c;
    c = NULL; /* now owned by the caller */
done:
    if (c != NULL)
        c->rows.n = 0;
    csv_close(c);
    return rc;
}

int csv_close(csv *c) {
    int rc = OK;
    if (c == NULL)
        return OK;
    if (c->rows.n > 0)
        rc = write_rows(c);
    if (c->fd >= 0 && close(c->fd) != 0 && rc == OK)
        rc = fail_errno(errno, "cannot write %s", c->path);
    text_deinit(&c->rows);
    free(c);
    return rc;
}

int csv_row(csv *c, int64_t epoch, int64_t step, const double *value, const char *present) {
    int rc = OK;
    size_t before = c->rows.n;
    TRY(text_printf(&c->rows, "%" PRId64 ",%" PRId64, epoch, step));
    for (int i = 0; i < c->column_n; i++)
        TRY(present[i] ? put_real(&c->rows, value[i]) : text_append(&c->rows, ",", 1));
    TRY(text_append(&c->rows, "\n", 1));
    before = c->rows.n;
    TRY(write_rows(c));
done:
    if (c->rows.n > before)
        c->rows.n = before; /* no incomplete row */
    return rc;
}

/* Reads the step of a row "epoch,step,..."; false if it is not a row. */
static bool row_step(int64_t *step, const char *row, size_t n) {
    char number[24];
    const char *comma = memchr(row, ',', n);
    if (comma == NULL)
        return false;
    comma++;
    size_t k = strcspn(comma, ",\r\n");
    if (k == 0 || k >= sizeof number)
        return false;
    memcpy(number, comma, k);
    number[k] = 0;
    long long v;
    if (!text_to_int(&v, number))
        return false;
    *step = v;
    return true;
}

/** Moves removed rows to PATH.1, or the next free number. `rows`: a header and rows. */
static int move_rows(const char *path, int64_t last_step, const text *rows) {
    char aside[PATH_BYTES];
    int rc = OK, number = 0;
    do
        TRY(path_format(aside, "%s.%d", path, ++number));
    while (file_exists(aside));
    log_info("%s: the rows after step %" PRId64 " were moved to %s", path, last_step, aside);
    TRY(file_write_atomic(aside, text_string(rows), rows->n));
done:
    return rc;
}

/** The index of a column in the header, or -1. */
static int column_of(const char *header, size_t n, const char *name) {
    int column = 0;
    for (const char *p = header, *end = header + n; name != NULL && p < end; column++) {
        size_t k = strcspn(p, ",\r\n");
        if (k == strlen(name) && memcmp(p, name, k) == 0)
            return column;
        p += k + 1;
    }
    return -1;
}

static bool has_cell(const char *row, int column) {
    for (; column > 0 && *row != '\n'; row++)
        column -= *row == ',';
    return column == 0 && strchr(",\r\n", *row) == NULL;
}

int csv_trim(const char *path, int64_t last_step, bool keep, const char *again) {
    unsigned char *bytes = NULL;
    size_t n = 0, header_n = 0;
    int again_column = -1;
    text kept = {0}, moved = {0};
    int dropped = 0, rc = file_read(&bytes, &n, path, 0);
    if (rc == E_NOTFOUND)
        return OK;
    TRY(rc);
    size_t whole = whole_lines(bytes, n);
    if (whole > 0 && strncmp((char *)bytes, FIRST, sizeof FIRST - 1) != 0) {
        rc = fail(E_FORMAT, "%s does not begin with '" FIRST "', so linnet did not write it: move it away", path);
        goto done;
    }
    for (size_t at = 0; at < whole;) {
        const unsigned char *end = memchr(bytes + at, '\n', whole - at);
        size_t length = (size_t)(end + 1 - (bytes + at));
        int64_t step = 0;
        bool is_row = row_step(&step, (char *)bytes + at, length);
        if (at == 0)
            again_column = column_of((char *)bytes, length, again);
        dropped += at > 0 && !is_row;
        if (is_row && step == last_step && again_column >= 0 && has_cell((char *)bytes + at, again_column)) {
            at += length;
            continue;
        }
        if (at == 0 || (is_row && step <= last_step))
            TRY(text_append(&kept, bytes + at, length));
        if (at == 0 || (is_row && step > last_step))
            TRY(text_append(&moved, bytes + at, length));
        header_n = at == 0 ? length : header_n;
        at += length;
    }
    if (dropped > 0)
        log_warn("%s: %d malformed lines removed", path, dropped);
    if (keep && moved.n > header_n)
        TRY(move_rows(path, last_step, &moved));
    if (kept.n != n)
        TRY(file_write_atomic(path, text_string(&kept), kept.n));
done:
    text_deinit(&kept);
    text_deinit(&moved);
    free(bytes);
    return rc;
}
