/** Reads the tables of a log folder: CSV by RFC 4180 with LF or CRLF. Private to the report. */
#ifndef LINNET_REPORT_TABLE_H
#define LINNET_REPORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Iterates over the cells in a buffer, which it modifies: removes quotes in place and terminates each cell with 0. */
typedef struct cells {
    char *next, *end; /* *end is writable: file_read's terminator */
} cells;

typedef struct cell {
    char *s;   /* terminated by 0 */
    size_t n;  /* bytes */
    char stop; /* ',': more cells follow in the row; '\n': last of the row; 0: the text ends within it */
} cell;

cell cells_next(cells *c);

/** The numbers of one column; other cells are omitted. */
typedef struct table_column {
    size_t n, capacity;
    uint32_t *row; /* (n) ascending */
    double *value; /* (n) may be NaN or infinite */
} table_column;

typedef struct table {
    size_t row_n;         /* complete rows */
    size_t column_n;      /* as requested */
    table_column *column; /* (column_n) in the requested order; empty if the file has no such column */
} table;

/** Reads the columns `name` (column_n) of numbers; "lr-*" is the column that begins with lr-. A row without a line end
 * or with more or fewer cells than the header is omitted. Numbers are accurate to about 1e-15, relative.
 *  @return 0, E_NOTFOUND, E_IO, E_FORMAT (empty, or without any of the columns), E_NOMEM */
int table_read(table *out, const char *path, const char *const *name, size_t column_n);
void table_deinit(table *t);

/** The column's value in `row`; NaN if there is none. *at: state of the search, initially 0; rows must ascend from
 *  call to call. */
double table_value(const table_column *c, size_t row, size_t *at);

/** One image of worst.csv; the strings point into worst_list.bytes. */
typedef struct worst_image {
    const char *file, *truth, *predicted;
    double probability, loss; /* NaN if absent */
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
