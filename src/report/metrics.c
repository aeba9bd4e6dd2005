/* Reads metrics.csv: the values per epoch and the values per step. */
#include "report/data.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The requested columns: epoch, step, those per epoch (the LR is a column per step), those per step. */
enum { COL_EPOCH, COL_STEP, COL_EPOCHS, COL_STEPS = COL_EPOCHS + EPOCH_LR, COLS = COL_STEPS + STEP_VALUES };

static const char *const column[COLS] = {"epoch",
                                         "step",
                                         [COL_EPOCHS + TRAIN_LOSS] = "train_loss_epoch",
                                         [COL_EPOCHS + TRAIN_TOP1] = "train_acc",
                                         [COL_EPOCHS + VAL_LOSS] = "val_loss",
                                         [COL_EPOCHS + VAL_TOP1] = "val_acc",
                                         [COL_EPOCHS + VAL_TOP5] = "val_acc_top5",
                                         [COL_EPOCHS + SPEED] = "images_per_second",
                                         [COL_EPOCHS + DATA_WAIT] = "data_wait",
                                         [COL_STEPS + STEP_LOSS] = "train_loss_step",
                                         [COL_STEPS + STEP_LR] = "lr-*",
                                         [COL_STEPS + STEP_GRAD_NORM] = "grad_norm",
                                         [COL_STEPS + STEP_SCALE] = "scale"};

/* Index of the first epoch that is not less than `epoch`. */
static size_t epoch_index(const run_data *d, double epoch) {
    size_t low = 0, high = d->epoch_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->epoch[middle].epoch < epoch)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_epoch(const run_data *d, size_t at, double epoch) {
    return at < d->epoch_n && d->epoch[at].epoch == epoch;
}

/* Inserts `epoch` at d->epoch[at], unless it is already there. */
static int epoch_insert(run_data *d, size_t *capacity, size_t at, double epoch) {
    int rc = OK;
    if (has_epoch(d, at, epoch))
        return OK;
    TRY(memory_grow(&d->epoch, capacity, d->epoch_n + 1, sizeof *d->epoch));
    memmove(d->epoch + at + 1, d->epoch + at, (d->epoch_n - at) * sizeof *d->epoch);
    d->epoch[at] = (epoch_row){.epoch = epoch, .end_step = NAN};
    for (int k = 0; k < EPOCH_VALUES; k++)
        d->epoch[at].v[k] = NAN;
    d->epoch_n++;
done:
    return rc;
}

/* The last epoch (from 1) that has ended; infinite if the file does not show it. A validation within an epoch has a row
 * before the epoch's own. */
static double ended_epoch(const table *t) {
    const table_column *ends = &t->column[COL_EPOCHS + TRAIN_LOSS];
    size_t at = 0;
    return ends->n > 0 ? table_value(&t->column[COL_EPOCH], ends->row[ends->n - 1], &at) + 1 : INFINITY;
}

static int read_epochs(run_data *d, const table *t) {
    const double ended = ended_epoch(t);
    size_t capacity = 0;
    int rc = OK;
    for (int k = 0; k < EPOCH_LR; k++) {
        const table_column *c = &t->column[COL_EPOCHS + k];
        for (size_t i = 0, at_epoch = 0, at_step = 0; i < c->n; i++) {
            double epoch = table_value(&t->column[COL_EPOCH], c->row[i], &at_epoch) + 1;
            double step = table_value(&t->column[COL_STEP], c->row[i], &at_step);
            if (!isfinite(epoch) || epoch > ended)
                continue;
            size_t at = epoch_index(d, epoch);
            TRY(epoch_insert(d, &capacity, at, epoch));
            epoch_row *e = &d->epoch[at];
            e->v[k] = c->value[i];
            e->has |= 1u << k;
            e->end_step = fmax(e->end_step, step);
        }
    }
done:
    return rc;
}

