#include "evaluation/evaluation_report.h"

#include "base/memory.h"
#include "base/status.h"
#include "evaluation/prediction.h"
#include "report/plot/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int evaluation_report_init(evaluation_report *a, char **name, int classes) {
    int rc = OK;
    size_t n = (size_t)classes;
    *a = (evaluation_report){.classes = classes, .name = name};
    TRY(memory_zeroed(&a->confusion, n * n, sizeof *a->confusion));
    TRY(memory_zeroed(&a->top5, n, sizeof *a->top5));
done:
    return rc;
}

void evaluation_report_deinit(evaluation_report *a) {
    free(a->confusion);
    free(a->top5);
    *a = (evaluation_report){0};
}

/** The matrix entry of images of class `i` that are predicted as class `as`. */
static int64_t *cell(const evaluation_report *a, int i, int as) {
    return &a->confusion[(size_t)i * (size_t)a->classes + (size_t)as];
}

/** A NaN confidence (from NaN logits) is counted in the first bin and makes the calibration error NaN. */
static calibration_bin *bin_of(evaluation_report *a, double confidence) {
    int b = confidence > 0 ? (int)ceil(confidence * CALIBRATION_BINS) - 1 : 0;
    return &a->bin[b < 0 ? 0 : b >= CALIBRATION_BINS ? CALIBRATION_BINS - 1 : b];
}

void evaluation_report_add(evaluation_report *a, const double *logits, const int32_t *label, int n) {
    for (int i = 0; i < n; i++) {
        prediction j = predict_labelled(logits + (size_t)i * (size_t)a->classes, a->classes, label[i], 0);
        calibration_bin *b = bin_of(a, j.probability);
        metrics one = {.loss_sum = j.loss, .images = 1, .top1 = j.rank < 1, .top5 = j.rank < 5};
        metrics_add(&a->sum, &one);
        ++*cell(a, label[i], j.predicted);
        a->top5[label[i]] += one.top5;
        b->n++;
        b->right += one.top1;
        b->confidence += j.probability;
    }
}

int evaluation_report_join(evaluation_report *a, comm *c) {
    enum { BINS = CALIBRATION_BINS };
    int64_t count[2 * BINS + 3] = {0};
    double real[BINS + 1] = {0};
    size_t classes = (size_t)a->classes;
    int rc = OK;
    for (int i = 0; i < BINS; i++) {
        count[i] = a->bin[i].n;
        count[BINS + i] = a->bin[i].right;
        real[i] = a->bin[i].confidence;
    }
    count[2 * BINS] = a->sum.images;
    count[2 * BINS + 1] = a->sum.top1;
    count[2 * BINS + 2] = a->sum.top5;
    real[BINS] = a->sum.loss_sum;
    TRY(comm_all(c, COMM_SUM, COMM_I64, a->confusion, classes * classes));
    TRY(comm_all(c, COMM_SUM, COMM_I64, a->top5, classes));
    TRY(comm_all(c, COMM_SUM, COMM_I64, count, sizeof count / sizeof *count));
    TRY(comm_all(c, COMM_SUM, COMM_F64, real, sizeof real / sizeof *real));
    for (int i = 0; i < BINS; i++)
        a->bin[i] = (calibration_bin){.n = count[i], .right = count[BINS + i], .confidence = real[i]};
    a->sum = (metrics){real[BINS], count[2 * BINS], count[2 * BINS + 1], count[2 * BINS + 2]};
done:
    return rc;
}

class_result evaluation_report_class(const evaluation_report *a, int i) {
    class_result r = {.index = i, .top1 = *cell(a, i, i), .top5 = a->top5[i], .confused = -1};
    for (int k = 0; k < a->classes; k++) {
        int64_t n = *cell(a, i, k);
        r.images += n;
        if (k != i && n > r.confused_n) {
            r.confused = k;
            r.confused_n = n;
        }
    }
    return r;
}

static double share(int64_t part, int64_t of) { return of > 0 ? (double)part / (double)of : NAN; }

