/* Makes one HTML file of a page: the converted Markdown, the pictures, a style and a list of the sections. */
#include "report/html.h"

#include "base/file.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

#define PNG_BYTES ((size_t)64 << 20)

/* The policy forbids every request and script, whatever the page contains. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n";

static const char style[] =
    "<style>\n"
    ":root{--page:#fff;--text:#1b1f24;--faint:#59636e;--line:#d1d9e0;--stripe:#f6f8fa;--link:#0757b0}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#0f1318;--text:#e3e8ee;--faint:#9aa5b1;--line:#39424d;"
    "--stripe:#181e25;--link:#6cb2ff}}\n"
    "body{margin:0 auto;padding:1rem;max-width:54rem;background:var(--page);color:var(--text);"
    "font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}\n"
    "h2{font-size:1.25rem;margin:2.25rem 0 .75rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}\n"
    "h3{font-size:1.05rem}\n"
    "nav{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:1rem 0;font-size:.9rem}\n"
    "a{color:var(--link)}\n"
    "blockquote{margin:1rem 0;padding:.1rem 1rem;border-left:.25rem solid var(--line)}\n"
    ".wide{overflow-x:auto;margin:1rem 0}\n"
    "picture{display:block;margin:1rem 0}\n"
    "img{display:block;max-width:100%;height:auto;background:#fff}\n"
    "@media(max-width:700px){.wide img{max-width:none;width:680px}}\n"
    "@media(prefers-color-scheme:dark){img:not(#worst){filter:invert(.93) hue-rotate(180deg)}"
    "#worst{filter:brightness(.85)}}\n"
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}\n"
    "th,td{padding:.3rem .5rem;border:1px solid var(--line);text-align:left;vertical-align:top}\n"
    "th[align=right],td[align=right]{text-align:right}\n"
    "td[align=right],td:first-child{white-space:nowrap}\n"
    "th:empty{padding:0;border:0}\n"
    "th[align=right]{white-space:nowrap}\n"
    "th:empty~th[align=right]{white-space:normal;overflow-wrap:anywhere;min-width:5rem}\n"
    "@media(max-width:700px){table:has(th:empty) td{white-space:normal}}\n"
    "tbody tr:nth-child(odd){background:var(--stripe)}\n"
    "pre{overflow-x:auto;padding:.75rem;background:var(--stripe);font-size:.8rem;line-height:1.4}\n"
    "code{font-family:ui-monospace,monospace}\n"
    ".live{position:sticky;top:0;margin:0 0 1rem;padding:.5rem .75rem;background:var(--stripe);"
    "border:1px solid var(--line)}\n"
    "@media(max-width:700px),(max-height:600px){.live{position:static}}\n"
    "progress{display:block;width:100%;margin-top:.25rem}\n"
    "summary{cursor:pointer;color:var(--link)}\n"
    "</style>\n";

static int append(text *out, const char *s) { return text_append(out, s, strlen(s)); }

static int append_base64(text *out, const unsigned char *p, size_t n) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int rc = OK;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        char four[4] = {digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=',
                        i + 2 < n ? digit[v & 63] : '='};
        TRY(text_append(out, four, 4));
    }
done:
    return rc;
}

/* The page while it is assembled; `at` is the unread rest of the body. */
typedef struct assembly {
    const char *at, *folder;
    const html_narrow *narrow;
    size_t narrow_n;
    text sections, body; /* the list of sections; the elements after the title */
    int section_n;
} assembly;

/* Each function below handles an element whose first tag has been read. */

static int put_table(assembly *a) { return append(&a->body, "<div class=\"wide\" tabindex=\"0\"><table>"); }

static int end_table(assembly *a) { return append(&a->body, "</table></div>"); }

static int put_section(assembly *a) {
    const char *end = strstr(a->at, "</h2>");
    int rc = OK, title_n = end == NULL ? 0 : (int)(end - a->at);
    a->section_n++;
    TRY(text_printf(&a->body, "<h2 id=\"s%d\">", a->section_n));
    TRY(text_printf(&a->sections, "<a href=\"#s%d\">%.*s</a>\n", a->section_n, title_n, a->at));
done:
    return rc;
}

/* Pixels of a PNG: bytes 16 to 23. */
static unsigned png_size(const unsigned char *p) {
    return (unsigned)p[0] << 24 | (unsigned)p[1] << 16 | (unsigned)p[2] << 8 | p[3];
}

static int append_png(text *out, const void *png, size_t n) {
    int rc = OK;
    TRY(append(out, "data:image/png;base64,"));
    TRY(append_base64(out, png, n));
done:
    return rc;
}

/* The picture whose name is at a->at, and its narrow form if there is one. */
static int put_image(assembly *a, const unsigned char *png, size_t n, int name_n, const char *alt, int alt_n) {
    const html_narrow *narrow = NULL;
    int rc = OK;
    for (size_t i = 0; i < a->narrow_n; i++)
        if (strlen(a->narrow[i].name) == (size_t)name_n && memcmp(a->narrow[i].name, a->at, (size_t)name_n) == 0)
            narrow = &a->narrow[i];
    TRY(append(&a->body, narrow == NULL ? "<div class=\"wide\" tabindex=\"0\">" : "<picture>"));
    if (narrow != NULL) {
        const unsigned char *size = (const unsigned char *)narrow->png.data + 16;
        TRY(text_printf(&a->body, "<source media=\"(max-width:700px)\" width=\"%u\" height=\"%u\" srcset=\"",
                        png_size(size), png_size(size + 4)));
        TRY(append_png(&a->body, narrow->png.data, narrow->png.n));
        TRY(append(&a->body, "\">"));
    }
    TRY(text_printf(&a->body, "<img id=\"%.*s\" width=\"%u\" height=\"%u\" alt=\"%.*s\" src=\"", name_n, a->at,
                    png_size(png + 16), png_size(png + 20), alt_n, alt));
    TRY(append_png(&a->body, png, n));
    TRY(append(&a->body, narrow == NULL ? "\"></div>" : "\"></picture>"));
done:
    return rc;
}

