#include "tools/mat.h"

#include "base/memory.h"
#include "base/status.h"
#include "tools/unzip.h"

#include <stdbool.h>

#include <stdlib.h>
#include <string.h>

#define UNPACKED_MAX ((size_t)64 << 20)

enum { HEADER = 128, STRUCT_CLASS = 2 };
enum {
    INT8 = 1,
    UINT8,
    INT16,
    UINT16,
    INT32,
    UINT32,
    SINGLE = 7,
    DOUBLE = 9,
    MATRIX = 14,
    COMPRESSED = 15,
    UTF8 = 16,
    UTF16 = 17
};

typedef struct element {
    uint32_t type;
    mat_span data;
} element;

static uint32_t u32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/** The next element of `in`, which moves past it; small ones hold their data in the tag. */
static int next(element *e, mat_span *in) {
    if (in->n < 8)
        return fail(E_FORMAT, "a MAT-file's element is cut off");
    uint32_t tag = u32(in->at);
    if (tag >> 16 != 0) {
        if (tag >> 16 > 4)
            return fail(E_FORMAT, "a MAT-file's small element of %u bytes", tag >> 16);
        *e = (element){.type = tag & 0xffff, .data = {in->at + 4, tag >> 16}};
        in->at += 8;
        in->n -= 8;
        return OK;
    }
    size_t bytes = u32(in->at + 4), padded = tag == COMPRESSED ? bytes : (bytes + 7) / 8 * 8;
    if (bytes > in->n - 8)
        return fail(E_FORMAT, "a MAT-file's element of %zu bytes, %zu are left", bytes, in->n - 8);
    *e = (element){.type = tag, .data = {in->at + 8, bytes}};
    size_t all = 8 + (padded < in->n - 8 ? padded : in->n - 8);
    in->at += all;
    in->n -= all;
    return OK;
}

/** What every matrix begins with. */
typedef struct matrix {
    int class;
    int64_t n; /* elements */
    mat_span name, rest;
} matrix;

static int open_matrix(matrix *m, mat_span in) {
    int rc = OK;
    element flags, dims, name;
    *m = (matrix){0};
    TRY(next(&flags, &in));
    TRY(next(&dims, &in));
    TRY(next(&name, &in));
    if (flags.data.n < 8 || dims.data.n < 8 || dims.type != INT32)
        return fail(E_FORMAT, "a MAT-file's matrix without flags or dimensions");
    m->class = (int)(u32(flags.data.at) & 255);
    m->n = 1;
    for (size_t i = 0; i + 4 <= dims.data.n; i += 4) {
        uint32_t d = u32(dims.data.at + i);
        if (d > 1 << 24 || m->n > 1 << 24)
            return fail(E_FORMAT, "a MAT-file's matrix is too large");
        m->n *= d;
    }
    m->name = name.data;
    m->rest = in;
done:
    return rc;
}

static int read_structs(mat_structs *out, matrix *m) {
    int rc = OK;
    element length, names, value;
    if (m->class != STRUCT_CLASS)
        return fail(E_FORMAT, "the variable is no array of structs");
    TRY(next(&length, &m->rest));
    TRY(next(&names, &m->rest));
    uint32_t name_n = length.data.n >= 4 ? u32(length.data.at) : 0;
    if (name_n == 0 || name_n > 64 || names.data.n / name_n > 256 || m->n > (int64_t)m->rest.n)
        return fail(E_FORMAT, "the names of its fields");
    out->name_n = (int)name_n;
    out->field_n = (int)(names.data.n / name_n);
    out->names = names.data;
    TRY(memory_zeroed(&out->value, (size_t)m->n * (size_t)out->field_n, sizeof *out->value));
    for (int64_t i = 0; i < m->n * out->field_n; i++) {
        TRY(next(&value, &m->rest));
        if (value.type != MATRIX)
            return fail(E_FORMAT, "a field is no matrix");
        out->value[i] = value.data;
    }
    out->n = m->n;
done:
    return rc;
}

/** Whether the element is the variable looked for; reads it if so. */
static int look(bool *found, mat_structs *out, mat_span in, const char *name) {
    int rc = OK;
    matrix m;
    TRY(open_matrix(&m, in));
    *found = m.name.n == strlen(name) && memcmp(m.name.at, name, m.name.n) == 0;
    if (*found)
        TRY(read_structs(out, &m));
done:
    return rc;
}

static int look_packed(bool *found, mat_structs *out, mat_span packed, const char *name) {
    int rc = OK;
    unsigned char *bytes = NULL;
    size_t n = 0;
    element e;
    TRY(unzip(&bytes, &n, packed.at, packed.n, UNPACKED_MAX));
    mat_span in = {bytes, n};
    TRY(next(&e, &in));
    if (e.type == MATRIX)
        TRY(look(found, out, e.data, name));
    if (*found) {
        out->unpacked = bytes;
        bytes = NULL; /* now owned by out */
    }
done:
    free(bytes);
    return rc;
}

