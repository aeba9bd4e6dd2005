#include "dataset/index.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/tar.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 2 /* whatever changes the bytes, or what the walk makes of folders, changes this */
#define BYTE_ORDER_MARK 0x01020304u

typedef struct header {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t bytes, checksum;
    uint64_t path_bytes, folder_n, folder_names_bytes, class_n, class_names_bytes, image_n, names_bytes;
    uint64_t place_n, lost_n;
} header;

_Static_assert(sizeof(header) == DATASET_INDEX_HEADER, "as index.h says");

static const char magic[8] = {'l', 'i', 'n', 'n', 'e', 't', 'i', 'x'};

static uint64_t nanoseconds(struct timespec t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }

folder_stamp folder_stamp_of(const struct stat *st) {
    return (folder_stamp){
        .inode = (uint64_t)st->st_ino, .modified = nanoseconds(st->st_mtim), .changed = nanoseconds(st->st_ctim)};
}

folder_stamp shard_stamp_of(const struct stat *st) {
    return (folder_stamp){.modified = nanoseconds(st->st_mtim), .changed = (uint64_t)st->st_size};
}

int folder_stamps_add(folder_stamps *f, const char *name, folder_stamp stamp) {
    int rc = OK;
    TRY(memory_grow(&f->stamp, &f->capacity, f->n + 1, sizeof *f->stamp));
    TRY(text_append(&f->names, name, strlen(name) + 1));
    f->stamp[f->n++] = stamp;
done:
    return rc;
}

void folder_stamps_deinit(folder_stamps *f) {
    free(f->stamp);
    text_deinit(&f->names);
    *f = (folder_stamps){0};
}

void dataset_index_seal(unsigned char *bytes, size_t n) {
    header h;
    assert(n >= sizeof h);
    memcpy(&h, bytes, sizeof h);
    h.bytes = n;
    h.checksum = hash_words(bytes + sizeof h, n - sizeof h);
    memcpy(bytes, &h, sizeof h);
}

int dataset_index_encode(text *out, const dataset *d, const folder_stamps *f, const char *path) {
    int rc = OK;
    size_t names_bytes = 0, class_names_bytes = 0;
    for (int c = 0; c < d->class_n; c++)
        class_names_bytes += strlen(d->class_name[c]) + 1;
    if (d->image_n > 0)
        names_bytes = (size_t)d->name[d->image_n - 1] + strlen(dataset_name(d, d->image_n - 1)) + 1;
    header h = {.version = VERSION,
                .byte_order = BYTE_ORDER_MARK,
                .path_bytes = strlen(path) + 1,
                .folder_n = f->n,
                .folder_names_bytes = f->names.n,
                .class_n = (uint64_t)d->class_n,
                .class_names_bytes = class_names_bytes,
                .image_n = (uint64_t)d->image_n,
                .names_bytes = names_bytes,
                .place_n = d->place != NULL ? (uint64_t)d->image_n : 0,
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
    TRY(text_append(out, d->place, (size_t)h.place_n * sizeof *d->place));
    dataset_index_seal((unsigned char *)out->data, out->n);
done:
    return rc;
}

/** What is left to read. */
typedef struct cursor {
    const unsigned char *at;
    size_t n;
} cursor;

/** The next `count` pieces of `size` bytes; NULL when there are not so many. */
static const unsigned char *take(cursor *c, uint64_t count, size_t size) {
    const unsigned char *at = c->at;
    if (count > c->n / size)
        return NULL;
    c->at += count * size;
    c->n -= (size_t)count * size;
    return at;
}

/** Whether the block is `count` strings, each ended by 0. */
static bool is_strings(const unsigned char *block, uint64_t bytes, uint64_t count) {
    if (count == 0 || bytes < count || block[bytes - 1] != 0)
        return false;
    const unsigned char *end = block + bytes;
    for (; block < end && count > 0; count--)
        block = (const unsigned char *)memchr(block, 0, (size_t)(end - block)) + 1;
    return block == end && count == 0;
}

/** The parts of an index, in the caller's bytes. */
typedef struct parts {
    header h;
    const unsigned char *path, *stamps, *folder_names, *class_names, *class_images, *names, *places;
} parts;

static bool find_parts(parts *p, const unsigned char *bytes, size_t n) {
    header *h = &p->h;
    if (n < sizeof *h)
        return false;
    memcpy(h, bytes, sizeof *h);
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->version != VERSION || h->byte_order != BYTE_ORDER_MARK ||
        h->bytes != n || h->checksum != hash_words(bytes + sizeof *h, n - sizeof *h))
        return false;
    cursor c = {.at = bytes + sizeof *h, .n = n - sizeof *h};
    return (p->path = take(&c, h->path_bytes, 1)) != NULL &&
           (p->stamps = take(&c, h->folder_n, sizeof(folder_stamp))) != NULL &&
           (p->folder_names = take(&c, h->folder_names_bytes, 1)) != NULL &&
           (p->class_names = take(&c, h->class_names_bytes, 1)) != NULL &&
           (p->class_images = take(&c, h->class_n, sizeof(int64_t))) != NULL &&
           (p->names = take(&c, h->names_bytes, 1)) != NULL &&
           (p->places = take(&c, h->place_n, sizeof(image_place))) != NULL && c.n == 0 &&
           is_strings(p->path, h->path_bytes, 1) && is_strings(p->folder_names, h->folder_names_bytes, h->folder_n) &&
           is_strings(p->class_names, h->class_names_bytes, h->class_n) && h->class_n <= INT32_MAX &&
           is_strings(p->names, h->names_bytes, h->image_n) && (h->place_n == h->image_n || h->place_n == 0) &&
           (h->place_n > 0 ? h->lost_n <= INT64_MAX / 2 : h->lost_n == 0 && p->folder_names[0] == 0);
}

