/** All settings of a run. One option table (options.c) defines name, alias, range, default and help of each. It drives
 *  the command line, YAML files, --help, --print-config, docs/options.md and the copy saved with a run. */
#ifndef LINNET_CONFIG_CONFIG_H
#define LINNET_CONFIG_CONFIG_H

#include "base/text.h"

#include <stdbool.h>

#define CONFIG_TEXT 1024

typedef struct config {
    struct {
        char path[CONFIG_TEXT];                 /* --data */
        int image_size;                         /* --image-size; side of the training crop, pixels */
        int val_size;                           /* side of the validation crop; 0: image_size */
        int resize_size;                        /* val: shorter side; 0: round(val_size / 0.875) */
        int progressive_size;                   /* side of the first epochs' crop; 0: always image_size */
        int progressive_begin, progressive_end; /* epochs, from 0, between which the crop grows */
        int batch_size;                         /* --batch-size; per device */
        int val_batch_size;                     /* 0: batch_size */
        int workers;                            /* --workers; -1: auto */
        int ahead;                              /* batches prepared ahead */
        int read_ahead;                         /* shards: batches that the system reads ahead */
        bool sequential;                        /* read shards sequentially */
        long long shuffle_buffer;
        bool shuffle;
        int repeats;      /* of each image in an epoch */
        char augment[32]; /* "default", "none" */
        double scale_min, scale_max, ratio_min, ratio_max, flip;
        char auto_augment[32];    /* "none", "randaugment", "trivialaugment" */
        int ra_ops, ra_magnitude; /* randaugment */
        double random_erase;      /* probability */
        double mixup, cutmix;     /* alpha of Beta(alpha, alpha); 0: off */
        bool fast_decode; /* training: decode JPEGs at reduced size where the crop is scaled down by 2 or more */
        double mean[3], std[3];
        double max_bad; /* fraction of files */
        long long max_pixels;
        int max_scans;
        bool changed; /* a resume accepts changed data */
        bool drop_last;
    } data;
    struct {
        char arch[32]; /* --arch */
        bool zero_gamma;
        char init[CONFIG_TEXT]; /* --init FILE: initial weights; "" none */
        char freeze[16];        /* "none", or the last part that is frozen */
    } model;
    struct {
        double lr;      /* --lr; 0: auto, the LR finder's suggestion */
        double head_lr; /* of the classifier; 0: lr */
        double momentum, dampening, weight_decay;
        bool nesterov;
        bool decay_norm, decay_bias; /* weight decay on batch norm's parameters, on the classifier's bias */
        double label_smoothing;
    } optimizer;
    struct {
        double min, max; /* of the range test, exponential */
        int steps;
        int sweeps;        /* --sweeps; the suggestion comes from their median */
        double early_stop; /* a sweep ends when its smoothed loss exceeds this multiple of its lowest; 0: never */
    } lr_finder;
    struct {
        char name[32]; /* "step", "plateau", "cosine", "none" */
        int step_size;
        double gamma;
        double factor, min_lr, threshold; /* plateau */
        int patience;
        double eta_min;      /* cosine */
        int warmup_epochs;   /* linear, per step */
        double warmup_start; /* fraction of the LR */
    } schedule;
    struct {
        int max_epochs;                                /* --max-epochs */
        long long max_steps;                           /* -1: no limit */
        double max_time;                               /* seconds; 0: no limit */
        double limit_train_batches, limit_val_batches; /* ask config_limit; >= 0: fraction, 1.0 all; -n: n batches */
        int accumulate;                                /* micro-batches per step */
        int global_batch;                              /* images per step over all ranks; 0: from the others */
        bool sync_batchnorm;
        double bucket_mb;        /* MiB of gradients per all-reduce; 0: all */
        double clip_norm;        /* 0: off */
        char precision[16];      /* --precision: auto, 32-true, bf16-mixed, 16-mixed */
        char device[16];         /* --device: auto, ref, cpu, cuda */
        int devices;             /* --devices */
        int device_index;        /* which GPU */
        int threads;             /* CPU threads; 0: all */
        bool tf32;               /* 32-true on a GPU, faster and coarser */
        bool deterministic;      /* the same results from run to run on a GPU */
        bool winograd;           /* bf16 on a CPU, faster and coarser */
        bool recompute;          /* less memory, a slower step */
        unsigned long long seed; /* --seed */
        bool dry_run;
        char resume[CONFIG_TEXT]; /* --resume: "", auto, FILE */
        char out[CONFIG_TEXT];    /* --out */
        double ema;               /* decay of the running average of the weights; 0: off */
        int ema_steps;            /* between updates of it */
        int log_every_n_steps;
    } trainer;
    struct {
        int restarts;       /* --restarts; after failures, on one machine */
        int timeout;        /* seconds until a lost rank ends the run; 0: never */
        char gradients[16]; /* format of the all-reduce: "fp32", or "compute": the precision's 16-bit type */
        bool requeue;       /* SIGUSR1 saves, then requeues the Slurm job */
    } dist;
    struct {
        int top_k;
        bool save_last;
        long long every_n_steps; /* 0: only at the end of an epoch */
    } checkpoint;
    struct {
        bool report;                  /* viewlogs.md and images/, updated during the run */
        double device_seconds;        /* between rows of device.csv; 0: off */
        int histogram_every_n_epochs; /* 0: off */
        int worst_images;             /* misclassified validation images in the report; 0: off */
    } monitor;
} config;

/** The number of batches, out of `batches`, that a limit allows. As in Lightning, "1.0" is a fraction (here all of
 * them; rounded down) and "1" a number of batches, which is stored as -1. */
long long config_limit(double limit, long long batches);

/** Defaults: the recipe (ResNet-50, batch 32, SGD 0.9, 1e-4, 100 epochs, StepLR(30, 0.1), clip 1.0). */
void config_defaults(config *c);

/** Sets one option by its full name ("data.batch_size") or alias ("batch-size"; - and _ are the same).
 *  @return 0 or E_OPTION: unknown (the message has the nearest name), malformed or out of range (it has the range).
 *  `where` is the source in messages ("--batch-size", "recipe.yaml:12") */
int config_set(config *c, const char *name, const char *value, const char *where);

/** Applies a YAML file of nested groups. On an error c is unchanged.
 *  @return 0, E_NOTFOUND, E_FORMAT (line), E_OPTION (line) */
int config_read_yaml(config *c, const char *path);
/** The same from memory; `name` appears in messages. */
int config_read_yaml_text(config *c, const char *bytes, size_t n, const char *name);

/** Applies argv (argv[0] is the first argument, not the program): "--name value", "--name=value", "--flag" (a bool
 *  without a value is true), "--no-flag"; "--config FILE" is read at its position; after "--" nothing is an option.
 *  Arguments that are not options are collected in `positional` (argc entries at most).
 *  @return 0 or what config_set and config_read_yaml return; E_OPTION for a missing value */
int config_read_arguments(config *c, int argc, char *const *argv, const char **positional, int *positional_n);

/** Checks options against each other. @return 0 or E_OPTION */
int config_check(const config *c);

/** The whole configuration as YAML, from which config_read_yaml gives an equal config. */
int config_to_yaml(text *out, const config *c);

/** Help of all options by group: name, alias, default, range, meaning. `markdown`: as tables, for docs/options.md. */
int config_help(text *out, bool markdown);

/** Visits every option in table order with its value as text. */
void config_visit(const config *c, void (*visit)(void *context, const char *name, const char *value), void *context);

#endif
