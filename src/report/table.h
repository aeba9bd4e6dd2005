/** Reading the tables of a log folder: CSV by RFC 4180 with LF or CRLF. Private to the report. */
#ifndef LINNET_REPORT_TABLE_H
#define LINNET_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Walks cells in a buffer that it changes: quotes are taken off in place and every cell is ended by 0. */
typedef struct cells {
    char *next, *end; /* *end is writable: file_read's terminator */
} cells;

typedef struct cell {
    char *s;   /* ended by 0 */
    size_t n;  /* bytes */
    char stop; /* ',': more follow in the row; '\n': the row's last; 0: the text ends inside it */
} cell;

cell cells_next(cells *c);

/** The numbers of one column, cells that hold one alone. */
typedef struct table_column {
    size_t n, capacity;
    uint32_t *row; /* (n) ascending */
    double *value; /* (n) NaN and infinities as the file has them */
} table_column;

typedef struct table {
    size_t row_n;         /* whole rows */
    size_t column_n;      /* as asked for */
    table_column *column; /* (column_n) in the order asked for; empty where the file has no such column */
} table;

/** Reads the columns `name` (column_n) of numbers. A row without its line end or with more or fewer cells than the
 *  header is left out. Numbers are right to about 1e-15 of their size.
 *  @return 0, E_NOTFOUND, E_IO, E_FORMAT (empty, or none of the columns is there), E_NOMEM */
int table_read(table *out, const char *path, const char *const *name, size_t column_n);
void table_deinit(table *t);

/** The column's value in `row`; NaN where there is none. *at: where to look first, 0 at the beginning; rows ascend
 *  from call to call. */
double table_value(const table_column *c, size_t row, size_t *at);

/** One image of worst.csv; strings lie in worst_list.bytes. */
typedef struct worst_image {
    const char *file, *truth, *predicted;
    double probability, loss; /* NaN where absent */
} worst_image;

typedef struct worst_list {
    unsigned char *bytes;
    worst_image *image; /* (n) most wrong first */
    size_t n;
} worst_list;

/** @return as table_read */
int worst_read(worst_list *out, const char *path);
void worst_deinit(worst_list *w);

#endif
