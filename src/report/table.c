/* Reads the CSV files of a log folder. */

#include "report/table.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_CELLS = 512 };
#define TABLE_BYTES ((size_t)1 << 31)
#define WORST_BYTES ((size_t)16 << 20)

/* Removes the quotes of a cell; doubled quotes become one. Sets c->next after the closing quote. */
static char *unquote(cells *c, char *to) {
    char *p = c->next + 1;
    for (; p < c->end; p++) {
        if (*p == '"' && (p + 1 == c->end || p[1] != '"')) {
            c->next = p + 1;
            return to;
        }
        p += *p == '"';
        *to++ = *p;
    }
    c->next = c->end; /* no closing quote: the row is incomplete */
    return to;
}

cell cells_next(cells *c) {
    cell out = {.s = c->next};
    char *to = c->next;
    bool quoted = c->next < c->end && *c->next == '"';
    if (quoted)
        to = unquote(c, to);
    char *p = c->next;
    while (p < c->end && *p != ',' && *p != '\n')
        p++;
    if (quoted)
        memmove(to, c->next, (size_t)(p - c->next));
    to += p - c->next;
    out.stop = 0;
    if (p < c->end)
        out.stop = *p++;
    c->next = p;
    if (out.stop == '\n' && to > out.s && to[-1] == '\r')
        to--;
    *to = 0;
    out.n = (size_t)(to - out.s);
    return out;
}

/* Parses decimals in the format of csv_row. It takes a tenth of strtod's time; the 16th digit may be off by one. */
static bool quick_number(double *out, const char *s) {
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool minus = *s == '-', point = false;
    uint64_t digits = 0;
    int digit_n = 0, scale = 0, exponent = 0;
    for (s += minus; (*s >= '0' && *s <= '9') || (*s == '.' && !point); s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        digits = digits * 10 + (uint64_t)(*s - '0');
        digit_n++;
        scale += point;
    }
    if (digit_n == 0 || digit_n > 18)
        return false;
    if (*s == 'e') {
        bool down = s[1] == '-';
        s += 1 + (s[1] == '-' || s[1] == '+');
        if (*s == 0)
            return false;
        for (; *s >= '0' && *s <= '9' && exponent < 1000; s++)
            exponent = exponent * 10 + (*s - '0');
        exponent = down ? -exponent : exponent;
    }
    exponent -= scale;
    if (*s != 0 || exponent < -22 || exponent > 22)
        return false;
    double v = exponent < 0 ? (double)digits / power[-exponent] : (double)digits * power[exponent];
    *out = minus ? -v : v;
    return true;
}

static bool number(double *out, const cell *c) { return quick_number(out, c->s) || text_to_double(out, c->s); }

static int column_add(table_column *c, size_t row, double value) {
    int rc = OK;
    size_t capacity = c->capacity;
    TRY(memory_grow(&c->row, &capacity, c->n + 1, sizeof *c->row));
    TRY(memory_grow(&c->value, &c->capacity, c->n + 1, sizeof *c->value));
    c->row[c->n] = (uint32_t)row;
    c->value[c->n++] = value;
done:
    return rc;
}

/* Whether a column of the file is the one wanted; a name that ends in * stands for all that begin so. */
static bool same_column(const char *wanted, const char *head) {
    size_t n = strlen(wanted);
    return n > 0 && wanted[n - 1] == '*' ? strncmp(wanted, head, n - 1) == 0 : strcmp(wanted, head) == 0;
}

/* Sets place[cell] to the index into `name` or -1 for each cell of the header. @return 0 or E_FORMAT */
static int read_header(int place[HEADER_CELLS], size_t *cell_n, cells *c, const char *const *name, size_t name_n,
                       const char *path) {
    size_t known = 0;
    for (*cell_n = 0; *cell_n < HEADER_CELLS;) {
        cell head = cells_next(c);
        if (head.stop == 0)
            return fail(E_FORMAT, "%s has no complete first line", path);
        int found = -1;
        for (size_t i = 0; i < name_n && found < 0; i++)
            if (same_column(name[i], head.s))
                found = (int)i;
        known += found >= 0;
        place[(*cell_n)++] = found;
        if (head.stop == '\n')
            return known > 0 ? OK : fail(E_FORMAT, "%s has none of the expected columns in its first line", path);
    }
    return fail(E_FORMAT, "%s has more than %d columns", path, HEADER_CELLS);
}

