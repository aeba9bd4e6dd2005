#include "dataset/brace.h"

#include "base/status.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, DIGITS_MAX = 18 };

/** A list of strings, each ended by 0. */
typedef struct strings {
    text all;
    size_t n;
} strings;

static int add(strings *s, const char *a, size_t a_n, const char *b, size_t b_n) {
    int rc = OK;
    if (s->n >= BRACE_MAX)
        return fail(E_OPTION, "a list in braces has more than %d names", BRACE_MAX);
    TRY(text_append(&s->all, a, a_n));
    TRY(text_append(&s->all, b, b_n));
    TRY(text_append(&s->all, "", 1));
    s->n++;
done:
    return rc;
}

/** *left becomes each of its strings followed by each of `right`. */
static int multiply(strings *left, const strings *right) {
    int rc = OK;
    strings product = {0};
    const char *a = text_string(&left->all);
    for (size_t i = 0; i < left->n; i++, a += strlen(a) + 1) {
        const char *b = text_string(&right->all);
        for (size_t k = 0; k < right->n; k++, b += strlen(b) + 1)
            TRY(add(&product, a, strlen(a), b, strlen(b)));
    }
    text_deinit(&left->all);
    *left = product;
    product = (strings){0}; /* now owned by the caller */
done:
    text_deinit(&product.all);
    return rc;
}

/** Parses a number of at most DIGITS_MAX digits. @return its characters, 0 if there is none */
static size_t number(long long *out, const char *at, bool *padded) {
    size_t sign = *at == '-' ? 1 : 0, n = strspn(at + sign, "0123456789");
    if (n == 0 || n > DIGITS_MAX)
        return 0;
    *out = strtoll(at, NULL, 10);
    *padded = *padded || (n > 1 && at[sign] == '0');
    return sign + n;
}

/** Reads "FIRST..LAST" or "FIRST..LAST..STEP" of n characters. */
static bool read_range(long long range[3], int *width, const char *at, size_t n) {
    bool padded = false, ignored = false;
    size_t a = number(&range[0], at, &padded), b = 0, c = 0;
    if (a == 0 || a + 2 >= n || strncmp(at + a, "..", 2) != 0)
        return false;
    b = number(&range[1], at + a + 2, &padded);
    *width = padded ? (int)(a > b ? a : b) : 0;
    range[2] = 1;
    if (b == 0 || a + 2 + b == n)
        return b > 0;
    const char *step = at + a + 2 + b;
    if (a + b + 4 >= n || strncmp(step, "..", 2) != 0)
        return false;
    c = number(&range[2], step + 2, &ignored);
    range[2] = llabs(range[2]);
    return c > 0 && a + b + c + 4 == n && range[2] > 0;
}

static int add_range(strings *s, const long long range[3], int width) {
    int rc = OK;
    char name[32];
    long long step = range[0] <= range[1] ? range[2] : -range[2];
    for (long long i = range[0]; step > 0 ? i <= range[1] : i >= range[1]; i += step) {
        int n = snprintf(name, sizeof name, "%0*lld", width, i);
        TRY(add(s, name, (size_t)n, "", 0));
    }
done:
    return rc;
}

/** The end of the part that begins at `at`: the next ',' outside of inner groups, or the '}' of its own. NULL: none.
 */
static const char *part_end(const char *at) {
    for (int depth = 0; *at != 0; at++) {
        if (*at == '\\' && at[1] != 0)
            at++;
        else if (*at == '{')
            depth++;
        else if (*at == '}' && depth-- == 0)
            return at;
        else if (*at == ',' && depth == 0)
            return at;
    }
    return NULL;
}

static int expand(strings *s, const char *at, const char *end, int depth);

/** Expands the group behind a '{'. *end: its '}'. */
static int expand_group(strings *s, const char *at, const char **end, int depth) {
    int rc = OK, width = 0;
    long long range[3];
    const char *first = at, *stop = part_end(at);
    if (stop == NULL || depth >= DEPTH_MAX)
        return fail(E_OPTION, "'%.200s': %s", at - 1, stop == NULL ? "a { without its }" : "too many braces");
    if (*stop == '}' && read_range(range, &width, at, (size_t)(stop - at))) {
        TRY(add_range(s, range, width));
    } else if (*stop == '}') {
        strings inner = {0};
        rc = add(s, "{", 1, "", 0);
        rc = rc == OK ? expand(&inner, first, stop, depth + 1) : rc;
        rc = rc == OK ? multiply(s, &inner) : rc;
        inner.n = 0;
        text_deinit(&inner.all);
        rc = rc == OK ? add(&inner, "}", 1, "", 0) : rc;
        rc = rc == OK ? multiply(s, &inner) : rc;
        text_deinit(&inner.all);
    } else {
        for (;; at = stop + 1, stop = part_end(at)) {
            if (stop == NULL)
                return fail(E_OPTION, "'%.200s': a { without its }", first - 1);
            TRY(expand(s, at, stop, depth + 1));
            if (*stop == '}')
                break;
        }
    }
    *end = stop;
done:
    return rc;
}

/** Adds the names of the text [at, end) to `s`. */
static int expand(strings *s, const char *at, const char *end, int depth) {
    int rc = OK;
    strings left = {0}, right = {0};
    TRY(add(&left, "", 0, "", 0));
    for (; at < end; at++) {
        if (*at == '{') {
            TRY(expand_group(&right, at + 1, &at, depth));
        } else if (*at == '}') {
            rc = fail(E_OPTION, "'%.200s': a } without its {", at);
            goto done;
        } else {
            at += *at == '\\' && at + 1 < end ? 1 : 0;
            const char *from = at;
            while (at + 1 < end && strchr("{}\\", at[1]) == NULL)
                at++;
            TRY(add(&right, from, (size_t)(at + 1 - from), "", 0));
        }
        TRY(multiply(&left, &right));
        text_deinit(&right.all);
        right = (strings){0};
    }
    if (s->n + left.n > BRACE_MAX)
        rc = fail(E_OPTION, "a list in braces has more than %d names", BRACE_MAX);
    else
        rc = text_append(&s->all, text_string(&left.all), left.all.n);
    s->n += left.n;
done:
    text_deinit(&left.all);
    text_deinit(&right.all);
    return rc;
}

int brace_expand(text *out, size_t *n, const char *pattern) {
    strings s = {0};
    int rc = expand(&s, pattern, pattern + strlen(pattern), 0);
    *out = s.all; /* now owned by the caller */
    *n = s.n;
    return rc;
}
