/** The result of an audit as a table, as JSON and as a page with thumbnails. */
#ifndef LINNET_CLI_AUDIT_REPORT_H
#define LINNET_CLI_AUDIT_REPORT_H

#include "tools/audit.h"

#include <jansson.h>

/** Prints kinds, counts and the first findings of each kind to stdout. */
void audit_print(const audit *a);
/** {"images", "seconds", "images_per_second", "counts": {KIND: n}, "findings": [{"kind", "split", "file", ...}]} */
json_t *audit_json(const audit *a);
/** Writes DIR/audit.md, its images DIR/audit-KIND.jpg, and DIR/audit.json. @return 0, E_IO, E_FULL, E_NOMEM */
int audit_write(const audit *a, const char *folder);

#endif
