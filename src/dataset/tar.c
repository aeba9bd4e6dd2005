#define _GNU_SOURCE
#include "dataset/tar.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW ((size_t)16 << 10)       /* the small members after an image, and the next header */
#define EXTENSION_MAX ((size_t)1 << 20) /* bytes of a pax header or long name */

/* Fields of a header: offset and length. */
enum {
    NAME = 0,
    NAME_N = 100,
    SIZE = 124,
    SIZE_N = 12,
    SUM = 148,
    SUM_N = 8,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_N = 155,
    GNU_EXTENDED = 482,     /* of type S: whether a further header follows */
    GNU_EXTENDED_NEXT = 504 /* of such a header */
};

int tar_source_read(void *out, const tar_source *s, uint64_t offset, size_t n) {
    if (offset > s->size || n > s->size - offset)
        return fail(E_FORMAT,
                    "%s: the file ends at byte %llu, but %zu bytes were expected at byte %llu: the file is truncated",
                    s->name, (unsigned long long)s->size, n, (unsigned long long)offset);
    if (s->fd < 0) {
        memcpy(out, s->memory + offset, n);
        return OK;
    }
    ssize_t got = file_read_at(s->fd, s->first + offset, out, n);
    if (got < 0)
        return fail_errno(errno, "cannot read %s at byte %llu", s->name, (unsigned long long)offset);
    if ((size_t)got < n)
        return fail(E_FORMAT, "%s: the file ends at byte %llu: it was truncated while it was being read", s->name,
                    (unsigned long long)offset + (unsigned long long)got);
    return OK;
}

/** A compressed archive called .tar would look like a damaged one. */
static int check_compression(const tar_source *s) {
    static const struct {
        const char *tool, *magic;
        size_t at, n;
    } form[] = {{"gzip", "\x1f\x8b\x08", 0, 3},
                {"bzip2", "1AY&SY", 4, 6},
                {"xz",
                 "\xfd"
                 "7zXZ",
                 0, 5},
                {"zstd", "\x28\xb5\x2f\xfd", 0, 4}};
    char first[10];
    if (s->size < sizeof first)
        return OK;
    int rc = tar_source_read(first, s, 0, sizeof first);
    for (size_t i = 0; rc == OK && i < sizeof form / sizeof *form; i++)
        if (memcmp(first + form[i].at, form[i].magic, form[i].n) == 0)
            rc = fail(E_DATA, "%s is compressed by %s: decompress it first (%s -d < '%s' > new.tar && mv new.tar '%s')",
                      s->name, form[i].tool, form[i].tool, s->name, s->name);
    return rc;
}

int tar_reader_init(tar_reader *r, const tar_source *s) {
    int rc = OK;
    *r = (tar_reader){.source = *s};
    TRY(check_compression(s));
    TRY(memory_resize(&r->room, WINDOW, 1));
done:
    return rc;
}

void tar_reader_deinit(tar_reader *r) {
    free(r->room);
    *r = (tar_reader){0};
}

/** Sets *out to n <= WINDOW bytes at `offset`, valid until the next call. */
static int look(const unsigned char **out, tar_reader *r, uint64_t offset, size_t n) {
    if (offset < r->room_first || offset + n > r->room_first + r->room_n) {
        uint64_t left = offset < r->source.size ? r->source.size - offset : 0;
        size_t window = left < WINDOW ? (size_t)left : WINDOW;
        r->room_n = 0;
        int rc = tar_source_read(r->room, &r->source, offset, window < n ? n : window);
        if (rc != OK)
            return rc;
        r->room_first = offset;
        r->room_n = window;
    }
    *out = r->room + (offset - r->room_first);
    return OK;
}

int tar_read(void *out, tar_reader *r, const tar_member *m, uint64_t offset, size_t n) {
    const unsigned char *bytes = NULL;
    if (offset > m->size || n > m->size - offset)
        return fail(E_FORMAT, "%s: member %s has only %llu bytes: a read goes beyond its end", r->source.name, m->name,
                    (unsigned long long)m->size);
    if (n > WINDOW)
        return tar_source_read(out, &r->source, m->data + offset, n);
    int rc = look(&bytes, r, m->data + offset, n);
    if (rc == OK)
        memcpy(out, bytes, n);
    return rc;
}

/** Parses a number of a header. @return whether it is valid and below 2^62 */
static bool number(uint64_t *out, const unsigned char *field, size_t n) {
    uint64_t v = 0;
    size_t i = 0;
    if (field[0] & 0x80) {
        if (field[0] != 0x80)
            return false; /* negative, or over 2^88 */
        for (i = 1; i < n; i++) {
            if (v >> 54 != 0)
                return false;
            v = v << 8 | field[i];
        }
    } else {
        while (i < n && field[i] == ' ')
            i++;
        for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
            v = v << 3 | (uint64_t)(field[i] - '0');
        if (i < n && field[i] != 0 && field[i] != ' ')
            return false;
    }
    *out = v;
    return true;
}

