/** metrics.csv as Lightning's CSVLogger writes it: one row per logging call, empty cells where a metric is absent. */
#ifndef LINNET_LOGGING_CSV_H
#define LINNET_LOGGING_CSV_H

#include <stdbool.h>
#include <stdint.h>

typedef struct csv csv;

/** Opens for appending; writes the header if the file is new. The columns are "epoch,step" and the given ones (column_n
 *  names). An existing file must have the same header (E_FORMAT). @return 0, E_IO, E_FULL, E_NOMEM */
int csv_open(csv **out, const char *path, const char *const *column, int column_n);
/** Writes the rows that csv_row could not write, and closes the file. @return 0 or the error; the rows are then lost */
int csv_close(csv *c);

/** Writes one row; value i is left empty where present[i] == 0. Flushed to the operating system. If that fails, the
 * file ends with a whole row, and the next call writes this one too. @return 0, E_IO, E_FULL, E_NOMEM (no row) */
int csv_row(csv *c, int64_t epoch, int64_t step, const double *value, const char *present);

/** For a resume: keeps the rows with step <= last_step and removes an incomplete last line. Atomic. A missing file
 *  is not an error. `keep`: removed rows are moved to PATH.1, or to the next free number, and a message is logged.
 *  `again`: name of a column, or NULL. A row of last_step with a value in this column will be logged again, so it is
 *  removed too. */
int csv_trim(const char *path, int64_t last_step, bool keep, const char *again);

#endif
