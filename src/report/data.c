/* Loads the files of a log folder. */

#define _GNU_SOURCE
#include "report/data.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HPARAMS_BYTES = 4 << 20, JOURNAL_BYTES = 256 << 20, NAME_BYTES = 40 };

int load_problem(char problem[256], int rc, const char *name, const char *absent) {
    if (rc == E_NOMEM)
        return rc;
    if (rc == E_NOTFOUND)
        snprintf(problem, 256, "%s", absent);
    else
        snprintf(problem, 256, "%s cannot be read: %.200s", name,
                 rc == E_FORMAT ? "the file was not written by linnet" : status_text(rc));
    return OK;
}

const table_column *table_at(const table *t, size_t column) {
    static const table_column none = {0};
    return t->column != NULL && column < t->column_n ? &t->column[column] : &none;
}

double column_mean(const table_column *c) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (isfinite(c->value[i])) {
            sum += c->value[i];
            n++;
        }
    return n > 0 ? sum / n : NAN;
}

double column_max(const table_column *c) {
    double most = NAN;
    for (size_t i = 0; i < c->n; i++)
        if (isfinite(c->value[i]))
            most = fmax(most, c->value[i]);
    return most;
}

/* Computes the time of each row. A resumed run may count from 0 again; its times then continue after the last one. */
static int read_device_time(run_data *d) {
    const table_column *c = &d->device.column[DEV_SECONDS];
    double last = 0, shift = 0;
    size_t at = 0;
    int rc = OK;
    TRY(memory_zeroed(&d->device_time, d->device.row_n, sizeof *d->device_time));
    for (size_t i = 0; i < d->device.row_n; i++) {
        double t = table_value(c, i, &at);
        if (t + shift < last)
            shift = last;
        d->device_time[i] = t + shift;
        if (isfinite(t))
            last = t + shift;
    }
done:
    return rc;
}

static int device_load(run_data *d) {
    static const char *const host[DEV_VALUES] = {"seconds",        "cpu",         "process_cpu",
                                                 "process_memory", "memory_used", "memory_total"};
    static const char *const gpu[GPU_VALUES] = {"utilisation", "memory_utilisation", "memory_used", "memory_total",
                                                "power",       "temperature",        "sm_clock",    "memory_clock"};
    enum { N = DEV_VALUES + REPORT_GPUS * GPU_VALUES };
    char path[PATH_BYTES], name[REPORT_GPUS * GPU_VALUES][NAME_BYTES];
    const char *column[N];
    int rc = OK;
    for (int i = 0; i < N; i++) {
        int k = i - DEV_VALUES;
        if (k >= 0)
            snprintf(name[k], NAME_BYTES, "gpu%d_%s", k / GPU_VALUES, gpu[k % GPU_VALUES]);
        column[i] = k >= 0 ? name[k] : host[i];
    }
    TRY(path_join(path, d->run->logs, "device.csv"));
    rc = table_read(&d->device, path, column, N);
    if (rc != OK)
        return load_problem(d->device_problem, rc, "device.csv", "No device statistics yet");
    TRY(read_device_time(d));
    for (int k = 0; k < REPORT_GPUS * GPU_VALUES; k++)
        if (d->device.column[DEV_VALUES + k].n > 0)
            d->gpu_n = k / GPU_VALUES + 1;
done:
    return rc;
}

/* Reads a table with numeric columns. */
static int load_numbers(table *out, char problem[256], const char *folder, const char *name, const char *const *column,
                        size_t column_n, const char *absent) {
    char path[PATH_BYTES];
    int rc = OK;
    TRY(path_join(path, folder, name));
    rc = table_read(out, path, column, column_n);
    if (rc != OK)
        rc = load_problem(problem, rc, name, absent);
done:
    return rc;
}

static int ranks_load(run_data *d) {
    static const char *const column[RANKS_VALUES] = {"step", "comm", "slowest", "excess", "slowest_data_wait"};
    return load_numbers(&d->ranks, d->ranks_problem, d->run->logs, "ranks.csv", column, RANKS_VALUES, "");
}

static int finder_load(run_data *d) {
    static const char *const column[FINDER_VALUES] = {"lr", "loss", "smoothed", "low", "median", "high"};
    return load_numbers(&d->finder, d->finder_problem, d->run->logs, "lr_finder.csv", column, FINDER_VALUES,
                        "The learning rate finder was not run, or lr_finder.csv is missing");
}

/* Reads options in the format of config_to_yaml: "group:" and "  name: value", one per line. Other lines are
 * ignored. */
