/** MATLAB's MAT-files of level 5, as far as ImageNet's meta.mat needs them: one array of structs, its fields as numbers
 *  or strings. Elements may be compressed (zlib). Source: "MAT-File Format", MathWorks. Untrusted: every length is
 *  checked, what is unpacked is limited. Little-endian files alone. */
#ifndef LINNET_TOOLS_MAT_H
#define LINNET_TOOLS_MAT_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

/** Bytes of a MAT-file, borrowed. */
typedef struct mat_span {
    const unsigned char *at;
    size_t n;
} mat_span;

/** An array of structs. */
typedef struct mat_structs {
    int64_t n;           /* structs */
    int field_n, name_n; /* fields of each, bytes of a field's name */
    mat_span names;      /* (field_n, name_n) */
    mat_span *value;     /* (n, field_n) the inside of each field's matrix */
    unsigned char *unpacked;
} mat_structs;

/** The variable `name`; mat_structs_deinit is due in any case. `file` is for messages, `bytes` are borrowed.
 *  @return 0, E_FORMAT, E_NOTFOUND (no such variable), E_UNSUPPORTED (another version), E_NOMEM */
int mat_structs_read(mat_structs *out, const unsigned char *bytes, size_t n, const char *name, const char *file);
void mat_structs_deinit(mat_structs *m);

/** First value of a numeric field. @return 0, E_FORMAT */
int mat_number(double *out, const mat_structs *m, int64_t i, const char *field);
/** A text field, appended as UTF-8. @return 0, E_FORMAT, E_NOMEM */
int mat_text(text *out, const mat_structs *m, int64_t i, const char *field);

#endif
