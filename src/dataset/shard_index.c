/* One pass over the shards: members become samples, samples a dataset in ImageFolder's order. */
#define _GNU_SOURCE
#include "dataset/shards.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/shard_bytes.h"
#include "dataset/shard_info.h"
#include "dataset/source.h"
#include "dataset/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LABELS_MAX 10000000 /* classes; a larger label is none */
#define LABEL_BYTES 64      /* of a .cls */
#define JSON_BYTES 65536    /* a larger one is not looked at */

/** An image with its label. */
typedef struct sample {
    uint64_t name; /* in build.names: "CLASS/FILE" if is_path, else KEY.EXT */
    image_location location;
    int32_t label;
    bool is_path;
} sample;

/** The members of one key, as far as they have come. */
typedef struct group {
    char key[PATH_BYTES];
    bool open, has_image, duplicate;
    bool compound_image, compound_label; /* taken from KEY.PART.jpg or KEY.PART.cls: KEY.jpg and KEY.cls come before */
    char image[PATH_BYTES];              /* the member */
    image_location location;
    int64_t label; /* -1: none yet */
    char filename[PATH_BYTES];
} group;

typedef struct build {
    const shard_list *list;
    text names;
    sample *sample; /* (n) */
    size_t n, capacity;
    group group;
    const char *shard; /* the one being read */
    uint32_t shard_number;
    size_t shard_first;
    int64_t lost, shard_lost, shard_notes;
    char note[512]; /* the first of the shard */
    json_t *info;
} build;

/** One line a shard is enough: the first of what is wrong with it. */
__attribute__((format(printf, 3, 4))) static void note(build *b, int lost, const char *format, ...) {
    va_list args;
    if (b->shard_notes++ == 0) {
        va_start(args, format);
        vsnprintf(b->note, sizeof b->note, format, args);
        va_end(args);
    }
    b->shard_lost += lost;
}

static int add_sample(build *b, const group *g) {
    int rc = OK;
    const char *name = g->filename[0] != 0 ? g->filename : g->image;
    TRY(memory_grow(&b->sample, &b->capacity, b->n + 1, sizeof *b->sample));
    b->sample[b->n] = (sample){b->names.n, g->location, (int32_t)g->label, name == g->filename};
    TRY(text_append(&b->names, name, strlen(name) + 1));
    b->n++;
done:
    return rc;
}

/** The key is complete: an image with a label is a sample, one without is lost. */
static int close_group(build *b) {
    group *g = &b->group;
    int rc = OK;
    if (g->open && g->duplicate)
        note(b, 0, "%s occurs twice; the first is used", g->key);
    if (g->open && g->has_image && g->label >= 0)
        rc = add_sample(b, g);
    else if (g->open && g->has_image)
        note(b, 1, "%s has no label (.cls, or \"label\" in .json)", g->image);
    else if (g->open && g->label >= 0)
        note(b, 1, "%s has a label but no image", g->key);
    g->open = false;
    return rc;
}

/** Bytes of the key: up to the first dot of the base name; 0 when there is none. */
static size_t key_bytes(const char *name) {
    const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name, *dot = strchr(base, '.');
    return dot != NULL && dot > base ? (size_t)(dot - name) : 0;
}

static int read_label(build *b, tar_reader *r, const tar_member *m) {
    char digits[LABEL_BYTES + 1];
    int rc = OK;
    long long label = 0;
    size_t n = m->size < LABEL_BYTES ? (size_t)m->size : LABEL_BYTES, first = 0;
    TRY(tar_read(digits, r, m, 0, n));
    while (n > 0 && (digits[n - 1] == '\n' || digits[n - 1] == '\r' || digits[n - 1] == ' ' || digits[n - 1] == 0))
        n--;
    digits[n] = 0;
    while (digits[first] == ' ')
        first++;
    if (text_to_int(&label, digits + first) && label >= 0 && label < LABELS_MAX)
        b->group.label = label;
    else
        note(b, 0, "%s: '%.32s' is not a label from 0 to %d", m->name, digits, LABELS_MAX - 1);
done:
    return rc;
}

static int read_json(build *b, tar_reader *r, const tar_member *m) {
    char *bytes = NULL;
    int rc = OK;
    if (m->size > JSON_BYTES)
        return OK;
    TRY(memory_resize(&bytes, (size_t)m->size + 1, 1));
    TRY(tar_read(bytes, r, m, 0, (size_t)m->size));
    int64_t label = -1;
    shard_info_sample(b->group.filename, &label, bytes, (size_t)m->size);
    if (!tar_name_is_safe(b->group.filename) || strchr(b->group.filename, '/') == NULL)
        b->group.filename[0] = 0;
    if (b->group.label < 0 && label < LABELS_MAX)
        b->group.label = label; /* a .cls after it has the last word */
done:
    free(bytes);
    return rc;
}

