/** The report of a run: viewlogs.md with images, and the same page as report.html, made from its log folder alone. */
#ifndef LINNET_REPORT_REPORT_H
#define LINNET_REPORT_REPORT_H

#include "report/plot/plot.h"

/** A contact sheet, decoded by the caller. */
typedef struct report_sheet {
    const uint8_t *rgb; /* (h, w, 3) borrowed; NULL: none */
    int w, h;
} report_sheet;

typedef struct report_run {
    const char *logs;   /* its folder logs/ARCH/version_N */
    const char *name;   /* short and unique if several runs are compared; else NULL is allowed */
    report_sheet worst; /* the sheet for worst.csv: thumbnails of equal size, row by row */
} report_run;

typedef struct report_result {
    int pictures;      /* number of images on the page */
    bool html;         /* report.html was written */
    char missing[512]; /* "" or why images are missing, one line */
} report_result;

/** Writes OUT/viewlogs.md, OUT/images/NAME.png and, unless html_unavailable() (html.h), OUT/report.html, which contains
 *  its images; each atomically. Several runs are compared on one page, with common charts. Images of an earlier report
 * that are no longer shown are not removed. If a log file is missing or damaged, its section says so; this is not an
 * error. @return 0; E_NOTFOUND (not the log folder of a run), E_IO, E_FULL, E_NOMEM
 */
int report_write(report_result *out, const char *folder, const report_run *run, size_t n);

/** Whether a folder contains any log of a run; *newest: when the latest of them was written, seconds since 1970. NULL:
 * not wanted. */
bool report_is_logs(const char *folder, double *newest);

/** Only the chart of a run's LR finder, from its log folder; PLOT_WIDTH x PLOT_HEIGHT.
 *  @param[out] png  appended. @return 0, E_NOTFOUND, E_UNSUPPORTED (built without cairo), E_IO, E_NOMEM */
int report_finder(text *png, const char *logs);

#endif
