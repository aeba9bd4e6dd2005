#define _GNU_SOURCE
#include "training/class_weights.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/splits/delimited.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX ((size_t)64 << 20)

bool class_weights_on(const char *option) { return option[0] != 0 && strcmp(option, "none") != 0; }

static void balance(double *weight, const dataset *d) {
    int present = 0;
    for (int k = 0; k < d->class_n; k++)
        present += d->class_image_n[k] > 0;
    for (int k = 0; k < d->class_n; k++)
        if (d->class_image_n[k] > 0)
            weight[k] = (double)d->image_n / ((double)present * (double)d->class_image_n[k]);
}

static int by_name(const void *a, const void *b, void *names) {
    char *const *name = names;
    return strcmp(name[*(const int *)a], name[*(const int *)b]);
}

/** The class of that name, or -1. sorted: all classes, by name. */
static int class_of(const dataset *d, const int *sorted, const char *name) {
    int low = 0, high = d->class_n;
    while (low < high) {
        int middle = low + (high - low) / 2, order = strcmp(d->class_name[sorted[middle]], name);
        if (order == 0)
            return sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static bool is_header(char *const *field, int n) {
    return n == 2 && strcasecmp(field[0], "class") == 0 && strcasecmp(field[1], "weight") == 0;
}

/** Sets the weight of one row; those not yet set are -1. */
static int take_row(double *weight, const dataset *d, const int *sorted, const char *file, char *const *field, int n,
                    size_t line) {
    double w = 0;
    if (n != 2)
        return fail(E_FORMAT, "%s:%zu: expected a row class,weight, but the row has %d column%s", file, line, n,
                    n == 1 ? "" : "s");
    if (!text_to_double(&w, field[1]) || !(w >= 0 && w <= 1e30))
        return fail(E_FORMAT, "%s:%zu: the weight of class '%s' must be a number of 0 or more, not '%s'", file, line,
                    field[0], field[1]);
    int k = class_of(d, sorted, field[0]);
    if (k < 0)
        return fail(E_DATA, "%s:%zu: the class '%s' does not exist in %s: remove the row or correct the name", file,
                    line, field[0], d->root);
    if (weight[k] >= 0)
        return fail(E_FORMAT, "%s:%zu: a second row for class '%s': remove one of them", file, line, field[0]);
    weight[k] = w;
    return OK;
}

static int read_rows(double *weight, const dataset *d, const int *sorted, const char *file, delimited *rows) {
    char *field[2];
    size_t line = 0;
    int rc = OK, n = 0;
    for (bool first = true;; first = false) {
        rc = delimited_next(rows, field, 2, &n, &line);
        if (rc != OK)
            return fail_context(rc, "%s", file);
        if (n == 0)
            return OK;
        if (!first || !is_header(field, n))
            TRY(take_row(weight, d, sorted, file, field, n, line));
    }
done:
    return rc;
}

static int check_complete(const double *weight, const dataset *d, const char *file) {
    double sum = 0;
    for (int k = 0; k < d->class_n; k++) {
        if (weight[k] < 0)
            return fail(E_DATA, "%s has no weight for class '%s': add a row class,weight", file, d->class_name[k]);
        sum += weight[k];
    }
    if (sum == 0)
        return fail(E_DATA, "%s: the weights of all classes are 0", file);
    return OK;
}

static int read_file(double *weight, const dataset *d, const char *file) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    int rc = OK, *sorted = NULL;
    if (!file_exists(file))
        return fail(E_NOTFOUND,
                    "optimizer.class_weights: the file %s does not exist: expected none, balanced, or a file with rows "
                    "class,weight",
                    file);
    TRY(file_read(&bytes, &size, file, FILE_MAX));
    if (memchr(bytes, 0, size) != NULL) {
        rc = fail(E_FORMAT, "%s contains zero bytes: save it as UTF-8 text, one row class,weight per class", file);
        goto done;
    }
    TRY(memory_zeroed(&sorted, (size_t)d->class_n, sizeof *sorted));
    for (int k = 0; k < d->class_n; k++) {
        sorted[k] = k;
        weight[k] = -1;
    }
    qsort_r(sorted, (size_t)d->class_n, sizeof *sorted, by_name, d->class_name);
    delimited rows = delimited_begin((char *)bytes, size);
    TRY(read_rows(weight, d, sorted, file, &rows));
    TRY(check_complete(weight, d, file));
done:
    free(sorted);
    free(bytes);
    return rc;
}

int class_weights_make(double **out, const char *option, const dataset *train) {
    double *weight = NULL;
    int rc = OK;
    *out = NULL;
    TRY(memory_zeroed(&weight, (size_t)train->class_n, sizeof *weight));
    if (strcmp(option, "balanced") == 0)
        balance(weight, train);
    else
        TRY(read_file(weight, train, option));
    *out = weight;
    weight = NULL; /* now owned by the caller */
done:
    free(weight);
    return rc;
}

int class_weights_set(engine *e, const char *option, const dataset *train) {
    double *weight = NULL;
    int rc = OK;
    if (!class_weights_on(option))
        return OK;
    TRY(class_weights_make(&weight, option, train));
    TRY(engine_set_class_weights(e, weight));
done:
    free(weight);
    return rc;
}
