/* The sections of a page for one run. */

#define _GNU_SOURCE
#include "report/sections.h"

#include "base/file.h"
#include "base/status.h"
#include "report/charts.h"
#include "report/markdown.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *run_option(const run_data *d, const char *key) {
    for (size_t i = 0; i < d->options.n; i++)
        if (strcmp(d->options.pair[i].key, key) == 0)
            return d->options.pair[i].value;
    return NULL;
}

int section_words(page *p, const char *problem, const char *absent) {
    int rc = OK;
    TRY(md_text(&p->body, problem[0] != 0 ? problem : absent));
    TRY(text_printf(&p->body, ".\n\n"));
done:
    return rc;
}

page_mark mark_page(const page *p) { return (page_mark){p->body.n, p->undrawn.n, p->pictures}; }

int section_end(page *p, page_mark before, const char *problem, const char *absent) {
    if (p->pictures > before.pictures)
        return OK;
    return p->undrawn.n > before.undrawn ? section_words(p, "", "Not drawn") : section_words(p, problem, absent);
}

static int put_title(text *out, const run_data *d) {
    int rc = OK;
    TRY(text_printf(out, "# "));
    TRY(md_text(out, d->info.title != NULL ? d->info.title : d->run->name != NULL ? d->run->name : "A run"));
    TRY(text_printf(out, "\n\n"));
done:
    return rc;
}

/* What the configuration is expected to reach, and what the run has reached. */
static int put_expected(text *out, const run_expected *e) {
    int rc = OK;
    if (!isfinite(e->val_acc))
        return OK;
    TRY(text_printf(out, "Expected validation accuracy: %.2f %%", 100 * e->val_acc));
    if (e->spread > 0)
        TRY(text_printf(out, " ± %.2f %%", 100 * e->spread));
    if (e->epochs > 0)
        TRY(text_printf(out, " after %.0f epoch%s", e->epochs, e->epochs > 1 ? "s" : ""));
    if (isfinite(e->result))
        TRY(text_printf(out, "; this run: %.2f %%, **%s**", 100 * e->result, e->reached ? "reached" : "below"));
    TRY(text_printf(out, "."));
    if (e->differs != NULL) {
        TRY(text_printf(out, " This run differs in "));
        TRY(md_text(out, e->differs));
        TRY(text_printf(out, "."));
    }
    TRY(text_printf(out, "\n\n"));
done:
    return rc;
}

/* Appends a time of run.json, "2026-11-23T10:31:02Z", as in the event log. */
static int put_moment(text *out, const char *s) {
    if (strlen(s) != 20 || s[10] != 'T' || s[19] != 'Z')
        return md_text(out, s);
    char shown[32];
    snprintf(shown, sizeof shown, "%.10s %.8s UTC", s, s + 11);
    return md_text(out, shown);
}

static int put_moments(text *out, const run_info *i) {
    int rc = OK;
    if (i->started == NULL || i->updated == NULL)
        return OK;
    TRY(text_printf(out, "Started "));
    TRY(put_moment(out, i->started));
    TRY(text_printf(out, "; report of "));
    TRY(put_moment(out, i->updated));
    TRY(text_printf(out, ".\n\n"));
done:
    return rc;
}

int section_head(text *out, const run_data *d) {
    const epoch_row *top1 = run_best(d, VAL_TOP1, 1), *loss = run_best(d, VAL_LOSS, -1);
    const char *epochs = run_option(d, "trainer.max_epochs");
    char took[32];
    int rc = OK;
    TRY(put_title(out, d));
    TRY(text_printf(out, "**"));
    TRY(md_text(out, d->info.state != NULL ? d->info.state : "unknown state"));
    TRY(text_printf(out, "** · %.0f", d->epoch_n > 0 ? d->epoch[d->epoch_n - 1].epoch : 0.0));
    if (epochs != NULL) {
        TRY(text_printf(out, " of "));
        TRY(md_text(out, epochs));
    }
    TRY(text_printf(out, " epochs finished"));
    if (top1 != NULL)
        TRY(text_printf(out, " · best validation accuracy **%.2f %%** (epoch %.0f)", 100 * top1->v[VAL_TOP1],
                        top1->epoch));
    if (loss != NULL) {
        TRY(text_printf(out, " · best validation loss **"));
        TRY(md_loss(out, loss->v[VAL_LOSS]));
        TRY(text_printf(out, "** (epoch %.0f)", loss->epoch));
    }
    if (isfinite(d->info.seconds))
        TRY(text_printf(out, " · run time %s", text_duration(took, d->info.seconds)));
    if (d->bad_images > 0)
        TRY(text_printf(out, " · %lld image%s cannot be read (`bad_images.txt`)", (long long)d->bad_images,
                        d->bad_images == 1 ? "" : "s"));
    TRY(text_printf(out, "\n\n"));
    TRY(put_moments(out, &d->info));
    TRY(put_expected(out, &d->info.expected));
done:
    return rc;
}