/* Reads one row; the values of an incomplete row are removed again. */
static int read_row(table *t, cells *c, const int *place, size_t cell_n) {
    int rc = OK;
    size_t i = 0;
    cell v;
    do {
        double x;
        v = cells_next(c);
        if (i < cell_n && place[i] >= 0 && v.n > 0 && number(&x, &v))
            TRY(column_add(&t->column[place[i]], t->row_n, x));
        i++;
    } while (v.stop == ',');
    if (v.stop == '\n' && i == cell_n && t->row_n < UINT32_MAX) {
        t->row_n++;
        return OK;
    }
    for (size_t k = 0; k < t->column_n; k++)
        while (t->column[k].n > 0 && t->column[k].row[t->column[k].n - 1] == t->row_n)
            t->column[k].n--;
done:
    return rc;
}

int table_read(table *out, const char *path, const char *const *name, size_t column_n) {
    unsigned char *bytes = NULL;
    size_t n = 0, cell_n = 0;
    int place[HEADER_CELLS], rc = OK;
    table t = {.column_n = column_n};
    TRY(file_read(&bytes, &n, path, TABLE_BYTES));
    TRY(memory_zeroed(&t.column, column_n, sizeof *t.column));
    cells c = {(char *)bytes, (char *)bytes + n};
    TRY(read_header(place, &cell_n, &c, name, column_n, path));
    while (c.next < c.end)
        TRY(read_row(&t, &c, place, cell_n));
    *out = t;
    t = (table){0}; /* now owned by the caller */
done:
    table_deinit(&t);
    free(bytes);
    return rc;
}

void table_deinit(table *t) {
    for (size_t i = 0; t->column != NULL && i < t->column_n; i++) {
        free(t->column[i].row);
        free(t->column[i].value);
    }
    free(t->column);
    *t = (table){0};
}

double table_value(const table_column *c, size_t row, size_t *at) {
    while (*at < c->n && c->row[*at] < row)
        ++*at;
    return *at < c->n && c->row[*at] == row ? c->value[*at] : NAN;
}

enum { FILE_NAME, TRUTH, PREDICTED, PROBABILITY, LOSS, WORST_CELLS };

int worst_read(worst_list *out, const char *path) {
    static const char *const name[WORST_CELLS] = {"file", "true", "predicted", "probability", "loss"};
    size_t n = 0, cell_n = 0, capacity = 0;
    int place[HEADER_CELLS], rc = OK;
    worst_list w = {0};
    TRY(file_read(&w.bytes, &n, path, WORST_BYTES));
    cells c = {(char *)w.bytes, (char *)w.bytes + n};
    TRY(read_header(place, &cell_n, &c, name, WORST_CELLS, path));
    while (c.next < c.end) {
        cell got[WORST_CELLS] = {{"", 0, 0}, {"", 0, 0}, {"", 0, 0}, {"", 0, 0}, {"", 0, 0}}, v;
        size_t i = 0;
        do {
            v = cells_next(&c);
            if (i < cell_n && place[i] >= 0)
                got[place[i]] = v;
            i++;
        } while (v.stop == ',');
        if (v.stop != '\n' || i != cell_n)
            continue;
        TRY(memory_grow(&w.image, &capacity, w.n + 1, sizeof *w.image));
        worst_image *image = &w.image[w.n++];
        *image = (worst_image){got[FILE_NAME].s, got[TRUTH].s, got[PREDICTED].s, NAN, NAN};
        double x;
        if (number(&x, &got[PROBABILITY]))
            image->probability = x;
        if (number(&x, &got[LOSS]))
            image->loss = x;
    }
    *out = w;
    w = (worst_list){0}; /* now owned by the caller */
done:
    worst_deinit(&w);
    return rc;
}

void worst_deinit(worst_list *w) {
    free(w->image);
    free(w->bytes);
    *w = (worst_list){0};
}
