/** A run's logs in logs/ARCH/version_N: TensorBoard events and metrics.csv with Lightning's tags, samples.csv,
 * ranks.csv, device.csv, the journal journal.log, hparams.yaml, bad_images.txt, lr_finder.csv, worst.csv and worst.jpg.
 * docs/formats.md. */
#ifndef LINNET_TRAINING_RUN_LOGBOOK_H
#define LINNET_TRAINING_RUN_LOGBOOK_H

#include "evaluation/misclassified.h"
#include "logging/csv.h"
#include "logging/journal.h"
#include "logging/tensorboard.h"
#include "telemetry/device_stats.h"
#include "training/folder.h"
#include "training/lr_finder.h"
#include "training/setup.h"
#include "training/state.h"
#include "training/step.h"

typedef struct logbook {
    events *events;
    csv *csv, *samples, *device, *ranks;
    journal *journal;
    bool journal_failed;   /* told */
    device_stats *stats;   /* NULL: not watched */
    const char *folder;    /* borrowed from the run_folder */
    size_t bad_bytes;      /* of bad_images.txt as written */
    bool bad_told;         /* the first unreadable image */
    int64_t bad_counted;   /* unreadable images at the last count */
    double opened;         /* clock_seconds */
    double device_every;   /* seconds between rows of device.csv */
    double device_next;    /* clock_seconds of the next one */
    double seconds_before; /* of the run, before this process */
} logbook;

/** Opens the logs, drops what a resumed run will log again (steps from t->global_step on; `validates`: it goes on with
 * an epoch's validation, so that epoch's row too), writes hparams.yaml.
 *  @return 0, E_IO, E_FULL: then it is closed again, folder NULL */
int logbook_open(logbook *b, const run_folder *f, const config *c, const train_state *t, bool validates, int ranks);
int logbook_close(logbook *b);

/* A logbook that is not open (folder NULL: another rank writes) takes everything and writes nothing. */

/** A line of the journal. One that cannot be written is a warning, the first time: no training ends for it. */
void logbook_event(logbook *b, const train_state *t, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** train_loss_step, lr-SGD, grad_norm of the step just made, scale and skipped_steps where the loss is scaled;
 *  t->global_step already counts it. The hash of its images goes into samples.csv. */
int logbook_step(logbook *b, const train_state *t, const step_result *r);
/** End of an epoch: train_loss_epoch, train_acc, val_loss, val_acc, val_acc_top5, images_per_second, data_wait. */
int logbook_epoch(logbook *b, const train_state *t, double lr, double images_per_second, double data_wait);
/** A row of ranks.csv and its scalars, for the step just made; nothing where the slowest is not known. */
int logbook_pace(logbook *b, const train_state *t, const pace *p);
/** A row of device.csv when one is due, or `now`; after a failure, a warning, there are no more. */
void logbook_device(logbook *b, const train_state *t, bool now);
/** Writes bad_images.txt anew when there is more to say than it does; new ones go into the journal, and the first that
 *  this process meets is a warning. */
int logbook_bad_images(logbook *b, const setup *s, const train_state *t);
/** At the end of an epoch: warns with the number of unreadable images when it has grown. */
void logbook_count_bad(logbook *b, const setup *s, const train_state *t);

/** The beginning of a run, once: the hparams page, the configuration as text. */
int logbook_start(logbook *b, const setup *s);
/** A batch as the network sees it, as a picture (its first images). */
int logbook_batch(logbook *b, const batch *images);
/** lr_finder.csv, and its points as scalars of a run of their own, version_N/lr_finder, whose steps are the sweep's. */
int logbook_lr_finder(logbook *b, const lr_finding *f);
/** Weights and the last step's gradients of every parameter. */
int logbook_histograms(logbook *b, const setup *s, const train_state *t);
/** worst.csv and worst.jpg. */
int logbook_worst(logbook *b, const mistakes *m, const dataset *val);

#endif
