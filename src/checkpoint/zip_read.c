#define _GNU_SOURCE
#include "checkpoint/zip.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define END_BYTES 22u
#define LOCATOR_BYTES 20u
#define END64_BYTES 56u
#define CENTRAL_BYTES 46u
#define LOCAL_BYTES 30u
#define DIRECTORY_LIMIT ((uint64_t)64 << 20) /* about 600,000 entries */

static uint64_t get(const unsigned char *p, int n) {
    uint64_t number = 0;
    for (int i = 0; i < n; i++)
        number |= (uint64_t)p[i] << 8 * i;
    return number;
}

int zip_read_at(int fd, uint64_t offset, void *out, size_t n) {
    ssize_t got = file_read_at(fd, offset, out, n);
    if (got < 0)
        return fail_errno(errno, "cannot read");
    if ((size_t)got < n)
        return fail(E_FORMAT,
                    "the file ends at byte %llu, but data beyond that is expected: the copy may be incomplete",
                    (unsigned long long)offset + (unsigned long long)got);
    return OK;
}

/** Reads the ZIP64 end record, which contains the values that are too large for the plain one. */
static int end64_read(zip_reader *z, uint64_t locator_at) {
    int rc = OK;
    unsigned char b[END64_BYTES];
    TRY(zip_read_at(z->fd, locator_at, b, LOCATOR_BYTES));
    uint64_t at = get(b + 8, 8);
    if (at > locator_at || locator_at - at < END64_BYTES) {
        rc = fail(E_FORMAT, "zip: the ZIP64 end record is outside the file");
        goto done;
    }
    TRY(zip_read_at(z->fd, at, b, END64_BYTES));
    if (get(b, 4) != ZIP_END64) {
        rc = fail(E_FORMAT, "zip: no ZIP64 end record at byte %llu", (unsigned long long)at);
        goto done;
    }
    z->entry_n = get(b + 32, 8);
    z->central_n = get(b + 40, 8);
    z->central_offset = get(b + 48, 8);
done:
    return rc;
}

/** Finds the end record, which only a comment may follow, and through it the directory. */
static int end_read(zip_reader *z) {
    int rc = OK;
    unsigned char *tail = NULL;
    uint64_t tail_n = z->bytes < END_BYTES + 0xFFFFu ? z->bytes : END_BYTES + 0xFFFFu;
    uint64_t base = z->bytes - tail_n, at = tail_n >= END_BYTES ? tail_n - END_BYTES + 1 : 0;
    TRY(memory_zeroed(&tail, (size_t)tail_n, 1));
    TRY(zip_read_at(z->fd, base, tail, (size_t)tail_n));
    while (at-- > 0)
        if (get(tail + at, 4) == ZIP_END && at + END_BYTES + get(tail + at + 20, 2) == tail_n)
            break;
    if (at == UINT64_MAX) {
        rc = fail(E_FORMAT,
                  "no zip directory at the end of the file: the file is not a checkpoint, or the copy is incomplete");
        goto done;
    }
    const unsigned char *end = tail + at;
    uint64_t limit = base + at;
    z->entry_n = get(end + 10, 2);
    z->central_n = get(end + 12, 4);
    z->central_offset = get(end + 16, 4);
    if (at >= LOCATOR_BYTES && get(end - LOCATOR_BYTES, 4) == ZIP_LOCATOR64) {
        limit -= LOCATOR_BYTES;
        TRY(end64_read(z, limit));
    }
    if (get(end + 4, 4) != 0 || z->central_offset > limit || z->central_n > limit - z->central_offset ||
        z->entry_n > z->central_n / CENTRAL_BYTES || z->central_n > DIRECTORY_LIMIT) {
        rc = fail(E_FORMAT, "zip: the directory (%llu entries, %llu bytes, at byte %llu) does not fit in the file",
                  (unsigned long long)z->entry_n, (unsigned long long)z->central_n,
                  (unsigned long long)z->central_offset);
        goto done;
    }
done:
    free(tail);
    return rc;
}

