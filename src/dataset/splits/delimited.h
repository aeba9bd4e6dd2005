/** Reads the records of a CSV file (RFC 4180) or of one with another separator, such as a tab. */
#ifndef LINNET_DATASET_DELIMITED_H
#define LINNET_DATASET_DELIMITED_H

#include <stddef.h>

/** The part of the text that remains to be read. The text is modified. */
typedef struct delimited {
    char *at, *end; /* *end is 0 */
    char separator;
    size_t line; /* of `at`, from 1 */
} delimited;

/** Prepares `n` bytes of text, followed by a 0 byte, without the mark U+FEFF at its beginning. The separator is a
 *  comma; if the first line that is not empty contains none, a tab or else a semicolon, if the line contains it. */
delimited delimited_begin(char *bytes, size_t n);

/** Reads the next record that is not an empty line. field: its first `most` fields, each ended by 0; they point into
 *  the text. *n: number of all its fields; 0 at the end of the text. *line: where it begins. A field in double quotes
 *  may contain separators, line breaks and quotes (each written twice).
 *  @return 0, E_FORMAT (a quote is not closed, or text follows a closing quote; the message has the line) */
int delimited_next(delimited *d, char **field, int most, int *n, size_t *line);

#endif
