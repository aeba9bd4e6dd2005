/** The objects of a run, opened from its configuration: datasets, loaders, model, engine. */
#ifndef LINNET_TRAINING_RUN_CONTEXT_H
#define LINNET_TRAINING_RUN_CONTEXT_H

#include "base/text.h"
#include "config/config.h"
#include "dataset/dataset.h"
#include "dataset/splits/fingerprint.h"
#include "dataset/splits/splits.h"
#include "engine/engine.h"
#include "loader/loader.h"
#include "loader/workers.h"
#include "model/model.h"
#include "training/ranks.h"
#include "training/run_dataset.h"

#include <stdint.h>

/** Unreadable images that were reported to rank 0. */
typedef struct reported_images {
    int64_t *image, n;
} reported_images;

typedef struct run_context {
    const config *config; /* borrowed */
    rank_group ranks;
    int cores;                                /* CPU cores of this host that this rank uses */
    int micro_batches_per_step;               /* over all ranks */
    int micro_batch_first, micro_batch_count; /* this rank's, as in loader_options */
    int *micro_batch_host, hosts;             /* (micro_batches_per_step), as in loader_options; for training */
    dataset *train, *val;                     /* train is NULL for evaluation alone */
    fingerprint fingerprint[2];               /* of train and val; for training */
    loader *train_loader, *val_loader;
    model *model;
    engine *engine;
    precision precision;
    resize_order resize_order;                       /* of both loaders; a resume may change it */
    reported_images told[2];                         /* reported by this rank, for both loaders (rank_events.h) */
    workers workers, val_workers;                    /* current number of loader threads */
    int64_t train_batches, val_batches;              /* per epoch, limits applied */
    int64_t steps_per_epoch;                         /* optimizer steps */
    int64_t val_interval;                            /* train_batches between validations; 0: at an epoch's end only */
    double base_lr;                                  /* 0: not found yet */
    void (*on_batch)(void *context, const batch *b); /* called with each training batch before it is used; or NULL */
    void *on_batch_context;
} run_context;

/** Expected number of validations during `batches` training batches. */
double run_context_validations(const run_context *s, double batches);
/** Micro-batches per step over all ranks. */
int run_context_micro_batches(const config *c, const comm *all);
/** How data.sequential divides the shards among hosts: the hosts of the micro-batches of a step, as "0 x4, 1 x4". It is
 *  empty if one host reads all. @return 0, E_NOMEM */
int run_context_stream_hosts(text *out, const run_context *s);
/** trainer.device, with auto resolved. Static. */
const char *run_context_device(const config *c);
/** optimizer.name. */
optimizer_kind run_context_optimizer(const config *c);
/** Changes the order in both loaders, before they start. */
void run_context_set_resize_order(run_context *s, resize_order order);

/** Opens datasets and loaders of a training run in which this process is one of the ranks `all` (NULL: a single
 * process), then the model and the engine with initial weights.
 *  @return 0 or the error of what could not be opened; run_context_close must be called in either case */
int run_context_open(run_context *s, const config *c, comm *all);
/** Opens only what validation needs: dataset, loader, model and engine for `classes` classes. names: the names of
 * the model's classes, all different, to which those of the dataset are mapped, with `of` as in dataset_use_classes.
 * NULL: the names are unknown, and the dataset must have this number of classes. `all` as for run_context_open. */
int run_context_open_evaluation(run_context *s, const config *c, int classes, char *const *names, const char *of,
                                comm *all);
/** The same for images without labels: takes ownership of `images` (image_list.h), also when it fails. Any number of
 * them may be unreadable. */
int run_context_open_prediction(run_context *s, const config *c, int classes, dataset *images);
/** Opens only model and engine, without data; all weights are 0. `all` as for run_context_open. */
int run_context_open_engine(run_context *s, const config *c, int classes, comm *all);
void run_context_close(run_context *s);

/** Images of training batch b of the epoch: data.batch_size, or fewer in the last batch (without data.drop_last). */
int run_context_batch_images(const run_context *s, int64_t b);

#endif
