/** A checkpoint: everything that a run needs to continue. The container is PyTorch's zip file, and the dictionary in it
 *  has Lightning's layout, so torch.load(f)["state_dict"] and Lightning can read it. docs/formats.md lists the keys. */
#ifndef LINNET_CHECKPOINT_CHECKPOINT_H
#define LINNET_CHECKPOINT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ckpt_type { CKPT_F32, CKPT_F64, CKPT_F16, CKPT_BF16, CKPT_I64, CKPT_I32, CKPT_U8, CKPT_BOOL } ckpt_type;

size_t ckpt_type_bytes(ckpt_type t);

#define CKPT_NAME_BYTES 96

typedef struct ckpt_tensor {
    char name[CKPT_NAME_BYTES]; /* in a state_dict: as in the file, "model.conv1.weight" */
    ckpt_type type;
    int rank;
    int64_t shape[8];
    void *data; /* contiguous, row-major, little-endian; borrowed when saving, owned by the ckpt after loading */
    size_t bytes;
} ckpt_tensor;

typedef enum ckpt_optimizer_kind {
    CKPT_NO_OPTIMIZER, /* the file does not say: it has no parameter group, or one without weight_decay */
    CKPT_SGD,
    CKPT_ADAMW,
    CKPT_RMSPROP,
    CKPT_LAMB,
    CKPT_LARS,
    CKPT_OTHER_OPTIMIZER /* of another class, or with an option that linnet does not have */
} ckpt_optimizer_kind;

/** The options of the parameter group of the convolutions' weights, as far as the optimizer has them. */
typedef struct ckpt_optimizer {
    ckpt_optimizer_kind kind;
    double lr, initial_lr, momentum, dampening, weight_decay, beta1, beta2, alpha, eps, trust_coeff;
    bool nesterov;
    int64_t updates; /* `step` of AdamW, RMSprop and LAMB: updates so far */
} ckpt_optimizer;

/** "sgd", as in the option optimizer.name; "none" or "other" for the first and the last kind. */
const char *ckpt_optimizer_name(ckpt_optimizer_kind k);

typedef enum ckpt_schedule_kind {
    CKPT_SCHEDULE_NONE,
    CKPT_SCHEDULE_STEP,
    CKPT_SCHEDULE_PLATEAU,
    CKPT_SCHEDULE_COSINE,
    CKPT_SCHEDULE_MULTISTEP,
    CKPT_SCHEDULE_KINDS
} ckpt_schedule_kind;

enum { CKPT_MILESTONES = 32 }; /* maximum number */

typedef struct ckpt_schedule {
    ckpt_schedule_kind kind;
    int64_t last_epoch;
    double base_lr, last_lr;                      /* base_lr 0: not in the file */
    int step_size;                                /* StepLR */
    double gamma;                                 /* StepLR, MultiStepLR */
    int milestone_n, milestones[CKPT_MILESTONES]; /* MultiStepLR; epochs in increasing order */
    double min_lr;                                /* min_lr of ReduceLROnPlateau, eta_min of CosineAnnealingLR */
    double factor, threshold, best, eps;          /* ReduceLROnPlateau; best may be inf */
    int patience, cooldown, cooldown_counter, num_bad_epochs;
    int t_max; /* CosineAnnealingLR */
} ckpt_schedule;

/** The state of torch.amp.GradScaler. */
typedef struct ckpt_grad_scaler {
    bool on; /* the run uses loss scaling (16-mixed) */
    double scale, growth_factor, backoff_factor;
    int growth_interval, growth_tracker;
} ckpt_grad_scaler;

/** The state of Lightning's EarlyStopping callback. */
typedef struct ckpt_early_stopping {
    bool on;
    char monitor[16];
    bool max;           /* higher values are better */
    int64_t wait_count; /* checks since the last improvement */
    int64_t stopped_epoch;
    int patience;
    double best_score;
} ckpt_early_stopping;

/** One of the best k files. */
typedef struct ckpt_kept {
    char path[4096];
    double value; /* of the monitored metric */
} ckpt_kept;

/** A key and its value, in hyper_parameters or in linnet's own state. Kinds: 'i' integer, 'd' double, 's' string, 'b'
 *  bool, 'l' list of strings. Strings and lists are borrowed when saving, owned by the ckpt after loading. */
typedef struct ckpt_item {
    char key[64];
    char kind;
    int64_t i;   /* 'i': the value; 'b': 0 or 1; 'l': the length of the list */
    double d;    /* 'd' */
    char *s;     /* 's' */
    char **list; /* 'l': (i) strings; after loading, table and strings are one block of memory */
} ckpt_item;

#define CKPT_LIST_BYTES 512
#define CKPT_UNREAD_LIMIT 1024

/** An entry of the state_dict that cannot be read. */
typedef struct ckpt_unread {
    char name[CKPT_NAME_BYTES];
    char what[2 * CKPT_NAME_BYTES]; /* "torch._utils._rebuild_qtensor" */
} ckpt_unread;

