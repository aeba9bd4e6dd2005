/* Reads all shards once: groups their members to samples, and sorts these into ImageFolder's order. */
#define _GNU_SOURCE
#include "dataset/shards.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/shard_bytes.h"
#include "dataset/shard_classes.h"
#include "dataset/shard_group.h"
#include "dataset/shard_info.h"
#include "dataset/source.h"
#include "dataset/tar.h"
#include "dataset/transfer/unpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Counts the shard's lost samples and prints one warning about it. If _info.json contains the shard's length, the
 *  count is derived from it, since damage could count a sample twice (its image and its label). */
static void end_shard(shard_build *b) {
    char plain[PATH_BYTES]; /* as _info.json names it, also if it was compressed later */
    size_t stem = 0;
    unpack_kind(&stem, b->shard);
    snprintf(plain, sizeof plain, "%.*s.tar", (int)stem, b->shard);
    int64_t found = (int64_t)(b->n - b->shard_first), expected = shard_info_length(b->info, plain);
    if (expected > found && b->shard_notes == 0)
        shard_note(b, 0, "only %lld of the %lld images in _info.json were found", (long long)found,
                   (long long)expected);
    if (expected >= 0)
        b->shard_lost = expected > found ? expected - found : 0;
    if (b->shard_notes > 1)
        log_warn("%s/%s: %s (and %lld more problems)", b->list->root, b->shard, b->note, (long long)b->shard_notes - 1);
    else if (b->shard_notes == 1)
        log_warn("%s/%s: %s", b->list->root, b->shard, b->note);
    b->lost += b->shard_lost;
}

static int read_members(shard_build *b, tar_reader *r) {
    int rc = OK;
    tar_member *m = NULL;
    bool more = true;
    TRY(memory_zeroed(&m, 1, sizeof *m));
    while (more) {
        rc = tar_next(&more, m, r);
        if (rc == OK && more)
            rc = shard_take_member(b, r, m);
        if (rc == E_FORMAT) {
            shard_note(b, 1, "%s", status_message());
            TRY(shard_close_group(b));
            TRY(tar_resync(r));
            more = r->at < r->source.size;
        }
        TRY(rc);
    }
    TRY(shard_close_group(b));
done:
    free(m);
    return rc;
}

static int read_shard(shard_build *b, const char *name) {
    int rc = OK;
    char path[PATH_BYTES];
    bool made = false;
    tar_reader r = {0};
    tar_source s = {.fd = -1, .name = path};
    TRY(path_join(path, b->list->root, name));
    TRY(shard_list_open(&s.fd, &made, b->list, b->shard_number));
    s.size = b->list->stamps.stamp[b->shard_number].changed;
    b->copied += shard_cache_needed(b->list->root, name) ? s.size : 0;
    if (b->copied > 0 && b->list->window == 0)
        TRY(shard_list_check_room(b->list, b->copied));
    b->shard = name;
    b->shard_first = b->n;
    b->shard_lost = b->shard_notes = 0;
    TRY(tar_reader_init(&r, &s));
    r.source.name = name; /* the notes have the folder already */
    TRY(read_members(b, &r));
    end_shard(b);
    shard_cache_progress(&b->list->cache);
    b->shard_number++;
done:
    tar_reader_deinit(&r);
    if (s.fd >= 0)
        close(s.fd);
    return rc;
}

/** Orders by class, then by folder path in byte order, then by file name. */
static int in_order(const void *a, const void *b, void *names) {
    const sample *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    const char *p = (const char *)names + x->name, *q = (const char *)names + y->name;
    const char *p_end = strrchr(p, '/'), *q_end = strrchr(q, '/');
    size_t p_n = p_end != NULL ? (size_t)(p_end - p) : 0, q_n = q_end != NULL ? (size_t)(q_end - q) : 0;
    int order = memcmp(p, q, p_n < q_n ? p_n : q_n);
    if (order == 0 && p_n != q_n)
        order = p_n < q_n ? -1 : 1;
    if (order == 0)
        order = strcmp(p + p_n, q + q_n);
    if (order == 0 && x->location.shard != y->location.shard)
        order = x->location.shard < y->location.shard ? -1 : 1;
    if (order == 0)
        order = x->location.offset < y->location.offset ? -1 : 1;
    return order;
}

/** Whether `s` duplicates one of the kept samples [first, n), which have the same name. Within a shard, the name
 *  suffices. Across shards, only CLASS/FILE names with identical bytes count, since keys may repeat in every shard. */
