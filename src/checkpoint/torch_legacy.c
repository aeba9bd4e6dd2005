/* Reads torch.save's format before PyTorch 1.6. */

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
static const unsigned char magic[] = {0x8a, 10, 'l', 0xfc, 0x9c, 'F', 0xf9, ' ', 'j', 0xa8, 'P', 0x19, '.'};
enum { PROTO_BYTES = 2, FRAME_BYTES = 9, HEAD_BYTES = PROTO_BYTES + FRAME_BYTES + sizeof magic };

/** The size of the first pickle, whose protocol is 2 to 5 (from 4 on with a frame); 0 if the bytes are not the magic
 *  number's. */
static size_t magic_bytes(const unsigned char head[HEAD_BYTES]) {
    size_t at = PROTO_BYTES;
    if (head[0] != 0x80 || head[1] < 2 || head[1] > 5)
        return 0;
    if (head[at] == 0x95)
        at += FRAME_BYTES;
    return memcmp(head + at, magic, sizeof magic) == 0 ? at + sizeof magic : 0;
}

/** Refuses the format before that one, a tar archive of three parts, which released weights have not used for years. */
static int refuse_tar(int fd, uint64_t file_bytes) {
    static const char ustar[] = "ustar";
    char found[sizeof ustar - 1];
    const uint64_t at = 257; /* of the magic in a tar header */
    int rc = OK;
    if (file_bytes < at + sizeof found)
        return OK;
    TRY(zip_read_at(fd, at, found, sizeof found));
    if (memcmp(found, ustar, sizeof found) == 0)
        rc = fail(E_FORMAT, "the file is a tar archive. PyTorch's oldest (tar) format is not supported: load the file "
                            "with PyTorch and save it again");
done:
    return rc;
}

/** Builds the table of the object's storages, sorted by key, with the number of elements in `header` and without
 *  offsets. Several tensors may refer to the same storage. */
static int table_make(tensor_source *source, const pool *values) {
    int rc = OK;
    TRY(memory_zeroed(&source->storages, values->storage_n, sizeof *source->storages));
    for (const value_storage *s = values->storages; s != NULL; s = s->next) {
        uint64_t bytes = 0;
        if (__builtin_mul_overflow(s->numel, ckpt_type_bytes(s->type), &bytes)) {
            rc = fail(E_FORMAT, "a storage has %llu elements, more than the address space can hold",
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

/** Sets the offsets of the storages in the order of `keys`, beginning at byte `at`. */
static int table_place(tensor_source *source, const value *keys, uint64_t at, uint64_t file_bytes) {
    int rc = OK;
    if (keys->kind != VALUE_LIST || keys->list.n != source->storage_n)
        return fail(E_FORMAT, "the list of storages does not match the tensors");
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
            rc = fail(E_FORMAT, "the list of storages does not match the tensors");
            goto done;
        }
        if (file_bytes - at < 8 || file_bytes - at - 8 < e->size) {
            rc = fail(
                E_FORMAT,
                "the storage of %llu bytes at byte %llu extends beyond the end of the file: the copy may be incomplete",
                (unsigned long long)e->size, (unsigned long long)at);
            goto done;
        }
        TRY(zip_read_at(source->fd, at, &count, 8));
        if (count != e->header) {
            rc =
                fail(E_FORMAT, "the storage at byte %llu has a different number of elements from the one in the pickle",
                     (unsigned long long)at);
            goto done;
        }
        e->offset = at + 8;
        at += 8 + e->size;
    }
done:
    return rc;
}

/** Unpickles the object and sets the offsets of its storages. */
static int object_read(value **object, tensor_source *source, pool *values, const unsigned char *bytes, size_t n,
                       uint64_t file_bytes) {
    int rc = OK;
    size_t at = magic_bytes(bytes), used = 0;
    value *v = NULL, *sizes = NULL;
    int64_t protocol = 0;
    TRY(unpickle(&v, &used, values, bytes + at, n - at));
    at += used;
    TRY(unpickle(&sizes, &used, values, bytes + at, n - at));
    at += used;
    const value *little = dict_get(sizes, "little_endian");
    if (!value_int(&protocol, v) || protocol != 1001 || little == NULL || little->kind != VALUE_BOOL || !little->b) {
        rc = fail(E_FORMAT,
                  "unsupported version of torch.save's legacy format, or the file was written on a big-endian machine");
        goto done;
    }
    TRY(unpickle(object, &used, values, bytes + at, n - at));
    at += used;
    TRY(table_make(source, values));
    TRY(unpickle(&v, &used, values, bytes + at, n - at));
    at += used;
    if (v->kind == VALUE_LIST && v->list.n > source->storage_n && values->skipped_n > 0) {
        rc = fail(E_FORMAT, "a storage has a type that linnet does not read, and PyTorch's format before 1.6 does not "
                            "contain its size: load the file with PyTorch and save it again");
        goto done;
    }
    TRY(table_place(source, v, at, file_bytes));
done:
    return rc;
}

int torch_legacy_read(bool *is_legacy, ckpt *c, int fd) {
    int rc = OK;
    struct stat st;
    pool values = {0};
    tensor_source source = {.fd = fd};
    unsigned char head[HEAD_BYTES] = {0}, *bytes = NULL;
    value *object = NULL;
    *is_legacy = false;
    if (fstat(fd, &st) != 0)
        return fail_errno(errno, "cannot read");
    uint64_t file_bytes = (uint64_t)st.st_size;
    size_t n = (size_t)(file_bytes < PICKLE_LIMIT ? file_bytes : PICKLE_LIMIT);
    if (n < PROTO_BYTES + sizeof magic)
        return OK;
    TRY(zip_read_at(fd, 0, head, n < sizeof head ? n : sizeof head));
    *is_legacy = magic_bytes(head) > 0;
    if (!*is_legacy) {
        rc = refuse_tar(fd, file_bytes);
        goto done;
    }
    TRY(memory_resize(&bytes, n, 1));
    TRY(zip_read_at(fd, 0, bytes, n));
    source.budget = TENSOR_BUDGET(file_bytes);
    TRY(object_read(&object, &source, &values, bytes, n, file_bytes));
    layout_list_skipped(c, &values);
    TRY(layout_read(c, object, &source));
done:
    tensor_source_deinit(&source);
    pool_deinit(&values);
    free(bytes);
    return rc;
}
