/** Writes Markdown (GitHub's dialect) from arbitrary strings. All: @return 0 or E_NOMEM.
 *  The result is UTF-8 on one line: a byte that is not UTF-8 becomes \xHH (base/text.h), a control character a space.
 */
#ifndef LINNET_REPORT_MARKDOWN_H
#define LINNET_REPORT_MARKDOWN_H

#include "base/text.h"

/** For a paragraph, a heading, a link's text or a table cell: all markup is escaped. */
int md_text(text *t, const char *s);
/** As inline code; not for tables, where | would end the cell. */
int md_code(text *t, const char *s);
/** A fenced block of n bytes, which may contain line ends and tabs; the fence is longer than any in the text. */
int md_block(text *t, const char *language, const char *s, size_t n);
/** The head of a table: titles, and 'l' or 'r' for the alignment of each column. */
int md_head(text *t, const char *const *title, const char *align, size_t n);
/** A number in `format` (one %g, %f or %e), or nan, inf, -inf. */
int md_real(text *t, const char *format, double v) __attribute__((format(printf, 2, 0)));
/** A loss: with four decimals unless it is very small or large. */
int md_loss(text *t, double v);

/** Four significant digits, into `out`. */
const char *real_text(char out[32], double v);
/** text_append with the replacements above; `keep`: control characters that are kept. */
int clean_append(text *t, const char *s, size_t n, const char *keep);

#endif
