/** Lists of names in braces, as the Python package braceexpand (of webdataset) and bash expand them. */
#ifndef LINNET_DATASET_BRACE_H
#define LINNET_DATASET_BRACE_H

#include "base/text.h"

#include <stddef.h>

#define BRACE_MAX 1000000 /* limit of names */

/** Expands `pattern` into *n names, each ended by 0; the last group varies fastest.
 *    {a,b,}        each part; parts may contain groups
 *    {0000..1023}  numbers in either direction, padded with zeros if one limit is; {0..10..2} in steps of 2
 *    \{            the character itself, also for , } and \
 *  A group without a comma or range is kept with its braces. *out is empty before; the caller calls text_deinit.
 *  @return 0, E_OPTION (a brace without its partner, more than BRACE_MAX names), E_NOMEM */
int brace_expand(text *out, size_t *n, const char *pattern);

#endif