static int is_there(bool *out, const shard_build *b, size_t first, size_t n, const sample *s) {
    int rc = OK;
    *out = false;
    for (size_t k = first; rc == OK && !*out && k < n; k++)
        if (b->sample[k].location.shard == s->location.shard)
            *out = true;
        else if (s->is_path)
            rc = shard_same_bytes(out, b->list, &b->sample[k].location, &s->location);
    return rc;
}

/** Keeps the first of equal samples. */
static int drop_duplicates(shard_build *b) {
    size_t kept = 0, dropped = 0, shared = 0, first_same = 0;
    const char *first = NULL;
    int rc = OK;
    for (size_t i = 0; i < b->n; i++) {
        const sample *s = &b->sample[i], *last = kept > 0 ? &b->sample[kept - 1] : NULL;
        const char *name = b->names.data + s->name;
        bool same_name = last != NULL && last->label == s->label && strcmp(b->names.data + last->name, name) == 0;
        bool duplicate = false;
        if (!same_name)
            first_same = kept;
        else
            TRY(is_there(&duplicate, b, first_same, kept, s));
        shared += same_name && s->is_path && !duplicate ? 1 : 0;
        if (duplicate)
            first = dropped++ == 0 ? name : first;
        else
            b->sample[kept++] = *s;
    }
    b->n = kept;
    if (dropped > 0)
        log_warn("%s: %s occurs twice (%zu duplicates in all); the first is used", b->list->root, first, dropped);
    if (shared > 0)
        log_info("%s: %zu images have the same name as an image in another shard; all are used", b->list->root, shared);
done:
    return rc;
}

static int take_images(dataset *d, const shard_build *b, bool named) {
    int rc = OK;
    text names = {0};
    TRY(memory_resize(&d->name, b->n, sizeof *d->name));
    TRY(memory_resize(&d->label, b->n, sizeof *d->label));
    TRY(memory_resize(&d->location, b->n, sizeof *d->location));
    for (size_t i = 0; i < b->n; i++) {
        const sample *s = &b->sample[i];
        const char *name = b->names.data + s->name, *class_name = d->class_name[s->label];
        d->name[i] = names.n;
        d->label[i] = s->label;
        d->location[i] = s->location;
        if (!named) {
            TRY(text_append(&names, class_name, strlen(class_name)));
            TRY(text_append(&names, "/", 1));
        }
        TRY(text_append(&names, name, strlen(name) + 1));
    }
    d->image_n = (int64_t)b->n;
    d->names = names.data;
    names = (text){0}; /* now owned by d */
done:
    text_deinit(&names);
    return rc;
}

static int make_dataset(dataset **out, shard_build *b) {
    int rc = OK;
    bool named = false;
    dataset *d = NULL;
    shard_labels labels = {0};
    if (b->n == 0)
        return b->image_key[0] != 0 && b->seen[0] != 0
                   ? fail(E_DATA, "%s: no sample has an image named %s (data.image_key); the first sample has %s",
                          b->list->root, b->image_key, b->seen)
                   : fail(E_DATA,
                          "%s: the %zu .tar files of %s contain no image with a label: expected KEY.jpg and KEY.cls. "
                          "Extract archives of class folders and pass the folder; unpack the official ImageNet "
                          "archives with linnet prepare imagenet",
                          b->list->root, b->list->n, b->list->split);
    TRY(shard_labels_resolve(&labels, b));
    qsort_r(b->sample, b->n, sizeof *b->sample, in_order, b->names.data);
    TRY(drop_duplicates(b));
    TRY(dataset_create(&d, &source_shards, b->list->root));
    TRY(shard_classes_set(&named, d, b->sample, b->n, b->names.data, &labels, b->list->split));
    TRY(take_images(d, b, named));
    d->lost_n = b->lost;
    TRY(memory_zeroed(&d->shard_name, b->list->n, sizeof *d->shard_name));
    const char *name = text_string(&b->list->stamps.names);
    for (; d->shard_n < (int)b->list->n; d->shard_n++, name += strlen(name) + 1)
        TRY(memory_string(&d->shard_name[d->shard_n], name));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    free(labels.name);
    dataset_close(d);
    return rc;
}

int shard_index_build(dataset **out, shard_list *l) {
    int rc = OK;
    shard_build *b = NULL;
    TRY(memory_zeroed(&b, 1, sizeof *b));
    b->list = l;
    b->image_key = l->image_key;
    TRY(shard_info_read(&b->info, l->root));
    const char *name = text_string(&l->stamps.names);
    for (size_t i = 0; i < l->n; i++, name += strlen(name) + 1)
        TRY(read_shard(b, name));
    TRY(make_dataset(out, b));
done:
    if (b != NULL) {
        text_deinit(&b->names);
        free(b->sample);
        json_decref(b->info);
        free(b);
    }
    return rc;
}