static void read_epoch_lr(run_data *d, const table *t) {
    const table_column *c = &t->column[COL_STEPS + STEP_LR];
    double last = NAN;
    for (size_t i = 0, at = 0, place = 0; i < c->n; i++) {
        double epoch = table_value(&t->column[COL_EPOCH], c->row[i], &at) + 1;
        if (epoch != last)
            place = epoch_index(d, epoch);
        last = epoch;
        if (has_epoch(d, place, epoch)) {
            d->epoch[place].v[EPOCH_LR] = c->value[i];
            d->epoch[place].has |= 1u << EPOCH_LR;
        }
    }
}

/* Maps the steps of an epoch to the axis of epochs: x = begin + (step - first) / length. */
typedef struct stretch {
    double begin, first, length;
} stretch;

/* The steps before an epoch's first row, and between rows of non-adjacent epochs, are distributed evenly. */
static stretch epoch_stretch(const run_data *d, double epoch) {
    static const epoch_row beginning = {.epoch = 0, .end_step = -1};
    if (d->epoch == NULL || isnan(epoch))
        return (stretch){0, -1, NAN}; /* no epoch has ended, so its length is unknown */
    size_t at = epoch_index(d, epoch);
    const epoch_row *before = at > 0 ? &d->epoch[at - 1] : &beginning;
    const epoch_row *end = at < d->epoch_n ? &d->epoch[at] : NULL;
    const epoch_row *from = before;
    if (end == NULL) { /* not ended yet: assume the length of the last epoch */
        end = before;
        from = at > 1 ? &d->epoch[at - 2] : &beginning;
    }
    return (stretch){before->epoch, before->end_step, (end->end_step - from->end_step) / (end->epoch - from->epoch)};
}

static int read_steps(run_data *d, const table *t, step_value k) {
    const table_column *c = &t->column[COL_STEPS + k];
    step_series *s = &d->step[k];
    stretch where = {0};
    double last = NAN;
    int rc = OK;
    TRY(memory_zeroed(&s->x, c->n, sizeof *s->x));
    TRY(memory_zeroed(&s->y, c->n, sizeof *s->y));
    TRY(memory_zeroed(&s->begin, c->n, sizeof *s->begin));
    for (size_t i = 0, at_epoch = 0, at_step = 0; i < c->n; i++) {
        double epoch = table_value(&t->column[COL_EPOCH], c->row[i], &at_epoch) + 1;
        double step = table_value(&t->column[COL_STEP], c->row[i], &at_step);
        if (epoch != last)
            where = epoch_stretch(d, epoch);
        last = epoch;
        s->x[i] = d->step_x ? step + 1 : where.begin + (step - where.first) / where.length;
        s->y[i] = c->value[i];
        s->begin[i] = d->step_x ? NAN : where.begin;
    }
    s->n = c->n;
done:
    return rc;
}

int metrics_load(run_data *d) {
    char path[PATH_BYTES];
    table t = {0};
    int rc = OK;
    TRY(path_join(path, d->run->logs, "metrics.csv"));
    rc = table_read(&t, path, column, COLS);
    if (rc != OK) {
        rc = load_problem(d->metrics_problem, rc, "metrics.csv", "No metrics yet");
        goto done;
    }
    TRY(read_epochs(d, &t));
    read_epoch_lr(d, &t);
    d->step_x = d->epoch_n == 0;
    for (int k = 0; k < STEP_VALUES; k++)
        TRY(read_steps(d, &t, (step_value)k));
done:
    table_deinit(&t);
    return rc;
}

const epoch_row *run_best(const run_data *d, epoch_value k, int sign) {
    const epoch_row *best = NULL;
    for (size_t i = 0; i < d->epoch_n; i++)
        if (isfinite(d->epoch[i].v[k]) && (best == NULL || sign * d->epoch[i].v[k] > sign * best->v[k]))
            best = &d->epoch[i];
    return best;
}
