/** Types shared by the engine and its devices: the options of an engine, the inputs and the results of a step. */
#ifndef LINNET_BACKEND_TYPES_H
#define LINNET_BACKEND_TYPES_H

#include "base/bce.h"
#include "distributed/communicator.h"

#include <stdbool.h>
#include <stddef.h>

/** Lightning's names: "32-true", "bf16-mixed", "16-mixed". */
typedef enum precision { PRECISION_32, PRECISION_BF16, PRECISION_16 } precision;

/** SGD, AdamW and RMSprop as in torch.optim, LAMB and LARS as in timm.optim; docs/numerics.md has the formulas. */
typedef enum optimizer_kind {
    OPTIMIZER_SGD,
    OPTIMIZER_ADAMW,
    OPTIMIZER_RMSPROP,
    OPTIMIZER_LAMB,
    OPTIMIZER_LARS
} optimizer_kind;

/** Whether the optimizer keeps a running average of the squared gradient. */
static inline bool optimizer_squares(optimizer_kind k) {
    return k == OPTIMIZER_ADAMW || k == OPTIMIZER_RMSPROP || k == OPTIMIZER_LAMB;
}
/** Whether the optimizer scales the step of each parameter by the parameter's norm. */
static inline bool optimizer_adapts(optimizer_kind k) { return k == OPTIMIZER_LAMB || k == OPTIMIZER_LARS; }

typedef struct engine_options {
    optimizer_kind optimizer;
    precision precision; /* the ref engine always computes in double; with 16-mixed its scaled gradients overflow where
                            fp16 gradients would */
    int threads;         /* CPU threads; 0: one per core this process may use */
    int device_index;    /* index of the GPU, from 0 */
    bool tf32;           /* 32-true on a GPU: convolutions may round their inputs to TF32 */
    bool deterministic;  /* GPU: use no algorithm whose results differ from run to run */
    float mean[3], std[3]; /* for pixels scaled to 0..1: x = (pixel / 255 - mean) / std */
    size_t bucket_bytes;   /* gradient bucket size for the all-reduce; 0: one bucket */
    comm *comm;            /* NULL: one rank. Not owned */
    bool winograd; /* bf16 on a CPU without AMX: 3x3 convolutions use Winograd's F(2x2, 3x3), faster and less accurate
                      (backend/cpu/algo/native_conv.h) */
    bool sync_bn;  /* synchronised batch norm over the batches of all ranks (sync_bn.h) */
    bool half_gradients; /* ranks exchange gradients in the compute type if that has 16 bits */
    bool recompute;      /* backward recomputes most BN outputs: less memory, bit-identical results */
    bool keep_tensors;   /* tests: tensors do not share memory, so every tensor and gradient can be read */
    bool input_gradient; /* tests: also compute the gradient of the image batch */
} engine_options;

/** The loss of a step; all 0: softmax cross-entropy. Formulas: base/softmax.h, base/bce.h. */
typedef struct engine_loss_options {
    bool binary;     /* binary cross-entropy */
    bce_options bce; /* if binary */
    bool weighted;   /* with the weights of engine_set_class_weights */
    bool soft; /* weighted cross-entropy: the labels are mixed, so they are probabilities for cross_entropy, whose mean
                  is then over the images of the batch. Otherwise its mean is over the weights of their labels */
} engine_loss_options;

/** Values that the device reads in a step. They are plain data, so a captured step can be replayed with other
 *  values. */
typedef struct engine_hyper {
    double lr;
    double head_lr; /* for the classifier's parameters; 0: lr */
    double momentum, dampening, weight_decay;
    bool nesterov;
    bool first_step;        /* SGD, LARS: the momentum buffers are empty: buf = g (undamped) */
    double beta1, beta2;    /* AdamW, LAMB: decay of the running averages of the gradient and of its square */
    double alpha;           /* RMSprop: decay of the running average of the squared gradient */
    double eps;             /* all but SGD: added to the denominator */
    double trust;           /* LARS: trust coefficient */
    long long updates;      /* AdamW, LAMB: updates before this one; -1: the device's own count, which only an
                               asynchronous device has */
    double clip_norm;       /* maximum global L2 norm of the unscaled gradient; 0: no clipping */
    double loss_scale;      /* 1: no scaling; 0: the device's own scaler sets it (engine_set_grad_scaler) */
    double label_smoothing; /* 0..1 */
    engine_loss_options loss;
    double images; /* size of the whole (accumulated) batch, divided by the number of ranks: after gradients are
                      averaged over the ranks, the loss is the mean over the images of all ranks */
} engine_hyper;

/** State of GradScaler, for an asynchronous device, which updates the loss scale itself. */
typedef struct engine_grad_scaler {
    double scale, growth_factor, backoff_factor;
    long long growth_interval, growth_tracker;
} engine_grad_scaler;

typedef struct engine_result_data {
    double loss_sum; /* over the images since engine_reset_result, without the loss scale */
    long long images;
    long long top1, top5; /* images whose `label` is among the first 1 or 5 classes as ranked by base/softmax.h */
    double grad_norm;     /* from the last engine_unscale, before clipping */
    bool finite;          /* from the last engine_unscale; false: engine_update did nothing */
} engine_result_data;

/** PASS_WGRAD: wgrad of a convolution or linear layer, if the device reports it separately; otherwise it is part of
 *  PASS_BACKWARD. Other layers have only PASS_FORWARD and PASS_BACKWARD. */
typedef enum engine_pass { PASS_FORWARD, PASS_BACKWARD, PASS_WGRAD, ENGINE_PASSES } engine_pass;

/** The algorithm of one pass of a layer. */
typedef struct engine_algorithm {
    char name[32];           /* "winograd_2d", "onednn"; "": unknown */
    char implementation[64]; /* the library's name for the implementation: "brgconv:avx512_core_bf16"; "": none */
    bool reference;          /* the implementation is the library's reference code: correct and slow */
} engine_algorithm;

/** Measured peak performance with the engine's precision and number of threads; 0: unknown. */
typedef struct engine_peaks {
    double flops;              /* FLOP/s: the fastest of several well-suited convolutions and GEMMs */
    double read, write, mixed; /* bytes/s, with buffers much larger than the caches; mixed: 2 reads per write */
} engine_peaks;

enum { ENGINE_PCI_ADDRESS = 32, ENGINE_EXCHANGE_TEXT = 256 }; /* buffer sizes, bytes */

/** Whether the "cpu" device computes bf16 in hardware on this machine. */
bool engine_has_bf16(void);
/** Whether it also computes bf16 at least as fast as fp32; precision `auto` depends on it. With AVX-512 bf16 and
 * without AMX the first call measures both for a fraction of a millisecond. */
bool engine_bf16_is_faster(void);
/** The version of the oneDNN that is loaded: "3.7.2"; NULL: built without oneDNN. */
const char *engine_onednn_version(void);

#endif
