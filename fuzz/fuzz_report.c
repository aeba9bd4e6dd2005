/* The report of a log folder: the parts of the input are its files (metrics.csv, run.json, hparams.yaml, journal.log,
 * device.csv, ranks.csv, lr_finder.csv, worst.csv). Damage is text on the page, never an error, and
 * no text becomes an element of report.html. */
#include "report/report.h"
#include "scratch.h"

/* Whether what follows a < of report.html is a tag that a report has. */
static bool is_own_tag(const char *p) {
    static const char *const own[] = {"!DOCTYPE html>",
                                      "html lang=\"en\">",
                                      "head>",
                                      "meta ",
                                      "link rel=\"icon\" href=\"data:,\">",
                                      "title>",
                                      "style>",
                                      "body>",
                                      "h1>",
                                      "h2 id=\"s",
                                      "h3>",
                                      "nav>",
                                      "a href=\"#s",
                                      "p>",
                                      "strong>",
                                      "div class=\"wide\" tabindex=\"0\">",
                                      "table>",
                                      "thead>",
                                      "tbody>",
                                      "tr>",
                                      "th>",
                                      "td>",
                                      "th align=\"right\">",
                                      "td align=\"right\">",
                                      "pre>",
                                      "code class=\"language-",
                                      "code>",
                                      "details><summary>The ",
                                      "details><summary>hparams.yaml<",
                                      "summary>",
                                      "details>",
                                      "picture>",
                                      "source media=",
                                      "img id=\"",
                                      "blockquote>"};
    p += *p == '/';
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strncmp(own[i], p, strlen(own[i])) == 0 || (p[-1] == '/' && strncmp(own[i], p, strcspn(p, ">")) == 0))
            return true;
    return false;
}

static void check_html(const char *out) {
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    if (path_join(path, out, "report.html") != OK || file_read(&bytes, &n, path, 0) != OK)
        abort();
    for (const char *p = (const char *)bytes; (p = strchr(p, '<')) != NULL;)
        if (!is_own_tag(++p)) {
            fprintf(stderr, "report.html contains <%.60s\n", p);
            abort();
        }
    free(bytes);
}

static bool is_log(const char *name) {
    static const char *const known[] = {"metrics.csv", "run.json",      "hparams.yaml", "journal.log",    "events.log",
                                        "device.csv",  "lr_finder.csv", "worst.csv",    "bad_images.txt", "ranks.csv"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char logs[PATH_BYTES], out[PATH_BYTES], name[PATH_BYTES];
    report_result result = {0};
    part p;
    bool any = false;
    if (folder_make(scratch_path(logs, "logs")) != OK || folder_make(scratch_path(out, "out")) != OK)
        abort();
    for (size_t at = 0; part_next(&p, &at, bytes, n);) {
        if (!is_log(p.name))
            continue;
        snprintf(name, sizeof name, "logs/%s", p.name);
        scratch_write(name, p.bytes, p.n);
        any = any || report_is_logs(logs, NULL);
    }
    report_run run = {.logs = logs, .name = "fuzz"};
    int rc = report_write(&result, out, &run, 1);
    if (rc != (any ? OK : E_NOTFOUND))
        abort();
    if (result.html)
        check_html(out);
    scratch_empty(scratch());
    return 0;
}
