/** Markdown (GitHub's dialect) from strings that may hold anything. Private to the report. All: @return 0 or E_NOMEM.
 *  What is appended is UTF-8 on one line: a malformed byte becomes ?, a control character a space. */
#ifndef LINNET_REPORT_MARKDOWN_H
#define LINNET_REPORT_MARKDOWN_H

#include "base/text.h"

/** For a paragraph, a heading, a link's text or a table's cell: nothing of it is markup. */
int md_text(text *t, const char *s);
/** As code, in a paragraph; not for tables, where | would end the cell. */
int md_code(text *t, const char *s);
/** A fenced block of n bytes, which may have lines and tabs; the fence is longer than any inside. */
int md_block(text *t, const char *language, const char *s, size_t n);
/** The head of a table: its titles, and for each 'l' or 'r', where its column is set. */
int md_head(text *t, const char *const *title, const char *align, size_t n);
/** A number in `format` (one %g, %f or %e), or nan, inf, -inf. */
int md_real(text *t, const char *format, double v) __attribute__((format(printf, 2, 0)));
/** A loss: four decimals where that is readable. */
int md_loss(text *t, double v);

/** Four significant digits, into `out`. */
const char *real_text(char out[32], double v);
/** As text_append, cleaned as said above; `keep`: control characters that stay. */
int clean_append(text *t, const char *s, size_t n, const char *keep);

#endif
