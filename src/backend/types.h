/** What an engine and its device tell each other: the options of an engine, what a step reads, what comes of it. */
#ifndef LINNET_BACKEND_TYPES_H
#define LINNET_BACKEND_TYPES_H

#include "distributed/communicator.h"

#include <stdbool.h>
#include <stddef.h>

/** Lightning's names: "32-true", "bf16-mixed", "16-mixed". */
typedef enum precision { PRECISION_32, PRECISION_BF16, PRECISION_16 } precision;

typedef struct engine_options {
    precision precision;   /* the ref engine computes in double whatever this says; with 16-mixed its scaled gradients
                              overflow where those of fp16 do */
    int threads;           /* CPU threads; 0: all cores this process may use */
    int device_index;      /* which GPU, from 0 */
    bool tf32;             /* 32-true on a GPU may round the inputs of convolutions to TF32 */
    bool deterministic;    /* no algorithm on a GPU whose results differ from run to run */
    float mean[3], std[3]; /* of pixels in 0..1: x = (pixel / 255 - mean) / std */
    size_t bucket_bytes;   /* gradient bucket size for the all-reduce; 0: one bucket */
    comm *comm;            /* NULL: one rank. Borrowed */
    bool winograd; /* bf16 on a CPU may round factors of 3x3 convolutions once more (backend/cpu/algo/native_conv.h) */
    bool sync_bn;  /* batch norm over the batches of all ranks (sync_bn.h) */
    bool half_gradients; /* ranks exchange gradients in the compute type where that has 16 bits */
    bool recompute;      /* backward recomputes most BN outputs: less memory, the same results bit for bit */
    bool keep_tensors;   /* tests: no memory sharing, every tensor and gradient stays readable */
    bool input_gradient; /* tests: compute the gradient of the image batch too */
} engine_options;

/** What the device reads in a step; plain data, so that a recorded step can run again with other values. */
typedef struct engine_hyper {
    double lr;
    double head_lr; /* of the classifier's parameters; 0: lr */
    double momentum, dampening, weight_decay;
    bool nesterov;
    bool first_step;        /* momentum buffers are empty: buf = g (undamped) */
    double clip_norm;       /* largest global L2 norm of the unscaled gradient; 0: no clipping */
    double loss_scale;      /* 1 without scaling; 0: the device's own scaler decides (engine_set_scaler) */
    double label_smoothing; /* 0..1 */
    double images;          /* of the whole (accumulated) batch, over the number of ranks: the loss is the mean over
                               the images of all ranks once gradients are the mean over ranks */
} engine_hyper;

/** GradScaler's state machine, for a device that runs ahead: it decides on the scale itself. */
typedef struct engine_scaler {
    double scale, growth_factor, backoff_factor;
    long long growth_interval, growth_tracker;
} engine_scaler;

typedef struct engine_result_data {
    double loss_sum; /* over the images since engine_reset_result, unscaled */
    long long images;
    long long top1, top5; /* images whose `label` is among the first 1 or 5 classes in the order of base/softmax.h */
    double grad_norm;     /* of the last engine_unscale, before clipping */
    bool finite;          /* of the last engine_unscale; false: engine_update did nothing */
} engine_result_data;

/** PASS_WEIGHTS: the part of a convolution's or linear layer's backward that makes the gradient of its weights, where
 *  the device tells it apart; else it is in PASS_BACKWARD, as it is for all other layers. */
typedef enum engine_pass { PASS_FORWARD, PASS_BACKWARD, PASS_WEIGHTS, ENGINE_PASSES } engine_pass;

/** What computes one pass of a layer. */
typedef struct engine_algorithm {
    char name[32];           /* "winograd_2d", "onednn"; "": not known */
    char implementation[64]; /* a library's name for the code it chose: "brgconv:avx512_core_bf16"; "": none */
    bool reference;          /* that code is the library's reference implementation: correct and slow */
} engine_algorithm;

/** What the machine can do with the engine's precision and threads; 0: not known. */
typedef struct engine_peaks {
    double flops;              /* a second: the fastest of some friendly convolutions and products */
    double read, write, mixed; /* bytes a second, of memory far larger than the caches; mixed: 2 read, 1 written */
} engine_peaks;

enum { ENGINE_PCI_ADDRESS = 32, ENGINE_EXCHANGE_TEXT = 256 }; /* bytes */

/** Whether the "cpu" device computes bf16 in hardware here: what precision `auto` asks. */
bool engine_has_bf16(void);

#endif
