/* The section and charts of ranks.csv: how the ranks spent their time. */
#include "base/memory.h"
#include "base/status.h"
#include "report/charts.h"
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Adds a column as percent over the steps of its rows. */
static int rank_curve(picture *p, const run_data *d, size_t column, const char *name, int color) {
    const table *t = &d->ranks;
    size_t at_x = 0, at_y = 0;
    double *x, *y;
    int rc = OK;
    TRY(picture_array(&x, p, t->row_n));
    TRY(picture_array(&y, p, t->row_n));
    for (size_t i = 0; i < t->row_n; i++) {
        x[i] = table_value(table_at(t, RANKS_STEP), i, &at_x);
        y[i] = 100 * table_value(table_at(t, column), i, &at_y);
    }
    TRY(picture_curve(p, name, x, y, t->row_n, PLOT_LINE, color));
done:
    return rc;
}

static int chart_ranks(page *to, const run_data *d) {
    picture p = {0};
    plot_axis step = axis("step");
    int rc = OK;
    step.whole = true;
    picture_panel(&p, "Waiting", step, axis_from("% of the slowest rank's time", 0));
    TRY(rank_curve(&p, d, RANKS_COMM, "communication", 0));
    TRY(rank_curve(&p, d, RANKS_WAIT, "data", 1));
    picture_panel(&p, "Slowest rank", step, axis_from("% longer than the others", 0));
    TRY(rank_curve(&p, d, RANKS_EXCESS, NULL, 0));
    TRY(picture_put(to, &p, "ranks", "Communication and the slowest rank", 2));
done:
    picture_deinit(&p);
    return rc;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The most frequent value of a column, the smallest if there are several. @param[out] share fraction of the rows,
 * 0..1 */
static int most_frequent(double *out, double *share, const table_column *c) {
    double *sorted = NULL;
    size_t best = 0;
    int rc = OK;
    *out = *share = NAN;
    if (c->n == 0)
        return OK;
    TRY(memory_zeroed(&sorted, c->n, sizeof *sorted));
    memcpy(sorted, c->value, c->n * sizeof *sorted);
    qsort(sorted, c->n, sizeof *sorted, ascending);
    for (size_t i = 0, from = 0; i < c->n; i++) {
        if (sorted[i] != sorted[from])
            from = i;
        if (i - from + 1 > best) {
            best = i - from + 1;
            *out = sorted[i];
        }
    }
    *share = (double)best / (double)c->n;
done:
    free(sorted);
    return rc;
}

int section_ranks(page *p, const run_data *d) {
    page_mark before = mark_page(p);
    double slowest, share;
    int rc = OK;
    if (d->ranks.row_n == 0 && d->ranks_problem[0] == 0)
        return OK; /* a single rank */
    TRY(text_printf(&p->body, "## Ranks\n\n"));
    TRY(most_frequent(&slowest, &share, table_at(&d->ranks, RANKS_SLOWEST)));
    if (isfinite(slowest))
        TRY(text_printf(&p->body,
                        "Rank %.0f was the slowest rank in %.0f %% of the logged steps. On average, the slowest rank "
                        "took %.1f %% longer than the mean of the other ranks. It spent %.1f %% of its time in "
                        "communication and %.1f %% waiting for data.\n\n",
                        slowest, 100 * share, 100 * column_mean(table_at(&d->ranks, RANKS_EXCESS)),
                        100 * column_mean(table_at(&d->ranks, RANKS_COMM)),
                        100 * column_mean(table_at(&d->ranks, RANKS_WAIT))));
    TRY(chart_ranks(p, d));
    TRY(section_end(p, before, d->ranks_problem, "No steps logged yet"));
done:
    return rc;
}