int mat_structs_read(mat_structs *out, const unsigned char *bytes, size_t n, const char *name, const char *file) {
    int rc = OK;
    bool found = false;
    *out = (mat_structs){0};
    if (n < HEADER || memcmp(bytes + 126, "IM", 2) != 0 || bytes[125] != 1)
        return fail(E_UNSUPPORTED, "%s is no MAT-file of level 5, little-endian", file);
    mat_span in = {bytes + HEADER, n - HEADER};
    while (!found && in.n >= 8) {
        element e;
        TRY(next(&e, &in));
        if (e.type == COMPRESSED)
            TRY(look_packed(&found, out, e.data, name));
        else if (e.type == MATRIX)
            TRY(look(&found, out, e.data, name));
    }
    if (!found)
        rc = fail(E_NOTFOUND, "%s has no variable '%s'", file, name);
done:
    if (rc == E_FORMAT)
        fail_context(rc, "%s", file);
    return rc;
}

void mat_structs_deinit(mat_structs *m) {
    free(m->value);
    free(m->unpacked);
    *m = (mat_structs){0};
}

/** The data of a struct's field. */
static int field_data(element *e, const mat_structs *m, int64_t i, const char *field) {
    int rc = OK;
    matrix x;
    for (int f = 0; f < m->field_n; f++) {
        const char *name = (const char *)m->names.at + (size_t)f * (size_t)m->name_n;
        if (strlen(field) >= (size_t)m->name_n || strncmp(name, field, (size_t)m->name_n) != 0)
            continue;
        TRY(open_matrix(&x, m->value[i * m->field_n + f]));
        TRY(next(e, &x.rest));
        return OK;
    }
    rc = fail(E_FORMAT, "a struct has no field '%s'", field);
done:
    return rc;
}

int mat_number(double *out, const mat_structs *m, int64_t i, const char *field) {
    int rc = OK;
    element e;
    float single = 0;
    TRY(field_data(&e, m, i, field));
    const unsigned char *p = e.data.at;
    static const size_t bytes[] = {
        [INT8] = 1, [UINT8] = 1, [INT16] = 2, [UINT16] = 2, [INT32] = 4, [UINT32] = 4, [SINGLE] = 4, [DOUBLE] = 8};
    if (e.type >= sizeof bytes / sizeof *bytes || bytes[e.type] == 0 || e.data.n < bytes[e.type])
        return fail(E_FORMAT, "the field '%s' of struct %lld is no number", field, (long long)i);
    if (e.type == DOUBLE) {
        memcpy(out, p, sizeof *out);
    } else if (e.type == SINGLE) {
        memcpy(&single, p, sizeof single);
        *out = single;
    } else if (e.type == INT8 || e.type == UINT8) {
        *out = e.type == INT8 ? (signed char)p[0] : p[0];
    } else if (e.type == INT16 || e.type == UINT16) {
        uint16_t v = (uint16_t)(p[0] | p[1] << 8);
        *out = e.type == INT16 ? (int16_t)v : v;
    } else {
        *out = e.type == INT32 ? (double)(int32_t)u32(p) : (double)u32(p);
    }
done:
    return rc;
}

/** A character below 65,536. */
static int put_utf8(text *out, unsigned c) {
    char b[3] = {(char)c};
    size_t n = 1;
    if (c >= 0x800) {
        b[0] = (char)(0xe0 | c >> 12);
        b[1] = (char)(0x80 | (c >> 6 & 63));
        b[2] = (char)(0x80 | (c & 63));
        n = 3;
    } else if (c >= 0x80) {
        b[0] = (char)(0xc0 | c >> 6);
        b[1] = (char)(0x80 | (c & 63));
        n = 2;
    }
    return text_append(out, b, n);
}

int mat_text(text *out, const mat_structs *m, int64_t i, const char *field) {
    int rc = OK;
    element e;
    TRY(field_data(&e, m, i, field));
    if (e.type == UTF8 || e.type == INT8)
        return text_append(out, e.data.at, e.data.n);
    size_t step = e.type == UINT16 || e.type == UTF16 ? 2 : 1;
    if (step == 1 && e.type != UINT8)
        return fail(E_FORMAT, "the field '%s' of struct %lld is no text", field, (long long)i);
    for (size_t k = 0; k + step <= e.data.n; k += step)
        TRY(put_utf8(out, step == 2 ? (unsigned)(e.data.at[k] | e.data.at[k + 1] << 8) : e.data.at[k]));
done:
    return rc;
}
