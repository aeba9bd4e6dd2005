/** A page of a report as one HTML file: pictures and style are inside, nothing is fetched, no script. The tables of the
 *  Markdown are those of GitHub's dialect, which cmark-gfm reads. */
#ifndef LINNET_REPORT_HTML_H
#define LINNET_REPORT_HTML_H

#include "base/text.h"

/** Why no HTML can be made ("this build has no cmark-gfm: install ..."), or NULL. */
const char *html_unavailable(void);

/** Converts n bytes of Markdown. Its own HTML is omitted, except for <details> with a <summary>.
 *  @param[out] out  appended; the elements of <body>.
 *  @return 0, E_UNSUPPORTED (built without cmark-gfm), E_NOMEM. Threads: one at a time */
int html_body(text *out, const char *markdown, size_t n);

/** A picture of the page for screens that are less than 700 pixels wide. */
typedef struct html_narrow {
    const char *name; /* as in images/NAME.png; borrowed */
    text png;
} html_narrow;

/** The whole document. A picture images/NAME.png is read from `folder`; its name stands for one that cannot be read.
 *  narrow: (narrow_n) borrowed. Narrow screens scroll a picture that is not among them.
 *  @param[out] out  appended. @return as html_body */
int html_document(text *out, const char *markdown, size_t n, const char *folder, const html_narrow *narrow,
                  size_t narrow_n);

/** A document with a title and one paragraph, both plain text; needs no cmark-gfm. @param[out] out  appended.
 *  @return 0 or E_NOMEM */
int html_notice(text *out, const char *title, const char *notice);

#endif
