/** Between a live run and a checkpoint: gathers weights, statistics, momentum and state; puts them back. */
#ifndef LINNET_TRAINING_SNAPSHOT_H
#define LINNET_TRAINING_SNAPSHOT_H

#include "checkpoint/checkpoint.h"
#include "training/folder.h"
#include "training/setup.h"
#include "training/state.h"

/** Writes a checkpoint of the run as it stands. `kept` is the list of best files as it will be once this file is there.
 *  @return 0, E_IO, E_FULL (an older file of that name is intact), E_NOMEM */
int snapshot_save(const char *path, setup *s, const train_state *t, const topk *kept, const run_folder *f);

/** Restores weights, statistics, momentum and state from a checkpoint of the same architecture, classes and data. The
 * best files are taken over when the checkpoint lies in the run's own folder.
 *  @return 0; E_DATA, E_OPTION when it was made on other data or, in mid-epoch, with other batches; E_FORMAT */
int snapshot_restore(setup *s, train_state *t, const ckpt *c, const char *path, const run_folder *f);

/** The class names that a checkpoint knows must be the dataset's. @return 0; E_DATA naming the first that differs */
int snapshot_check_classes(const dataset *d, const ckpt *c, const char *path);

/** version_N of the run that wrote it, or -1. */
int snapshot_version(const ckpt *c);

#endif
