/* What a run logs once or now and then: its options, pictures, distributions. */
#include "base/memory.h"
#include "base/status.h"
#include "training/run/logbook_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_IMAGES = 32, BATCH_COLUMNS = 8 };

int logbook_start(logbook *b, const setup *s) {
    if (b->folder == NULL)
        return OK;
    const config *c = s->config;
    /* the same names in every run: TensorBoard takes its columns from one of them */
    const events_hparam h[] = {
        {"arch", 's', 0, s->net->arch},
        {"augment", 's', 0, c->data.augment},
        {"batch_size", 'd', (double)c->data.batch_size * s->row, NULL},
        {"clip_norm", 'd', c->trainer.clip_norm, NULL},
        {"image_size", 'd', c->data.image_size, NULL},
        {"label_smoothing", 'd', c->optimizer.label_smoothing, NULL},
        {"lr", 'd', s->base_lr, NULL},
        {"max_epochs", 'd', c->trainer.max_epochs, NULL},
        {"momentum", 'd', c->optimizer.momentum, NULL},
        {"nesterov", 'b', c->optimizer.nesterov, NULL},
        {"precision", 's', 0, precision_name(s->precision)},
        {"schedule", 's', 0, c->schedule.name},
        {"seed", 'd', (double)c->trainer.seed, NULL},
        {"warmup_epochs", 'd', c->schedule.warmup_epochs, NULL},
        {"weight_decay", 'd', c->optimizer.weight_decay, NULL},
    };
    static const char *const metric[] = {"val_loss", "val_acc", "val_acc_top5", "train_loss_epoch", "train_acc"};
    text yaml = {0}, page = {0};
    int rc = OK;
    TRY(events_hparams(b->events, h, sizeof h / sizeof *h, metric, sizeof metric / sizeof *metric, NULL));
    TRY(config_to_yaml(&yaml, c));
    TRY(text_printf(&page, "```yaml\n%s```\n", text_string(&yaml)));
    TRY(events_text(b->events, "config", 0, page.data));
    TRY(events_flush(b->events));
done:
    text_deinit(&yaml);
    text_deinit(&page);
    return rc;
}

int logbook_batch(logbook *b, const batch *images) {
    if (b->folder == NULL)
        return OK;
    int n = images->n < BATCH_IMAGES ? images->n : BATCH_IMAGES;
    sheet s = {0};
    unsigned char *bytes = NULL;
    unsigned long bytes_n = 0;
    int rc = OK;
    TRY(sheet_init(&s, n, n < BATCH_COLUMNS ? n : BATCH_COLUMNS, images->w, 2));
    for (int i = 0; i < n; i++)
        sheet_put(&s, i, images->pixels + (size_t)i * (size_t)images->h * (size_t)images->w * 3);
    TRY(sheet_encode(&bytes, &bytes_n, &s));
    TRY(events_image(b->events, "train_batch", 0, bytes, bytes_n, s.w, s.h));
    TRY(events_flush(b->events));
done:
    free(bytes);
    sheet_deinit(&s);
    return rc;
}

static int finder_scalars(const char *folder, const lr_finding *f, const lr_curve *longest) {
    events *e = NULL;
    int rc = OK;
    TRY(folder_make(folder));
    TRY(events_open(&e, folder));
    for (int i = 0; i < f->n; i++) {
        TRY(events_scalar(e, "lr_finder/lr", i, longest->lr[i]));
        TRY(events_scalar(e, "lr_finder/loss", i, longest->loss[i]));
        TRY(events_scalar(e, "lr_finder/loss_smoothed", i, f->median[i]));
    }
done:;
    int closed = events_close(e);
    return rc != OK ? rc : closed;
}

int logbook_lr_finder(logbook *b, const lr_finding *f) {
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

int logbook_histograms(logbook *b, const setup *s, const train_state *t) {
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
    TRY(memory_zeroed(&values, net_largest(s->net), sizeof *values));
    for (size_t k = 0; k < sizeof kind / sizeof *kind; k++) {
        for (int i = 0; i < s->net->param_n; i++) {
            const param *p = &s->net->param[i];
            TRY(engine_read(values, s->engine, kind[k].what, i));
            histogram_reset(&h);
            histogram_add(&h, values, p->count);
            snprintf(tag, sizeof tag, "%s/%s", kind[k].tag, p->name);
            TRY(events_histogram(b->events, tag, t->global_step - 1, &h));
        }
    }
    TRY(events_flush(b->events));
done:
    free(values);
    histogram_deinit(&h);
    return rc;
}

int logbook_worst(logbook *b, const mistakes *m, const dataset *val) {
    if (b->folder == NULL)
        return OK;
    char path[PATH_BYTES];
    text table = {0};
    sheet s = {0};
    unsigned char *bytes = NULL;
    unsigned long bytes_n = 0;
    int rc = OK;
    TRY(mistakes_csv(&table, m, val));
    TRY(path_join(path, b->folder, "worst.csv"));
    TRY(file_write_atomic(path, table.data, table.n));
    if (m->n == 0)
        goto done;
    TRY(mistakes_sheet(&s, m, val));
    TRY(sheet_encode(&bytes, &bytes_n, &s));
    TRY(path_join(path, b->folder, "worst.jpg"));
    TRY(file_write_atomic(path, bytes, bytes_n));
done:
    free(bytes);
    sheet_deinit(&s);
    text_deinit(&table);
    return rc;
}
