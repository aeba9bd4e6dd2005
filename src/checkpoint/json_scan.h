/** Reads JSON token by token where it lies, for headers of known form: no tree, no memory but the strings asked for.
 *  Source: RFC 8259. Each call skips white space first. @return 0, E_FORMAT (what, at which byte), E_NOMEM */
#ifndef LINNET_CHECKPOINT_JSON_SCAN_H
#define LINNET_CHECKPOINT_JSON_SCAN_H

#include "base/text.h"

#include <stdint.h>

typedef struct json_scan {
    const char *bytes;
    size_t n, at;
} json_scan;

/** The next token's first byte, 0 at the end; it stays. */
char json_peek(json_scan *j);
/** Takes one of { } [ ] : , */
int json_take(json_scan *j, char token);
/** A string, decoded, in the place of what `out` held. One with U+0000 or broken UTF-16 is refused. */
int json_string_take(json_scan *j, text *out);
/** A whole number from 0 to INT64_MAX, written without sign, fraction or exponent. */
int json_whole_take(json_scan *j, int64_t *out);
/** After an element: takes ',' and sets *more, or takes `end` and clears it. */
int json_more(json_scan *j, bool *more, char end);
/** Takes `begin`; *more tells whether anything stands before `end`, which is taken if not. */
int json_begin(json_scan *j, bool *more, char begin, char end);

#endif
