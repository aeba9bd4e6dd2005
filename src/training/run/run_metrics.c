/* The current values of a run in Prometheus' text format. */
#include "training/run/run_metrics.h"

#include "base/status.h"

#include <math.h>

/** The value of a label: UTF-8, in which quotes, backslashes and line ends are escaped. */
static int put_label(text *out, const char *s) {
    text clean = {0};
    int rc = OK;
    TRY(text_append_utf8(&clean, s));
    for (const char *p = text_string(&clean); *p != 0; p++)
        TRY(*p == '\n' ? text_printf(out, "\\n") : text_printf(out, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p));
done:
    text_deinit(&clean);
    return rc;
}

/** Appends a metric; nothing if x is NaN. */
static int put_metric(text *out, const train_run_state *r, const char *name, const char *help, double x) {
    int rc = OK;
    if (isnan(x))
        return OK;
    TRY(text_printf(out, "# HELP linnet_%s %s\n# TYPE linnet_%s gauge\nlinnet_%s{run=\"", name, help, name, name));
    TRY(put_label(out, r->folder.logs));
    TRY(text_printf(out, "\"} %.15g\n", x));
done:
    return rc;
}

int run_metrics_text(text *out, const train_run_state *r, bool running) {
    const run_monitor *m = &r->monitor;
    const train_state *t = &r->state;
    bool val = m->val.images > 0;
    int rc = OK;
    TRY(put_metric(out, r, "running", "1 while the run is in progress, 0 after it has ended.", running));
    TRY(put_metric(out, r, "epoch", "The current epoch, counted from 0.", (double)t->epoch));
    TRY(put_metric(out, r, "steps", "Optimizer steps done.", (double)t->global_step));
    TRY(put_metric(out, r, "train_loss", "Loss of the last logged step.", m->loss));
    TRY(put_metric(out, r, "train_accuracy", "Top-1 accuracy of the epoch up to that step, 0 to 1.", m->accuracy));
    TRY(put_metric(out, r, "val_loss", "Loss of the last validation.", val ? metrics_loss(&m->val) : NAN));
    TRY(put_metric(out, r, "val_accuracy", "Top-1 accuracy of the last validation, 0 to 1.",
                   val ? metrics_top1(&m->val) : NAN));
    TRY(put_metric(out, r, "learning_rate", "Learning rate of the last logged step.", m->lr));
    TRY(put_metric(out, r, "images_per_second", "Training images per second in this epoch.", m->images_per_second));
    TRY(put_metric(out, r, "data_wait_ratio", "Fraction of the time spent waiting for data.", m->data_wait));
    TRY(put_metric(out, r, "communication_ratio", "Fraction of the slowest rank's time spent in communication.",
                   m->communication));
    TRY(put_metric(out, r, "checkpoint_timestamp_seconds", "Unix time of the last checkpoint.", m->saved));
done:
    return rc;
}
