/** What a run works with, opened from its configuration: datasets, loaders, net, engine. */
#ifndef LINNET_TRAINING_SETUP_H
#define LINNET_TRAINING_SETUP_H

#include "config/config.h"
#include "dataset/dataset.h"
#include "dataset/fingerprint.h"
#include "engine/engine.h"
#include "loader/loader.h"
#include "loader/workers.h"
#include "model/model.h"
#include "training/ranks.h"

#include <stdint.h>

/** Unreadable images that rank 0 knows of. */
typedef struct told_images {
    int64_t *image, n;
} told_images;

typedef struct setup {
    const config *config; /* borrowed */
    rank_group ranks;
    int cores;                  /* of this host, that are this rank's to use */
    int row, own, own_n;        /* micro-batches of a step, and those of them that are this rank's (loader_options) */
    dataset *train, *val;       /* train is NULL for evaluation alone */
    fingerprint fingerprint[2]; /* of train and val; a training run's */
    loader *train_loader, *val_loader;
    net *net;
    engine *engine;
    precision precision;
    told_images told[2];                             /* by this rank, of both loaders (news.h) */
    workers workers, val_workers;                    /* of the loaders, as they are now */
    int64_t train_batches, val_batches;              /* per epoch, limits applied */
    int64_t steps_per_epoch;                         /* optimizer steps */
    double base_lr;                                  /* 0: not found yet */
    void (*on_batch)(void *context, const batch *b); /* sees each training batch before it is used; NULL: nobody */
    void *on_batch_context;
} setup;

/** Sides of the crops: of training in an epoch, as FFCV's get_resolution has it; of validation; and of the shorter side
 *  that the latter is taken from. */
int setup_train_size(const config *c, int64_t epoch);
int setup_val_size(const config *c);
int setup_resize(const config *c);
/** Images of a validation batch. */
int setup_val_batch_size(const config *c);
/** Micro-batches of a step, over all ranks. */
int setup_row(const config *c, const comm *all);
/** With data.workers auto: the threads to begin with; as for one rank. */
loader_options setup_loader_options(const config *c, bool training);

/** Opens datasets and loaders of a training run, of which this process is one of `all` ranks (NULL: alone), then the
 * net and the engine with initial weights.
 *  @return 0 or the error of what could not be opened; setup_close is due in either case */
int setup_open(setup *s, const config *c, comm *all);
/** The validation side alone: dataset, loader, net and engine for `classes` classes. The folder's classes must be as
 * many. `all` as for setup_open. */
int setup_open_evaluation(setup *s, const config *c, int classes, comm *all);
/** The same for images that have no class: takes over `images` (image_list.h), also when it fails. Any share of them
 * may be unreadable. */
int setup_open_prediction(setup *s, const config *c, int classes, dataset *images);
/** Net and engine alone, without data (weights are zeros). `all` as for setup_open. */
int setup_open_engine(setup *s, const config *c, int classes, comm *all);
void setup_close(setup *s);

/** Images of training batch b of the epoch: data.batch_size, but for a shorter last one (without data.drop_last). */
int setup_batch_images(const setup *s, int64_t b);

#endif
