#include "dataset/splits/delimited.h"

#include "base/status.h"

#include <stdbool.h>
#include <string.h>

delimited delimited_begin(char *bytes, size_t n) {
    delimited d = {.at = bytes, .end = bytes + n, .separator = ',', .line = 1};
    if (n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
        d.at += 3;
    const char *line = d.at + strspn(d.at, "\r\n");
    size_t first = strcspn(line, "\r\n");
    if (memchr(line, ',', first) == NULL)
        d.separator = memchr(line, '\t', first) != NULL ? '\t' : memchr(line, ';', first) != NULL ? ';' : ',';
    return d;
}

/** Whether the record ends here: a line feed, a carriage return before one, or the end of the text. */
static bool at_end(const delimited *d) {
    return d->at == d->end || *d->at == '\n' || (*d->at == '\r' && (d->at + 1 == d->end || d->at[1] == '\n'));
}

/** Reads a field in quotes, whose text is moved to `to`. */
static int read_quoted(delimited *d, char **to) {
    size_t line = d->line;
    for (d->at++; d->at < d->end; d->at++) {
        if (*d->at == '"' && d->at[1] != '"')
            break;
        d->at += *d->at == '"'; /* the first of two */
        d->line += *d->at == '\n';
        *(*to)++ = *d->at;
    }
    if (d->at == d->end)
        return fail(E_FORMAT, "line %zu: a quote is not closed: write \"...\" around the field, and \"\" for a quote",
                    line);
    d->at++;
    if (*d->at != d->separator && !at_end(d))
        return fail(E_FORMAT, "line %zu: text follows a closing quote: write \"\" for a quote within quotes", d->line);
    return OK;
}

/** Reads a field up to the separator or the end of the record. *end: where its 0 byte belongs. */
static int read_field(delimited *d, char **field, char **end) {
    *field = *end = d->at;
    if (*d->at == '"')
        return read_quoted(d, end);
    while (*d->at != d->separator && !at_end(d))
        d->at++;
    *end = d->at;
    return OK;
}

static void skip_line_end(delimited *d) {
    d->at += d->at < d->end && *d->at == '\r';
    d->line += d->at < d->end;
    d->at += d->at < d->end;
}

int delimited_next(delimited *d, char **field, int most, int *n, size_t *line) {
    int rc = OK;
    bool more = true;
    *n = 0;
    while (d->at < d->end && at_end(d))
        skip_line_end(d);
    *line = d->line;
    while (d->at < d->end && more) {
        char *one = NULL, *end = NULL;
        TRY(read_field(d, &one, &end));
        more = *d->at == d->separator;
        if (more)
            d->at++;
        else
            skip_line_end(d);
        *end = 0; /* the separator or the line end, which has been read, or a byte of the field's quotes */
        if (*n < most)
            field[*n] = one;
        ++*n;
    }
    if (more && *n > 0) { /* the text ends after a separator: its last field is empty */
        if (*n < most)
            field[*n] = d->end;
        ++*n;
    }
done:
    return rc;
}
