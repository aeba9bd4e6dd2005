/** A run's logs in logs/ARCH/version_N: TensorBoard events and metrics.csv with Lightning's tags, hparams.yaml,
 *  bad_images.txt. */
#ifndef LINNET_TRAIN_LOGBOOK_H
#define LINNET_TRAIN_LOGBOOK_H

#include "monitor/csv.h"
#include "monitor/tensorboard.h"
#include "train/folder.h"
#include "train/setup.h"
#include "train/state.h"
#include "train/step.h"

typedef struct logbook {
    events *events;
    csv *csv;
    const char *folder; /* borrowed from the run_folder */
    size_t bad_bytes;   /* of bad_images.txt as written */
} logbook;

/** Opens the logs, drops what a resumed run will log again (steps from `global_step` on), writes hparams.yaml.
 *  @return 0, E_IO, E_FULL */
int logbook_open(logbook *b, const run_folder *f, const config *c, int64_t global_step);
int logbook_close(logbook *b);

/** train_loss_step, lr-SGD, grad_norm of the step just made; t->global_step already counts it. */
int logbook_step(logbook *b, const train_state *t, const step_result *r);
/** End of an epoch: train_loss_epoch, train_acc, val_loss, val_acc, val_acc_top5, images_per_second, data_wait. */
int logbook_epoch(logbook *b, const train_state *t, double lr, double images_per_second, double data_wait);
/** Writes bad_images.txt anew when there is more to say than it does. */
int logbook_bad_images(logbook *b, const setup *s);

#endif
