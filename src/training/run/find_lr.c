/* Runs the LR finder without a training, for linnet find-lr. The LR finder itself is in training/lr_finder.c. */
#include "base/memory.h"
#include "base/status.h"
#include "report/plot/plot.h"
#include "training/run/publish.h"
#include "training/run/run_open.h"

#include <stdio.h>
#include <stdlib.h>

int train_find_lr(lr_finding *out, char plot[PATH_BYTES], const config *c, const train_hooks *h) {
    train_run_state r;
    train_summary summary;
    config *own = NULL;
    int rc = OK;
    *out = (lr_finding){0};
    plot[0] = 0;
    TRY(memory_zeroed(&own, 1, sizeof *own));
    *own = *c;
    own->optimizer.lr = 0;
    own->expected.val_acc = -1;  /* it is for a training */
    own->monitor.report = false; /* must not replace the report of a run in the same folder */
    rc = run_open(&r, &summary, own, h, false);
    if (r.run_logger.folder != NULL)
        publish_end(&r, rc, true);
    *out = r.finding;
    r.finding = (lr_finding){0}; /* now owned by the caller */
    if (plot_unavailable() == NULL && out->n > 0 && path_join(plot, c->trainer.out, "lr_finder_plot.png") != OK)
        plot[0] = 0;
    status_saved first;
    status_save(&first, rc);
    int closed = run_close(&r);
    rc = rc != OK ? status_restore(&first) : closed;
done:
    free(own);
    return rc;
}