/** The checksum may be a sum of signed bytes, as old programs wrote it. */
static bool sum_is_right(const unsigned char *block) {
    uint64_t stored = 0;
    int64_t plain = 0, is_signed = 0;
    for (int i = 0; i < TAR_BLOCK; i++) {
        unsigned char c = i >= SUM && i < SUM + SUM_N ? ' ' : block[i];
        plain += c;
        is_signed += (signed char)c;
    }
    return number(&stored, block + SUM, SUM_N) && ((int64_t)stored == plain || (int64_t)stored == is_signed);
}

static bool is_zero(const unsigned char *block) {
    for (int i = 0; i < TAR_BLOCK; i++)
        if (block[i] != 0)
            return false;
    return true;
}

static bool is_regular(char type) { return type == '0' || type == 0 || type == '7'; }

bool tar_is_header_of(const unsigned char block[TAR_BLOCK], uint64_t size) {
    uint64_t is = 0;
    return sum_is_right(block) && is_regular((char)block[TYPE]) && number(&is, block + SIZE, SIZE_N) && is == size;
}

static uint64_t padded(uint64_t size) { return (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK; }

size_t tar_padding(uint64_t size) { return (size_t)(padded(size) - size); }

/** The fields that extension members set for the next member. */
typedef struct extension {
    char *name; /* NULL: not set; owned */
    uint64_t size;
    bool has_size, sparse;
} extension;

static int set_name(extension *x, const char *bytes, size_t n) {
    char *name = NULL;
    int rc = memory_resize(&name, n + 1, 1);
    if (rc != OK)
        return rc;
    memcpy(name, bytes, n);
    name[n] = 0;
    free(x->name);
    x->name = name;
    return OK;
}

/** Reads records "LENGTH KEY=VALUE\n". */
static int read_pax(extension *x, const char *at, size_t left) {
    int rc = OK;
    while (left > 0 && *at != 0) {
        size_t n = 0, digits = 0;
        for (; digits < left && digits < 8 && at[digits] >= '0' && at[digits] <= '9'; digits++)
            n = n * 10 + (size_t)(at[digits] - '0');
        if (digits == 0 || n > left || n < digits + 4 || at[digits] != ' ' || at[n - 1] != '\n')
            return fail(E_FORMAT, "malformed pax header");
        const char *key = at + digits + 1, *end = at + n - 1;
        const char *equals = memchr(key, '=', (size_t)(end - key));
        if (equals == NULL)
            return fail(E_FORMAT, "malformed pax header");
        const char *value = equals + 1;
        size_t key_n = (size_t)(equals - key), value_n = (size_t)(end - value);
        if (key_n == 4 && memcmp(key, "path", 4) == 0) {
            TRY(set_name(x, value, value_n));
        } else if (key_n == 4 && memcmp(key, "size", 4) == 0) {
            x->size = 0;
            for (; value < end && *value >= '0' && *value <= '9' && x->size < UINT64_C(1) << 58; value++)
                x->size = x->size * 10 + (uint64_t)(*value - '0');
            if (value != end || value_n == 0)
                return fail(E_FORMAT, "malformed size in a pax header");
            x->has_size = true;
        } else if (key_n >= 10 && memcmp(key, "GNU.sparse", 10) == 0) {
            x->sparse = true;
        }
        at += n;
        left -= n;
    }
done:
    return rc;
}

static int read_extension(extension *x, tar_reader *r, char type, uint64_t data, uint64_t size) {
    int rc = OK;
    char *bytes = NULL;
    if (size > EXTENSION_MAX)
        return fail(E_FORMAT, "a long name or pax header of %llu bytes is too large", (unsigned long long)size);
    TRY(memory_resize(&bytes, (size_t)size + 1, 1));
    TRY(tar_source_read(bytes, &r->source, data, (size_t)size));
    bytes[size] = 0;
    if (type == 'L')
        rc = set_name(x, bytes, strnlen(bytes, (size_t)size));
    else if (type == 'x')
        rc = read_pax(x, bytes, (size_t)size);
done:
    free(bytes);
    return rc;
}

static int take_name(tar_member *m, const unsigned char *block, const extension *x) {
    const char *name = (const char *)block + NAME, *prefix = (const char *)block + PREFIX;
    int n = (int)strnlen(name, NAME_N), prefix_n = 0, rc = OK;
    if (memcmp(block + MAGIC, "ustar", 6) == 0) /* POSIX; GNU's magic continues with a space and has no prefix */
        prefix_n = (int)strnlen(prefix, PREFIX_N);
    if (x->name != NULL)
        rc = path_format(m->name, "%s", x->name);
    else
        rc = path_format(m->name, "%.*s%s%.*s", prefix_n, prefix, prefix_n > 0 ? "/" : "", n, name);
    if (rc != OK)
        return fail(E_FORMAT, "the name of a tar member is longer than %d bytes", PATH_BYTES - 1);
    size_t skip = 0;
    while (m->name[skip] == '.' && m->name[skip + 1] == '/')
        for (skip += 2; m->name[skip] == '/'; skip++)
            continue;
    memmove(m->name, m->name + skip, strlen(m->name + skip) + 1);
    return OK;
}

/** Two blocks of zeros end an archive; the second may be missing. */
static int take_end(bool *is_end, tar_reader *r) {
    const unsigned char *block = NULL;
    int rc = OK;
    *is_end = true;
    if (r->at + 2 * TAR_BLOCK > r->source.size)
        return OK;
    TRY(look(&block, r, r->at + TAR_BLOCK, TAR_BLOCK));
    *is_end = is_zero(block);
    r->at += *is_end ? 0 : TAR_BLOCK;
done:
    return rc;
}

/** GNU's sparse member: advances *data past the headers that continue its list of holes. */
static int skip_sparse(uint64_t *data, tar_reader *r, bool more) {
    const unsigned char *block = NULL;
    int rc = OK;
    for (; more; *data += TAR_BLOCK) {
        if (r->source.size - *data < TAR_BLOCK)
            return fail(E_FORMAT, "the headers of a sparse member end too early: the archive is truncated");
        TRY(look(&block, r, *data, TAR_BLOCK));
        more = block[GNU_EXTENDED_NEXT] != 0;
    }
done:
    return rc;
}

/** Reads the header at r->at: an extension is stored in x; a member ends the search. */
static int take_header(bool *found, tar_member *m, tar_reader *r, extension *x) {
    const unsigned char *bytes = NULL;
    unsigned char block[TAR_BLOCK]; /* a copy, because further reads move the window */
    uint64_t size = 0;
    int rc = OK;
    TRY(look(&bytes, r, r->at, TAR_BLOCK));
    memcpy(block, bytes, sizeof block);
    if (!sum_is_right(block) || !number(&size, block + SIZE, SIZE_N))
        return fail(E_FORMAT, "invalid tar header");
    char type = (char)block[TYPE];
    bool extends = type == 'L' || type == 'K' || type == 'x' || type == 'g';
    if (!extends && x->has_size)
        size = x->size;
    if (type >= '1' && type <= '6')
        size = 0; /* links and folders have no data, whatever their size field contains */
    uint64_t data = r->at + TAR_BLOCK;
    if (type == 'S')
        TRY(skip_sparse(&data, r, block[GNU_EXTENDED] != 0));
    if (size > r->source.size - data)
        return fail(E_FORMAT, "the member has %llu bytes, but only %llu are left: the archive is truncated",
                    (unsigned long long)size, (unsigned long long)(r->source.size - data));
    if (extends) {
        TRY(read_extension(x, r, type, data, size));
    } else {
        TRY(take_name(m, block, x));
        m->type = is_regular(type) ? '0' : type;
        if (x->sparse)
            m->type = 'S';
        m->data = data;
        m->size = size;
        *found = true;
    }
    uint64_t next = data + padded(size);
    r->at = next < r->source.size ? next : r->source.size;
done:
    return rc;
}

int tar_next(bool *more, tar_member *m, tar_reader *r) {
    int rc = OK;
    uint64_t first = r->at;
    const unsigned char *block = NULL;
    extension x = {0};
    *more = false;
    while (!*more) {
        if (r->source.size - r->at < TAR_BLOCK) {
            rc = fail(E_FORMAT, "the end of the archive is missing: it is truncated");
            goto done;
        }
        TRY(look(&block, r, r->at, TAR_BLOCK));
        if (is_zero(block)) {
            bool is_end = false;
            TRY(take_end(&is_end, r));
            if (is_end)
                break;
            first = r->at;
            continue;
        }
        TRY(take_header(more, m, r, &x));
    }
    m->header = first;
done:
    if (rc == E_FORMAT)
        fail_context(rc, "%s: damaged at byte %llu", r->source.name, (unsigned long long)r->at);
    free(x.name);
    return rc;
}

int tar_resync(tar_reader *r) {
    int rc = OK;
    const unsigned char *block = NULL;
    for (r->at += TAR_BLOCK; r->at + TAR_BLOCK <= r->source.size; r->at += TAR_BLOCK) {
        TRY(look(&block, r, r->at, TAR_BLOCK));
        if (!is_zero(block) && sum_is_right(block))
            return OK;
    }
    r->at = r->source.size;
done:
    return rc;
}

bool tar_name_is_safe(const char *name) {
    for (const char *p = name; *p != 0; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return false;
    return path_stays_below(name, strlen(name));
}
