#define _GNU_SOURCE
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/layout.h"
#include "checkpoint/unpickle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Source: torch/serialization.py, _legacy_save. Five pickles: a magic number, the protocol 1001, the writer's sizes,
 * the object, the list of storage keys; then for each key an int64 count of elements and the elements. */
static const unsigned char magic[] = {0x80, 2, 0x8a, 10, 'l', 0xfc, 0x9c, 'F', 0xf9, ' ', 'j', 0xa8, 'P', 0x19, '.'};

/** The format before that one, which no released weights have had for years: a tar archive of three parts. */
static int refuse_tar(int fd, uint64_t file_bytes) {
    static const char ustar[] = "ustar";
    char found[sizeof ustar - 1];
    const uint64_t at = 257; /* of the magic in a tar header */
    int rc = OK;
    if (file_bytes < at + sizeof found)
        return OK;
    TRY(zip_read_at(fd, at, found, sizeof found));
    if (memcmp(found, ustar, sizeof found) == 0)
        rc =
            fail(E_FORMAT,
                 "this is a tar archive. If it has torch.save's oldest format, load it with PyTorch and save it again");
done:
    return rc;
}

/** The storages that the object named, sorted by key, with their elements in `header`: still without places. Several
 *  tensors name the same. */
static int table_make(tensor_source *source, const pool *values) {
    int rc = OK;
    TRY(memory_zeroed(&source->storages, values->storage_n, sizeof *source->storages));
    for (const value_storage *s = values->storages; s != NULL; s = s->next) {
        uint64_t bytes = 0;
        if (__builtin_mul_overflow(s->numel, ckpt_type_bytes(s->type), &bytes)) {
            rc = fail(E_FORMAT, "a storage claims %llu elements, more than the address space",
                      (unsigned long long)s->numel);
            goto done;
        }
        source->storages[source->storage_n++] =
            (zip_entry){.name = s->key, .name_n = s->key_n, .header = s->numel, .size = bytes};
    }
    zip_entry *e = source->storages;
    size_t kept = 0;
    qsort(e, source->storage_n, sizeof *e, tensor_source_order);
    for (size_t i = 0; i < source->storage_n; i++) {
        if (kept == 0 || tensor_source_order(&e[kept - 1], &e[i]) != 0)
            e[kept++] = e[i];
        else if (e[kept - 1].size != e[i].size) {
            rc = fail(E_FORMAT, "a storage has two different sizes");
            goto done;
        }
    }
    source->storage_n = kept;
done:
    return rc;
}

/** Gives the storages their places, in the order of `keys`, from byte `at` on. */
static int table_place(tensor_source *source, const value *keys, uint64_t at, uint64_t file_bytes) {
    int rc = OK;
    if (keys->kind != VALUE_LIST || keys->list.n != source->storage_n)
        return fail(E_FORMAT, "its list of storages does not match its tensors");
    for (size_t i = 0; i < keys->list.n; i++) {
        const value *key = keys->list.items[i];
        zip_entry wanted = {0}, *e = NULL;
        uint64_t count = 0;
        if (key->kind == VALUE_STRING) {
            wanted.name = key->string.s;
            wanted.name_n = key->string.n;
            e = bsearch(&wanted, source->storages, source->storage_n, sizeof wanted, tensor_source_order);
        }
        if (e == NULL || e->offset != 0) {
            rc = fail(E_FORMAT, "its list of storages does not match its tensors");
            goto done;
        }
        if (file_bytes - at < 8 || file_bytes - at - 8 < e->size) {
            rc = fail(E_FORMAT, "storage of %llu bytes at byte %llu does not fit in the file: incomplete copy?",
                      (unsigned long long)e->size, (unsigned long long)at);
            goto done;
        }
        TRY(zip_read_at(source->fd, at, &count, 8));
        if (count != e->header) {
            rc = fail(E_FORMAT, "storage at byte %llu has another number of elements than its tensors claim",
                      (unsigned long long)at);
            goto done;
        }
        e->offset = at + 8;
        at += 8 + e->size;
    }
done:
    return rc;
}

/** Unpickles the object and places its storages. */
static int object_read(value **object, tensor_source *source, pool *values, const unsigned char *bytes, size_t n,
                       uint64_t file_bytes) {
    int rc = OK;
    size_t at = sizeof magic, used = 0;
    value *v = NULL, *sizes = NULL;
    int64_t protocol = 0;
    TRY(unpickle(&v, &used, values, bytes + at, n - at));
    at += used;
    TRY(unpickle(&sizes, &used, values, bytes + at, n - at));
    at += used;
    const value *little = dict_get(sizes, "little_endian");
    if (!value_int(&protocol, v) || protocol != 1001 || little == NULL || little->kind != VALUE_BOOL || !little->b) {
        rc = fail(E_FORMAT, "unknown version of torch.save's old format, or written on a big-endian machine");
        goto done;
    }
    TRY(unpickle(object, &used, values, bytes + at, n - at));
    at += used;
    TRY(table_make(source, values));
    TRY(unpickle(&v, &used, values, bytes + at, n - at));
    at += used;
    TRY(table_place(source, v, at, file_bytes));
done:
    return rc;
}

int torch_legacy_read(bool *is_legacy, ckpt *c, int fd) {
    int rc = OK;
    struct stat st;
    pool values = {0};
    tensor_source source = {.fd = fd};
    unsigned char head[sizeof magic], *bytes = NULL;
    value *object = NULL;
    *is_legacy = false;
    if (fstat(fd, &st) != 0)
        return fail_errno(errno, "cannot read");
    uint64_t file_bytes = (uint64_t)st.st_size;
    size_t n = (size_t)(file_bytes < PICKLE_LIMIT ? file_bytes : PICKLE_LIMIT);
    if (n < sizeof magic)
        return OK;
    TRY(zip_read_at(fd, 0, head, sizeof head));
    *is_legacy = memcmp(head, magic, sizeof magic) == 0;
    if (!*is_legacy) {
        rc = refuse_tar(fd, file_bytes);
        goto done;
    }
    TRY(memory_resize(&bytes, n, 1));
    TRY(zip_read_at(fd, 0, bytes, n));
    source.budget = TENSOR_BUDGET(file_bytes);
    TRY(object_read(&object, &source, &values, bytes, n, file_bytes));
    TRY(layout_read(c, object, &source));
done:
    tensor_source_deinit(&source);
    pool_deinit(&values);
    free(bytes);
    return rc;
}
