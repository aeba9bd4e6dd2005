/* Writes the report of one or several runs. */

#define _GNU_SOURCE
#include "report/report.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "report/html.h"
#include "report/markdown.h"
#include "report/sections.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The page begins with the missing pictures and the reason. */
static int put_missing(text *out, const page *p) {
    int rc = OK;
    if (p->undrawn.n == 0)
        return OK;
    TRY(text_printf(out, "> **Images are missing**: "));
    TRY(md_text(out, text_string(&p->why)));
    TRY(text_printf(out, ".\n> Not drawn: "));
    TRY(md_text(out, text_string(&p->undrawn)));
    TRY(text_printf(out, ".\n\n"));
done:
    return rc;
}

/* Writes report.html; a build without cmark-gfm has none. */
static int write_html(report_result *out, const page *p, const text *markdown) {
    char path[PATH_BYTES];
    text html = {0};
    int rc = OK;
    if (html_unavailable() != NULL)
        return OK;
    TRY(html_document(&html, text_string(markdown), markdown->n, p->folder, p->narrow, p->narrow_n));
    TRY(path_join(path, p->folder, "report.html"));
    TRY(file_write_atomic(path, text_string(&html), html.n));
    out->html = true;
done:
    text_deinit(&html);
    return rc;
}

static int write_page(report_result *out, const char *folder, const run_data *d, size_t n) {
    char path[PATH_BYTES];
    page p = {.folder = folder};
    text head = {0};
    int rc = OK;
    TRY(path_join(path, folder, "images"));
    TRY(folder_make(path));
    if (n == 1) {
        TRY(section_head(&head, d));
        TRY(sections_run(&p, d));
    } else {
        TRY(text_printf(&head, "# Comparison of %zu runs\n\n", n));
        TRY(sections_compare(&p, d, n));
    }
    TRY(put_missing(&head, &p));
    TRY(text_append(&head, text_string(&p.body), p.body.n));
    TRY(path_join(path, folder, "viewlogs.md"));
    TRY(file_write_atomic(path, text_string(&head), head.n - 1)); /* without the empty line of the last section */
    TRY(write_html(out, &p, &head));
    out->pictures = p.pictures;
    if (p.undrawn.n > 0)
        snprintf(out->missing, sizeof out->missing, "%s (not drawn: %s)", text_string(&p.why), text_string(&p.undrawn));
done:
    page_deinit(&p);
    text_deinit(&head);
    return rc;
}

int report_write(report_result *out, const char *folder, const report_run *run, size_t n) {
    run_data *d = NULL;
    size_t loaded = 0;
    int rc = OK;
    *out = (report_result){0};
    if (n == 0)
        return fail(E_NOTFOUND, "no run to report on");
    TRY(memory_zeroed(&d, n, sizeof *d));
    for (; loaded < n; loaded++) {
        assert(n == 1 || run[loaded].name != NULL);
        TRY(run_load(&d[loaded], &run[loaded]));
    }
    TRY(write_page(out, folder, d, n));
done:
    for (size_t i = 0; i < loaded; i++)
        run_unload(&d[i]);
    free(d);
    return rc;
}
