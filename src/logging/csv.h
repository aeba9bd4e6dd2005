/** metrics.csv as Lightning's CSVLogger writes it: one row per logging event, empty cells where a metric is absent. */
#ifndef LINNET_LOGGING_CSV_H
#define LINNET_LOGGING_CSV_H

#include <stdbool.h>
#include <stdint.h>

typedef struct csv csv;

/** Opens for appending; writes the header when the file is new. Columns are fixed: "epoch,step" and those given
 *  (column_n names). An existing file must have the same header (E_FORMAT). @return 0, E_IO, E_FULL, E_NOMEM */
int csv_open(csv **out, const char *path, const char *const *column, int column_n);
int csv_close(csv *c);

/** One row; value[i] NaN-boxed as absent by present[i] == 0. Flushed to the operating system. */
int csv_row(csv *c, int64_t epoch, int64_t step, const double *value, const char *present);

/** Resume: keeps the rows with step <= last_step; a torn last line is dropped. Atomic. A missing file is no error.
 *  `keep`: rows that are dropped move to PATH.1, or the next number that is free, which is logged before.
 *  `again`: a column; a row of last_step that has a value in it will be logged again, and is dropped too. NULL: none */
int csv_trim(const char *path, int64_t last_step, bool keep, const char *again);

#endif
