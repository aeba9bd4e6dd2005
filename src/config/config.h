/** All settings of a run. One option table (options.c) defines name, alias, range, default and help of each. It drives
 *  the command line, YAML files, --help, --print-config, docs/options.md and the copy saved with a run. */
#ifndef LINNET_CONFIG_CONFIG_H
#define LINNET_CONFIG_CONFIG_H

#include "base/text.h"

#include <stdbool.h>

#define CONFIG_BATCH_MAX 65536
#define CONFIG_BATCH_AUTO (-1) /* data.batch_size */
#define CONFIG_TEXT 1024
#define CONFIG_EPOCHS 32 /* maximum length of a list of epochs */

/** Epochs in increasing order. */
typedef struct config_epochs {
    int n, at[CONFIG_EPOCHS];
} config_epochs;

typedef struct config {
    struct {
        char path[CONFIG_TEXT];                 /* --data */
        char train[CONFIG_TEXT];                /* the training images; "": those of path */
        char val[CONFIG_TEXT];                  /* the validation images; "": those of path */
        char image_key[128];                    /* shards: which image of a sample; "": the only one */
        char list[CONFIG_TEXT];                 /* CSV or TSV file of images and labels; "": none */
        char class_list[CONFIG_TEXT];           /* file of class names; "": classes in byte order */
        double val_split;                       /* fraction of the training images for validation; 0: none */
        int image_size;                         /* --image-size; side of the training crop, pixels */
        int val_size;                           /* side of the validation crop; 0: image_size */
        int resize_size;                        /* val: shorter side; 0: round(val_size / 0.875) */
        double crop_pct;                        /* val: resize to floor(val_size / crop_pct); 0: off */
        char crop_mode[16];                     /* "center", "squash" */
        char interpolation[16];                 /* "bilinear", "bicubic", "lanczos" */
        char train_interpolation[16];           /* "same", those, "random" */
        char resize_order[16];                  /* "auto", "newest", "horizontal" */
        int progressive_size;                   /* side of the first epochs' crop; 0: always image_size */
        int progressive_begin, progressive_end; /* epochs, from 0, between which the crop grows */
        int batch_size;                         /* --batch-size; per device; CONFIG_BATCH_AUTO */
        int val_batch_size;                     /* 0: batch_size */
        int workers;                            /* --workers; -1: auto */
        int ahead;                              /* batches prepared ahead */
        int read_ahead;                         /* shards: batches that the system reads ahead */
        bool sequential;                        /* read shards sequentially */
        long long shuffle_buffer;
        bool shuffle;
        int repeats;      /* of each image in an epoch */
        double balance;   /* 0: every image once in an epoch; 1: all classes equally often */
        char augment[32]; /* "default", "none" */
        int pad_crop;     /* pixels; 0: random resized crop */
        double scale_min, scale_max, ratio_min, ratio_max, flip, vertical_flip;
        char auto_augment[64]; /* "none", "randaugment", "trivialaugment", "autoaugment", "augmix", "3augment", or see
                                  config_read_rand_augment */
        int ra_ops, ra_magnitude; /* randaugment */
        int augmix_severity;
        double color_jitter[4];              /* brightness, contrast, saturation, hue; -1: auto */
        double color_jitter_prob, grayscale; /* probabilities */
        double random_erase;                 /* probability */
        double mixup, cutmix;                /* alpha of Beta(alpha, alpha); 0: off */
        bool fast_decode; /* training: decode JPEGs at reduced size where the crop is scaled down by 2 or more */
        double mean[3], std[3];
        double max_bad;              /* fraction of files */
        char cache_dir[CONFIG_TEXT]; /* copies of compressed and remote shards; "": in the user's cache */
        double cache_size;           /* GB */
        double timeout;              /* seconds */
        long long max_pixels;
        int max_scans;
        bool changed; /* a resume accepts changed data */
        bool drop_last;
    } data;
    struct {
        char arch[32]; /* --arch */
        bool zero_gamma;
        double drop_path;           /* --drop-path; rate of the last block */
        char init[CONFIG_TEXT];     /* --init FILE: initial weights; "" none */
        char init_key[CONFIG_TEXT]; /* --init-key: key of the weights in the checkpoint; "": detected */
        char freeze[16];            /* "none", or the last part that is frozen */
    } model;
    struct {
        char name[16];  /* --opt: "sgd", "adamw", "rmsprop", "lamb", "lars" */
        double lr;      /* --lr; 0: auto, the LR finder's suggestion */
        double head_lr; /* of the classifier; 0: lr */
        double momentum, dampening, weight_decay;
        bool nesterov;
        double beta1, beta2, alpha;
        double eps; /* -1: the optimizer's default (config_eps) */
        double trust_coeff;
        bool decay_norm, decay_bias; /* weight decay on batch norm's parameters, on the classifier's bias */
        double label_smoothing;
        bool smooth_val_loss;            /* val_loss with label_smoothing too */
        char class_weights[CONFIG_TEXT]; /* "none", "balanced" or a file */
        char loss[16];                   /* "cross_entropy", "bce" */
        bool bce_sum;
        double bce_threshold; /* -1: none */
    } optimizer;
    struct {
        double min, max; /* of the range test, exponential */
        int steps;
        int sweeps;        /* --sweeps; the suggestion comes from their median */
        double early_stop; /* a sweep ends when its smoothed loss exceeds this multiple of its lowest; 0: never */
        char rule[16];     /* "lightning", "valley" */
    } lr_finder;
    struct {
        char name[32]; /* "step", "multistep", "plateau", "cosine", "none" */
        int step_size;
        config_epochs milestones;         /* multistep */
        double gamma;                     /* step, multistep */
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
        double overfit_batches;                        /* as the limits, instead of both; 0: off */
        int check_val_every_n_epoch;
        double val_check_interval; /* as the limits: between validations within an epoch; 1.0: only at its end */
        int accumulate;            /* micro-batches per step */
        int global_batch;          /* images per step over all ranks; 0: batch_size * accumulate * ranks */
        bool sync_batchnorm;
        double bucket_mb;        /* MiB of gradients per all-reduce; 0: all */
        double clip_norm;        /* 0: off */
        char precision[16];      /* --precision: auto, 32-true, bf16-mixed, 16-mixed */
        char device[16];         /* --device: auto, ref, cpu, cuda */
        int devices;             /* --devices; 0: auto */
        char device_list[64];    /* of --devices 0,2: these GPUs, "0,2"; "": none */
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
        bool ema_adjust;          /* scale 1 - decay and copy during warm-up, as torchvision does */
        int log_every_n_steps;
    } trainer;
    struct {
        int restarts;                /* --restarts; after failures, on one machine */
        int timeout;                 /* seconds until a lost rank ends the run; 0: never */
        char interface[CONFIG_TEXT]; /* interfaces for heartbeats to rank 0; "": all */
        int port;                    /* TCP port of rank 0 for heartbeats; 0: any free port */
        char gradients[16];          /* format of the all-reduce: "fp32", or "compute": the precision's 16-bit type */
        bool requeue;                /* SIGUSR1 saves, then requeues the Slurm job */
    } dist;
    struct {
        int top_k;
        bool save_last;
        long long every_n_steps; /* 0: only at the end of an epoch */
        char monitor[16];        /* the best checkpoints are those with the best val_loss, val_acc or train_loss */
        char mode[8];            /* ask config_monitors_max */
    } checkpoint;
    struct {
        char monitor[16]; /* "none": off */
        int patience;
        double min_delta;
        char mode[8]; /* ask config_monitors_max */
    } early_stopping;
    struct {
        bool report;                  /* viewlogs.md, images/, report.html, updated during the run */
        double report_seconds;        /* until the first report, and between two within an epoch; 0: only after one */
        double device_seconds;        /* between rows of device.csv; 0: off */
        int histogram_every_n_epochs; /* 0: off */
        int worst_images;             /* misclassified validation images in the report; 0: off */
        char progress[8];             /* --progress: "text", "json" */
        char progress_file[CONFIG_TEXT];   /* of the JSON lines; "": standard error */
        char prometheus_file[CONFIG_TEXT]; /* "": none */
        int port;                          /* of the live page and /metrics; 0: none */
        char address[64];                  /* of the port */
        char mlflow[CONFIG_TEXT];          /* --mlflow: address of the server, or "env"; "": none */
        char mlflow_experiment[256];       /* "": MLFLOW_EXPERIMENT_NAME, or Default */
        bool mlflow_checkpoint;            /* the best checkpoint is uploaded too */
        double mlflow_wait;                /* seconds at the end of the run */
    } monitor;
    struct {                /* what the configuration reaches, as measured */
        double val_acc;     /* mean of the seeds, fraction; -1: not measured */
        double spread;      /* half of the range of the seeds, fraction */
        int seeds;          /* 0: not stated */
        int epochs;         /* 0: not stated */
        char data[256];     /* text; "": not stated, as for the following ones */
        char hardware[256]; /* text */
        char time[64];      /* text */
        char command[256];  /* text */
        char digest[20];    /* of `linnet info`, of last.ckpt */
        char differs[512];  /* what differs in this run, as "A, B"; "": nothing */
    } expected;
} config;

