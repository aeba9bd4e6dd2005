#include "dataset/dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/clutter.h"
#include "dataset/read.h"
#include "dataset/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAMES_SHOWN = 5 }; /* at most, in a message */

/** The containers, in the order in which they are tried. */
static const source *const sources[] = {&source_shards, &source_folder};

bool dataset_is_image_name(const char *name) {
    const char *suffix = strrchr(name, '.');
    size_t n = suffix != NULL ? strlen(suffix) : 0;
    if (clutter_is_file(name))
        return false;
    for (const char *s = DATASET_SUFFIXES " "; n > 0 && *s != 0; s += strcspn(s, " ") + 1)
        if (strcspn(s, " ") == n && strncasecmp(s, suffix, n) == 0)
            return true;
    return false;
}

int dataset_open_request(dataset **out, const dataset_request *r) {
    int rc = OK;
    *out = NULL;
    for (size_t i = 0; i < sizeof sources / sizeof *sources && *out == NULL; i++)
        TRY(sources[i]->list(out, r));
done:
    return rc;
}

int dataset_open(dataset **out, const char *root, const char *split) {
    return dataset_open_request(out, &(dataset_request){.root = root, .split = split});
}

int dataset_create(dataset **out, const source *s, const char *root) {
    int rc = OK;
    dataset *d = NULL;
    TRY(memory_zeroed(&d, 1, sizeof *d));
    d->source = s;
    TRY(memory_string(&d->root, root));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}

int dataset_empty(dataset **out, const dataset *like) {
    int rc = OK;
    dataset *d = NULL;
    TRY(dataset_create(&d, &source_folder, like->root));
    TRY(memory_zeroed(&d->class_name, (size_t)like->class_n, sizeof *d->class_name));
    TRY(memory_zeroed(&d->class_image_n, (size_t)like->class_n, sizeof *d->class_image_n));
    for (; d->class_n < like->class_n; d->class_n++)
        TRY(memory_string(&d->class_name[d->class_n], like->class_name[d->class_n]));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}

static void strings_free(char **list, int n) {
    for (int i = 0; list != NULL && i < n; i++)
        free(list[i]);
    free(list);
}

void dataset_close(dataset *d) {
    if (d == NULL)
        return;
    if (d->source->close != NULL)
        d->source->close(d);
    strings_free(d->class_name, d->class_n);
    strings_free(d->class_passed, d->class_n);
    free(d->class_image_n);
    free(d->names);
    free(d->name);
    free(d->label);
    for (int i = 0; i < d->shard_n; i++)
        free(d->shard_name[i]);
    free(d->shard_name);
    free(d->location);
    free(d->root);
    free(d);
}

const char *dataset_name(const dataset *d, int64_t i) { return d->names + d->name[i]; }

int dataset_path(char *out, const dataset *d, int64_t i) { return d->source->path(out, d, i); }

int64_t dataset_image_bytes(const dataset *d, int64_t i) { return d->source->bytes(d, i); }

int dataset_read(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i, size_t limit) {
    char path[PATH_BYTES];
    int rc = OK, tries = 0;
    if (dataset_path(path, d, i) != OK)
        return fail_context(E_FORMAT, "%s", dataset_name(d, i));
    do
        rc = d->source->read(bytes, n, b, d, i, limit, path);
    while (rc == E_IO && source_wait(&tries));
    if (rc == E_IO)
        return fail_context(
            rc, "reading still fails after %d retries; the cause is the storage or the system, not the image", tries);
    return rc;
}

void dataset_advise(const dataset *d, const uint32_t *index, int64_t n) {
    if (d->source->advise != NULL)
        d->source->advise(d, index, n);
}

static int by_name(const void *a, const void *b) {
    return strcmp(**(char *const *const *)a, **(char *const *const *)b);
}

/** For each class of `d`, its index among the given names; -1 if it is not one of them. */
static int map_classes(int *to, const dataset *d, char *const *name, int n) {
    int rc = OK;
    char *const **sorted = NULL; /* (n) pointers to the names, in byte order of the names */
    TRY(memory_zeroed(&sorted, (size_t)n, sizeof *sorted));
    for (int c = 0; c < n; c++)
        sorted[c] = &name[c];
    qsort(sorted, (size_t)n, sizeof *sorted, by_name);
    for (int c = 0; c < d->class_n; c++) {
        char *const *own = &d->class_name[c], *const **found =
                                                  bsearch(&own, sorted, (size_t)n, sizeof *sorted, by_name);
        to[c] = found != NULL ? (int)(*found - name) : -1;
    }
done:
    free(sorted);
    return rc;
}