static int section_finder(page *p, const run_data *d) {
    page_mark before = mark_page(p);
    int rc = OK;
    bool curve = d->finder_problem[0] == 0;
    char value[32];
    if (!d->info.finder && !curve)
        return OK; /* the learning rate was given */
    TRY(text_printf(&p->body, "## Learning rate finder\n\n"));
    if (isfinite(d->info.suggestion)) {
        TRY(text_printf(&p->body, "Suggested learning rate: **%s**.\n\n", real_text(value, d->info.suggestion)));
    } else if (d->info.finder) {
        TRY(text_printf(&p->body, "No learning rate is suggested: "));
        TRY(md_text(&p->body, d->info.why != NULL ? d->info.why : "no reason was logged"));
        TRY(text_printf(&p->body, ".\n\n"));
    }
    TRY(chart_finder(p, d, 1));
    TRY(section_end(p, before, d->finder_problem, "No points yet"));
done:
    return rc;
}

/* Appends a heading and a chart, or a text if there is nothing to draw. */
static int section_chart(page *p, const run_data *d, const char *title, int (*chart)(page *, const run_data *, size_t),
                         const char *problem, const char *absent) {
    page_mark before = mark_page(p);
    int rc = OK;
    TRY(text_printf(&p->body, "## %s\n\n", title));
    TRY(chart(p, d, 1));
    TRY(section_end(p, before, problem, absent));
done:
    return rc;
}

static int chart_device_1(page *p, const run_data *d, size_t n) {
    (void)n;
    return chart_device(p, d);
}

static int section_device(page *p, const run_data *d) {
    double total = column_max(table_at(&d->device, DEV_MEMORY_TOTAL));
    char bytes[32];
    int rc = OK;
    TRY(section_chart(p, d, "Device", chart_device_1, d->device_problem, "No device statistics yet"));
    if (isfinite(total))
        TRY(text_printf(&p->body, "The machine has %s of memory.\n\n", text_bytes(bytes, total)));
    if (d->gpu_n == 0)
        return OK;
    TRY(text_printf(&p->body, "### GPUs\n\n"));
    TRY(chart_gpus(p, d));
    for (int g = 0; g < d->gpu_n; g++) {
        total = column_max(table_at(&d->device, gpu_column(g, GPU_MEMORY_TOTAL)));
        if (isfinite(total))
            TRY(text_printf(&p->body, "%sGPU %d has %s", g > 0 ? ", " : "", g, text_bytes(bytes, total)));
        if (isfinite(total) && g == d->gpu_n - 1)
            TRY(text_printf(&p->body, " of memory.\n\n"));
    }
done:
    return rc;
}

/* Appends the worst images as a table, because the grid shortens long names. */
static int worst_table(page *p, const run_data *d) {
    static const char *const title[] = {"image", "true", "predicted", "probability", "loss"};
    int rc = OK;
    TRY(text_printf(&p->body, "<details><summary>List of these images</summary>\n\n"));
    TRY(md_head(&p->body, title, "lllrr", 5));
    for (size_t i = 0; i < d->worst.n; i++) {
        const worst_image *w = &d->worst.image[i];
        const char *said[] = {w->file, w->truth, w->predicted};
        for (size_t k = 0; k < 3; k++) {
            TRY(text_printf(&p->body, "| "));
            TRY(md_text(&p->body, said[k]));
            TRY(text_printf(&p->body, " "));
        }
        TRY(text_printf(&p->body, "| "));
        TRY(md_real(&p->body, "%.1f %%", 100 * w->probability));
        TRY(text_printf(&p->body, " | "));
        TRY(md_loss(&p->body, w->loss));
        TRY(text_printf(&p->body, " |\n"));
    }
    TRY(text_printf(&p->body, "\n</details>\n\n"));
done:
    return rc;
}

static int section_worst(page *p, const run_data *d) {
    page_mark before = mark_page(p);
    int rc = OK;
    TRY(text_printf(&p->body, "## Worst predictions\n\n"));
    if (d->worst.n == 0)
        return section_words(p, d->worst_problem, "No misclassified images were collected");
    TRY(text_printf(&p->body,
                    "The misclassified validation images with the highest loss, highest first. The percentage is "
                    "the probability of the predicted class.\n\n"));
    TRY(chart_worst(p, d));
    TRY(section_end(p, before, "", "The thumbnails are missing"));
    TRY(worst_table(p, d));
done:
    return rc;
}

