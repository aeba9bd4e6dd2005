/* Encodes and decodes the index of a dataset. */

#include "dataset/index.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK 0x01020304u

typedef struct header {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t bytes, checksum;
    uint64_t path_bytes, stamp_n, stamp_names_bytes, class_n, class_names_bytes, image_n, names_bytes;
    uint64_t location_n, lost_n;
} header;

_Static_assert(sizeof(header) == DATASET_INDEX_HEADER, "as index.h says");

/** The version changes with every change of the format or of the images that are taken from a folder. */
static uint32_t version_of(const source *s) { return s == &source_folder ? 4 : 2; }

static const char magic[8] = {'l', 'i', 'n', 'n', 'e', 't', 'i', 'x'};

uint64_t stamp_nanoseconds(struct timespec t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }

int file_stamps_add(file_stamps *f, const char *name, file_stamp stamp) {
    int rc = OK;
    TRY(memory_grow(&f->stamp, &f->capacity, f->n + 1, sizeof *f->stamp));
    TRY(text_append(&f->names, name, strlen(name) + 1));
    f->stamp[f->n++] = stamp;
done:
    return rc;
}

void file_stamps_deinit(file_stamps *f) {
    free(f->stamp);
    text_deinit(&f->names);
    *f = (file_stamps){0};
}

void dataset_index_seal(unsigned char *bytes, size_t n) {
    header h;
    assert(n >= sizeof h);
    memcpy(&h, bytes, sizeof h);
    h.bytes = n;
    h.checksum = hash_words(bytes + sizeof h, n - sizeof h);
    memcpy(bytes, &h, sizeof h);
}

int dataset_index_encode(text *out, const dataset *d, const file_stamps *f, const char *path) {
    int rc = OK;
    size_t names_bytes = 0, class_names_bytes = 0;
    for (int c = 0; c < d->class_n; c++)
        class_names_bytes += strlen(d->class_name[c]) + 1;
    if (d->image_n > 0)
        names_bytes = (size_t)d->name[d->image_n - 1] + strlen(dataset_name(d, d->image_n - 1)) + 1;
    header h = {.version = version_of(d->source),
                .byte_order = BYTE_ORDER_MARK,
                .path_bytes = strlen(path) + 1,
                .stamp_n = f->n,
                .stamp_names_bytes = f->names.n,
                .class_n = (uint64_t)d->class_n,
                .class_names_bytes = class_names_bytes,
                .image_n = (uint64_t)d->image_n,
                .names_bytes = names_bytes,
                .location_n = d->location != NULL ? (uint64_t)d->image_n : 0,
                .lost_n = (uint64_t)d->lost_n};
    memcpy(h.magic, magic, sizeof magic);
    out->n = 0;
    TRY(text_append(out, &h, sizeof h));
    TRY(text_append(out, path, strlen(path) + 1));
    TRY(text_append(out, f->stamp, f->n * sizeof *f->stamp));
    TRY(text_append(out, text_string(&f->names), f->names.n));
    for (int c = 0; c < d->class_n; c++)
        TRY(text_append(out, d->class_name[c], strlen(d->class_name[c]) + 1));
    TRY(text_append(out, d->class_image_n, (size_t)d->class_n * sizeof *d->class_image_n));
    TRY(text_append(out, d->names, names_bytes));
    TRY(text_append(out, d->location, (size_t)h.location_n * sizeof *d->location));
    dataset_index_seal((unsigned char *)out->data, out->n);
done:
    return rc;
}

/** The part that remains to be read. */
typedef struct cursor {
    const unsigned char *at;
    size_t n;
} cursor;

/** Takes the next count * size bytes; NULL if fewer remain. */
static const unsigned char *take(cursor *c, uint64_t count, size_t size) {
    const unsigned char *at = c->at;
    if (count > c->n / size)
        return NULL;
    c->at += count * size;
    c->n -= (size_t)count * size;
    return at;
}

/** Whether the block consists of `count` strings, each terminated by 0. */
static bool is_strings(const unsigned char *block, uint64_t bytes, uint64_t count) {
    if (count == 0 || bytes < count || block[bytes - 1] != 0)
        return false;
    const unsigned char *end = block + bytes;
    for (; block < end && count > 0; count--)
        block = (const unsigned char *)memchr(block, 0, (size_t)(end - block)) + 1;
    return block == end && count == 0;
}

/** The parts of an index; they point into the caller's bytes. */
typedef struct parts {
    header h;
    const unsigned char *path, *stamps, *stamp_names, *class_names, *class_images, *names, *locations;
} parts;

