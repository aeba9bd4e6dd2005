#define _GNU_SOURCE
#include "dataset/shard_group.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/dataset.h"
#include "dataset/shard_info.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LABELS_MAX 10000000 /* limit of classes; a larger label is invalid */
#define LABEL_BYTES 256     /* of a .cls */
#define JSON_BYTES 65536    /* a larger .json is ignored */

void shard_note(shard_build *b, int lost, const char *format, ...) {
    va_list args;
    if (b->shard_notes++ == 0) {
        va_start(args, format);
        vsnprintf(b->note, sizeof b->note, format, args);
        va_end(args);
    }
    b->shard_lost += lost;
}

static int add_sample(shard_build *b, const shard_group *g) {
    int rc = OK;
    const char *name = g->filename[0] != 0 ? g->filename : g->image;
    TRY(memory_grow(&b->sample, &b->capacity, b->n + 1, sizeof *b->sample));
    b->sample[b->n] = (sample){
        .name = b->names.n, .location = g->location, .label = (int32_t)g->label, .is_path = name == g->filename};
    TRY(text_append(&b->names, name, strlen(name) + 1));
    b->sample[b->n].label_name = b->names.n;
    if (g->label == LABEL_TEXT)
        TRY(text_append(&b->names, g->label_name, strlen(g->label_name) + 1));
    b->n++;
done:
    return rc;
}

int shard_close_group(shard_build *b) {
    shard_group *g = &b->group;
    int rc = OK;
    if (g->open && g->duplicate)
        shard_note(b, 0, "%s occurs twice; the first is used", g->key);
    bool labelled = g->label != LABEL_NONE;
    if (g->open && g->ambiguous)
        return fail(E_DATA, "%s/%s: the sample %s has several images (%s): select one with data.image_key",
                    b->list->root, b->shard, g->key, g->images);
    if (g->open && !g->has_image && g->images[0] != 0) {
        shard_note(b, 1, "%s has no image %s (data.image_key), only %s", g->key, b->image_key, g->images);
        if (b->seen[0] == 0)
            memcpy(b->seen, g->images, sizeof b->seen);
    } else if (g->open && g->has_image && labelled)
        rc = add_sample(b, g);
    else if (g->open && g->has_image)
        shard_note(b, 1, "%s has no label (.cls, or \"label\" in .json)", g->image);
    else if (g->open && labelled)
        shard_note(b, 1, "%s has a label but no image", g->key);
    g->open = false;
    return rc;
}

/** Length of the key: up to the first dot of the base name; 0 if there is none. */
static size_t key_bytes(const char *name) {
    const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name, *dot = strchr(base, '.');
    return dot != NULL && dot > base ? (size_t)(dot - name) : 0;
}

