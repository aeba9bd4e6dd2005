/** Writes protocol buffers field by field, appended to a text. All: @return 0 or E_NOMEM; after an error the text is
 *  incomplete and must be discarded */
#ifndef LINNET_BASE_PROTO_H
#define LINNET_BASE_PROTO_H

#include "base/text.h"

#include <stdint.h>

int proto_varint(text *t, unsigned number, uint64_t v);
int proto_double(text *t, unsigned number, double v);
int proto_float(text *t, unsigned number, float v);
int proto_bytes(text *t, unsigned number, const void *bytes, size_t n);
/** In UTF-8, as text_append_utf8 writes it: readers refuse a message with other bytes. */
int proto_string(text *t, unsigned number, const char *s);
/** A packed repeated field. */
int proto_doubles(text *t, unsigned number, const double *v, size_t n);

/** A message as a field: its content is appended between the two calls. *mark is the position of its beginning, set
 *  by proto_open. */
int proto_open(text *t, unsigned number, size_t *mark);
int proto_close(text *t, size_t mark);

#endif