static bool find_parts(parts *p, const source *s, const unsigned char *bytes, size_t n) {
    header *h = &p->h;
    if (n < sizeof *h)
        return false;
    memcpy(h, bytes, sizeof *h);
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->version != version_of(s) || h->byte_order != BYTE_ORDER_MARK ||
        h->bytes != n || h->checksum != hash_words(bytes + sizeof *h, n - sizeof *h))
        return false;
    cursor c = {.at = bytes + sizeof *h, .n = n - sizeof *h};
    return (p->path = take(&c, h->path_bytes, 1)) != NULL &&
           (p->stamps = take(&c, h->stamp_n, sizeof(file_stamp))) != NULL &&
           (p->stamp_names = take(&c, h->stamp_names_bytes, 1)) != NULL &&
           (p->class_names = take(&c, h->class_names_bytes, 1)) != NULL &&
           (p->class_images = take(&c, h->class_n, sizeof(int64_t))) != NULL &&
           (p->names = take(&c, h->names_bytes, 1)) != NULL &&
           (p->locations = take(&c, h->location_n, sizeof(image_location))) != NULL && c.n == 0 &&
           is_strings(p->path, h->path_bytes, 1) && is_strings(p->stamp_names, h->stamp_names_bytes, h->stamp_n) &&
           is_strings(p->class_names, h->class_names_bytes, h->class_n) && h->class_n <= INT32_MAX &&
           is_strings(p->names, h->names_bytes, h->image_n) && (h->location_n == h->image_n || h->location_n == 0) &&
           h->lost_n <= INT64_MAX / 2;
}

/** Checks that the names are in byte order and without '/', that each class has images, and that their sum is
 *  image_n. */
static int read_classes(dataset *d, const parts *p) {
    int rc = OK;
    const char *name = (const char *)p->class_names;
    int64_t left = (int64_t)p->h.image_n;
    TRY(memory_zeroed(&d->class_name, (size_t)p->h.class_n, sizeof *d->class_name));
    TRY(memory_zeroed(&d->class_image_n, (size_t)p->h.class_n, sizeof *d->class_image_n));
    memcpy(d->class_image_n, p->class_images, (size_t)p->h.class_n * sizeof *d->class_image_n);
    for (uint64_t c = 0; c < p->h.class_n; c++) {
        int64_t images = d->class_image_n[c];
        if (name[0] == 0 || strchr(name, '/') != NULL || images < 1 || images > left ||
            (c > 0 && strcmp(d->class_name[c - 1], name) >= 0))
            return fail(E_FORMAT, "the index contains an invalid class");
        left -= images;
        TRY(memory_string(&d->class_name[c], name));
        d->class_n++;
        name += strlen(name) + 1;
    }
    if (left != 0)
        rc = fail(E_FORMAT, "the index contains an invalid number of images");
done:
    return rc;
}

/** Checks that each name begins with its class. */
static int read_images(dataset *d, const parts *p) {
    int rc = OK;
    TRY(memory_resize(&d->names, (size_t)p->h.names_bytes, 1));
    memcpy(d->names, p->names, (size_t)p->h.names_bytes);
    TRY(memory_resize(&d->name, (size_t)p->h.image_n, sizeof *d->name));
    TRY(memory_resize(&d->label, (size_t)p->h.image_n, sizeof *d->label));
    uint64_t at = 0;
    for (int c = 0; c < d->class_n; c++) {
        size_t class_bytes = strlen(d->class_name[c]);
        for (int64_t i = 0; i < d->class_image_n[c]; i++) {
            const char *name = d->names + at;
            if (strncmp(name, d->class_name[c], class_bytes) != 0 || name[class_bytes] != '/' ||
                name[class_bytes + 1] == 0)
                return fail(E_FORMAT, "the index contains an invalid image");
            d->label[d->image_n] = c;
            d->name[d->image_n++] = at;
            at += strlen(name) + 1;
        }
    }
done:
    return rc;
}

static int read_stamps(file_stamps *f, const parts *p) {
    int rc = OK;
    const char *name = (const char *)p->stamp_names;
    for (uint64_t i = 0; i < p->h.stamp_n; i++) {
        file_stamp stamp;
        memcpy(&stamp, p->stamps + i * sizeof stamp, sizeof stamp);
        TRY(file_stamps_add(f, name, stamp));
        name += strlen(name) + 1;
    }
done:
    return rc;
}

/* The container checks the shards and offsets. */
static int read_locations(dataset *d, const parts *p) {
    int rc = OK;
    d->lost_n = (int64_t)p->h.lost_n;
    if (p->h.location_n == 0)
        return OK;
    TRY(memory_resize(&d->location, (size_t)p->h.location_n, sizeof *d->location));
    memcpy(d->location, p->locations, (size_t)p->h.location_n * sizeof *d->location);
done:
    return rc;
}

int dataset_index_decode(dataset **out, file_stamps *f, const source *s, const unsigned char *bytes, size_t n,
                         const char *path, const char *root) {
    int rc = OK;
    parts p;
    dataset *d = NULL;
    if (!find_parts(&p, s, bytes, n))
        return fail(E_FORMAT, "the index is damaged or has a different version");
    if (strcmp((const char *)p.path, path) != 0)
        return fail(E_FORMAT, "the index belongs to another folder");
    TRY(dataset_create(&d, s, root));
    TRY(read_classes(d, &p));
    TRY(read_images(d, &p));
    TRY(read_stamps(f, &p));
    TRY(read_locations(d, &p));
    TRY(s->check_index(d, f));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}
