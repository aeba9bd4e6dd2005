/* Logs what a run logs once or rarely: its options, images and histograms. */
#include "base/memory.h"
#include "base/status.h"
#include "training/run/run_logger_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_IMAGES = 32, BATCH_COLUMNS = 8 };

int run_logger_start(run_logger *b, const run_context *s) {
    if (b->folder == NULL)
        return OK;
    const config *c = s->config;
    /* every run needs the same names, because TensorBoard takes its columns from one of the runs */
    const tb_events_hparam h[] = {
        {"arch", 's', 0, s->model->arch},
        {"augment", 's', 0, c->data.augment},
        {"batch_size", 'd', (double)c->data.batch_size * s->micro_batches_per_step, NULL},
        {"clip_norm", 'd', c->trainer.clip_norm, NULL},
        {"image_size", 'd', c->data.image_size, NULL},
        {"label_smoothing", 'd', c->optimizer.label_smoothing, NULL},
        {"lr", 'd', s->base_lr, NULL},
        {"max_epochs", 'd', c->trainer.max_epochs, NULL},
        {"momentum", 'd', c->optimizer.momentum, NULL},
        {"nesterov", 'b', c->optimizer.nesterov, NULL},
        {"optimizer", 's', 0, c->optimizer.name},
        {"precision", 's', 0, precision_name(s->precision)},
        {"schedule", 's', 0, c->schedule.name},
        {"seed", 'd', (double)c->trainer.seed, NULL},
        {"warmup_epochs", 'd', c->schedule.warmup_epochs, NULL},
        {"weight_decay", 'd', c->optimizer.weight_decay, NULL},
    };
    static const char *const metric[] = {"val_loss", "val_acc", "val_acc_top5", "train_loss_epoch", "train_acc"};
    text yaml = {0}, page = {0};
    int rc = OK;
    TRY(tb_events_hparams(b->tb_events, h, sizeof h / sizeof *h, metric, sizeof metric / sizeof *metric, NULL));
    TRY(config_to_yaml(&yaml, c));
    TRY(text_printf(&page, "```yaml\n%s```\n", text_string(&yaml)));
    TRY(tb_events_text(b->tb_events, "config", 0, page.data));
    TRY(tb_events_flush(b->tb_events));
done:
    text_deinit(&yaml);
    text_deinit(&page);
    return rc;
}

int run_logger_batch(run_logger *b, const batch *images) {
    if (b->folder == NULL)
        return OK;
    int n = images->n < BATCH_IMAGES ? images->n : BATCH_IMAGES;
    contact_sheet s = {0};
    unsigned char *bytes = NULL;
    unsigned long bytes_n = 0;
    int rc = OK;
    TRY(contact_sheet_init(&s, n, n < BATCH_COLUMNS ? n : BATCH_COLUMNS, images->w, 2));
    for (int i = 0; i < n; i++)
        contact_sheet_put(&s, i, images->pixels + (size_t)i * (size_t)images->h * (size_t)images->w * 3);
    TRY(contact_sheet_encode(&bytes, &bytes_n, &s));
    TRY(tb_events_image(b->tb_events, "train_batch", 0, bytes, bytes_n, s.w, s.h));
    TRY(tb_events_flush(b->tb_events));
done:
    free(bytes);
    contact_sheet_deinit(&s);
    return rc;
}

static int finder_scalars(const char *folder, const lr_finding *f, const lr_curve *longest) {
    tb_events *e = NULL;
    int rc = OK;
    TRY(folder_make(folder));
    TRY(tb_events_open(&e, folder));
    for (int i = 0; i < f->n; i++) {
        TRY(tb_events_scalar(e, "lr_finder/lr", i, longest->lr[i]));
        TRY(tb_events_scalar(e, "lr_finder/loss", i, longest->loss[i]));
        TRY(tb_events_scalar(e, "lr_finder/loss_smoothed", i, f->median[i]));
    }
done:;
    int closed = tb_events_close(e);
    return rc != OK ? rc : closed;
}

int run_logger_lr_finder(run_logger *b, const lr_finding *f) {
    if (b->folder == NULL)
        return OK;
    char path[PATH_BYTES];
    text table = {0};
    int rc = OK;
    TRY(lr_finding_csv(&table, f));
    TRY(path_join(path, b->folder, "lr_finder.csv"));
    TRY(file_write_atomic(path, table.data, table.n));
    TRY(path_join(path, b->folder, "lr_finder"));
    TRY(finder_scalars(path, f, lr_finding_longest(f)));
done:
    text_deinit(&table);
    return rc;
}

int run_logger_histograms(run_logger *b, const run_context *s, const train_state *t) {
    if (b->folder == NULL)
        return OK;
    static const struct {
        const char *tag;
        engine_what what;
    } kind[] = {{"weight", ENGINE_WEIGHT}, {"gradient", ENGINE_GRADIENT}};
    histogram h = {0};
    double *values = NULL;
    char tag[160];
    int rc = OK;
    TRY(histogram_init(&h));
    TRY(memory_zeroed(&values, model_largest(s->model), sizeof *values));
    for (size_t k = 0; k < sizeof kind / sizeof *kind; k++) {
        for (int i = 0; i < s->model->param_n; i++) {
            const param *p = &s->model->param[i];
            TRY(engine_read(values, s->engine, kind[k].what, i));
            histogram_reset(&h);
            histogram_add(&h, values, p->count);
            snprintf(tag, sizeof tag, "%s/%s", kind[k].tag, p->name);
            TRY(tb_events_histogram(b->tb_events, tag, t->global_step - 1, &h));
        }
    }
    TRY(tb_events_flush(b->tb_events));
done:
    free(values);
    histogram_deinit(&h);
    return rc;
}

int run_logger_worst(run_logger *b, const misclassified *m, const dataset *val) {
    if (b->folder == NULL)
        return OK;
    char path[PATH_BYTES];
    text table = {0};
    contact_sheet s = {0};
    unsigned char *bytes = NULL;
    unsigned long bytes_n = 0;
    int rc = OK;
    TRY(misclassified_csv(&table, m, val));
    TRY(path_join(path, b->folder, "worst.csv"));
    TRY(file_write_atomic(path, table.data, table.n));
    if (m->n == 0)
        goto done;
    TRY(misclassified_sheet(&s, m, val));
    TRY(contact_sheet_encode(&bytes, &bytes_n, &s));
    TRY(path_join(path, b->folder, "worst.jpg"));
    TRY(file_write_atomic(path, bytes, bytes_n));
done:
    free(bytes);
    contact_sheet_deinit(&s);
    text_deinit(&table);
    return rc;
}
