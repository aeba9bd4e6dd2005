/* Reads the options that are stored in a checkpoint. */

#include "tools/checkpoint_options.h"

#include "base/memory.h"
#include "base/status.h"
#include "training/checkpoint.h"
#include "training/run_loader.h"
#include "training/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Sets what evaluation and prediction need from the options of the training. */
static void take(config *c, const config *trained, const ckpt *k) {
    c->model = trained->model;
    c->data.image_size = run_loader_val_size(trained);
    c->data.resize_size = trained->data.resize_size;
    c->data.crop_pct = trained->data.crop_pct;
    memcpy(c->data.crop_mode, trained->data.crop_mode, sizeof c->data.crop_mode);
    memcpy(c->data.interpolation, trained->data.interpolation, sizeof c->data.interpolation);
    snprintf(c->data.resize_order, sizeof c->data.resize_order, "%s",
             checkpoint_resize_order(k) == RESIZE_HORIZONTAL ? "horizontal" : "newest");
    c->data.val_split = trained->data.val_split;
    c->trainer.seed = trained->trainer.seed; /* which val_split depends on */
    c->optimizer.label_smoothing = trained->optimizer.label_smoothing;
    c->optimizer.smooth_val_loss = trained->optimizer.smooth_val_loss;
    memcpy(c->data.mean, trained->data.mean, sizeof c->data.mean);
    memcpy(c->data.std, trained->data.std, sizeof c->data.std);
}

int checkpoint_options(config *c, const ckpt *k, const char *path) {
    config *trained = NULL;
    bool found = false;
    int rc = OK;
    TRY(memory_zeroed(&trained, 1, sizeof *trained));
    rc = checkpoint_config(trained, &found, k);
    if (found)
        take(c, trained, k);
    else /* not written by linnet: use the recipe's sizes and normalisation */
        rc = weights_arch(c->model.arch, k, path);
done:
    free(trained);
    return rc;
}