/** The number of batches, out of `batches`, that a limit allows. As in Lightning, "1.0" is a fraction (here all of
 * them; rounded down) and "1" a number of batches, which is stored as -1. */
long long config_limit(double limit, long long batches);

/** optimizer.eps; with auto, the default of the optimizer's class in torch or timm. */
double config_eps(const config *c);

/** timm's RandAugment, such as "rand-m9-mstd0.5-inc1". */
typedef struct config_rand_augment {
    int magnitude, most; /* m, mmax: 0 to 100 */
    int ops;             /* n */
    double probability;  /* p */
    double deviation;    /* mstd; INFINITY above 100, as in timm */
    bool increasing;     /* inc */
} config_rand_augment;

enum { CONFIG_RAND_OPS = 16 };

/** Reads a value of data.auto_augment. Sections that are absent have timm's defaults. @return false if it is not of
 * that form, or has other sections, such as tweights */
bool config_read_rand_augment(config_rand_augment *out, const char *value);

/** Whether a monitored metric is measured by a validation; else over an epoch of training. */
bool config_monitors_val(const char *monitor);
/** Whether higher values of a monitored metric are better. mode auto: only of val_acc. */
bool config_monitors_max(const char *monitor, const char *mode);

/** Defaults: the recipe (ResNet-50, batch 32, SGD 0.9, 1e-4, 100 epochs, StepLR(30, 0.1), clip 1.0). */
void config_defaults(config *c);

