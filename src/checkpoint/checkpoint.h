/** A checkpoint: all that a run needs to go on, in PyTorch's zip container with a Lightning-shaped dictionary inside,
 * so that torch.load(f)["state_dict"] and Lightning find what they expect. docs/formats.md lists the entries. */
#ifndef LINNET_CHECKPOINT_CHECKPOINT_H
#define LINNET_CHECKPOINT_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ckpt_type { CKPT_F32, CKPT_F64, CKPT_F16, CKPT_BF16, CKPT_I64, CKPT_I32, CKPT_U8, CKPT_BOOL } ckpt_type;

size_t ckpt_type_bytes(ckpt_type t);

#define CKPT_NAME_BYTES 96

typedef struct ckpt_tensor {
    char name[CKPT_NAME_BYTES]; /* state_dict: "model.conv1.weight" as in the file */
    ckpt_type type;
    int rank;
    int64_t shape[8];
    void *data; /* contiguous, row-major, little-endian; borrowed when saving, owned by the ckpt when loaded */
    size_t bytes;
} ckpt_tensor;

typedef struct ckpt_sgd {
    double lr, initial_lr, momentum, dampening, weight_decay;
    bool nesterov;
} ckpt_sgd;

typedef enum ckpt_schedule_kind {
    CKPT_SCHEDULE_NONE,
    CKPT_SCHEDULE_STEP,
    CKPT_SCHEDULE_PLATEAU,
    CKPT_SCHEDULE_COSINE
} ckpt_schedule_kind;

typedef struct ckpt_schedule {
    ckpt_schedule_kind kind;
    int64_t last_epoch;
    double base_lr, last_lr; /* base_lr 0: not in the file */
    int step_size;           /* StepLR */
    double gamma;
    double min_lr;                       /* ReduceLROnPlateau's, cosine's eta_min */
    double factor, threshold, best, eps; /* ReduceLROnPlateau; best may be inf */
    int patience, cooldown, cooldown_counter, num_bad_epochs;
    int t_max; /* cosine */
} ckpt_schedule;

/** torch.amp.GradScaler's state. */
typedef struct ckpt_scaler {
    bool on; /* the run scales its loss (16-mixed) */
    double scale, growth_factor, backoff_factor;
    int growth_interval, growth_tracker;
} ckpt_scaler;

/** One of the best k files. */
typedef struct ckpt_kept {
    char path[4096];
    double value; /* val_loss */
} ckpt_kept;

/** key -> value pairs beside what Lightning knows: hyper_parameters, and linnet's own state. Kinds: 'i', 'd', 's', 'b',
 *  'l'. Strings and lists are borrowed when saving, owned by the ckpt when loaded. */
typedef struct ckpt_item {
    char key[64];
    char kind;
    int64_t i; /* 'i', 'b' as 0 or 1, and the length of 'l' */
    double d;
    char *s;     /* 's' */
    char **list; /* 'l': (i) strings; loaded, they lie behind the table in one block */
} ckpt_item;

typedef struct ckpt {
    /* progress */
    int64_t epoch;       /* the epoch in progress or just finished, from 0 */
    int64_t global_step; /* optimizer steps taken, skipped ones counted */
    int64_t batches_per_epoch;
    int64_t batch_in_epoch; /* batches of `epoch` done; == batches_per_epoch at its end */
    bool epoch_done;        /* validation and schedule of `epoch` are done too */

    ckpt_tensor *state; /* state_dict in torchvision's order, names with the "model." prefix */
    int state_n;
    ckpt_tensor *current; /* where `state` is a running average of the weights: those that train, as `state` is */
    int current_n;        /* 0: `state` trains */
    int64_t averaged;     /* times that the average was renewed */
    char prefix[CKPT_NAME_BYTES]; /* of a loaded file: what stands before torchvision's names in `state` */
    ckpt_tensor *momentum;        /* momentum_buffer of parameter i in parameters() order; momentum_n 0: none yet */
    int momentum_n;
    int param_n; /* the optimizer's parameters */
    int head_n;  /* the last ones, a second group whose rate is head_scale times the LR; 0: one group */
    double head_scale;
    ckpt_sgd sgd;
    ckpt_schedule schedule;
    ckpt_scaler scaler;

    ckpt_kept *kept; /* the best k by val_loss, this file included */
    int kept_n;
    char monitor_dir[4096]; /* folder of the checkpoints */
    char last_path[4096];
    double best_value, current_value; /* NaN: none */

    ckpt_item *hyper; /* hyper_parameters */
    int hyper_n;
    ckpt_item *own; /* under the key "linnet": what only linnet reads */
    int own_n;
} ckpt;

/** Writes atomically (beside, fsync, rename). @return 0, E_IO, E_FULL, E_NOMEM; after a failure nothing of it is left
 *  and an older file of that name is intact */
int ckpt_save(const char *path, const ckpt *c);

/** Reads a file of ours, Lightning's, any torch.save of a (nested) state_dict, or safetensors: what is absent stays
 * zero. Untrusted input: only whitelisted opcodes and globals, sizes checked against the file before memory is taken.
 *  @return 0, E_NOTFOUND, E_IO, E_FORMAT (what, where in the file), E_NOMEM. Free with ckpt_free */
int ckpt_load(ckpt **out, const char *path);
/** The same without tensors and hyper-parameters, for a file of ours or Lightning's: how far the training came, and
 * what only linnet reads. Reads little of the file, and so finds only damage of its structure. */
int ckpt_load_progress(ckpt **out, const char *path);
void ckpt_free(ckpt *c);

const ckpt_tensor *ckpt_find_tensor(const ckpt *c, const char *name);
/** The tensor that torchvision calls `name`: the one of `prefix` and `name`. NULL when the file has none. */
const ckpt_tensor *ckpt_find_weight(const ckpt *c, const char *name);
/** Its name without the prefix; NULL for a tensor outside it. */
const char *ckpt_weight_name(const ckpt *c, const ckpt_tensor *t);
const ckpt_item *ckpt_find_item(const ckpt_item *items, int n, const char *key);

/** The names of the classes, hyper_parameters.class_names: a list of i strings; NULL: the file has none. */
const ckpt_item *ckpt_class_names(const ckpt *c);

#endif
