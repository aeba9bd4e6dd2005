/* A page that compares several runs: a table, and charts with the curves of all runs. */
#include "report/sections.h"

#include "base/status.h"
#include "report/charts.h"
#include "report/markdown.h"

#include <math.h>
#include <string.h>

/* What makes a run's cell the best of its row. */
typedef struct best_rule {
    epoch_value k;
    int sign; /* -1: the lowest, 1: the highest; 0: no cell is */
} best_rule;

typedef int put_cell(text *out, const run_data *d);

static int put_state(text *out, const run_data *d) { return md_text(out, d->info.state != NULL ? d->info.state : ""); }

static int put_epochs(text *out, const run_data *d) {
    return text_printf(out, "%.0f", d->epoch_n > 0 ? d->epoch[d->epoch_n - 1].epoch : 0.0);
}

static int put_top1(text *out, const run_data *d) {
    const epoch_row *e = run_best(d, VAL_TOP1, 1);
    return e == NULL ? OK : text_printf(out, "%.2f %% (epoch %.0f)", 100 * e->v[VAL_TOP1], e->epoch);
}

static int put_loss(text *out, const run_data *d) {
    const epoch_row *e = run_best(d, VAL_LOSS, -1);
    int rc = OK;
    if (e == NULL)
        return OK;
    TRY(md_loss(out, e->v[VAL_LOSS]));
    TRY(text_printf(out, " (epoch %.0f)", e->epoch));
done:
    return rc;
}

static int put_train_loss(text *out, const run_data *d) {
    return d->epoch_n == 0 ? OK : md_loss(out, d->epoch[d->epoch_n - 1].v[TRAIN_LOSS]);
}

static int put_speed(text *out, const run_data *d) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < d->epoch_n; i++)
        if (isfinite(d->epoch[i].v[SPEED])) {
            sum += d->epoch[i].v[SPEED];
            n++;
        }
    return n == 0 ? OK : text_printf(out, sum / n < 100 ? "%.1f" : "%.0f", sum / n);
}

static int put_time(text *out, const run_data *d) {
    char took[32];
    return isfinite(d->info.seconds) ? text_printf(out, "%s", text_duration(took, d->info.seconds)) : OK;
}

static int put_suggestion(text *out, const run_data *d) {
    char value[32];
    if (!d->info.finder)
        return OK;
    return text_printf(out, "%s", isfinite(d->info.suggestion) ? real_text(value, d->info.suggestion) : "none");
}

static int put_memory(text *out, const run_data *d) {
    double most = column_max(table_at(&d->device, DEV_PROCESS_MEMORY));
    char bytes[32];
    return isfinite(most) ? text_printf(out, "%s", text_bytes(bytes, most)) : OK;
}

static int put_gpu(text *out, const run_data *d) {
    double mean = column_mean(table_at(&d->device, gpu_column(0, GPU_USE)));
    return isfinite(mean) ? text_printf(out, "%.0f %%", mean) : OK;
}

/* The run whose best value of k is better than that of each other run; n if none is, or only one has the value. */
static size_t best_run(const run_data *d, size_t n, const best_rule *rule) {
    size_t best = n, have = 0;
    bool tie = false;
    double most = 0;
    for (size_t i = 0; i < n && rule->sign != 0; i++) {
        const epoch_row *e = run_best(&d[i], rule->k, rule->sign);
        if (e == NULL)
            continue;
        double v = rule->sign * e->v[rule->k];
        tie = have > 0 && (v == most || (tie && v < most));
        best = have == 0 || v > most ? i : best;
        most = have == 0 ? v : fmax(v, most);
        have++;
    }
    return have > 1 && !tie ? best : n;
}

/* Appends a row of the table, the best value bold; a row that is empty for all runs is omitted. */
static int put_row(text *out, const char *title, const run_data *d, size_t n, put_cell *put, const best_rule *rule) {
    text values = {0};
    size_t filled = 0, best = best_run(d, n, rule);
    int rc = OK;
    for (size_t i = 0; i < n; i++) {
        TRY(text_printf(&values, i == best ? "| **" : "| "));
        size_t before = values.n;
        TRY(put(&values, &d[i]));
        filled += values.n > before;
        TRY(text_printf(&values, i == best ? "** " : " "));
    }
    if (filled > 0)
        TRY(text_printf(out, "| %s %s|\n", title, text_string(&values)));
done:
    text_deinit(&values);
    return rc;
}

static bool differs(const run_data *d, size_t n, const char *key) {
    const char *first = run_option(&d[0], key);
    for (size_t i = 1; i < n; i++) {
        const char *v = run_option(&d[i], key);
        if ((v == NULL) != (first == NULL) || (v != NULL && strcmp(v, first) != 0))
            return true;
    }
    return false;
}