/** Sets one option by its full name ("data.batch_size"), alias ("batch-size"; - and _ are the same) or another
 * program's name of it (foreign.c).
 *  @return 0 or E_OPTION: unknown (the message has the nearest name), malformed or out of range (it has the range).
 *  `where` is the source in messages ("--batch-size", "recipe.yaml:12") */
int config_set(config *c, const char *name, const char *value, const char *where);

/** Whether `name`, without dashes, is the option of the name `full`: its name, its alias or another program's name of
 * it. */
bool config_is_option(const char *name, const char *full);

/** Applies a YAML file of nested groups. On an error c is unchanged.
 *  @return 0, E_NOTFOUND, E_FORMAT (line), E_OPTION (line) */
int config_read_yaml(config *c, const char *path);
/** The same from memory; `name` appears in messages. */
int config_read_yaml_text(config *c, const char *bytes, size_t n, const char *name);

/** Applies argv (argv[0] is the first argument, not the program): "--name value", "--name=value", "--flag" (a bool
 *  without a value is true), "--no-flag"; "--config FILE" is read at its position; a FILE that does not exist may be
 * the name of an installed configuration ("demo"). After "--" nothing is an option. Arguments that are not options are
 * collected in `positional` (argc entries at most).
 *  @return 0 or what config_set and config_read_yaml return; E_OPTION for a missing value */
int config_read_arguments(config *c, int argc, char *const *argv, const char **positional, int *positional_n);

/** Reads only the files of --config among the arguments: *out becomes the last one with expected.val_acc, read into the
 *  defaults. *found: whether there is one. @return as config_read_arguments */
int config_read_recipe(config *out, bool *found, int argc, char *const *argv);

/** Adds to expected.differs the names of the options whose values in c differ from those in `recipe`, if they can
 * change val_acc. data.batch_size, trainer.accumulate, trainer.global_batch and the devices are not compared. */
void config_add_differences(config *c, const config *recipe);
/** Adds a name, or several as "A, B", to expected.differs; those that it already has are skipped. "..." stands for
 *  those for which there is no room. */
void config_add_differing(config *c, const char *names);

/** Checks options against each other. @return 0 or E_OPTION */
int config_check(const config *c);

/** The whole configuration as YAML, from which config_read_yaml gives an equal config. */
int config_to_yaml(text *out, const config *c);

/** Help of all options by group: name, alias, default, range, meaning. `markdown`: as tables, for docs/options.md. */
int config_help(text *out, bool markdown);

/** An option as man pages and completions need it. */
typedef struct config_option {
    const char *name, *alias;   /* "data.batch_size", "batch-size"; alias NULL: none */
    const char *help, *initial; /* initial: the default as text, "none" if it is empty */
    char value[256];            /* words and, in capitals, placeholders: "true|false", "auto|N", "FILE", "DIR" */
    char range[256];            /* the accepted values in words */
} config_option;
/** The i-th option of the table. @return false after the last one */
bool config_option_at(config_option *out, int i);
/** The title of an option's group, the part of its name before the first dot; "" if there is no such group. */
const char *config_group_title(const char *name);

/** Visits every option in table order with its value as text. */
void config_visit(const config *c, void (*visit)(void *context, const char *name, const char *value), void *context);

#endif