/** Names in byte order, without '/'; each with images, together as many as there are. */
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
            return fail(E_FORMAT, "a class of the index");
        left -= images;
        TRY(memory_string(&d->class_name[c], name));
        d->class_n++;
        name += strlen(name) + 1;
    }
    if (left != 0)
        rc = fail(E_FORMAT, "the number of images in the index");
done:
    return rc;
}

/** Names that start with their class. */
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
                return fail(E_FORMAT, "an image of the index");
            d->label[d->image_n] = c;
            d->name[d->image_n++] = at;
            at += strlen(name) + 1;
        }
    }
done:
    return rc;
}

static int read_folders(folder_stamps *f, const parts *p) {
    int rc = OK;
    const char *name = (const char *)p->folder_names;
    for (uint64_t i = 0; i < p->h.folder_n; i++) {
        folder_stamp stamp;
        memcpy(&stamp, p->stamps + i * sizeof stamp, sizeof stamp);
        TRY(folder_stamps_add(f, name, stamp));
        name += strlen(name) + 1;
    }
done:
    return rc;
}

/** Shards: plain names of files; every image lies behind a header and within its shard. */
static int read_places(dataset *d, const parts *p, const folder_stamps *f) {
    int rc = OK;
    const char *name = (const char *)p->folder_names;
    TRY(memory_zeroed(&d->shard_name, f->n, sizeof *d->shard_name));
    for (size_t i = 0; i < f->n; i++) {
        if (name[0] == 0 || strchr(name, '/') != NULL || f->stamp[i].inode != 0 || f->n > INT32_MAX)
            return fail(E_FORMAT, "a shard of the index");
        TRY(memory_string(&d->shard_name[i], name));
        d->shard_n++;
        name += strlen(name) + 1;
    }
    TRY(memory_resize(&d->place, (size_t)d->image_n, sizeof *d->place));
    memcpy(d->place, p->places, (size_t)d->image_n * sizeof *d->place);
    for (int64_t i = 0; i < d->image_n; i++) {
        image_place at = d->place[i];
        if (at.shard >= f->n || at.offset < TAR_BLOCK || at.offset > f->stamp[at.shard].changed ||
            at.bytes > f->stamp[at.shard].changed - at.offset)
            return fail(E_FORMAT, "the place of an image in the index");
    }
    d->lost_n = (int64_t)p->h.lost_n;
done:
    return rc;
}

int dataset_index_decode(dataset **out, folder_stamps *f, const unsigned char *bytes, size_t n, const char *path,
                         const char *root) {
    int rc = OK;
    parts p;
    dataset *d = NULL;
    if (!find_parts(&p, bytes, n))
        return fail(E_FORMAT, "no index of this version, or a damaged one");
    if (strcmp((const char *)p.path, path) != 0)
        return fail(E_FORMAT, "the index of another folder");
    TRY(memory_zeroed(&d, 1, sizeof *d));
    TRY(memory_string(&d->root, root));
    TRY(read_classes(d, &p));
    TRY(read_images(d, &p));
    TRY(read_folders(f, &p));
    if (p.h.place_n > 0)
        TRY(read_places(d, &p, f));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}
