/* Composes and writes the images of a page. */

#include "report/page.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "report/markdown.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void page_deinit(page *p) {
    text_deinit(&p->body);
    text_deinit(&p->undrawn);
    text_deinit(&p->why);
    for (size_t i = 0; i < p->narrow_n; i++)
        text_deinit(&p->narrow[i].png);
    free(p->narrow);
}

int picture_array(double **out, picture *p, size_t n) {
    int rc = OK;
    TRY(memory_resize(&p->array, p->array_n + 1, sizeof *p->array));
    TRY(memory_zeroed(&p->array[p->array_n], n, sizeof **p->array));
    *out = p->array[p->array_n++];
done:
    return rc;
}

void picture_panel(picture *p, const char *title, plot_axis x, plot_axis y) {
    assert(p->chart_n < PANELS);
    p->chart[p->chart_n++] = (plot_chart){.title = title, .x = x, .y = y};
}

static int add_series(picture *p, plot_series s) {
    size_t k = p->chart_n - 1;
    plot_chart *c = &p->chart[k];
    int rc = OK;
    TRY(memory_resize(&p->series[k], c->series_n + 1, sizeof s));
    p->series[k][c->series_n++] = s;
    c->series = p->series[k];
done:
    return rc;
}

static size_t count_finite(const double *x, const double *y, size_t n) {
    size_t finite = 0;
    for (size_t i = 0; i < n; i++)
        finite += isfinite(x[i]) && isfinite(y[i]);
    return finite;
}

int picture_curve(picture *p, const char *name, const double *x, const double *y, size_t n, plot_style style,
                  int color) {
    size_t finite = count_finite(x, y, n);
    int rc = OK;
    if (finite == 0)
        return OK;
    TRY(add_series(p, (plot_series){.name = name, .x = x, .y = y, .n = n, .style = style, .color = color}));
    p->points += finite;
done:
    return rc;
}

int picture_band(picture *p, const char *name, const double *x, const double *y, const double *y2, size_t n,
                 int color) {
    size_t finite = count_finite(x, y, n);
    if (finite == 0 || count_finite(x, y2, n) == 0)
        return OK;
    p->points += finite;
    return add_series(
        p, (plot_series){.name = name, .x = x, .y = y, .y2 = y2, .n = n, .style = PLOT_BAND, .color = color});
}

int picture_mark(picture *p, double x, double y, const char *label) {
    size_t k = p->chart_n - 1;
    plot_chart *c = &p->chart[k];
    int rc = OK;
    TRY(memory_resize(&p->mark[k], c->mark_n + 1, sizeof *p->mark[k]));
    p->mark[k][c->mark_n++] = (plot_mark){x, y, label};
    c->mark = p->mark[k];
done:
    return rc;
}

void picture_deinit(picture *p) {
    for (size_t i = 0; i < PANELS; i++) {
        free(p->series[i]);
        free(p->mark[i]);
    }
    for (size_t i = 0; i < p->array_n; i++)
        free(p->array[i]);
    free(p->array);
    *p = (picture){0};
}

static bool same_content(const char *path, const text *png) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    bool same = file_read(&bytes, &n, path, png->n) == OK && n == png->n && memcmp(bytes, png->data, n) == 0;
    free(bytes);
    return same;
}

int page_png(page *p, int drawn, const text *png, const char *name, const char *alt) {
    char path[PATH_BYTES];
    int rc = OK;
    if (drawn == E_NOMEM)
        return drawn;
    if (drawn != OK) {
        TRY(text_printf(&p->undrawn, "%s%s", p->undrawn.n > 0 ? ", " : "", alt));
        if (p->why.n == 0)
            TRY(text_printf(&p->why, "%s", status_message()));
        return OK;
    }
    TRY(path_format(path, "%s/images/%s.png", p->folder, name));
    if (!same_content(path, png)) /* avoids rewriting unchanged images, such as the LR finder's */
        TRY(file_write_atomic(path, text_string(png), png->n));
    TRY(text_printf(&p->body, "!["));
    TRY(md_text(&p->body, alt));
    TRY(text_printf(&p->body, "](images/%s.png)\n\n", name));
    p->pictures++;
done:
    return rc;
}

int page_narrow(text **png, page *p, const char *name) {
    int rc = OK;
    TRY(memory_resize(&p->narrow, p->narrow_n + 1, sizeof *p->narrow));
    p->narrow[p->narrow_n] = (html_narrow){.name = name};
    *png = &p->narrow[p->narrow_n++].png;
done:
    return rc;
}

/* Draws the picture for narrow screens. */
static int put_narrow(page *to, const picture *p, const char *name) {
    text *png;
    int rc = OK;
    TRY(page_narrow(&png, to, name));
    TRY(plot_charts_narrow(png, p->chart, p->chart_n));
done:
    return rc;
}

int picture_put(page *to, picture *p, const char *name, const char *alt, int columns) {
    text png = {0};
    int rc = OK;
    if (p->points > 0) {
        const char *without = plot_unavailable();
        int drawn =
            without != NULL ? fail(E_UNSUPPORTED, "%s", without) : plot_charts(&png, p->chart, p->chart_n, columns);
        TRY(page_png(to, drawn, &png, name, alt));
        if (drawn == OK && html_unavailable() == NULL)
            TRY(put_narrow(to, p, name));
    }
done:
    text_deinit(&png);
    return rc;
}
