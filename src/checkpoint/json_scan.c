#include "checkpoint/json_scan.h"

#include "base/status.h"

#include <string.h>

static int wrong(const json_scan *j, const char *what) {
    return fail(E_FORMAT, "its header is no JSON of the right form: %s at byte %zu", what, j->at + 8);
}

char json_peek(json_scan *j) {
    while (j->at < j->n && j->bytes[j->at] != 0 && strchr(" \t\r\n", j->bytes[j->at]) != NULL)
        j->at++;
    return j->at < j->n ? j->bytes[j->at] : 0;
}

int json_take(json_scan *j, char token) {
    char what[] = "no ' '";
    if (json_peek(j) != token) {
        what[4] = token;
        return wrong(j, what);
    }
    j->at++;
    return OK;
}

/** Four hexadecimal digits. */
static int take_unit(json_scan *j, unsigned *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        char c = j->at < j->n ? j->bytes[j->at] : 0;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return wrong(j, "a broken \\u");
        *out = *out << 4 | (unsigned)digit;
    }
    return OK;
}

static int append_utf8(text *out, unsigned code) {
    unsigned char b[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code >>= 6)
        b[i] = (unsigned char)(0x80 | (code & 0x3F));
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    b[0] = (unsigned char)(lead[n] | code);
    return text_append(out, b, n);
}

/** What follows \u, the second half of a pair included. */
static int take_code(json_scan *j, text *out) {
    int rc = OK;
    unsigned code = 0, low = 0;
    TRY(take_unit(j, &code));
    if (code >= 0xD800 && code < 0xDC00 && j->n - j->at >= 6 && memcmp(j->bytes + j->at, "\\u", 2) == 0) {
        j->at += 2;
        TRY(take_unit(j, &low));
        if (low >= 0xDC00 && low < 0xE000)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code == 0 || (code >= 0xD800 && code < 0xE000)) {
        rc = wrong(j, "a \\u that is no character");
        goto done;
    }
    TRY(append_utf8(out, code));
done:
    return rc;
}

static int take_escape(json_scan *j, text *out) {
    static const char escape[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = j->at < j->n ? j->bytes[j->at++] : 0;
    const char *found = c != 0 ? strchr(escape, c) : NULL;
    if (c == 'u')
        return take_code(j, out);
    return found != NULL ? text_append(out, &meant[found - escape], 1) : wrong(j, "an unknown escape");
}

int json_string_take(json_scan *j, text *out) {
    int rc = OK;
    out->n = 0;
    TRY(text_append(out, "", 0));
    TRY(json_take(j, '"'));
    for (;;) {
        size_t from = j->at;
        while (j->at < j->n && (unsigned char)j->bytes[j->at] >= 0x20 && j->bytes[j->at] != '"' &&
               j->bytes[j->at] != '\\')
            j->at++;
        TRY(text_append(out, j->bytes + from, j->at - from));
        char c = j->at < j->n ? j->bytes[j->at] : 0;
        if (c != '"' && c != '\\') {
            rc = wrong(j, "a string without an end");
            goto done;
        }
        j->at++;
        if (c == '"')
            break;
        TRY(take_escape(j, out));
    }
done:
    return rc;
}

int json_whole_take(json_scan *j, int64_t *out) {
    char first = json_peek(j);
    size_t from = j->at;
    *out = 0;
    for (; j->at < j->n && j->bytes[j->at] >= '0' && j->bytes[j->at] <= '9'; j->at++)
        if (__builtin_mul_overflow(*out, (int64_t)10, out) ||
            __builtin_add_overflow(*out, (int64_t)(j->bytes[j->at] - '0'), out))
            return wrong(j, "a number out of range");
    if (j->at == from || (first == '0' && j->at - from > 1))
        return wrong(j, "no whole number");
    return OK;
}

int json_more(json_scan *j, bool *more, char end) {
    *more = json_peek(j) == ',';
    return json_take(j, *more ? ',' : end);
}

int json_begin(json_scan *j, bool *more, char begin, char end) {
    int rc = json_take(j, begin);
    *more = rc == OK && json_peek(j) != end;
    return rc == OK && !*more ? json_take(j, end) : rc;
}
