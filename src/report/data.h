/** The data of a run's log folder, read once. Private to the report. */
#ifndef LINNET_REPORT_DATA_H
#define LINNET_REPORT_DATA_H

#include "base/text.h"
#include "report/report.h"
#include "report/table.h"

enum { REPORT_GPUS = 16 };

/** Columns of metrics.csv with one value per epoch. */
typedef enum epoch_value {
    TRAIN_LOSS,
    TRAIN_TOP1,
    VAL_LOSS,
    VAL_TOP1,
    VAL_TOP5,
    SPEED,     /* images/s */
    DATA_WAIT, /* 0..1 */
    EPOCH_LR,  /* the last of the epoch's steps */
    EPOCH_VALUES
} epoch_value;

typedef struct epoch_row {
    double epoch;    /* from 1 */
    double end_step; /* step of its last row */
    unsigned has;    /* bit k: the file has v[k] (which may be NaN) */
    double v[EPOCH_VALUES];
} epoch_row;

/** A column of metrics.csv with a value every few steps. x: epochs, with fractions, 1 at the end of the first; or
 * steps, if no epoch has ended yet. */
typedef enum step_value { STEP_LOSS, STEP_LR, STEP_GRAD_NORM, STEP_SCALE, STEP_VALUES } step_value;

typedef struct step_series {
    size_t n;
    double *x, *y; /* (n) */
    double *begin; /* (n) x at which the epoch of the step begins; NaN: unknown */
} step_series;

/** Columns of device.csv: these, then GPU_VALUES for each GPU. */
enum { DEV_SECONDS, DEV_CPU, DEV_PROCESS_CPU, DEV_PROCESS_MEMORY, DEV_MEMORY_USED, DEV_MEMORY_TOTAL, DEV_VALUES };
enum {
    GPU_USE,
    GPU_MEMORY_USE,
    GPU_MEMORY,
    GPU_MEMORY_TOTAL,
    GPU_POWER,
    GPU_TEMPERATURE,
    GPU_SM_CLOCK,
    GPU_MEMORY_CLOCK,
    GPU_VALUES
};

static inline size_t gpu_column(int gpu, int value) {
    return (size_t)DEV_VALUES + (size_t)gpu * GPU_VALUES + (size_t)value;
}

/** Columns of ranks.csv. */
enum { RANKS_STEP, RANKS_COMM, RANKS_SLOWEST, RANKS_EXCESS, RANKS_WAIT, RANKS_VALUES };

/** Columns of lr_finder.csv. */
enum { FINDER_LR, FINDER_LOSS, FINDER_SMOOTHED, FINDER_LOW, FINDER_MEDIAN, FINDER_HIGH, FINDER_VALUES };

typedef struct report_pair {
    char *key, *value;
} report_pair;

typedef struct pair_list {
    report_pair *pair; /* (n) in the file's order; strings owned */
    size_t n;
} pair_list;

typedef struct kept_checkpoint {
    char *file;
    double epoch, score; /* epoch from 0, as in the name; NaN where absent */
} kept_checkpoint;

/** Validation accuracies as fractions; NaN where absent. */
typedef struct run_expected {
    double val_acc, spread, epochs; /* val_acc NaN: the run has no expectation */
    double result;                  /* of this run; NaN: not finished */
    bool reached;
    char *differs; /* owned; NULL: nothing */
} run_expected;

typedef struct run_info {
    char *title, *state, *started, *updated, *last; /* owned; NULL where absent */
    double seconds;                                 /* NaN where absent */
    pair_list run, hardware;
    bool finder;       /* the LR finder ran */
    double suggestion; /* NaN: none */
    char *why;         /* why there is no suggestion; or NULL */
    char *monitor;     /* the metric of `score`; NULL: val_loss */
    kept_checkpoint *checkpoint;
    size_t checkpoint_n;
    int worst_size, worst_columns, worst_n; /* of the sheet; 0 where absent */
    run_expected expected;
} run_info;

/** Each problem is "" or the reason why the file's part of the page is missing. */
typedef struct run_data {
    const report_run *run; /* borrowed */
    run_info info;
    epoch_row *epoch; /* (epoch_n) ascending */
    size_t epoch_n;
    step_series step[STEP_VALUES];
    bool step_x; /* x of `step` is steps */
    table ranks; /* empty for one rank */
    table device;
    double *device_time; /* (device.row_n) seconds, never decreasing */
    int gpu_n;
    table finder;
    worst_list worst;
    pair_list options; /* of hparams.yaml: group.name and the value as text */
    unsigned char *hparams;
    size_t hparams_n;
    int64_t bad_images; /* lines of bad_images.txt */
    unsigned char *journal;
    size_t journal_n;
    char info_problem[256], metrics_problem[256], device_problem[256], ranks_problem[256], finder_problem[256],
        worst_problem[256], hparams_problem[256], journal_problem[256];
} run_data;

/** @return 0, E_NOTFOUND (not the log folder of a run), E_NOMEM */
int run_load(run_data *out, const report_run *run);
void run_unload(run_data *d);

/** The epoch with the lowest (sign < 0) or highest value of k, the first of equals; NULL where none is finite. */
const epoch_row *run_best(const run_data *d, epoch_value k, int sign);
/** A column of a table; an empty column if the table was not read or does not have it. */
const table_column *table_at(const table *t, size_t column);
/** Mean over the finite values of a column, or the largest; NaN if there is none. */
double column_mean(const table_column *c);
double column_max(const table_column *c);

/** Parts of run_load. A problem is a text for the page, or "". @return 0 or E_NOMEM */
int info_load(run_info *out, char problem[256], const char *folder);
void info_unload(run_info *i);
int metrics_load(run_data *d);
int pairs_add(pair_list *l, const char *key, const char *value);
void pairs_deinit(pair_list *l);
/** Turns the error of reading `name` into a problem; E_NOMEM is returned. `absent`: the text for a missing file. */
int load_problem(char problem[256], int rc, const char *name, const char *absent);

#endif
