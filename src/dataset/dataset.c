#include "dataset/dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/read.h"
#include "dataset/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** The containers, in the order in which they are tried. */
static const source *const sources[] = {&source_shards, &source_folder};

bool dataset_is_image_name(const char *name) {
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t k = strlen(suffixes[i]);
        if (n >= k && strcasecmp(name + n - k, suffixes[i]) == 0)
            return true;
    }
    return false;
}

static int open_source(dataset **out, const char *root, const char *split, bool whole) {
    int rc = OK;
    *out = NULL;
    for (size_t i = 0; i < sizeof sources / sizeof *sources && *out == NULL; i++)
        TRY(sources[i]->list(out, root, split, whole));
done:
    return rc;
}

int dataset_open(dataset **out, const char *root, const char *split) { return open_source(out, root, split, false); }

int dataset_open_whole(dataset **out, const char *root, const char *split) {
    return open_source(out, root, split, true);
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

void dataset_close(dataset *d) {
    if (d == NULL)
        return;
    if (d->source->close != NULL)
        d->source->close(d);
    for (int c = 0; c < d->class_n; c++)
        free(d->class_name[c]);
    free(d->class_name);
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

/** Appends a class that one side lacks; the first few are enough. */
static int note_class(text *t, int *count, const char *name) {
    if (++*count > 5)
        return OK;
    return text_printf(t, "%s%s", *count > 1 ? ", " : "", name);
}

int dataset_same_classes(const dataset *train, const dataset *val) {
    int rc = OK, missing = 0, extra = 0;
    text only_train = {0}, only_val = {0};
    for (int a = 0, b = 0; a < train->class_n || b < val->class_n;) {
        int order = a == train->class_n ? 1 : b == val->class_n ? -1 : strcmp(train->class_name[a], val->class_name[b]);
        if (order < 0)
            TRY(note_class(&only_train, &missing, train->class_name[a]));
        else if (order > 0)
            TRY(note_class(&only_val, &extra, val->class_name[b]));
        a += order <= 0;
        b += order >= 0;
    }
    if (missing + extra > 0) {
        text t = {0};
        if (missing > 0)
            text_printf(&t, "; %d only in %s: %s%s", missing, train->root, text_string(&only_train),
                        missing > 5 ? ", ..." : "");
        if (extra > 0)
            text_printf(&t, "; %d only in %s: %s%s", extra, val->root, text_string(&only_val),
                        extra > 5 ? ", ..." : "");
        rc = fail(E_DATA, "class folders differ%s. Both must contain the same classes", text_string(&t));
        text_deinit(&t);
    }
done:
    text_deinit(&only_train);
    text_deinit(&only_val);
    return rc;
}
