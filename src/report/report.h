/** A run as a page to read: viewlogs.md with pictures, from what its log folder holds and nothing else. */
#ifndef LINNET_REPORT_REPORT_H
#define LINNET_REPORT_REPORT_H

#include "report/plot/plot.h"

/** Where a picture's pixels come from that monitor cannot decode itself: a contact sheet, decoded by the caller. */
typedef struct report_sheet {
    const uint8_t *rgb; /* (h, w, 3) borrowed; NULL: none */
    int w, h;
} report_sheet;

typedef struct report_run {
    const char *logs;   /* its folder logs/ARCH/version_N */
    const char *name;   /* of the run where several are compared: unique, short; else NULL is allowed */
    report_sheet worst; /* the sheet of worst.csv, thumbnails of equal size row by row */
} report_run;

typedef struct report_result {
    int pictures;      /* written */
    char missing[512]; /* "" or why pictures are missing, one line */
} report_result;

/** Writes OUT/viewlogs.md and OUT/images/NAME.png, each atomically; several runs are laid side by side: one page,
 * curves over each other. Pictures of an earlier report that are no longer shown are left alone. A missing or torn log
 * file makes its section say so, not the report fail. @return 0; E_NOTFOUND (a run folder that is none), E_IO, E_FULL,
 * E_NOMEM */
int report_write(report_result *out, const char *folder, const report_run *run, size_t n);

/** Whether a folder holds any log of a run; *newest: when the last of them was written, seconds since 1970. NULL: not
 *  wanted. */
bool report_is_logs(const char *folder, double *newest);

/** The picture of a run's LR finder alone, from its log folder; PLOT_WIDTH x PLOT_HEIGHT.
 *  @param[out] png  appended. @return 0, E_NOTFOUND, E_UNSUPPORTED (built without cairo), E_IO, E_NOMEM */
int report_finder(text *png, const char *logs);

#endif
