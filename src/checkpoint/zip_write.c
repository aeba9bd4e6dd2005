#include "checkpoint/zip.h"

#include "base/status.h"

#include <string.h>
#include <zlib.h>

#define SATURATED 0xFFFFFFFFu

/** A header being built from little-endian fields. */
typedef struct fields {
    unsigned char bytes[512];
    size_t n;
} fields;

static void put(fields *f, uint64_t value, int n) {
    for (int i = 0; i < n; i++)
        f->bytes[f->n++] = (unsigned char)(value >> 8 * i);
}

static void put_bytes(fields *f, const void *bytes, size_t n) {
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

int zip_write_open(zip_writer *z, const char *path) {
    *z = (zip_writer){.limit = SATURATED};
    return atomic_open(&z->file, path);
}

void zip_write_abort(zip_writer *z) {
    atomic_abort(&z->file);
    text_deinit(&z->central);
    *z = (zip_writer){.file.fd = -1};
}

/** Appends the fields that local header and directory record have in common, from flags to CRC. */
static void put_common(fields *f, bool zip64, uint32_t crc) {
    put(f, zip64 ? 45 : 20, 2); /* version needed */
    put(f, 0, 2);               /* flags: sizes are in the header, not after the data */
    put(f, 0, 2);               /* stored */
    put(f, 0, 2);               /* 00:00 */
    put(f, 0x21, 2);            /* 1980-01-01, constant, so that equal runs write equal files */
    put(f, crc, 4);
}

static int directory_add(zip_writer *z, const char *name, uint64_t header, uint64_t size, uint32_t crc) {
    fields f = {.n = 0};
    size_t name_n = strlen(name);
    bool big = size >= z->limit, far = header >= z->limit;
    size_t extra_n = (big ? 16u : 0u) + (far ? 8u : 0u);
    put(&f, ZIP_CENTRAL, 4);
    put(&f, 45, 2); /* made by */
    put_common(&f, big || far, crc);
    put(&f, big ? SATURATED : size, 4);
    put(&f, big ? SATURATED : size, 4);
    put(&f, name_n, 2);
    put(&f, extra_n > 0 ? extra_n + 4 : 0, 2);
    put(&f, 0, 2); /* comment */
    put(&f, 0, 2); /* disk */
    put(&f, 0, 2);
    put(&f, 0, 4); /* attributes */
    put(&f, far ? SATURATED : header, 4);
    put_bytes(&f, name, name_n);
    if (extra_n > 0) {
        put(&f, 1, 2);
        put(&f, extra_n, 2);
    }
    if (big) {
        put(&f, size, 8);
        put(&f, size, 8);
    }
    if (far)
        put(&f, header, 8);
    return text_append(&z->central, f.bytes, f.n);
}

int zip_write_add(zip_writer *z, const char *name, const void *bytes, size_t n) {
    int rc = OK;
    fields f = {.n = 0};
    size_t name_n = strlen(name);
    if (name_n > 128)
        return fail(E_IO, "zip entry name too long: %.128s...", name);
    uint64_t header = z->file.written;
    uint32_t crc = (uint32_t)crc32_z(0, bytes, n);
    bool big = n >= z->limit;
    size_t fixed = 30 + name_n + (big ? 20 : 0) + 4;
    size_t pad = (ZIP_ALIGN - (header + fixed) % ZIP_ALIGN) % ZIP_ALIGN;
    put(&f, ZIP_LOCAL, 4);
    put_common(&f, big, crc);
    put(&f, big ? SATURATED : n, 4);
    put(&f, big ? SATURATED : n, 4);
    put(&f, name_n, 2);
    put(&f, (big ? 20 : 0) + 4 + pad, 2);
    put_bytes(&f, name, name_n);
    if (big) {
        put(&f, 1, 2);
        put(&f, 16, 2);
        put(&f, n, 8);
        put(&f, n, 8);
    }
    put_bytes(&f, "FB", 2);
    put(&f, pad, 2);
    memset(f.bytes + f.n, 'Z', pad);
    f.n += pad;
    TRY(atomic_write(&z->file, f.bytes, f.n));
    TRY(atomic_write(&z->file, bytes, n));
    TRY(directory_add(z, name, header, n, crc));
    z->entry_n++;
done:
    return rc;
}

int zip_write_commit(zip_writer *z) {
    int rc = OK;
    fields f = {.n = 0};
    uint64_t offset = z->file.written, bytes = z->central.n;
    bool many = z->entry_n >= 0xFFFF, big = bytes >= z->limit, far = offset >= z->limit;
    if (many || big || far) {
        put(&f, ZIP_END64, 4);
        put(&f, 44, 8); /* bytes of this record after this field */
        put(&f, 45, 2);
        put(&f, 45, 2);
        put(&f, 0, 4);
        put(&f, 0, 4);
        put(&f, z->entry_n, 8);
        put(&f, z->entry_n, 8);
        put(&f, bytes, 8);
        put(&f, offset, 8);
        put(&f, ZIP_LOCATOR64, 4);
        put(&f, 0, 4);
        put(&f, offset + bytes, 8);
        put(&f, 1, 4);
    }
    put(&f, ZIP_END, 4);
    put(&f, 0, 4); /* disks */
    put(&f, many ? 0xFFFF : z->entry_n, 2);
    put(&f, many ? 0xFFFF : z->entry_n, 2);
    put(&f, big ? SATURATED : bytes, 4);
    put(&f, far ? SATURATED : offset, 4);
    put(&f, 0, 2); /* comment */
    TRY(atomic_write(&z->file, z->central.data, z->central.n));
    TRY(atomic_write(&z->file, f.bytes, f.n));
    TRY(atomic_commit(&z->file));
done:
    return rc;
}