static int put_option(text *out, const run_data *d, size_t n, const char *key) {
    int rc = OK;
    TRY(text_printf(out, "| "));
    TRY(md_text(out, key));
    for (size_t i = 0; i < n; i++) {
        const char *v = run_option(&d[i], key);
        TRY(text_printf(out, " | "));
        TRY(md_text(out, v != NULL ? v : ""));
    }
    TRY(text_printf(out, " |\n"));
done:
    return rc;
}

/* Appends the options that differ between runs, in the order of the first run that has them. trainer.out and the
 * options of monitoring are omitted, because they do not change the training. */
static int put_options(text *out, const run_data *d, size_t n) {
    int rc = OK;
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d[r].options.n; i++) {
            const char *key = d[r].options.pair[i].key;
            bool earlier = false;
            for (size_t k = 0; k < r; k++)
                earlier = earlier || run_option(&d[k], key) != NULL;
            if (!earlier && strcmp(key, "trainer.out") != 0 && strncmp(key, "monitor.", 8) != 0 && differs(d, n, key))
                TRY(put_option(out, d, n, key));
        }
done:
    return rc;
}

static int put_table(text *out, const run_data *d, size_t n) {
    static const struct {
        const char *title;
        put_cell *put;
        best_rule best;
    } row[] = {{"state", put_state, {0}},
               {"epochs", put_epochs, {0}},
               {"best val top-1", put_top1, {VAL_TOP1, 1}},
               {"best val loss", put_loss, {VAL_LOSS, -1}},
               {"last train loss", put_train_loss, {0}},
               {"mean images/s", put_speed, {0}},
               {"wall time", put_time, {0}},
               {"learning rate finder", put_suggestion, {0}},
               {"peak memory of the process", put_memory, {0}},
               {"mean GPU 0 utilisation", put_gpu, {0}}};
    int rc = OK;
    TRY(text_printf(out, "| "));
    for (size_t i = 0; i < n; i++) {
        TRY(text_printf(out, "| "));
        TRY(md_text(out, d[i].run->name));
        TRY(text_printf(out, " "));
    }
    TRY(text_printf(out, "|\n|---"));
    for (size_t i = 0; i < n; i++)
        TRY(text_printf(out, "|---:"));
    TRY(text_printf(out, "|\n"));
    for (size_t k = 0; k < sizeof row / sizeof *row; k++)
        TRY(put_row(out, row[k].title, d, n, row[k].put, &row[k].best));
    TRY(put_options(out, d, n));
    TRY(text_printf(out, "\n"));
done:
    return rc;
}

/* Lists the missing files of a run's folder at the top of the page. */
static int put_problems(text *out, const run_data *d) {
    const char *problem[] = {d->info_problem, d->metrics_problem, d->hparams_problem};
    int rc = OK;
    for (size_t i = 0; i < sizeof problem / sizeof *problem; i++) {
        if (problem[i][0] == 0)
            continue;
        TRY(text_printf(out, "- "));
        TRY(md_text(out, d->run->name));
        TRY(text_printf(out, ": "));
        TRY(md_text(out, problem[i]));
        TRY(text_printf(out, "\n"));
    }
done:
    return rc;
}

int sections_compare(page *p, const run_data *d, size_t n) {
    static const struct {
        const char *title;
        int (*chart)(page *, const run_data *, size_t);
    } section[] = {{"Learning rate finder", chart_finder}, {"Loss", chart_loss},
                   {"Accuracy", chart_accuracy},           {"Learning rate", chart_rate},
                   {"Throughput", chart_throughput},       {"Steps", chart_steps}};
    int rc = OK;
    TRY(put_table(&p->body, d, n));
    size_t table_end = p->body.n;
    bool finder = false;
    for (size_t i = 0; i < n; i++)
        TRY(put_problems(&p->body, &d[i]));
    for (size_t i = 0; i < n; i++)
        finder = finder || d[i].info.finder;
    if (p->body.n > table_end)
        TRY(text_printf(&p->body, "\n"));
    TRY(text_printf(
        &p->body,
        "Each run has one colour. In the loss and accuracy charts, pale lines are training and strong lines are "
        "validation.%s\n\n",
        finder ? " The marks of the learning rate finder are its suggestions." : ""));
    for (size_t i = 0; i < sizeof section / sizeof *section; i++) {
        page_mark before = mark_page(p);
        TRY(text_printf(&p->body, "## %s\n\n", section[i].title));
        TRY(section[i].chart(p, d, n));
        if (p->pictures == before.pictures && p->undrawn.n == before.undrawn)
            p->body.n = before.body; /* no run has points for this chart */
        else
            TRY(section_end(p, before, "", ""));
    }
    p->body.data[p->body.n] = 0;
done:
    return rc;
}