/** compound: KEY.PART.jpg, which is the image of its sample only where there is no KEY.jpg, as in WebDataset. */
static void take_image(build *b, const tar_member *m, bool compound) {
    group *g = &b->group;
    if (g->has_image && compound && !g->compound_image) {
        return;
    } else if (g->has_image && compound == g->compound_image) {
        g->duplicate = true;
    } else if (m->size > UINT32_MAX) {
        note(b, 1, "%s is larger than 4 GiB", m->name);
    } else {
        g->has_image = true;
        g->compound_image = compound;
        snprintf(g->image, sizeof g->image, "%s", m->name);
        g->location = (image_location){.offset = m->data, .bytes = (uint32_t)m->size, .shard = b->shard_number};
    }
}

/** compound: as for an image. */
static int take_label(build *b, tar_reader *r, const tar_member *m, bool compound, bool is_cls) {
    group *g = &b->group;
    if (compound && g->label >= 0)
        return OK;
    if (!compound && g->compound_label)
        g->label = -1;
    g->compound_label = compound;
    return is_cls ? read_label(b, r, m) : read_json(b, r, m);
}

static int take_member(build *b, tar_reader *r, const tar_member *m) {
    group *g = &b->group;
    int rc = OK;
    size_t n = key_bytes(m->name);
    if (m->type != '0') {
        if (m->type == 'S')
            note(b, 1, "%s is a sparse member; it is skipped", m->name);
        return OK;
    }
    const char *dot = strrchr(m->name + n, '.');
    if (n == 0 || dot == NULL)
        return OK; /* as the Python package does */
    if (!tar_name_is_safe(m->name)) {
        note(b, dataset_is_image_name(m->name), "a member's name points outside the archive: %.200s", m->name);
        return OK;
    }
    if (!g->open || strlen(g->key) != n || memcmp(g->key, m->name, n) != 0) {
        TRY(close_group(b));
        *g = (group){.open = true, .label = -1};
        memcpy(g->key, m->name, n);
    }
    bool compound = dot != m->name + n, label = strcasecmp(dot, ".cls") == 0, json = strcasecmp(dot, ".json") == 0;
    if (label || json)
        TRY(take_label(b, r, m, compound, label));
    else if (dataset_is_image_name(m->name))
        take_image(b, m, compound);
done:
    return rc;
}

/** What the shard has lost, and one line about it. Where _info.json tells the shard's length, that decides: damage may
 *  cost a sample twice, its image and its label. */
static void end_shard(build *b) {
    int64_t found = (int64_t)(b->n - b->shard_first), expected = shard_info_length(b->info, b->shard);
    if (expected > found && b->shard_notes == 0)
        note(b, 0, "only %lld of its %lld images were found", (long long)found, (long long)expected);
    if (expected >= 0)
        b->shard_lost = expected > found ? expected - found : 0;
    if (b->shard_notes > 1)
        log_warn("%s/%s: %s (and %lld more problems)", b->list->root, b->shard, b->note, (long long)b->shard_notes - 1);
    else if (b->shard_notes == 1)
        log_warn("%s/%s: %s", b->list->root, b->shard, b->note);
    b->lost += b->shard_lost;
}

static int read_members(build *b, tar_reader *r) {
    int rc = OK;
    tar_member *m = NULL;
    bool more = true;
    TRY(memory_zeroed(&m, 1, sizeof *m));
    while (more) {
        rc = tar_next(&more, m, r);
        if (rc == OK && more)
            rc = take_member(b, r, m);
        if (rc == E_FORMAT) {
            note(b, 1, "%s", status_message());
            TRY(close_group(b));
            TRY(tar_resync(r));
            more = r->at < r->source.size;
        }
        TRY(rc);
    }
    TRY(close_group(b));
done:
    free(m);
    return rc;
}

static int read_shard(build *b, const char *name, uint64_t bytes) {
    int rc = OK;
    char path[PATH_BYTES];
    tar_reader r = {0};
    tar_source s = {.fd = -1, .size = bytes, .name = name};
    TRY(path_join(path, b->list->root, name));
    s.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s.fd < 0)
        return fail_errno(errno, "cannot read %s", path);
    b->shard = name;
    b->shard_first = b->n;
    b->shard_lost = b->shard_notes = 0;
    TRY(tar_reader_init(&r, &s));
    TRY(read_members(b, &r));
    end_shard(b);
    b->shard_number++;
done:
    tar_reader_deinit(&r);
    if (s.fd >= 0)
        close(s.fd);
    return rc;
}

