#define _GNU_SOURCE
#include "dataset/shard_classes.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count_classes(dataset *d, const sample *s, size_t n, const char *split) {
    int rc = OK;
    int32_t most = s[n - 1].label;
    TRY(memory_zeroed(&d->class_image_n, (size_t)most + 1, sizeof *d->class_image_n));
    TRY(memory_zeroed(&d->class_name, (size_t)most + 1, sizeof *d->class_name));
    for (size_t i = 0; i < n; i++)
        d->class_image_n[s[i].label]++;
    for (int32_t c = 0; c <= most; c++)
        if (d->class_image_n[c] == 0 && strcmp(split, "val") != 0)
            return fail(E_DATA, "%s: no image of %s has label %d, but some have %d: labels must have no gaps", d->root,
                        split, c, most);
done:
    return rc;
}

/** Names the classes by the folders in the images' paths, if these are unique and ascend with the labels. */
static int name_by_folder(bool *named, dataset *d, const sample *s, size_t sample_n, const char *names) {
    int rc = OK;
    size_t i = 0;
    const char *before = "";
    *named = false;
    int32_t classes = s[sample_n - 1].label + 1;
    for (int32_t c = 0; c < classes; c++) {
        if (d->class_image_n[c] == 0) {
            TRY(memory_string(&d->class_name[d->class_n++], ""));
            continue;
        }
        const char *name = names + s[i].name;
        size_t n = strcspn(name, "/");
        for (int64_t k = 0; k < d->class_image_n[c]; k++, i++) {
            const char *other = names + s[i].name;
            if (!s[i].is_path || strcspn(other, "/") != n || memcmp(other, name, n) != 0)
                return OK;
        }
        char *copy = strndup(name, n);
        if (copy == NULL)
            return fail(E_NOMEM, "out of memory for the names of classes");
        d->class_name[d->class_n++] = copy;
        if (strcmp(before, copy) >= 0)
            return OK;
        before = copy;
    }
    *named = true;
done:
    return rc;
}

/** Removes the classes of val that have no images, because an index contains no such classes. dataset_use_classes adds
 *  them again. */
static void drop_empty(dataset *d, sample *s) {
    int kept = 0;
    size_t at = 0;
    for (int c = 0; c < d->class_n; c++) {
        if (d->class_image_n[c] == 0) {
            free(d->class_name[c]);
            continue;
        }
        for (int64_t i = 0; i < d->class_image_n[c]; i++)
            s[at++].label = kept;
        d->class_name[kept] = d->class_name[c];
        d->class_image_n[kept++] = d->class_image_n[c];
    }
    d->class_n = kept;
}

static int name_by_label(dataset *d, int32_t classes, const shard_labels *labels) {
    int rc = OK;
    char number[16];
    int digits = snprintf(number, sizeof number, "%d", classes - 1);
    while (d->class_n > 0)
        free(d->class_name[--d->class_n]);
    for (int32_t c = 0; c < classes; c++) {
        snprintf(number, sizeof number, "%0*d", digits, c);
        TRY(memory_string(&d->class_name[c], labels->n > 0 ? labels->name[c] : number));
        d->class_n++;
    }
done:
    return rc;
}

int shard_classes_set(bool *named, dataset *d, sample *s, size_t n, const char *names, const shard_labels *labels,
                      const char *split) {
    int rc = OK;
    *named = false;
    TRY(count_classes(d, s, n, split));
    if (labels->n == 0)
        TRY(name_by_folder(named, d, s, n, names));
    if (!*named)
        TRY(name_by_label(d, s[n - 1].label + 1, labels));
    drop_empty(d, s);
done:
    return rc;
}