static int put_picture(assembly *a) {
    static const char alt[] = "\" alt=\"", close[] = "\" /></p>";
    const char *name_end = strstr(a->at, alt), *end = strstr(a->at, close);
    char path[PATH_BYTES];
    unsigned char *png = NULL;
    size_t n = 0;
    int rc = OK;
    if (name_end == NULL || end == NULL || name_end > end)
        return OK;
    const char *said = name_end + sizeof alt - 1;
    int name_n = (int)strcspn(a->at, ".\"/");
    TRY(path_format(path, "%s/images/%.*s.png", a->folder, name_n, a->at));
    rc = file_read(&png, &n, path, PNG_BYTES);
    if (rc == E_NOMEM)
        goto done;
    if (rc != OK || n < 24) {
        TRY(text_printf(&a->body, "<p>%.*s: the picture is missing.</p>", (int)(end - said), said));
    } else {
        TRY(put_image(a, png, n, name_n, said, (int)(end - said)));
    }
    a->at = end + sizeof close - 1;
done:
    free(png);
    return rc;
}

/* The tags that are replaced. Text of the page cannot contain them, because its < is &lt;. */
static const struct {
    const char *tag;
    int (*put)(assembly *a);
} replaced[] = {
    {"<table>", put_table}, {"</table>", end_table}, {"<h2>", put_section}, {"<p><img src=\"images/", put_picture}};
enum { REPLACED = sizeof replaced / sizeof *replaced };

/* Copies the text up to the next tag that is replaced, and the replacement. */
static int next_part(assembly *a) {
    const char *at = a->at;
    for (; (at = strchr(at, '<')) != NULL; at++)
        for (int k = 0; k < REPLACED; k++) {
            size_t n = strlen(replaced[k].tag);
            if (strncmp(at, replaced[k].tag, n) != 0)
                continue;
            int rc = text_append(&a->body, a->at, (size_t)(at - a->at));
            a->at = at + n;
            return rc == OK ? replaced[k].put(a) : rc;
        }
    int rc = append(&a->body, a->at);
    a->at += strlen(a->at);
    return rc;
}

/* Joins the parts of a document; they are HTML. */
static int put_document(text *out, const char *title, int title_n, const text *sections, const char *body) {
    int rc = OK;
    TRY(append(out, head));
    TRY(text_printf(out, "<title>%.*s</title>\n%s</head>\n<body>\n<h1>%.*s</h1>\n", title_n, title, style, title_n,
                    title));
    if (sections->n > 0)
        TRY(text_printf(out, "<nav>\n%s</nav>", text_string(sections)));
    TRY(append(out, body));
    TRY(append(out, "</body>\n</html>\n"));
done:
    return rc;
}

int html_document(text *out, const char *markdown, size_t n, const char *folder, const html_narrow *narrow,
                  size_t narrow_n) {
    static const char open[] = "<h1>", close[] = "</h1>";
    text html = {0};
    assembly a = {.folder = folder, .narrow = narrow, .narrow_n = narrow_n};
    int rc = OK;
    TRY(html_body(&html, markdown, n));
    a.at = text_string(&html);
    const char *title = strncmp(a.at, open, sizeof open - 1) == 0 ? a.at + sizeof open - 1 : a.at;
    const char *end = strstr(title, close);
    int title_n = end == NULL || title == a.at ? 0 : (int)(end - title);
    a.at = title_n > 0 ? end + sizeof close - 1 : a.at;
    while (*a.at != 0)
        TRY(next_part(&a));
    TRY(put_document(out, title, title_n, &a.sections, text_string(&a.body)));
done:
    text_deinit(&a.sections);
    text_deinit(&a.body);
    text_deinit(&html);
    return rc;
}

static int append_escaped(text *out, const char *s) {
    text clean = {0};
    int rc = OK;
    TRY(text_append_utf8(&clean, s));
    for (const char *p = text_string(&clean); *p != 0; p++)
        TRY(*p == '<'   ? append(out, "&lt;")
            : *p == '>' ? append(out, "&gt;")
            : *p == '&' ? append(out, "&amp;")
                        : text_append(out, p, 1));
done:
    text_deinit(&clean);
    return rc;
}

int html_notice(text *out, const char *title, const char *notice) {
    text safe = {0}, body = {0}, none = {0};
    int rc = OK;
    TRY(append_escaped(&safe, title));
    TRY(append(&body, "<p>"));
    TRY(append_escaped(&body, notice));
    TRY(append(&body, "</p>\n"));
    TRY(put_document(out, text_string(&safe), (int)safe.n, &none, text_string(&body)));
done:
    text_deinit(&safe);
    text_deinit(&body);
    return rc;
}
