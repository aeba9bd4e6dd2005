/** Saves a run to a checkpoint and restores it: weights, statistics, momentum and state. */
#ifndef LINNET_TRAINING_CHECKPOINT_H
#define LINNET_TRAINING_CHECKPOINT_H

#include "checkpoint/checkpoint.h"
#include "training/folder.h"
#include "training/run_context.h"
#include "training/state.h"

/** Saves the current state of the run. `kept`: the list of best checkpoints after this one has been written.
 *  @return 0, E_IO, E_FULL (an existing file of that name is unchanged), E_NOMEM */
int checkpoint_save(const char *path, run_context *s, const train_state *t, const top_k *kept, const run_folder *f);

/** Estimates the size of a checkpoint of this run in bytes, at most 1 % too high. The list of unreadable images is not
 *  included. */
uint64_t checkpoint_bytes(const run_context *s);

/** Restores weights, statistics, momentum and state from a checkpoint of the same architecture, classes and data. The
 * list of best checkpoints is restored if the checkpoint is in the run's own folder.
 *  @return 0; E_DATA, E_OPTION (made on other data or, in the middle of an epoch, with other batches); E_FORMAT */
int checkpoint_restore(run_context *s, train_state *t, const ckpt *c, const char *path, const run_folder *f);

/** Whether a checkpoint's class is a class of the dataset: the same name, or this name as UTF-8 (text_append_utf8), as
 *  safetensors files have it. @return 0 or E_NOMEM */
int checkpoint_same_class(bool *out, const char *of_data, const char *of_file);
/** Checks that the class names in a checkpoint, if any, are the dataset's. @return 0; E_DATA (has the first difference)
 */
int checkpoint_check_classes(const dataset *d, const ckpt *c, const char *path);

/** The order of a resize's passes that the run used. A checkpoint of linnet that does not state it is from a version
 * that always began with the horizontal pass; for other programs' it is the newest order. */
resize_order checkpoint_resize_order(const ckpt *c);

/** Reads the configuration that a checkpoint of linnet has. *found: whether it has one; else *out has the defaults.
 *  @return as config_read_yaml_text */
int checkpoint_config(config *out, bool *found, const ckpt *c);

/** N of version_N of the run that wrote the checkpoint, or -1. */
int checkpoint_version(const ckpt *c);

#endif