/** Checks that all classes of `d` are among the given ones. */
static int check_extra(const dataset *d, const int *to, const char *of) {
    text names = {0};
    int extra = 0, rc = OK;
    for (int c = 0; c < d->class_n; c++)
        if (to[c] < 0 && ++extra <= NAMES_SHOWN)
            TRY(text_printf(&names, "%s%s", extra > 1 ? ", " : "", d->class_name[c]));
    if (extra > 0)
        rc = fail(E_DATA,
                  "%s has %d class%s that %s does not have: %s%s. A model cannot predict these classes: remove their "
                  "images, or add the classes to %s",
                  d->root, extra, extra == 1 ? "" : "es", of, text_string(&names), extra > NAMES_SHOWN ? ", ..." : "",
                  of);
done:
    text_deinit(&names);
    return rc;
}

/** Image `i` of a dataset becomes image `at` of one that is being filled. */
static void move_image(dataset *to, int64_t at, const dataset *from, int64_t i) {
    to->name[at] = from->name[i];
    to->label[at] = from->label[i];
    if (from->location != NULL)
        to->location[at] = from->location[i];
}

/** Sorts the images by their new classes. own: for each of the n classes, its index in `d`; -1: it has no images. */
static int order_images(dataset *d, const int *own, int n) {
    dataset sorted = {0};
    int64_t *first = NULL, at = 0;
    int rc = OK;
    TRY(memory_zeroed(&first, (size_t)d->class_n + 1, sizeof *first));
    for (int c = 0; c < d->class_n; c++)
        first[c + 1] = first[c] + d->class_image_n[c];
    TRY(memory_zeroed(&sorted.name, (size_t)d->image_n, sizeof *sorted.name));
    TRY(memory_zeroed(&sorted.label, (size_t)d->image_n, sizeof *sorted.label));
    if (d->location != NULL)
        TRY(memory_zeroed(&sorted.location, (size_t)d->image_n, sizeof *sorted.location));
    for (int c = 0; c < n; c++)
        for (int64_t i = own[c] < 0 ? 0 : first[own[c]], end = own[c] < 0 ? 0 : first[own[c] + 1]; i < end; i++, at++) {
            move_image(&sorted, at, d, i);
            sorted.label[at] = c;
        }
    free(d->name);
    free(d->label);
    free(d->location);
    d->name = sorted.name;
    d->label = sorted.label;
    d->location = sorted.location;
    sorted = (dataset){0}; /* now owned by d */
done:
    free(sorted.name);
    free(sorted.label);
    free(sorted.location);
    free(first);
    return rc;
}

int dataset_use_classes(dataset *d, char *const *name, int n, const char *of) {
    char **names = NULL, **passed = NULL;
    int64_t *images = NULL;
    int *to = NULL, *own = NULL, rc = OK;
    TRY(memory_zeroed(&to, (size_t)d->class_n, sizeof *to));
    TRY(memory_zeroed(&own, (size_t)n, sizeof *own));
    TRY(map_classes(to, d, name, n));
    TRY(check_extra(d, to, of));
    TRY(memory_zeroed(&names, (size_t)n, sizeof *names));
    TRY(memory_zeroed(&images, (size_t)n, sizeof *images));
    TRY(memory_zeroed(&passed, (size_t)n, sizeof *passed));
    for (int c = 0; c < n; c++) {
        own[c] = -1;
        TRY(memory_string(&names[c], name[c]));
    }
    for (int c = 0; c < d->class_n; c++)
        own[to[c]] = c;
    TRY(order_images(d, own, n));
    for (int c = 0; c < d->class_n; c++) {
        images[to[c]] = d->class_image_n[c];
        if (d->class_passed != NULL) {
            passed[to[c]] = d->class_passed[c];
            d->class_passed[c] = NULL; /* now owned by `passed` */
        }
    }
    strings_free(d->class_name, d->class_n);
    strings_free(d->class_passed, d->class_n);
    free(d->class_image_n);
    d->class_name = names;
    d->class_passed = passed;
    d->class_image_n = images;
    d->class_n = n;
    names = passed = NULL; /* now owned by d */
    images = NULL;
done:
    strings_free(names, n);
    strings_free(passed, n);
    free(images);
    free(to);
    free(own);
    return rc;
}

void dataset_keep(dataset *d, const bool *keep) {
    int64_t kept = 0;
    memset(d->class_image_n, 0, (size_t)d->class_n * sizeof *d->class_image_n);
    for (int64_t i = 0; i < d->image_n; i++)
        if (keep[i]) {
            move_image(d, kept++, d, i);
            d->class_image_n[d->label[i]]++;
        }
    d->image_n = kept;
}
