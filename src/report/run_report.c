/* Finds the log folders of runs and writes their report. */

#define _GNU_SOURCE
#include "report/run_report.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "image/decoder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Decodes FOLDER/worst.jpg into memory that *owned receives; without the file the sheet remains empty. */
static int load_sheet(report_sheet *out, uint8_t **owned, const char *folder) {
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    const uint8_t *pixels = NULL;
    decoder *d = NULL;
    size_t n = 0;
    int rc = OK;
    TRY(path_join(path, folder, "worst.jpg"));
    if (!file_exists(path))
        goto done;
    TRY(decoder_create(&d, NULL));
    TRY(file_read(&bytes, &n, path, 0));
    rc = decoder_decode_full(&pixels, &out->w, &out->h, d, bytes, n, path);
    if (rc == E_FORMAT) {
        log_warn("%s; the thumbnails of misclassified images are omitted", status_message());
        rc = OK;
        goto done;
    }
    TRY(rc);
    size_t size = (size_t)out->w * (size_t)out->h * 3;
    TRY(memory_zeroed(owned, size, 1));
    memcpy(*owned, pixels, size);
    out->rgb = *owned;
done:
    decoder_destroy(d);
    free(bytes);
    return rc;
}

/** The last `parts` components of a path. */
static const char *short_name(const char *path, int parts) {
    const char *p = path + strlen(path);
    while (p > path && p[-1] == '/')
        p--;
    for (; parts > 0 && p > path; parts--)
        for (p--; p > path && p[-1] != '/';)
            p--;
    return p;
}

static int parts_needed(const char *const *logs, size_t n) {
    for (int parts = 1; parts < 12; parts++) {
        bool same = false;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < i; k++)
                same = same || strcmp(short_name(logs[i], parts), short_name(logs[k], parts)) == 0;
        if (!same)
            return parts;
    }
    return 12;
}

static const char *last_part(const char *path, size_t n) {
    while (n > 0 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return path + n;
}

/** Bytes at the end of the paths, whole parts, that are the same in all and do not tell the runs apart. Each name keeps
 * a part. */
static size_t common_end(const char *const *name, size_t n) {
    size_t common = 0;
    for (;;) {
        size_t first = strlen(name[0]) - common;
        const char *part = last_part(name[0], first);
        size_t bytes = (size_t)(name[0] + first - part) + 1; /* with the / before it */
        for (size_t i = 0; i < n; i++) {
            size_t length = strlen(name[i]);
            if (length <= common + bytes || name[i][length - common - bytes] != '/' ||
                strncmp(name[i] + length - common - bytes + 1, part, bytes - 1) != 0)
                return common;
        }
        common += bytes;
    }
}

int run_report(report_result *out, const char *folder, const char *const *logs, size_t n) {
    report_run *run = NULL;
    uint8_t **owned = NULL;
    char **name = NULL;
    int rc = OK, parts = parts_needed(logs, n);
    TRY(memory_zeroed(&run, n, sizeof *run));
    TRY(memory_zeroed(&name, n, sizeof *name));
    TRY(memory_zeroed(&owned, n, sizeof *owned));
    for (size_t i = 0; i < n; i++)
        TRY(memory_string(&name[i], short_name(logs[i], parts)));
    size_t end = n > 1 ? common_end((const char *const *)name, n) : 0;
    for (size_t i = 0; i < n; i++) {
        name[i][strlen(name[i]) - end] = 0;
        run[i].logs = logs[i];
        run[i].name = name[i];
        TRY(load_sheet(&run[i].worst, &owned[i], logs[i]));
    }
    TRY(report_write(out, folder, run, n));
done:
    for (size_t i = 0; owned != NULL && i < n; i++)
        free(owned[i]);
    for (size_t i = 0; name != NULL && i < n; i++)
        free(name[i]);
    free(name);
    free(owned);
    free(run);
    return rc;
}

/** Whether any step or epoch was logged; the LR finder alone leaves a folder without any. */
static bool has_rows(const char *folder) {
    char path[PATH_BYTES];
    int lines = 0;
    if (path_join(path, folder, "metrics.csv") != OK)
        return false;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    for (int c; lines < 2 && (c = fgetc(f)) != EOF;)
        lines += c == '\n';
    fclose(f);
    return lines == 2;
}

typedef struct newest {
    char logs[PATH_BYTES];
    bool rows;
    double when;
} newest;

/** Finds the folder `depth` levels below `root` whose logs were written last; folders with rows take precedence. */
static void find_newest(newest *best, const char *root, int depth) {
    DIR *d = opendir(root);
    if (d == NULL)
        return;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        newest one = {0};
        if (e->d_name[0] == '.' || path_join(one.logs, root, e->d_name) != OK || !folder_exists(one.logs))
            continue;
        if (depth > 1) {
            find_newest(best, one.logs, depth - 1);
            continue;
        }
        if (!report_is_logs(one.logs, &one.when))
            continue;
        one.rows = has_rows(one.logs);
        if (best->logs[0] == 0 || one.rows > best->rows || (one.rows == best->rows && one.when > best->when))
            *best = one;
    }
    closedir(d);
}

int run_report_find(char logs[PATH_BYTES], const char *path) {
    char below[PATH_BYTES];
    newest best = {0};
    int rc = OK;
    if (report_is_logs(path, NULL))
        return path_format(logs, "%s", path);
    TRY(path_join(below, path, "logs"));
    find_newest(&best, below, 2);
    TRY(path_format(logs, "%s", best.logs));
    if (logs[0] == 0)
        rc = fail(E_NOTFOUND, "%s contains no run: give a run's --out folder or its logs/ARCH/version_N", path);
done:
    return rc;
}
