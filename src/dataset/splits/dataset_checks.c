#include "dataset/splits/dataset_checks.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/read.h"

#include <string.h>

enum { NAMES_SHOWN = 5, SAMPLES = 64 };

/** Lists the folders with images directly below the folder of the only class, in byte order: "cat, dog". */
static int list_below(text *out, int *n, const dataset *d) {
    int rc = OK;
    const char *last = "";
    size_t last_n = 0;
    *n = 0;
    for (int64_t i = 0; i < d->image_n; i++) {
        const char *name = strchr(dataset_name(d, i), '/') + 1, *slash = strchr(name, '/');
        size_t name_n = slash != NULL ? (size_t)(slash - name) : 0;
        if (slash == NULL || (name_n == last_n && memcmp(name, last, name_n) == 0))
            continue;
        last = name;
        last_n = name_n;
        if (++*n <= NAMES_SHOWN)
            TRY(text_printf(out, "%s%.*s", *n > 1 ? ", " : "", (int)name_n, name));
    }
    if (*n > NAMES_SHOWN)
        TRY(text_printf(out, ", ..."));
done:
    return rc;
}

int dataset_single_class(text *out, const dataset *d) {
    text below = {0};
    int rc = OK, n = 0;
    out->n = 0;
    if (d->class_n != 1)
        return OK;
    const char *name = d->class_name[0];
    TRY(text_printf(out, "%s has only one class, '%s': a model of one class learns nothing (loss 0, top-1 100%%)",
                    d->root, name));
    TRY(list_below(&below, &n, d));
    if (n > 0)
        TRY(text_printf(out,
                        ". The folder of this class contains %d folder%s with images (%s). If these folders are the "
                        "classes, move them one level up: mv '%s/%s'/* '%s' && rmdir '%s/%s'; do the same in val",
                        n, n == 1 ? "" : "s", text_string(&below), d->root, name, d->root, d->root, name));
done:
    text_deinit(&below);
    return rc;
}

int dataset_absent_classes(text *out, int *n, const dataset *d) {
    int rc = OK;
    out->n = 0;
    *n = 0;
    for (int c = 0; c < d->class_n; c++) {
        if (d->class_image_n[c] > 0 || ++*n > NAMES_SHOWN)
            continue;
        const char *passed = d->class_passed != NULL ? d->class_passed[c] : NULL;
        TRY(text_printf(out, "%s%s", *n > 1 ? ", " : "", d->class_name[c]));
        if (passed != NULL)
            TRY(text_printf(out, " (not read because of the suffix: %s)", passed));
    }
    if (*n > NAMES_SHOWN)
        TRY(text_printf(out, ", ..."));
done:
    return rc;
}

/** The index of the training image of class `c` with this name, or -1. first: index of the first image of the class */
static int64_t find_name(const dataset *train, int64_t first, int32_t c, const char *name) {
    for (int64_t i = first; i < first + train->class_image_n[c]; i++)
        if (strcmp(dataset_name(train, i), name) == 0)
            return i;
    return -1;
}

static int compare(bool *same, image_buffer *a, image_buffer *b, const dataset *train, int64_t i, const dataset *val,
                   int64_t k) {
    const unsigned char *x = NULL, *y = NULL;
    size_t x_n = 0, y_n = 0;
    int rc = OK;
    *same = false;
    TRY(dataset_read(&x, &x_n, a, train, i, 0));
    TRY(dataset_read(&y, &y_n, b, val, k, 0));
    *same = x_n == y_n && memcmp(x, y, x_n) == 0;
done:
    return rc == E_FORMAT ? OK : rc; /* the loader reports unreadable images */
}

int dataset_find_overlap(dataset_overlap *out, const dataset *train, const dataset *val) {
    image_buffer a = {0}, b = {0};
    int64_t first = 0, total = val->image_n < SAMPLES ? val->image_n : SAMPLES;
    int32_t c = 0;
    int rc = OK;
    *out = (dataset_overlap){.index = -1};
    for (int64_t s = 0; s < total; s++) {
        int64_t k = s * val->image_n / total;
        bool same = false;
        for (; c < val->label[k]; c++)
            first += train->class_image_n[c];
        int64_t i = find_name(train, first, c, dataset_name(val, k));
        out->sampled++;
        if (i >= 0)
            TRY(compare(&same, &a, &b, train, i, val, k));
        if (same && out->same++ == 0)
            out->index = k;
    }
done:
    image_buffer_deinit(&a);
    image_buffer_deinit(&b);
    return rc;
}

static void warn_passed(const dataset *d) {
    if (d->passed_n > 0 && d->passed_n * 100 >= d->image_n)
        log_warn("%s: %lld files that may be images are not read because of their suffix (%s). Images have the "
                 "suffixes " DATASET_SUFFIXES ": rename or convert these files",
                 d->root, (long long)d->passed_n, d->passed);
}

static int warn_overlap(const dataset *train, const dataset *val) {
    dataset_overlap o;
    int rc = OK;
    TRY(dataset_find_overlap(&o, train, val));
    if (o.same == 0)
        goto done;
    log_warn("%s%d of %d sampled validation images are also training images (same name and bytes, for example %s), so "
             "validation does not measure generalisation. linnet audit lists all duplicates",
             o.same == o.sampled && val->image_n == train->image_n ? "val is a copy of train: " : "", o.same, o.sampled,
             dataset_name(val, o.index));
done:
    return rc;
}

static int warn_train(const dataset *train) {
    text t = {0};
    int rc = OK, n = 0;
    TRY(dataset_single_class(&t, train));
    if (t.n > 0)
        log_warn("%s", text_string(&t));
    TRY(dataset_absent_classes(&t, &n, train));
    if (n > 0)
        log_warn("%s%s has no images of %d of the %d classes of the class list, so the model does not learn them: %s",
                 train->root, train->of, n, train->class_n, text_string(&t));
    warn_passed(train);
done:
    text_deinit(&t);
    return rc;
}

int dataset_warn(const dataset *train, const dataset *val) {
    text t = {0};
    int rc = OK, n = 0;
    if (train != NULL)
        TRY(warn_train(train));
    warn_passed(val);
    TRY(dataset_absent_classes(&t, &n, val));
    if (n > 0 && val->image_n > 0)
        log_warn("%s%s has no images of %d of %d classes, so their accuracy is not measured: %s", val->root, val->of, n,
                 val->class_n, text_string(&t));
    if (train != NULL)
        TRY(warn_overlap(train, val));
done:
    text_deinit(&t);
    return rc;
}
