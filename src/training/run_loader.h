/** The loaders of a run, as the options of group `data` describe them. */
#ifndef LINNET_TRAINING_RUN_LOADER_H
#define LINNET_TRAINING_RUN_LOADER_H

#include "config/config.h"
#include "loader/loader.h"

/** Sizes in pixels: of the training crop in an epoch (FFCV's get_resolution); of the validation crop; and of the
 * shorter side to which validation images are resized before the crop. */
int run_loader_train_size(const config *c, int64_t epoch);
int run_loader_val_size(const config *c);
int run_loader_resize(const config *c);
/** Images of a validation batch. */
int run_loader_val_batch_size(const config *c);
/** data.shuffle_buffer with data.sequential, else 0. */
long long run_loader_shuffle_buffer(const config *c);
/** data.resize_order; auto is the newest. */
resize_order run_loader_resize_order(const config *c);
/** Loader options of one rank. With data.workers auto, `workers` is the initial number of threads. */
loader_options run_loader_options(const config *c, bool training);

/** Applies data.mixup and data.cutmix to training batch `number` of the epoch, counted over all ranks. The draws are a
 *  function of (seed, epoch, number), so they are the same in a resumed run and on any number of ranks. */
void run_loader_mix(const config *c, int64_t epoch, int64_t number, batch *b);

#endif
