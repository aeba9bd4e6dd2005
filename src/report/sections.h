/** The sections of a page. Each function appends to page.body. @return 0, E_IO, E_FULL, E_NOMEM.
 *  Private to the report. */
#ifndef LINNET_REPORT_SECTIONS_H
#define LINNET_REPORT_SECTIONS_H

#include "report/data.h"
#include "report/page.h"

/** Title and the line below it. */
int section_head(text *out, const run_data *d);
/** All sections of one run's page. */
int sections_run(page *p, const run_data *d);
int section_epochs(page *p, const run_data *d);
/** Communication and the slowest rank; nothing for one rank. */
int section_ranks(page *p, const run_data *d);
int section_journal(page *p, const run_data *d);
/** Table and charts of several runs. */
int sections_compare(page *p, const run_data *d, size_t n);

/** Value of an option in hparams.yaml, as text; NULL if absent. */
const char *run_option(const run_data *d, const char *key);
/** A paragraph: `problem`, or `absent` if there is no problem. */
int section_words(page *p, const char *problem, const char *absent);

/** A position on the page, to find out what was added after it. */
typedef struct page_mark {
    size_t body, undrawn;
    int pictures;
} page_mark;

page_mark mark_page(const page *p);
/** If no image was added since `before`: appends the reason. */
int section_end(page *p, page_mark before, const char *problem, const char *absent);

#endif
