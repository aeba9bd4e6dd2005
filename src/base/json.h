/** What all JSON output shares: texts of any bytes, numbers that may be NaN, and a dump whose result is checked. */
#ifndef LINNET_BASE_JSON_H
#define LINNET_BASE_JSON_H

#include "base/text.h"

#include <jansson.h>

/** Makes json_append and json_read detect every failed allocation of jansson, whose results then need no checks. It
 *  replaces jansson's allocator of the whole process: for main, before any other use of jansson; not for the shared
 *  library, whose code checks each result. */
void json_watch_memory(void);
/** A string in UTF-8, as text_append_utf8 writes it; jansson's json_string is NULL for a path or class name that is not
 *  UTF-8. NULL: out of memory. */
json_t *json_text(const char *s);
/** Parses n bytes; flags: jansson's decoding flags. *out is a new reference, NULL after an error; release it by
 *  json_decref. *error is valid after E_FORMAT.
 *  @return 0, E_FORMAT (the message has the reason and the line), E_NOMEM (without json_watch_memory it may be
 *  E_FORMAT, since jansson does not always tell the two apart) */
int json_read(json_t **out, const char *bytes, size_t n, size_t flags, json_error_t *error);
/** A number, or null when it is not finite (JSON has no NaN). */
json_t *json_number_or_null(double x);
/** Appends the object or array (or, with JSON_ENCODE_ANY, any value), with jansson's flags (JSON_INDENT ...). After an
 * error the text is unchanged.
 *  @return 0, E_NOMEM (also if json_text, or with json_watch_memory any allocation of jansson, has failed in this
 * thread since the last call: a key may be missing) */
int json_append(text *t, const json_t *object, size_t flags);

#endif