static int read_options(pair_list *out, const char *yaml) {
    char group[64] = "", key[160];
    text value = {0};
    int rc = OK;
    for (const char *line = yaml; *line != 0;) {
        size_t n = strcspn(line, "\n"), k = strcspn(line, ":\n");
        if (*line != ' ' && *line != '#' && k + 1 == n && k < sizeof group)
            snprintf(group, sizeof group, "%.*s", (int)k, line);
        else if (strncmp(line, "  ", 2) == 0 && line[2] != ' ' && k < n && k < 64 && group[0] != 0) {
            snprintf(key, sizeof key, "%s.%.*s", group, (int)k - 2, line + 2);
            const char *v = line + k + 1 + strspn(line + k + 1, " ");
            value.n = 0;
            TRY(text_append(&value, v, v < line + n ? (size_t)(line + n - v) : 0));
            TRY(pairs_add(out, key, text_string(&value)));
        }
        line += n + (line[n] == '\n');
    }
done:
    text_deinit(&value);
    return rc;
}

static int read_text(unsigned char **out, size_t *n, char problem[256], const char *folder, const char *name,
                     size_t limit) {
    char path[PATH_BYTES], absent[64];
    int rc = OK;
    TRY(path_join(path, folder, name));
    rc = file_read(out, n, path, limit);
    if (rc != OK) {
        snprintf(absent, sizeof absent, "There is no %s", name);
        rc = load_problem(problem, rc, name, absent);
    }
done:
    return rc;
}

bool report_is_logs(const char *folder, double *newest) {
    static const char *const name[] = {"metrics.csv", "run.json",   "hparams.yaml",
                                       "journal.log", "events.log", "lr_finder.csv"};
    char path[PATH_BYTES];
    struct stat st;
    bool found = false;
    double last = 0;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        if (path_join(path, folder, name[i]) != OK || stat(path, &st) != 0)
            continue;
        found = true;
        last = fmax(last, (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec);
    }
    if (newest != NULL)
        *newest = last;
    return found;
}

/* Refuses a folder without any file of a run. */
static int check_folder(const char *folder) {
    if (!folder_exists(folder))
        return fail(E_NOTFOUND, "there is no folder %s: give a run's log folder (logs/ARCH/version_N)", folder);
    if (!report_is_logs(folder, NULL))
        return fail(E_NOTFOUND,
                    "%s contains no logs of a run (metrics.csv, run.json): give a folder logs/ARCH/version_N", folder);
    return OK;
}

/** Number of lines in a file; 0 if it does not exist. */
static int64_t count_lines(const char *path) {
    int64_t n = 0;
    FILE *f = fopen(path, "re");
    for (int c; f != NULL && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f != NULL)
        fclose(f);
    return n;
}

/** Older versions called the journal events.log. */
static const char *journal_name(const char *folder) {
    char path[PATH_BYTES];
    bool older = path_join(path, folder, "journal.log") == OK && !file_exists(path) &&
                 path_join(path, folder, "events.log") == OK && file_exists(path);
    return older ? "events.log" : "journal.log";
}

int run_load(run_data *out, const report_run *run) {
    char path[PATH_BYTES];
    int rc = OK;
    *out = (run_data){.run = run};
    TRY(check_folder(run->logs));
    TRY(info_load(&out->info, out->info_problem, run->logs));
    TRY(metrics_load(out));
    TRY(device_load(out));
    TRY(ranks_load(out));
    TRY(finder_load(out));
    TRY(path_join(path, run->logs, "bad_images.txt"));
    out->bad_images = count_lines(path);
    TRY(path_join(path, run->logs, "worst.csv"));
    rc = worst_read(&out->worst, path);
    if (rc != OK)
        TRY(load_problem(out->worst_problem, rc, "worst.csv", "No misclassified images were collected"));
    TRY(read_text(&out->hparams, &out->hparams_n, out->hparams_problem, run->logs, "hparams.yaml", HPARAMS_BYTES));
    if (out->hparams != NULL)
        TRY(read_options(&out->options, (const char *)out->hparams));
    TRY(read_text(&out->journal, &out->journal_n, out->journal_problem, run->logs, journal_name(run->logs),
                  JOURNAL_BYTES));
done:
    if (rc != OK)
        run_unload(out);
    return rc;
}

void run_unload(run_data *d) {
    info_unload(&d->info);
    for (int k = 0; k < STEP_VALUES; k++) {
        free(d->step[k].x);
        free(d->step[k].y);
        free(d->step[k].begin);
    }
    free(d->epoch);
    table_deinit(&d->ranks);
    table_deinit(&d->device);
    free(d->device_time);
    table_deinit(&d->finder);
    worst_deinit(&d->worst);
    pairs_deinit(&d->options);
    free(d->hparams);
    free(d->journal);
    *d = (run_data){0};
}
