/** What the files of src/engine share. Internal to src/engine.
 *
 *  The activation arena and its time steps, for L layers:
 *
 *      -1   the batch is loaded
 *      i    forward of layer i            (0 .. L-1)
 *      L    loss
 *      2L-i backward of layer i           (L+1 .. 2L)
 *      2L+1 after the step: what stays readable
 *
 *  A recomputed tensor lives twice: from its layer's forward to the last forward that reads it, and from the first
 *  backward that reads it, which it is computed for, to the last.
 *
 *  A tensor that two layers read has two gradients, one written by each reader's backward; slot 0 belongs to the first
 *  reader in forward order. */
#ifndef LINNET_ENGINE_INTERNAL_H
#define LINNET_ENGINE_INTERNAL_H

#include "backend/backend.h"
#include "engine/layer_call.h"
#include "engine/memory_plan.h"
#include "engine/profile.h"

/** Who reads a tensor, and which of the tensor's gradients a layer writes. */
typedef struct tensor_readers {
    int layer[2];
    int n;
} tensor_readers;

typedef struct layer_slots {
    int input, residual; /* 0 or 1; residual -1: none */
} layer_slots;

/** A range of the gradient arena that is all-reduced in one go. */
typedef struct bucket {
    size_t begin, end; /* elements */
    int ready;         /* the layer whose backward makes its last gradient final */
    comm_call call;    /* the exchange of this step */
    void *host;        /* a copy for a comm that cannot read the device's memory; NULL until needed */
} bucket;

typedef struct plan_tensor {
    tensor_shape shape;
    element type;
    int channels; /* in memory: shape.c, or more for a padded image */
    int block;    /* values */
    int again;    /* values that backward reads; another block than `block` when they are recomputed */
    bool recomputed;
    int gradient[2]; /* blocks, by slot; -1: none */
    int gradient_n;
} plan_tensor;

typedef struct plan_layer {
    int saved, workspace, workspace_backward; /* blocks or -1 */
    int sums, gradient_sums;                  /* the same: what the layer leaves for a BN */
    bool planned;                             /* the device's plan function has succeeded */
    bool recomputes_input;                    /* its backward is the first to read its recomputed input */
    layer_args args;                          /* addresses, renewed when the arena moves */
} plan_layer;

/** A step of one plan and one set of flags. */
typedef struct plan_recording {
    void *recording; /* the device's; NULL: none */
    int runs;        /* without one */
    bool failed;     /* the device cannot record it */
} plan_recording;

enum { STEP_KINDS = 8 }; /* values of engine_backward's flags */

struct engine_plan {
    engine *engine; /* its owner */
    int batch, h, w;
    bool training;
    bool estimate;       /* made for its size alone */
    device_layer *layer; /* (layer_n) */
    plan_layer *run;     /* (layer_n) */
    plan_tensor *tensor; /* (layer_n + 1): NET_INPUT first; plan_tensor_at */
    plan_block *block;
    int block_n;
    size_t bytes; /* of the arena */
    plan_recording step[STEP_KINDS];
};

struct engine {
    const device_ops *ops;
    void *device;
    const model *model;
    engine_options options;
    char *description;
    comm *exchange; /* of gradients: the device's own or options.comm; NULL: one rank */
    void *half;     /* what trains of the gradients, in the compute type, as ranks exchange it; NULL: as it is */

    void *weight, *gradient, *momentum, *stats; /* arenas of ops->master */
    uint64_t version;                           /* of the weights */
    uint64_t written;                           /* how often the host has written weights, from 1 */
    bool recording;                             /* calls are kept, not run */
    bool keep_statistics;                       /* of the step that runs: ENGINE_KEEP_STATISTICS */
    double *empty_work;                         /* of engine_step_empty; NULL until needed */
    engine_result_data posted[DEVICE_RESULTS];  /* of devices that do not run ahead */
    unsigned posted_n, taken_n;
    device_params *params;   /* (layer_n) */
    tensor_readers *readers; /* (layer_n + 1): NET_INPUT first */
    layer_slots *slots;      /* (layer_n) */
    update_range *range;
    int range_n;
    bucket *bucket; /* from the table's end to its start */
    int bucket_n;

    engine_plan **plan;
    int plan_n;
    void *activation;
    size_t activation_bytes;
    engine_plan *holder; /* whose values the arena holds */

    void *ema; /* of weights, then statistics, in host memory: ema.c; NULL: none */

    void *staging; /* raw elements on their way to or from the device */
    size_t staging_bytes;
    double *param_staging; /* one parameter in the device's order */
    size_t param_staging_n;

    engine_times times;                  /* profile.h */
    size_t process_bytes, library_bytes; /* engine_memory */
};

/** @return 0, E_OPTION (unknown), E_DEVICE (known, but not here); the message lists what there is */
int device_find(const device_ops **out, const char *name);

/** Room for so many raw bytes and elements of a parameter in e->staging and e->param_staging. @return 0, E_NOMEM */
int engine_stage(engine *e, size_t raw_bytes, size_t slot_n);

/** Readers, slots, update ranges and buckets: what follows from the model alone. @return 0, E_SHAPE, E_NOMEM */
int engine_analyse(engine *e);
void plan_destroy(engine_plan *p);
/** Frees what was recorded: its addresses are no longer right. */
void plan_forget_steps(engine_plan *p);
/** While a profile runs: the start of something to time; by the clock where the device has no other way. */
int profile_begin(double *start, const engine *e);
/** While a profile runs: adds what has passed since profile_begin. */
int profile_add(double *seconds, const engine *e, double start);
/** While a profile runs: the device's own times so far go where they belong. Waits for the device. */
int profile_read(const engine *e);
/** The arenas as the device's functions take them. */
device_arenas engine_arenas(const engine *e);
/** Zeros; for a step without a batch. */
int engine_clear_gradient(engine *e);
/** All buckets at once, and waits for them. */
int engine_exchange(engine *e);
/** Before a forward pass or an update: the device renews what follows from the weights. */
int engine_before_step(engine *e);
/** Fails when another plan has run since p's batch was loaded. */
int plan_check_holder(const engine_plan *p);
/** Whether layer i has a backward. */
bool plan_trains(const engine_plan *p, int i);
/** The BN whose work layer i may do parts of (device_layer's producer_bn); -1: none. */
int plan_producer_bn(const engine_plan *p, int i);
/** A new batch goes into p's input. @return 0, E_NOMEM (an arena that could not grow is gone) */
int plan_take_arena(engine_plan *p);
/** Address of a block; NULL for -1. */
void *plan_address(const engine_plan *p, int block);

/** Element `elements` of a parameter arena. */
static inline void *arena_at(void *base, const engine *e, size_t elements) {
    return (unsigned char *)base + elements * element_bytes(e->ops->master);
}
static inline plan_tensor *plan_tensor_at(const engine_plan *p, int t) { return &p->tensor[t + 1]; }
static inline tensor_readers *readers_of(const engine *e, int t) { return &e->readers[t + 1]; }

#endif