typedef struct ckpt {
    char key[CKPT_NAME_BYTES];     /* the part of the file that `state` is read from; "": chosen by the reader */
    bool key_found;                /* `key` is a key of the file; else it is a prefix of names */
    char parts[CKPT_LIST_BYTES];   /* the keys under which the file has tensors: "state_dict, state_dict_ema" */
    char skipped[CKPT_LIST_BYTES]; /* names of the Python objects that were skipped; "": none */
    ckpt_unread *unread;           /* (unread_n) at most CKPT_UNREAD_LIMIT */
    int unread_n;

    /* progress */
    int64_t epoch;       /* the epoch in progress or just finished, from 0 */
    int64_t global_step; /* optimizer steps taken, skipped steps included */
    int64_t batches_per_epoch;
    int64_t batch_in_epoch; /* finished batches of `epoch`; batches_per_epoch at its end */
    bool epoch_done;        /* validation and schedule step of `epoch` are finished too */

    ckpt_tensor *state; /* state_dict in torchvision's order, names with the "model." prefix */
    int state_n;
    ckpt_tensor *current;         /* with EMA: the trained weights, in the form of `state`, which is then the EMA */
    int current_n;                /* 0: no EMA, `state` has the trained weights */
    int64_t ema_updates;          /* number of updates of the EMA */
    char prefix[CKPT_NAME_BYTES]; /* after loading: the text before torchvision's names in `state` */
    ckpt_tensor *momentum;        /* momentum_buffer or exp_avg of parameter i, in the order of parameters() */
    int momentum_n;               /* 0: no momentum yet */
    ckpt_tensor *square;          /* AdamW, LAMB: exp_avg_sq, RMSprop: square_avg, of parameter i */
    int square_n;                 /* momentum_n, or 0 for other optimizers */
    int param_n;                  /* number of the optimizer's parameters */
    int head_n; /* the last head_n parameters are groups of their own with head_scale times the LR; 0: none */
    double head_scale;
    double *decay; /* (param_n) weight decay of parameter i; NULL: not known, or when saving the same for all */
    ckpt_optimizer optimizer;
    ckpt_schedule schedule;
    ckpt_grad_scaler scaler;

    char monitor[16]; /* the metric of `kept`: val_loss, val_acc, train_loss; another one in Lightning's files */
    bool monitor_max; /* higher values of it are better */
    ckpt_kept *kept;  /* the best k files, this file included */
    int kept_n;
    char monitor_dir[4096];           /* folder of the checkpoints */
    char last_path[4096];             /* of last.ckpt */
    double best_value, current_value; /* of the monitored metric; NaN: none */
    ckpt_early_stopping early_stopping;

    double train_seconds; /* time_elapsed of Lightning's Timer; 0: the file has no Timer */

    ckpt_item *hyper; /* hyper_parameters */
    int hyper_n;
    ckpt_item *own; /* under the key "linnet": state that only linnet reads */
    int own_n;
} ckpt;

/** Writes the file atomically (temporary file, fsync, rename). @return 0, E_IO, E_FULL, E_NOMEM; after a failure no
 *  temporary file remains and an older file of that name is unchanged */
int ckpt_save(const char *path, const ckpt *c);

/** Reads a file of linnet or Lightning, any torch.save of a (nested) state_dict, or safetensors. Fields that the file
 *  does not have remain zero. The file is untrusted: nothing in it is executed, Python objects of unknown classes are
 *  skipped (one log line names them), and sizes are checked against the file before memory is allocated.
 *  @return 0, E_NOTFOUND, E_IO, E_FORMAT (the message has the fault and its position), E_NOMEM. Free with ckpt_free */
int ckpt_load(ckpt **out, const char *path);
/** The same with the weights under a key of the file, or under keys separated by points ("state_dict_ema",
 *  "state.model"), or, if there is no such key, those whose names begin with it. "": as ckpt_load.
 *  @return also E_FORMAT if there are no weights (the message lists the keys) */
int ckpt_load_key(ckpt **out, const char *path, const char *key);
/** Reads only the progress and linnet's own state of a file of linnet or Lightning: no tensors, no hyper-parameters.
 *  It reads a small part of the file, so it finds only damage in the file's structure. */
int ckpt_load_progress(ckpt **out, const char *path);
void ckpt_free(ckpt *c);

const ckpt_tensor *ckpt_find_tensor(const ckpt *c, const char *name);
/** The tensor with torchvision's `name`, after the file's `prefix`; NULL if there is none. */
const ckpt_tensor *ckpt_find_weight(const ckpt *c, const char *name);
/** What the entry of the state_dict is that should be the weight with torchvision's `name`, if linnet cannot read it;
 *  else NULL. */
const char *ckpt_unread_weight(const ckpt *c, const char *name);
/** The tensor's name without the file's prefix; NULL if it does not begin with the prefix. */
const char *ckpt_weight_name(const ckpt *c, const ckpt_tensor *t);
const ckpt_item *ckpt_find_item(const ckpt_item *items, int n, const char *key);

/** The class names, hyper_parameters.class_names: a list ('l'); NULL if the file has none. */
const ckpt_item *ckpt_class_names(const ckpt *c);

#endif
