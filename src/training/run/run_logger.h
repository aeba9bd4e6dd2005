/** A run's logs in logs/ARCH/version_N: TensorBoard events and metrics.csv with Lightning's tags, samples.csv,
 * ranks.csv, device.csv, the journal journal.log, hparams.yaml, bad_images.txt, lr_finder.csv, worst.csv and worst.jpg.
 * docs/formats.md. */
#ifndef LINNET_TRAINING_RUN_RUN_LOGGER_H
#define LINNET_TRAINING_RUN_RUN_LOGGER_H

#include "evaluation/misclassified.h"
#include "logging/csv.h"
#include "logging/journal.h"
#include "logging/tensorboard.h"
#include "telemetry/device_stats.h"
#include "tracking/mlflow.h"
#include "training/folder.h"
#include "training/lr_finder.h"
#include "training/run_context.h"
#include "training/state.h"
#include "training/step.h"

typedef struct run_logger {
    tb_events *tb_events;
    csv *csv, *samples, *device, *ranks;
    journal *journal;
    bool journal_failed;   /* an error occurred and was reported once */
    mlflow *mlflow;        /* gets what tb_events gets as scalars; borrowed; NULL: none */
    device_stats *stats;   /* NULL: not recorded */
    const char *lr_name;   /* of the column: "lr-SGD" */
    const char *folder;    /* borrowed from the run_folder */
    size_t bad_bytes;      /* size of bad_images.txt as last written */
    bool bad_reported;     /* the warning about the first unreadable image was printed */
    int64_t bad_counted;   /* unreadable images at the last count */
    double opened;         /* clock_seconds */
    double device_every;   /* seconds between rows of device.csv */
    double device_next;    /* clock_seconds of the next one */
    double seconds_before; /* of the run, before this process */
} run_logger;

/** Opens the logs and writes hparams.yaml. Removes what a resumed run will log again: steps from t->global_step on and,
 *  if `again` is not NULL, the row of the last step with a value in the column of that name.
 *  @return 0, E_IO, E_FULL; after an error it is closed again, folder NULL */
int run_logger_open(run_logger *b, const run_folder *f, const config *c, const train_state *t, const char *again,
                    int ranks);
int run_logger_close(run_logger *b);

/* E_FULL: the entry is kept in memory; a later call or run_logger_close writes it.
 * On a run_logger that is not open (folder NULL, as on all ranks but 0) all functions do nothing. */

/** Writes an entry of the journal. If that fails, it warns the first time; the training continues. */
void run_logger_event(run_logger *b, const train_state *t, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Logs train_loss_step, the learning rate and grad_norm of the last step, and scale and skipped_steps if the loss is
 * scaled; t->global_step already counts this step. The hash of its images goes into samples.csv. */
int run_logger_step(run_logger *b, const train_state *t, const step_result *r);
/** Logs the end of an epoch: train_loss_epoch, train_acc, val_loss, val_acc, val_acc_top5, images_per_second,
 * data_wait. */
int run_logger_epoch(run_logger *b, const train_state *t, double lr, double images_per_second, double data_wait);
/** Logs a validation within an epoch: val_loss, val_acc, val_acc_top5. */
int run_logger_validation(run_logger *b, const train_state *t);
/** Writes a row of ranks.csv and its scalars, for the last step; nothing if the slowest rank is not known. */
int run_logger_timing(run_logger *b, const train_state *t, const rank_timing *p);
/** Writes a row of device.csv if one is due, or if `now`; after an error it warns once and writes no more rows. */
void run_logger_device(run_logger *b, const train_state *t, bool now);
/** Rewrites bad_images.txt if there are new unreadable images, adds an entry to the journal, and warns about the first
 * one in this process. */
int run_logger_bad_images(run_logger *b, const run_context *s, const train_state *t);
/** At the end of an epoch: warns if the number of unreadable images has increased. */
void run_logger_count_bad(run_logger *b, const run_context *s, const train_state *t);

/** Logs once, at the start of a run: the hparams page and the configuration as text. */
int run_logger_start(run_logger *b, const run_context *s);
/** Logs the first images of a batch, as the model gets them. */
int run_logger_batch(run_logger *b, const batch *images);
/** Writes lr_finder.csv, and its points as scalars of a separate TensorBoard run, version_N/lr_finder, whose steps are
 *  those of the sweep. */
int run_logger_lr_finder(run_logger *b, const lr_finding *f);
/** Logs histograms of the weights and of the last step's gradients, for every parameter. */
int run_logger_histograms(run_logger *b, const run_context *s, const train_state *t);
/** Writes worst.csv and worst.jpg. */
int run_logger_worst(run_logger *b, const misclassified *m, const dataset *val);

#endif
