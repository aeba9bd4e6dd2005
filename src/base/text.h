/** Growing strings and small text helpers. */
#ifndef LINNET_BASE_TEXT_H
#define LINNET_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/** A growing byte string, always terminated by 0. {0} is empty. */
typedef struct text {
    char *data; /* NULL while empty */
    size_t n;   /* bytes, without the terminator */
    size_t capacity;
} text;

/** All functions that append: @return 0 or E_NOMEM; after an error the text is unchanged */
int text_append(text *t, const void *bytes, size_t n);
int text_printf(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_deinit(text *t);
/** The string, "" when empty. */
const char *text_string(const text *t);

/** Appends s as UTF-8: a byte that is not part of a character is written as \xHH, so names stay distinct. */
int text_append_utf8(text *t, const char *s);

/** Appends a CSV cell, in UTF-8 as above, quoted if necessary (RFC 4180); line ends become spaces, so that each row is
 *  one line. */
int text_csv_cell(text *t, const char *s);

/** The length in bytes of the UTF-8 character at s, at most n; 0: invalid (overlong forms, surrogates, above
 *  U+10FFFF). n > 0. */
size_t text_utf8(const char *s, size_t n);

/** Whether `list`, of words with `separator` between them, contains the word. */
bool text_in_list(const char *list, char separator, const char *word);

/** Edit distance (insertions, deletions, replacements), for "did you mean". */
int text_distance(const char *a, const char *b);

/** Parses the whole string as a number; false if it is not a number or out of range. Requires a locale with '.' as
 *  decimal point. */
bool text_to_int(long long *out, const char *s);
bool text_to_double(double *out, const char *s);

/** "1,281,167", "4.2 GiB", "1 h 05 min": written into `out` (at least 32 bytes) and returned for use in printf. */
const char *text_count(char out[32], unsigned long long n);
const char *text_bytes(char out[32], double bytes);
const char *text_duration(char out[32], double seconds);
/** "SIGTERM"; "signal 70" for a number without a name. As above. */
const char *text_signal(char out[32], int signal);

#endif