/** Takes 64-bit sizes and offset from the extra fields where the plain fields are saturated. */
static bool extra_read(zip_entry *e, uint64_t *packed, const unsigned char *p, size_t n) {
    bool need = e->size == 0xFFFFFFFFu || *packed == 0xFFFFFFFFu || e->header == 0xFFFFFFFFu;
    while (n >= 4) {
        size_t id = (size_t)get(p, 2), field_n = (size_t)get(p + 2, 2);
        if (field_n > n - 4)
            return false;
        if (id == 1 && need) {
            const unsigned char *q = p + 4, *end = q + field_n;
            uint64_t *values[] = {&e->size, packed, &e->header};
            for (int i = 0; i < 3; i++) {
                if (*values[i] != 0xFFFFFFFFu)
                    continue;
                if (end - q < 8)
                    return false;
                *values[i] = get(q, 8);
                q += 8;
            }
            need = false;
        }
        p += field_n + 4;
        n -= field_n + 4;
    }
    return !need;
}

/** Reads one record of the directory and advances *at past it. */
static int record_read(zip_reader *z, zip_entry *e, uint64_t *at) {
    const unsigned char *p = z->central + *at;
    uint64_t left = z->central_n - *at;
    if (left < CENTRAL_BYTES || get(p, 4) != ZIP_CENTRAL)
        return fail(E_FORMAT, "zip: no directory record at byte %llu", (unsigned long long)(z->central_offset + *at));
    size_t name_n = (size_t)get(p + 28, 2), extra_n = (size_t)get(p + 30, 2), comment_n = (size_t)get(p + 32, 2);
    uint64_t record_n = CENTRAL_BYTES + name_n + extra_n + comment_n, packed = get(p + 20, 4);
    if (left < record_n || name_n == 0)
        return fail(E_FORMAT, "zip: malformed directory record at byte %llu",
                    (unsigned long long)(z->central_offset + *at));
    *e = (zip_entry){.name = (const char *)p + CENTRAL_BYTES,
                     .name_n = name_n,
                     .header = get(p + 42, 4),
                     .size = get(p + 24, 4),
                     .crc = (uint32_t)get(p + 16, 4)};
    char shown[NAME_SHOWN];
    name_shown(shown, e->name, name_n);
    if (!path_stays_below(e->name, name_n))
        return fail(E_FORMAT, "zip: the name of entry %s points outside the archive", shown);
    if (get(p + 8, 2) & 0x2041)
        return fail(E_FORMAT, "zip: entry %s is encrypted", shown);
    if (get(p + 10, 2) != 0)
        return fail(E_FORMAT,
                    "zip: entry %s is compressed (method %d), so torch.save did not write the file: extract an archive "
                    "of checkpoints; of a TorchScript file (torch.jit.save), save the model's state_dict()",
                    shown, (int)get(p + 10, 2));
    if (!extra_read(e, &packed, p + CENTRAL_BYTES + name_n, extra_n) || packed != e->size || get(p + 34, 2) != 0)
        return fail(E_FORMAT, "zip: entry %s has inconsistent sizes", shown);
    *at += record_n;
    return OK;
}

/** Reads the payload's offset from the local header. The other fields repeat the directory. */
static int local_read(zip_reader *z, zip_entry *e) {
    int rc = OK;
    unsigned char b[LOCAL_BYTES];
    char shown[NAME_SHOWN];
    name_shown(shown, e->name, e->name_n);
    uint64_t limit = z->central_offset;
    if (e->header > limit || limit - e->header < LOCAL_BYTES)
        return fail(E_FORMAT, "zip: entry %s is outside the file", shown);
    TRY(zip_read_at(z->fd, e->header, b, sizeof b));
    if (get(b, 4) != ZIP_LOCAL || get(b + 8, 2) != 0 || get(b + 26, 2) != e->name_n)
        return fail(E_FORMAT, "zip: the header of entry %s is malformed", shown);
    uint64_t skip = LOCAL_BYTES + get(b + 26, 2) + get(b + 28, 2);
    if (limit - e->header < skip || limit - e->header - skip < e->size)
        return fail(E_FORMAT, "zip: entry %s of %llu bytes does not fit in the file", shown,
                    (unsigned long long)e->size);
    e->offset = e->header + skip;
done:
    return rc;
}

