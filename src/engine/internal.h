/** Shared by the files of src/engine. Internal to src/engine.
 *
 *  The activation arena and its time steps, for L layers:
 *
 *      -1   the batch is loaded
 *      i    forward of layer i            (0 .. L-1)
 *      L    loss
 *      2L-i backward of layer i           (L+1 .. 2L)
 *      2L+1 after the step: tensors that stay readable
 *
 *  A recomputed tensor has two live ranges: from its layer's forward to the last forward that reads it, and from the
 *  first backward that reads it, just before which it is recomputed, to the last.
 *
 *  A tensor that two layers read has two gradients, one written by the backward of each reader; slot 0 belongs to the
 *  first reader in forward order. */
#ifndef LINNET_ENGINE_INTERNAL_H
#define LINNET_ENGINE_INTERNAL_H

#include "backend/backend.h"
#include "engine/layer_call.h"
#include "engine/memory_plan.h"
#include "engine/profile.h"

/** The layers that read a tensor, in forward order. */
typedef struct tensor_readers {
    int layer[2];
    int n;
} tensor_readers;

typedef struct layer_slots {
    int input, residual; /* which gradient of that tensor the layer writes: 0 or 1; residual -1: none */
} layer_slots;

/** A range of the gradient arena that is all-reduced in one call. */
typedef struct bucket {
    size_t begin, end; /* elements */
    int ready;         /* the layer whose backward completes the bucket */
    comm_call call;    /* the all-reduce of this step */
    void *host;        /* copy for a communicator that cannot read device memory; NULL until needed */
} bucket;

typedef struct plan_tensor {
    tensor_shape shape;
    element type;
    int channels;       /* in memory: shape.c, or more if an image is padded */
    int block;          /* block of the values */
    int backward_block; /* block of the values that backward reads; differs from `block` if they are recomputed */
    bool recomputed;
    int gradient[2]; /* blocks, per slot; -1: none */
    int gradient_n;
} plan_tensor;

typedef struct plan_layer {
    int saved, workspace, workspace_backward; /* blocks or -1 */
    int sums, gradient_sums;                  /* blocks or -1: sums output for a BN */
    bool planned;                             /* the device's plan function has succeeded */
    bool recomputes_input;                    /* its backward is the first that reads its recomputed input */
    layer_args args;                          /* addresses, updated when the arena moves */
} plan_layer;

/** The captured step of one plan and one set of flags. */
typedef struct plan_recording {
    void *recording; /* owned by the device; NULL: none */
    int runs;        /* number of runs without a recording */
    bool failed;     /* the device cannot capture it */
} plan_recording;

enum { STEP_KINDS = 8 }; /* number of combinations of engine_step's flags */

struct engine_plan {
    engine *engine; /* the owner */
    int batch, h, w;
    bool training;
    bool estimate;       /* created only to compute its size */
    device_layer *layer; /* (layer_n) */
    plan_layer *run;     /* (layer_n) */
    plan_tensor *tensor; /* (layer_n + 1): MODEL_INPUT first; use plan_tensor_at */
    plan_block *block;
    int block_n;
    size_t bytes; /* arena size */
    plan_recording step[STEP_KINDS];
};

struct engine {
    const device_ops *ops;
    void *device;
    const model *model;
    engine_options options;
    char *description;
    comm *exchange;   /* communicator of the gradients: the device's own or options.comm; NULL: one rank */
    void *grad_16bit; /* gradients of the trained layers in the compute type, for the all-reduce; NULL: fp32 */

    void *weight, *gradient, *momentum, *stats; /* arenas of ops->master */
    void *square;                               /* NULL unless optimizer_squares */
    uint64_t version;                           /* incremented when weights change */
    uint64_t written;                           /* number of host writes of weights, starting at 1 */
    bool recording;                             /* calls are captured, not executed */
    bool keep_statistics;                       /* of the current step: ENGINE_KEEP_STATISTICS */
    uint8_t *kept;                              /* of engine_draw_drop_path; NULL until needed */
    size_t kept_n;
    bool class_weights;                        /* the device has them */
    double *empty_work;                        /* work buffer of engine_step_empty; NULL until needed */
    engine_result_data posted[DEVICE_RESULTS]; /* for synchronous devices */
    unsigned posted_n, taken_n;
    device_params *params;   /* (layer_n) */
    tensor_readers *readers; /* (layer_n + 1): MODEL_INPUT first */
    layer_slots *slots;      /* (layer_n) */
    update_range *range;
    int range_n;
    bucket *bucket; /* from the end of the table to its start */
    int bucket_n;

    engine_plan **plan;
    int plan_n;
    void *activation;
    size_t activation_bytes;
    engine_plan *active_plan; /* the plan whose values are in the arena */

    void *ema; /* of weights, then statistics, in host memory (ema.c); NULL: none */

    void *staging; /* raw elements during a transfer to or from the device */
    size_t staging_bytes;
    double *param_staging; /* one parameter in the device's element order */
    size_t param_staging_n;

    engine_times times;                  /* profile.h */
    size_t process_bytes, library_bytes; /* see engine_memory */
};

/** @return 0, E_OPTION (unknown), E_DEVICE (not available on this machine); the message lists the known devices */
int device_find(const device_ops **out, const char *name);

/** Ensures that e->staging holds raw_bytes bytes and e->param_staging slot_n elements. @return 0, E_NOMEM */
int engine_stage(engine *e, size_t raw_bytes, size_t slot_n);

/** Computes readers, slots, update ranges and buckets, which depend on the model alone. @return 0, E_SHAPE, E_NOMEM */
int engine_analyse(engine *e);
void plan_destroy(engine_plan *p);
/** Frees the captured steps, because their addresses are no longer valid. */
void plan_forget_steps(engine_plan *p);
/** While profiling: starts a measurement, with the host clock if the device has no timing events. */
int profile_begin(double *start, const engine *e);
/** While profiling: adds the time since profile_begin to *seconds. */
int profile_add(double *seconds, const engine *e, double start);
/** While profiling: adds the device's measurements so far to their counters. Waits for the device. */
int profile_read(const engine *e);
/** The arenas in the form of the device's functions. */
device_arenas engine_arenas(const engine *e);
/** Sets all gradients to 0, for a step without a batch. */
int engine_clear_gradient(engine *e);
/** All-reduces all buckets and waits for them. */
int engine_exchange(engine *e);
/** Before a forward pass or an update: the device refreshes data derived from the weights. */
int engine_before_step(engine *e);
/** Fails if another plan has run since p's batch was loaded. */
int plan_check_active(const engine_plan *p);
/** Whether layer i has a backward. */
bool plan_trains(const engine_plan *p, int i);
/** The BN of which layer i may take over parts (device_layer's producer_bn); -1: none. */
int plan_producer_bn(const engine_plan *p, int i);
/** Makes p the plan whose values are in the arena, before a batch is written to its input.
 *  @return 0, E_NOMEM (the arena was released because it could not grow) */
int plan_take_arena(engine_plan *p);
/** Address of a block; NULL for -1. */
void *plan_address(const engine_plan *p, int block);

/** Address of an element of a parameter arena. */
static inline void *arena_at(void *base, const engine *e, size_t elements) {
    return (unsigned char *)base + elements * element_bytes(e->ops->master);
}
static inline plan_tensor *plan_tensor_at(const engine_plan *p, int t) { return &p->tensor[t + 1]; }
static inline tensor_readers *readers_of(const engine *e, int t) { return &e->readers[t + 1]; }

#endif
