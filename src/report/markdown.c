#include "report/markdown.h"

#include "base/status.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int clean_append(text *t, const char *s, size_t n, const char *keep) {
    int rc = OK;
    for (size_t i = 0; i < n && rc == OK;) {
        const unsigned char *p = (const unsigned char *)s + i;
        size_t length = text_utf8(s + i, n - i);
        bool control = length == 1 && (*p < 0x20 || *p == 0x7f) && (*p == 0 || strchr(keep, *p) == NULL);
        rc = length == 0 ? text_printf(t, "\\x%02X", *p) : control ? text_append(t, " ", 1) : text_append(t, p, length);
        i += length > 0 ? length : 1;
    }
    return rc;
}

/* The escaped form of a byte that Markdown or HTML could interpret as markup; NULL: unchanged. All renderers support
 * entities, and backslashes before | and the characters of original Markdown. */
static const char *escaped(const char *s, const char *p) {
    static const char old[] = "\\`*[]#|";
    static const char *const with[] = {"\\\\", "\\`", "\\*", "\\[", "\\]", "\\#", "\\|"};
    bool inside = p > s && isalnum((unsigned char)p[-1]) && isalnum((unsigned char)p[1]);
    const char *found = strchr(old, *p);
    if (found != NULL)
        return with[found - old];
    switch (*p) {
    case '_': return inside ? NULL : "\\_"; /* within a word it is not markup */
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '~': return "&#126;";
    default: return NULL;
    }
}

int md_text(text *t, const char *s) {
    text clean = {0};
    int rc = OK;
    TRY(clean_append(&clean, s, strlen(s), ""));
    const char *c = text_string(&clean);
    for (const char *p = c; *p != 0; p++) {
        const char *with = escaped(c, p);
        TRY(with != NULL ? text_append(t, with, strlen(with)) : text_append(t, p, 1));
    }
done:
    text_deinit(&clean);
    return rc;
}

/* The length of the longest run of backticks. */
static int longest_ticks(const char *s, size_t n) {
    int most = 0, now = 0;
    for (size_t i = 0; i < n; i++) {
        now = s[i] == '`' ? now + 1 : 0;
        most = now > most ? now : most;
    }
    return most;
}

static int put_ticks(text *t, int n) {
    int rc = OK;
    for (int i = 0; i < n && rc == OK; i++)
        rc = text_append(t, "`", 1);
    return rc;
}

int md_code(text *t, const char *s) {
    size_t n = strlen(s);
    int ticks = longest_ticks(s, n) + 1, rc = OK;
    const char *space = n == 0 || s[0] == '`' || s[n - 1] == '`' ? " " : "";
    TRY(put_ticks(t, ticks));
    TRY(text_printf(t, "%s", space));
    TRY(clean_append(t, s, n, ""));
    TRY(text_printf(t, "%s", space));
    TRY(put_ticks(t, ticks));
done:
    return rc;
}

int md_block(text *t, const char *language, const char *s, size_t n) {
    int ticks = longest_ticks(s, n) + 1, rc = OK;
    ticks = ticks < 3 ? 3 : ticks;
    TRY(put_ticks(t, ticks));
    TRY(text_printf(t, "%s\n", language));
    TRY(clean_append(t, s, n, "\n\t"));
    if (n > 0 && s[n - 1] != '\n')
        TRY(text_append(t, "\n", 1));
    TRY(put_ticks(t, ticks));
    TRY(text_append(t, "\n\n", 2));
done:
    return rc;
}

int md_head(text *t, const char *const *title, const char *align, size_t n) {
    int rc = OK;
    for (size_t i = 0; i < n; i++) {
        TRY(text_append(t, "| ", 2));
        TRY(md_text(t, title[i]));
        TRY(text_append(t, " ", 1));
    }
    TRY(text_append(t, "|\n", 2));
    for (size_t i = 0; i < n; i++)
        TRY(text_printf(t, "%s", align[i] == 'r' ? "|---:" : "|---"));
    TRY(text_append(t, "|\n", 2));
done:
    return rc;
}

int md_real(text *t, const char *format, double v) {
    if (!isfinite(v))
        return text_printf(t, "%s", isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return text_printf(t, format, v);
#pragma GCC diagnostic pop
}

int md_loss(text *t, double v) { return md_real(t, fabs(v) >= 1e-2 && fabs(v) < 1e4 ? "%.4f" : "%.4g", v); }

const char *real_text(char out[32], double v) {
    snprintf(out, 32, "%.4g", isnan(v) ? NAN : v);
    return out;
}
