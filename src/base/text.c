#define _GNU_SOURCE
#include "base/text.h"

#include "base/memory.h"
#include "base/status.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int text_reserve(text *t, size_t more) {
    if (more >= (size_t)-1 / 2 - t->n)
        return fail(E_NOMEM, "text too long");
    size_t need = t->n + more + 1;
    if (need <= t->capacity)
        return OK;
    size_t capacity = t->capacity < 64 ? 64 : t->capacity;
    while (capacity < need)
        capacity *= 2;
    int rc = memory_resize(&t->data, capacity, 1);
    if (rc == OK)
        t->capacity = capacity;
    return rc;
}

int text_append(text *t, const void *bytes, size_t n) {
    int rc = text_reserve(t, n);
    if (rc != OK)
        return rc;
    if (n > 0)
        memcpy(t->data + t->n, bytes, n);
    t->n += n;
    t->data[t->n] = 0;
    return OK;
}

int text_printf(text *t, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc = n < 0 ? fail(E_FORMAT, "cannot format '%s'", format) : text_reserve(t, (size_t)n);
    if (rc == OK) {
        vsnprintf(t->data + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
    return rc;
}

void text_deinit(text *t) {
    free(t->data);
    *t = (text){0};
}

int text_append_utf8(text *t, const char *s) {
    size_t before = t->n;
    int rc = OK;
    for (size_t left = strlen(s), n = 0; rc == OK && left > 0; s += n, left -= n) {
        n = text_utf8(s, left);
        rc = n > 0 ? text_append(t, s, n) : text_printf(t, "\\x%02X", (unsigned char)*s);
        n = n > 0 ? n : 1;
    }
    if (rc != OK)
        t->n = before;
    return rc;
}

/** Quotes the cell that begins at `from`. */
static int quote_cell(text *t, size_t from) {
    text quoted = {0};
    int rc = OK;
    TRY(text_append(&quoted, "\"", 1));
    for (const char *s = t->data + from; *s != 0; s++)
        TRY(*s == '"' ? text_append(&quoted, "\"\"", 2) : text_append(&quoted, *s == '\n' || *s == '\r' ? " " : s, 1));
    TRY(text_append(&quoted, "\"", 1));
    t->n = from;
    TRY(text_append(t, quoted.data, quoted.n));
done:
    text_deinit(&quoted);
    return rc;
}

int text_csv_cell(text *t, const char *s) {
    size_t before = t->n;
    int rc = text_append_utf8(t, s);
    if (rc == OK && s[strcspn(s, ",\"\r\n")] != 0)
        rc = quote_cell(t, before);
    if (rc != OK)
        t->n = before;
    return rc;
}

const char *text_string(const text *t) { return t->data != NULL ? t->data : ""; }

size_t text_utf8(const char *s, size_t n) {
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return overlong || beyond ? 0 : length;
}

int text_distance(const char *a, const char *b) {
    enum { MAX = 63 };
    int row[MAX + 1];
    size_t bn = strnlen(b, MAX), an = strnlen(a, MAX);
    for (size_t j = 0; j <= bn; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= an; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= bn; j++) {
            int replace = diagonal + (a[i - 1] != b[j - 1]);
            int shift = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = replace < shift ? replace : shift;
        }
    }
    return row[bn];
}

bool text_to_int(long long *out, const char *s) {
    char *end = NULL;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || *end != 0 || errno != 0)
        return false;
    *out = v;
    return true;
}

bool text_to_double(double *out, const char *s) {
    char *end = NULL;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end != 0 || (errno == ERANGE && isinf(v)))
        return false;
    *out = v;
    return true;
}

const char *text_count(char out[32], unsigned long long n) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", n), k = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[k++] = ',';
        out[k++] = digits[i];
    }
    out[k] = 0;
    return out;
}

const char *text_bytes(char out[32], double bytes) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    int u = 0;
    while (bytes >= 1024 && u < 5) {
        bytes /= 1024;
        u++;
    }
    snprintf(out, 32, bytes < 10 && u > 0 ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
    return out;
}

const char *text_duration(char out[32], double seconds) {
    if (!(seconds >= 0 && seconds < 1e10))
        snprintf(out, 32, "?");
    else if (seconds < 60)
        snprintf(out, 32, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    else if (seconds < 3600)
        snprintf(out, 32, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(out, 32, "%lld h %02d min", (long long)seconds / 3600, (int)((long long)seconds % 3600 / 60));
    return out;
}

bool text_in_list(const char *list, char separator, const char *word) {
    char end[2] = {separator, 0};
    size_t n = strlen(word);
    for (const char *s = list; n > 0 && *s != 0; s += strcspn(s, end), s += *s != 0)
        if (strcspn(s, end) == n && strncmp(s, word, n) == 0)
            return true;
    return false;
}

const char *text_signal(char out[32], int signal) {
    const char *name = sigabbrev_np(signal);
    if (name != NULL)
        snprintf(out, 32, "SIG%s", name);
    else
        snprintf(out, 32, "signal %d", signal);
    return out;
}