/** By class; then folders in byte order of their path, then the names in each. */
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

/** Whether `s` is one of the kept samples [first, n), which have its name: in one shard by its name, in several only
 *  with the same bytes, as names may start again in every shard. */
static int is_there(bool *out, const build *b, size_t first, size_t n, const sample *s) {
    int rc = OK;
    *out = false;
    for (size_t k = first; rc == OK && !*out && k < n; k++)
        if (b->sample[k].location.shard == s->location.shard)
            *out = true;
        else if (s->is_path)
            rc = shard_same_bytes(out, b->list, &b->sample[k].location, &s->location);
    return rc;
}

/** The first of equal ones stays. */
static int drop_duplicates(build *b) {
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

static int count_classes(dataset *d, const build *b) {
    int rc = OK;
    int32_t most = b->sample[b->n - 1].label;
    TRY(memory_zeroed(&d->class_image_n, (size_t)most + 1, sizeof *d->class_image_n));
    TRY(memory_zeroed(&d->class_name, (size_t)most + 1, sizeof *d->class_name));
    for (size_t i = 0; i < b->n; i++)
        d->class_image_n[b->sample[i].label]++;
    for (int32_t c = 0; c <= most; c++)
        if (d->class_image_n[c] == 0)
            return fail(E_DATA, "%s: the shards of %s have no image with label %d, but some with label %d", d->root,
                        b->list->split, c, most);
done:
    return rc;
}

/** Whether the folder names of all files tell the classes, in the labels' order. Sets them if so. */
static int name_by_folder(bool *named, dataset *d, const build *b) {
    int rc = OK;
    size_t i = 0;
    *named = false;
    int32_t classes = b->sample[b->n - 1].label + 1;
    for (int32_t c = 0; c < classes; c++) {
        const char *name = b->names.data + b->sample[i].name;
        size_t n = strcspn(name, "/");
        for (int64_t k = 0; k < d->class_image_n[c]; k++, i++) {
            const char *other = b->names.data + b->sample[i].name;
            if (!b->sample[i].is_path || strcspn(other, "/") != n || memcmp(other, name, n) != 0)
                return OK;
        }
        char *copy = strndup(name, n);
        if (copy == NULL)
            return fail(E_NOMEM, "out of memory for the names of classes");
        d->class_name[d->class_n++] = copy;
        if (c > 0 && strcmp(d->class_name[c - 1], copy) >= 0)
            return OK;
    }
    *named = true;
    return rc;
}

static int name_by_label(dataset *d, int32_t classes) {
    int rc = OK;
    char number[16];
    int digits = snprintf(number, sizeof number, "%d", classes - 1);
    while (d->class_n > 0)
        free(d->class_name[--d->class_n]);
    for (int32_t c = 0; c < classes; c++) {
        snprintf(number, sizeof number, "%0*d", digits, c);
        TRY(memory_string(&d->class_name[c], number));
        d->class_n++;
    }
done:
    return rc;
}

static int take_images(dataset *d, const build *b, bool named) {
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

static int make_dataset(dataset **out, build *b) {
    int rc = OK;
    bool named = false;
    dataset *d = NULL;
    if (b->n == 0)
        return fail(E_DATA,
                    "%s: no image with a label in its %zu .tar files of %s: expected KEY.jpg and KEY.cls. The "
                    "official archives of ImageNet are not shards: unpack them with linnet prepare imagenet",
                    b->list->root, b->list->n, b->list->split);
    qsort_r(b->sample, b->n, sizeof *b->sample, in_order, b->names.data);
    TRY(drop_duplicates(b));
    TRY(dataset_create(&d, &source_shards, b->list->root));
    TRY(count_classes(d, b));
    TRY(name_by_folder(&named, d, b));
    if (!named)
        TRY(name_by_label(d, b->sample[b->n - 1].label + 1));
    TRY(take_images(d, b, named));
    d->lost_n = b->lost;
    TRY(memory_zeroed(&d->shard_name, b->list->n, sizeof *d->shard_name));
    const char *name = text_string(&b->list->stamps.names);
    for (; d->shard_n < (int)b->list->n; d->shard_n++, name += strlen(name) + 1)
        TRY(memory_string(&d->shard_name[d->shard_n], name));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}

int shard_index_build(dataset **out, const shard_list *l) {
    int rc = OK;
    build *b = NULL;
    TRY(memory_zeroed(&b, 1, sizeof *b));
    b->list = l;
    TRY(shard_info_read(&b->info, l->root));
    const char *name = text_string(&l->stamps.names);
    for (size_t i = 0; i < l->n; i++, name += strlen(name) + 1)
        TRY(read_shard(b, name, l->stamps.stamp[i].changed));
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
