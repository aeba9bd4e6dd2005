/** Reports on runs, from their log folders. */
#ifndef LINNET_REPORT_RUN_REPORT_H
#define LINNET_REPORT_RUN_REPORT_H

#include "base/file.h"
#include "report/report.h"

/** OUT/viewlogs.md, OUT/images/ and OUT/report.html from log folders logs/ARCH/version_N. @return as report_write */
int run_report(report_result *out, const char *folder, const char *const *logs, size_t n);

/** The log folder for a path: the path itself, or the newest logs/ARCH/version_N below a run's --out folder.
 *  @return 0, E_NOTFOUND, E_IO */
int run_report_find(char logs[PATH_BYTES], const char *path);

#endif