static int section_pairs(page *p, const char *title, const pair_list *l, const char *problem) {
    static const char *const head[] = {"", ""};
    int rc = OK;
    TRY(text_printf(&p->body, "## %s\n\n", title));
    if (l->n == 0)
        return section_words(p, problem, "Not recorded in run.json");
    TRY(md_head(&p->body, head, "ll", 2));
    for (size_t i = 0; i < l->n; i++) {
        TRY(text_printf(&p->body, "| "));
        TRY(md_text(&p->body, l->pair[i].key));
        TRY(text_printf(&p->body, " | "));
        TRY(md_text(&p->body, l->pair[i].value));
        TRY(text_printf(&p->body, " |\n"));
    }
    TRY(text_printf(&p->body, "\n"));
done:
    return rc;
}

static int put_checkpoint_folder(text *out, const run_data *d) {
    const char *arch = run_option(d, "model.arch");
    char folder[PATH_BYTES];
    int rc = OK;
    TRY(text_printf(out, "The best checkpoints, best first"));
    if (arch != NULL) {
        TRY(path_format(folder, "checkpoints/%s", arch));
        TRY(text_printf(out, ", in "));
        TRY(md_code(out, folder));
        TRY(text_printf(out, " of the run's folder"));
    }
    TRY(text_printf(out, ". File names count epochs from 0.\n\n"));
done:
    return rc;
}

static int section_checkpoints(page *p, const run_data *d) {
    const char *monitor = d->info.monitor != NULL ? d->info.monitor : "val_loss";
    const char *head[] = {"file", "epoch", strcmp(monitor, "val_loss") == 0 ? "validation loss" : monitor};
    int rc = OK;
    TRY(text_printf(&p->body, "## Checkpoints\n\n"));
    if (d->info.checkpoint_n == 0 && d->info.last == NULL)
        return section_words(p, d->info_problem, "No checkpoints yet");
    if (d->info.checkpoint_n > 0) {
        TRY(put_checkpoint_folder(&p->body, d));
        TRY(md_head(&p->body, head, "lrr", 3));
    }
    for (size_t i = 0; i < d->info.checkpoint_n; i++) {
        const kept_checkpoint *c = &d->info.checkpoint[i];
        TRY(text_printf(&p->body, "| "));
        TRY(md_text(&p->body, c->file));
        TRY(text_printf(&p->body, " | "));
        if (isfinite(c->epoch))
            TRY(text_printf(&p->body, "%.0f", c->epoch + 1));
        TRY(text_printf(&p->body, " | "));
        TRY(md_loss(&p->body, c->score));
        TRY(text_printf(&p->body, " |\n"));
    }
    if (d->info.last != NULL) {
        TRY(text_printf(&p->body, "%sLatest: ", d->info.checkpoint_n > 0 ? "\n" : ""));
        TRY(md_code(&p->body, d->info.last));
        TRY(text_printf(&p->body, "\n"));
    }
    TRY(text_printf(&p->body, "\n"));
done:
    return rc;
}

static int section_configuration(page *p, const run_data *d) {
    int rc = OK;
    TRY(text_printf(&p->body, "## Configuration\n\n"));
    if (d->hparams == NULL)
        return section_words(p, d->hparams_problem, "");
    TRY(text_printf(&p->body, "<details><summary>hparams.yaml</summary>\n\n"));
    TRY(md_block(&p->body, "yaml", (const char *)d->hparams, d->hparams_n));
    TRY(text_printf(&p->body, "</details>\n\n"));
done:
    return rc;
}

int sections_run(page *p, const run_data *d) {
    static const char none[] = "No finished epoch yet", no_steps[] = "No steps logged yet";
    const char *metrics = d->metrics_problem;
    int rc = OK;
    TRY(section_finder(p, d));
    TRY(section_chart(p, d, "Loss", chart_loss, metrics, none));
    TRY(section_chart(p, d, "Accuracy", chart_accuracy, metrics, none));
    TRY(section_chart(p, d, "Learning rate", chart_rate, metrics, no_steps));
    TRY(section_chart(p, d, "Throughput", chart_throughput, metrics, none));
    TRY(section_ranks(p, d));
    TRY(section_device(p, d));
    TRY(section_chart(p, d, "Steps", chart_steps, metrics, no_steps));
    TRY(section_epochs(p, d));
    TRY(section_checkpoints(p, d));
    TRY(section_worst(p, d));
    TRY(section_pairs(p, "Run", &d->info.run, d->info_problem));
    TRY(section_pairs(p, "Hardware", &d->info.hardware, d->info_problem));
    TRY(section_configuration(p, d));
    TRY(section_journal(p, d));
done:
    return rc;
}
