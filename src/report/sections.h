/** The parts of a page in words and tables. Each appends to page.body. @return 0, E_IO, E_FULL, E_NOMEM.
 *  Private to the report. */
#ifndef LINNET_REPORT_SECTIONS_H
#define LINNET_REPORT_SECTIONS_H

#include "report/data.h"
#include "report/page.h"

/** Title and the line below it. */
int section_head(text *out, const run_data *d);
/** All of one run's page below its head. */
int sections_run(page *p, const run_data *d);
int section_epochs(page *p, const run_data *d);
/** What ranks did; nothing for one rank. */
int section_ranks(page *p, const run_data *d);
int section_journal(page *p, const run_data *d);
/** Title, table and pictures of several runs. */
int sections_compare(page *p, const run_data *d, size_t n);

/** Value of an option of hparams.yaml as it is written there; NULL where absent. */
const char *run_option(const run_data *d, const char *key);
/** A paragraph: `problem`, or `absent` where there is none. */
int section_words(page *p, const char *problem, const char *absent);

/** A place on the page, to see what has come since. */
typedef struct page_mark {
    size_t body, undrawn;
    int pictures;
} page_mark;

page_mark mark_page(const page *p);
/** Says in words why no picture has come since `before`; nothing where one has. */
int section_end(page *p, page_mark before, const char *problem, const char *absent);

#endif