static int by_header(const void *a, const void *b) {
    const zip_entry *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static int name_compare(const char *a, size_t a_n, const char *b, size_t b_n) {
    int order = memcmp(a, b, a_n < b_n ? a_n : b_n);
    return order != 0 ? order : a_n < b_n ? -1 : a_n > b_n;
}

static int by_name(const void *a, const void *b) {
    const zip_entry *x = a, *y = b;
    return name_compare(x->name, x->name_n, y->name, y->name_n);
}

/** Sorts by name. Refuses equal names, and overlapping payloads, with which a small file could expand to a huge one. */
static int entries_check(zip_reader *z) {
    zip_entry *e = z->entries;
    size_t n = (size_t)z->entry_n;
    char a[NAME_SHOWN], b[NAME_SHOWN];
    qsort(e, n, sizeof *e, by_header);
    for (size_t i = 1; i < n; i++)
        if (e[i].header < e[i - 1].offset + e[i - 1].size)
            return fail(E_FORMAT, "zip: entries %s and %s overlap", name_shown(a, e[i - 1].name, e[i - 1].name_n),
                        name_shown(b, e[i].name, e[i].name_n));
    qsort(e, n, sizeof *e, by_name);
    for (size_t i = 1; i < n; i++)
        if (by_name(&e[i - 1], &e[i]) == 0)
            return fail(E_FORMAT, "zip: entry %s occurs twice", name_shown(a, e[i].name, e[i].name_n));
    return OK;
}

int zip_read_open(zip_reader *z, int fd) {
    int rc = OK;
    struct stat st;
    *z = (zip_reader){.fd = fd};
    if (fstat(fd, &st) != 0)
        return fail_errno(errno, "cannot read");
    z->bytes = (uint64_t)st.st_size;
    TRY(end_read(z));
    TRY(memory_zeroed(&z->central, (size_t)z->central_n, 1));
    TRY(zip_read_at(fd, z->central_offset, z->central, (size_t)z->central_n));
    TRY(memory_zeroed(&z->entries, (size_t)z->entry_n, sizeof *z->entries));
    uint64_t at = 0;
    for (uint64_t i = 0; i < z->entry_n; i++) {
        TRY(record_read(z, &z->entries[i], &at));
        TRY(local_read(z, &z->entries[i]));
    }
    if (z->entry_n > 0) {
        const zip_entry *first = &z->entries[0];
        const char *slash = memchr(first->name, '/', first->name_n);
        size_t n = slash != NULL ? (size_t)(slash - first->name) : 0;
        if (n < sizeof z->prefix)
            memcpy(z->prefix, first->name, n);
    }
    TRY(entries_check(z));
done:
    return rc;
}

void zip_read_close(zip_reader *z) {
    free(z->central);
    free(z->entries);
    *z = (zip_reader){.fd = -1};
}

const zip_entry *zip_find(const zip_reader *z, const char *name, size_t name_n) {
    char full[sizeof z->prefix + 256];
    size_t prefix_n = strlen(z->prefix);
    if (name_n + 1 >= sizeof full - prefix_n)
        return NULL;
    memcpy(full, z->prefix, prefix_n);
    full[prefix_n] = '/';
    memcpy(full + prefix_n + 1, name, name_n);
    zip_entry key = {.name = full, .name_n = prefix_n + 1 + name_n};
    return bsearch(&key, z->entries, (size_t)z->entry_n, sizeof key, by_name);
}

int zip_read(const zip_reader *z, const zip_entry *e, void *out) {
    int rc = OK;
    char shown[NAME_SHOWN];
    TRY(zip_read_at(z->fd, e->offset, out, (size_t)e->size));
    if (crc32_z(0, out, (size_t)e->size) != e->crc)
        rc = fail(E_FORMAT, "entry %s is damaged: the CRC-32 does not match (or the file was written without CRC-32)",
                  name_shown(shown, e->name, e->name_n));
done:
    return rc;
}
