/** An audit as a table, as JSON and as a page of thumbnails. */
#ifndef LINNET_CLI_AUDIT_REPORT_H
#define LINNET_CLI_AUDIT_REPORT_H

#include "tools/audit.h"

#include <jansson.h>

/** Kinds, counts and the first of each kind, on stdout. */
void audit_print(const audit *a);
/** {"images", "seconds", "images_per_second", "counts": {KIND: n}, "findings": [{"kind", "split", "file", ...}]} */
json_t *audit_json(const audit *a);
/** DIR/audit.md with its pictures DIR/audit-KIND.jpg, and DIR/audit.json. @return 0, E_IO, E_FULL, E_NOMEM */
int audit_write(const audit *a, const char *folder);

#endif
