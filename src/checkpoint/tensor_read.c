/* Copies tensors from the storages of a checkpoint. */

#include "checkpoint/layout.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

static size_t entry_count(const tensor_source *source) {
    return source->zip != NULL ? (size_t)source->zip->entry_n : source->storage_n;
}

void tensor_source_deinit(tensor_source *source) {
    for (size_t i = 0; source->cached != NULL && i < entry_count(source); i++)
        free(source->cached[i]);
    free(source->cached);
    free(source->storages);
    source->cached = NULL;
    source->storages = NULL;
}

int tensor_source_order(const void *a, const void *b) {
    const zip_entry *x = a, *y = b;
    int order = memcmp(x->name, y->name, x->name_n < y->name_n ? x->name_n : y->name_n);
    return order != 0 ? order : x->name_n < y->name_n ? -1 : x->name_n > y->name_n;
}

static const zip_entry *storage_find(const tensor_source *source, const value_storage *s) {
    char name[5 + STORAGE_KEY_BYTES] = "data/";
    zip_entry key = {.name = s->key, .name_n = s->key_n};
    if (source->zip == NULL)
        return bsearch(&key, source->storages, source->storage_n, sizeof key, tensor_source_order);
    memcpy(name + 5, s->key, s->key_n);
    return zip_find(source->zip, name, 5 + s->key_n);
}

static int storage_read(const tensor_source *source, const zip_entry *entry, void *out) {
    return source->zip != NULL ? zip_read(source->zip, entry, out)
                               : zip_read_at(source->fd, entry->offset, out, (size_t)entry->size);
}

/** Reads a whole storage into memory owned by the source. Each storage is read only once, so memory and time are
 *  limited by the file's size for any number of views. */
static int storage_get(const unsigned char **out, tensor_source *source, const zip_entry *entry) {
    int rc = OK;
    size_t i = (size_t)(entry - (source->zip != NULL ? source->zip->entries : source->storages));
    unsigned char *data = NULL;
    if (source->cached == NULL)
        TRY(memory_zeroed(&source->cached, entry_count(source), sizeof *source->cached));
    if (source->cached[i] == NULL) {
        TRY(memory_resize(&data, (size_t)entry->size, 1));
        TRY(storage_read(source, entry, data));
        source->cached[i] = data; /* now owned by the source */
        data = NULL;
    }
    *out = source->cached[i];
done:
    free(data);
    return rc;
}

static bool is_contiguous(const value_tensor *t) {
    if (t->numel == 0)
        return true;
    int64_t stride = 1;
    for (int i = t->rank; i-- > 0; stride *= t->shape[i])
        if (t->shape[i] != 1 && t->stride[i] != stride)
            return false;
    return true;
}

/** Copies element by element in row-major order; `from` is the element with index 0. numel > 0. */
static void gather(unsigned char *to, const unsigned char *from, const value_tensor *t, size_t size) {
    int64_t index[8] = {0};
    uint64_t at = 0;
    for (uint64_t k = 0; k < t->numel; k++) {
        memcpy(to + k * size, from + at * size, size);
        for (int i = t->rank; i-- > 0;) {
            at += (uint64_t)t->stride[i];
            if (++index[i] < t->shape[i])
                break;
            at -= (uint64_t)t->stride[i] * (uint64_t)t->shape[i];
            index[i] = 0;
        }
    }
}

int tensor_load(ckpt_tensor *out, tensor_source *source, const value_tensor *t) {
    int rc = OK;
    unsigned char *data = NULL;
    char shown[NAME_SHOWN];
    const value_storage *s = t->storage;
    size_t size = ckpt_type_bytes(s->type);
    uint64_t bytes = 0, storage_bytes = 0;
    const zip_entry *entry = storage_find(source, s);
    if (entry == NULL)
        return fail(E_FORMAT, "storage %s is missing", name_shown(shown, s->key, s->key_n));
    if (__builtin_mul_overflow(s->numel, size, &storage_bytes) || storage_bytes > entry->size)
        return fail(E_FORMAT, "storage %s has %llu bytes, too few for its %llu elements",
                    name_shown(shown, s->key, s->key_n), (unsigned long long)entry->size, (unsigned long long)s->numel);
    if (__builtin_mul_overflow(t->numel, size, &bytes) || bytes > source->budget)
        return fail(E_FORMAT, "the tensors need far more memory than the file size: the file is corrupt");
    source->budget -= bytes;
    TRY(memory_resize(&data, (size_t)bytes, 1));
    if (is_contiguous(t) && t->offset == 0 && bytes == entry->size) {
        TRY(storage_read(source, entry, data));
    } else if (bytes > 0) {
        const unsigned char *storage = NULL;
        TRY(storage_get(&storage, source, entry));
        const unsigned char *from = storage + t->offset * size;
        if (is_contiguous(t))
            memcpy(data, from, (size_t)bytes);
        else
            gather(data, from, t, size);
    }
    out->type = s->type;
    out->rank = t->rank;
    memcpy(out->shape, t->shape, sizeof out->shape);
    out->data = data;
    out->bytes = (size_t)bytes;
    data = NULL; /* now owned by the checkpoint */
done:
    free(data);
    return rc;
}