static int by_accuracy(const void *left, const void *right) {
    const class_result *x = left, *y = right;
    if ((x->images == 0) != (y->images == 0))
        return x->images == 0 ? 1 : -1;
    double d = share(x->top1, x->images) - share(y->top1, y->images);
    if (x->images > 0 && d == 0)
        d = share(x->top5, x->images) - share(y->top5, y->images);
    return d < 0 ? -1 : d > 0 ? 1 : x->index - y->index;
}

int evaluation_report_worst(class_result **out, const evaluation_report *a) {
    int rc = memory_zeroed(out, (size_t)a->classes, sizeof **out);
    if (rc != OK)
        return rc;
    for (int i = 0; i < a->classes; i++)
        (*out)[i] = evaluation_report_class(a, i);
    qsort(*out, (size_t)a->classes, sizeof **out, by_accuracy);
    return OK;
}

double evaluation_report_ece(const evaluation_report *a) {
    double sum = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++)
        sum += fabs((double)a->bin[i].right - a->bin[i].confidence);
    return a->sum.images > 0 ? sum / (double)a->sum.images : NAN;
}

static int put_share(text *out, int64_t part, int64_t of) {
    return of > 0 ? text_printf(out, ",%.6g", share(part, of)) : text_append(out, ",", 1);
}

int evaluation_report_classes_csv(text *out, const evaluation_report *a) {
    int rc = OK;
    TRY(text_printf(out, "class,index,images,top1,top5,confused_with,confused_images\n"));
    for (int i = 0; i < a->classes; i++) {
        class_result r = evaluation_report_class(a, i);
        TRY(text_csv_cell(out, a->name[i]));
        TRY(text_printf(out, ",%d,%lld", i, (long long)r.images));
        TRY(put_share(out, r.top1, r.images));
        TRY(put_share(out, r.top5, r.images));
        TRY(text_append(out, ",", 1));
        if (r.confused >= 0)
            TRY(text_csv_cell(out, a->name[r.confused]));
        TRY(text_printf(out, ",%lld\n", (long long)r.confused_n));
    }
done:
    return rc;
}

int evaluation_report_confusion_csv(text *out, const evaluation_report *a) {
    int rc = OK;
    TRY(text_printf(out, "true"));
    for (int i = 0; i < a->classes; i++) {
        TRY(text_append(out, ",", 1));
        TRY(text_csv_cell(out, a->name[i]));
    }
    for (int i = 0; i < a->classes; i++) {
        TRY(text_append(out, "\n", 1));
        TRY(text_csv_cell(out, a->name[i]));
        for (int k = 0; k < a->classes; k++)
            TRY(text_printf(out, ",%lld", (long long)*cell(a, i, k)));
    }
    TRY(text_append(out, "\n", 1));
done:
    return rc;
}

int evaluation_report_calibration_csv(text *out, const evaluation_report *a) {
    int rc = OK;
    TRY(text_printf(out, "low,high,images,accuracy,confidence\n"));
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        const calibration_bin *b = &a->bin[i];
        TRY(text_printf(out, "%.6g,%.6g,%lld", (double)i / CALIBRATION_BINS, (i + 1.0) / CALIBRATION_BINS,
                        (long long)b->n));
        TRY(put_share(out, b->right, b->n));
        TRY(b->n > 0 ? text_printf(out, ",%.6g\n", b->confidence / (double)b->n) : text_append(out, ",\n", 2));
    }
done:
    return rc;
}

int evaluation_report_picture(text *png, const evaluation_report *a) {
    double *value = NULL;
    char title[160];
    int rc = OK;
    TRY(memory_zeroed(&value, (size_t)a->classes * (size_t)a->classes, sizeof *value));
    for (int i = 0; i < a->classes; i++) {
        int64_t images = evaluation_report_class(a, i).images;
        for (int k = 0; k < a->classes; k++)
            value[(size_t)i * (size_t)a->classes + (size_t)k] = images > 0 ? share(*cell(a, i, k), images) : 0;
    }
    snprintf(title, sizeof title, "%lld images of %d classes: top-1 %.2f %%", a->sum.images, a->classes,
             100 * metrics_top1(&a->sum));
    TRY(plot_matrix(png, title, value, (const char *const *)a->name, a->classes));
done:
    free(value);
    return rc;
}