/** Whether a label is the name of a class: printable, not empty, and usable as the name of a folder. */
static bool is_name(const char *label) {
    for (const char *p = label; *p != 0; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return false;
    return label[0] != 0 && strchr(label, '/') == NULL && strcmp(label, ".") != 0 && strcmp(label, "..") != 0;
}

static int read_label(shard_build *b, tar_reader *r, const tar_member *m) {
    char label_text[LABEL_BYTES + 1];
    int rc = OK;
    long long label = 0;
    size_t n = m->size < LABEL_BYTES ? (size_t)m->size : LABEL_BYTES, first = 0;
    TRY(tar_read(label_text, r, m, 0, n));
    while (n > 0 && (label_text[n - 1] == '\n' || label_text[n - 1] == '\r' || label_text[n - 1] == ' ' ||
                     label_text[n - 1] == 0))
        n--;
    label_text[n] = 0;
    while (label_text[first] == ' ')
        first++;
    bool number = text_to_int(&label, label_text + first),
         name = strlen(label_text) == n && is_name(label_text + first);
    if (number && label >= 0 && label < LABELS_MAX) {
        b->group.label = label;
    } else if (!number && name && m->size <= LABEL_BYTES) {
        b->group.label = LABEL_TEXT;
        memcpy(b->group.label_name, label_text + first, n - first + 1);
    } else {
        shard_note(b, 0, "%s: '%.32s' is neither a label from 0 to %d nor the name of a class", m->name, label_text,
                   LABELS_MAX - 1);
    }
done:
    return rc;
}

static int read_json(shard_build *b, tar_reader *r, const tar_member *m) {
    char *bytes = NULL;
    int rc = OK;
    if (m->size > JSON_BYTES)
        return OK;
    TRY(memory_resize(&bytes, (size_t)m->size + 1, 1));
    TRY(tar_read(bytes, r, m, 0, (size_t)m->size));
    int64_t label = -1;
    TRY(shard_info_sample(b->group.filename, &label, bytes, (size_t)m->size));
    const char *slash = strrchr(b->group.filename, '/');
    if (slash == NULL || slash[1] == 0 || !tar_name_is_safe(b->group.filename))
        b->group.filename[0] = 0; /* not CLASS/NAME */
    if (b->group.label == LABEL_NONE && label >= 0 && label < LABELS_MAX)
        b->group.label = label; /* a later .cls replaces it */
done:
    free(bytes);
    return rc;
}

/** compound: KEY.PART.jpg. As in WebDataset, it is the sample's image only if there is no KEY.jpg. With data.image_key
 *  the image is the one with that name behind KEY. */
static void take_image(shard_build *b, const tar_member *m, const char *behind_key, bool compound) {
    shard_group *g = &b->group;
    bool again = g->has_image && strcasecmp(behind_key, g->image + strlen(g->key) + 1) == 0;
    size_t n = strlen(g->images);
    if (!again)
        snprintf(g->images + n, sizeof g->images - n, "%s%s", n > 0 ? ", " : "", behind_key);
    if (b->image_key[0] != 0 && strcasecmp(behind_key, b->image_key) != 0)
        return;
    if (g->has_image && compound && !g->compound_image) {
        return;
    } else if (g->has_image && compound == g->compound_image) {
        g->duplicate = g->duplicate || again;
        g->ambiguous = g->ambiguous || !again;
    } else if (m->size > UINT32_MAX) {
        shard_note(b, 1, "%s is larger than 4 GiB", m->name);
    } else {
        g->has_image = true;
        g->ambiguous = false;
        g->compound_image = compound;
        snprintf(g->image, sizeof g->image, "%s", m->name);
        g->location = (image_location){.offset = m->data, .bytes = (uint32_t)m->size, .shard = b->shard_number};
    }
}

/** compound: as in take_image. */
static int take_label(shard_build *b, tar_reader *r, const tar_member *m, bool compound, bool is_cls) {
    shard_group *g = &b->group;
    if (compound && g->label != LABEL_NONE)
        return OK;
    if (!compound && g->compound_label)
        g->label = LABEL_NONE;
    g->compound_label = compound;
    return is_cls ? read_label(b, r, m) : read_json(b, r, m);
}

int shard_take_member(shard_build *b, tar_reader *r, const tar_member *m) {
    shard_group *g = &b->group;
    int rc = OK;
    size_t n = key_bytes(m->name);
    if (m->type != '0') {
        if (m->type == 'S')
            shard_note(b, 1, "%s is a sparse tar member, which is not supported; it is skipped", m->name);
        return OK;
    }
    const char *dot = strrchr(m->name + n, '.');
    if (n == 0 || dot == NULL)
        return OK; /* ignored, as in the Python package */
    if (!tar_name_is_safe(m->name)) {
        shard_note(b, dataset_is_image_name(m->name), "the name of a tar member points outside the archive: %.200s",
                   m->name);
        return OK;
    }
    if (!g->open || strlen(g->key) != n || memcmp(g->key, m->name, n) != 0) {
        TRY(shard_close_group(b));
        *g = (shard_group){.open = true, .label = LABEL_NONE};
        memcpy(g->key, m->name, n);
    }
    bool compound = dot != m->name + n, label = strcasecmp(dot, ".cls") == 0, json = strcasecmp(dot, ".json") == 0;
    if (label || json)
        TRY(take_label(b, r, m, compound, label));
    else if (dataset_is_image_name(m->name))
        take_image(b, m, m->name + n + 1, compound);
done:
    return rc;
}

static int by_label_name(const void *a, const void *b, void *names) {
    const sample *x = a, *y = b;
    return strcmp((const char *)names + x->label_name, (const char *)names + y->label_name);
}

/** Removes the samples whose labels are names. */
static int drop_names(shard_build *b) {
    size_t kept = 0, dropped = 0;
    const char *first = "";
    for (size_t i = 0; i < b->n; i++) {
        if (b->sample[i].label == LABEL_TEXT)
            first = dropped++ == 0 ? b->names.data + b->sample[i].label_name : first;
        else
            b->sample[kept++] = b->sample[i];
    }
    b->n = kept;
    b->lost += (int64_t)dropped;
    log_warn("%s: %zu labels of %s are class names, such as '%s', but the other labels are numbers: the samples with "
             "class names are omitted",
             b->list->root, dropped, b->list->split, first);
    return OK;
}

int shard_labels_resolve(shard_labels *out, shard_build *b) {
    int rc = OK;
    size_t names = 0, capacity = 0;
    const char *last = NULL;
    for (size_t i = 0; i < b->n; i++)
        names += b->sample[i].label == LABEL_TEXT;
    if (names == 0)
        return OK;
    if (names < b->n)
        return drop_names(b);
    qsort_r(b->sample, b->n, sizeof *b->sample, by_label_name, b->names.data);
    for (size_t i = 0; i < b->n; i++) {
        const char *name = b->names.data + b->sample[i].label_name;
        if (last == NULL || strcmp(last, name) != 0) {
            if (out->n >= LABELS_MAX)
                return fail(E_DATA, "%s has more than %d classes", b->list->root, LABELS_MAX);
            TRY(memory_grow(&out->name, &capacity, out->n + 1, sizeof *out->name));
            out->name[out->n++] = name;
        }
        b->sample[i].label = (int32_t)(out->n - 1);
        last = name;
    }
done:
    return rc;
}
