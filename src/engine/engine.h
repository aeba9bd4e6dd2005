/** An engine: one device with everything stored on it: weights, gradients, momentum, running statistics, activations.
 *
 *      engine_create(&e, "cpu", model, &options);
 *      engine_compile(&p, e, 32, 224, 224, true);            // cached
 *      engine_set_hyper(e, &hyper);
 *      engine_load_batch(e, p, batch);
 *      engine_forward(e, p);
 *      engine_loss(e, p);
 *      engine_backward(e, p, ENGINE_FIRST | ENGINE_LAST);    // gradients =, or += ; all-reduce in the last
 *      engine_unscale(e);                                    // pass 1: unscale, norm, finite check
 *      engine_update(e);                                     // pass 2: clip, decay, momentum, step, if finite
 *      engine_result(&r, e);                                 // waits for the device
 *
 *  No function allocates after the first step of a plan. One thread drives an engine. */
#ifndef LINNET_ENGINE_ENGINE_H
#define LINNET_ENGINE_ENGINE_H

#include "backend/types.h"
#include "loader/batch.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *precision_name(precision p);

/** Precision 32, all cores, deterministic, ImageNet's mean and std, one rank. */
engine_options engine_options_default(void);

typedef struct engine engine;

typedef struct engine_plan engine_plan;

/** `device`: "ref", "cpu" or "cuda". The model must outlive the engine. Its frozen layers (model_freeze) run as in
 * evaluation in training plans too: batch norm uses its running statistics and leaves them as they are; backward ends
 * behind them, and their parameters and momentum never change. Weights start as zeros: use engine_init_weights
 * or engine_write. @return 0, E_OPTION (unknown device, precision it lacks), E_DEVICE, E_NOMEM, E_SHAPE (a tensor with
 * more than two readers, or none) */
int engine_create(engine **out, const char *device, const model *n, const engine_options *o);
void engine_destroy(engine *e);

/** Why the device cannot be used here, or NULL when it can ("cpu" without oneDNN, say). */
const char *engine_unavailable(const char *device);
/** Where the GPU that engine_create would take stands on the PCI bus, as /sys/bus/pci/devices names it: "0000:3b:00.0";
 *  "" for a device that is none. @return 0, as engine_create */
int engine_pci_address(char out[ENGINE_PCI_ADDRESS], const char *device, const engine_options *o);
/** What carries gradients between GPUs of that device: "NCCL 2.28.9, /usr/lib/x86_64-linux-gnu/libnccl.so.2"; a GPU
 *  need not be there. @return 0, E_UNSUPPORTED (built without it), E_DEVICE (cannot be used: why, and what to do) */
int engine_exchange_text(char out[ENGINE_EXCHANGE_TEXT], const char *device);
const char *engine_device(const engine *e);
/** One line on what computes: "oneDNN 2.6.3, AVX-512 BF16, 2 threads". */
const char *engine_description(const engine *e);

/** Fills all weights by model_init_param(seed), running means with 0, variances with 1, momentum with 0. */
int engine_init_weights(engine *e, uint64_t seed);

/** The plan for (batch, h, w, training); compiled on first use, then cached. Plans share one activation arena: results
 *  of one are gone when another runs. A plan of batch n also serves smaller batches only through a plan of its own.
 *  @return 0, E_SHAPE, E_NOMEM (names the size), E_DEVICE. Owned by the engine. */
int engine_compile(engine_plan **out, engine *e, int batch, int h, int w, bool training);

typedef struct engine_memory {
    size_t parameters;  /* weights, gradients, momentum, statistics, copies in 16 bits */
    size_t activations; /* the arena as this plan lays it out, saved values and workspaces included */
    size_t library;     /* measured: what compiling took, above all the device's library: code it made, descriptions;
                           and the staging of what is read and written */
    size_t process;     /* measured: resident when the engine was made: the program and what it held then */
} engine_memory;
/** p NULL: without activations. */
engine_memory engine_plan_memory(const engine *e, const engine_plan *p);
size_t engine_memory_total(const engine_memory *m);
/** The largest total that this machine, or what limits the process on it, has room for now; SIZE_MAX: not known. */
size_t engine_memory_limit(const engine *e);

/** The activations that a plan would need, computed without giving it memory. Takes a moment: the device prepares every
 *  layer. @return 0, E_SHAPE, E_NOMEM (exceeds the address space), E_DEVICE */
int engine_plan_bytes(size_t *out, engine *e, int batch, int h, int w, bool training);

int engine_set_hyper(engine *e, const engine_hyper *h);

/** Uploads and normalises; b->n, h, w are the plan's. The batch serves one forward and backward: their values take its
 *  memory. @return 0, E_SHAPE, E_DATA (a label that is no class), E_DEVICE */
int engine_load_batch(engine *e, engine_plan *p, const batch *b);
/** Training plans use batch statistics and update the running ones (momentum 0.1, unbiased variance).
 *  @return 0, E_DEVICE, E_SHAPE (p holds no batch: another plan has run since; so for all that take a plan) */
int engine_forward(engine *e, engine_plan *p);
/** Softmax cross-entropy of the loaded labels; adds to the result; training plans: also the gradient of the logits,
 * scaled by loss_scale / images. */
int engine_loss(engine *e, engine_plan *p);

/* The first and last of the micro-batches of an accumulated batch; running statistics stay as they are (engine_step).
 */
enum { ENGINE_FIRST = 1, ENGINE_LAST = 2, ENGINE_KEEP_STATISTICS = 4 };
/** First: gradients are overwritten, else added to. Last: buckets are all-reduced (mean over ranks) as they become
 *  final, last layer first, while backward goes on; it ends when all are there. */
int engine_backward(engine *e, engine_plan *p, unsigned flags);
int engine_unscale(engine *e);
int engine_update(engine *e);

/** Forward, loss and backward of the loaded batch and, after the last micro-batch, unscale and update. A device that
 *  can records what this queues and replays it from the third call for the same plan and flags on. */
int engine_step(engine *e, engine_plan *p, unsigned flags);

/** engine_step of a rank that has no batch for it while others do: takes part in their exchanges. With ENGINE_LAST its
 *  gradient is 0, and exchange, unscale and update follow as for the others. @return as engine_step */
int engine_step_empty(engine *e, unsigned flags);

int engine_result(engine_result_data *out, engine *e);
/** The result as it is at this place of the queue, to be taken later, in order: at most 2 are on their way. */
int engine_post_result(engine *e);
/** The oldest posted result; waits for it. */
int engine_take_result(engine_result_data *out, engine *e);
/** Whether calls return before the device is done, so that a result is better taken a step later. */
bool engine_runs_ahead(const engine *e);
/** The state of the device's own loss scaler; engine_update moves it on. @return 0, E_UNSUPPORTED (not
 *  engine_runs_ahead), E_DEVICE */
int engine_set_scaler(engine *e, const engine_scaler *s);
int engine_reset_result(engine *e);

/** Parameters (i < model->param_n; logical order OIHW, OI, C) and running statistics (i < model->stats_n; c means, then
 * c variances). Exact for fp32 values. engine_write of weights makes the device's copies stale by itself. */
typedef enum engine_what { ENGINE_WEIGHT, ENGINE_GRADIENT, ENGINE_MOMENTUM, ENGINE_STATS } engine_what;
int engine_read(double *out, engine *e, engine_what what, int i);
int engine_write(engine *e, engine_what what, int i, const double *values);

/** All weights, momentum and running statistics as they are now, bit for bit, in host memory; put back as often as
 *  wanted. The caller frees it. @return 0, E_NOMEM, E_DEVICE */
typedef struct engine_saved_state engine_saved_state;
int engine_state_save(engine_saved_state **out, engine *e);
int engine_state_restore(engine *e, const engine_saved_state *s);
/** Bytes that a saved state takes. */
size_t engine_state_bytes(const engine *e);
void engine_state_free(engine_saved_state *s);

/** The EMA of weights and running statistics, beside them in host memory:
 *  a = decay * a + (1 - decay) * now, in the precision of the weights; decay 0, and the first call, make it a copy.
 *  @return 0, E_NOMEM, E_DEVICE */
int engine_ema_update(engine *e, double decay);
/** Exchanges the two: the engine runs, reads and writes the EMA, until the next call. Momentum stays.
 *  @return 0, E_OPTION (no EMA yet), E_DEVICE */
int engine_ema_swap(engine *e);
/** What it takes of the host's memory; 0: there is none. */
size_t engine_ema_bytes(const engine *e);

/** Tensor `t` (NET_INPUT or a layer's number) of the plan's last run, NHWC. Logits (the last tensor) are always
 *  readable after forward; others need options.keep_tensors. @return 0, E_OPTION, E_SHAPE, E_DEVICE, E_UNSUPPORTED (a
 *  fused layer never makes it) */
int engine_read_tensor(double *out, engine *e, engine_plan *p, int t);
/** Sum of the gradients that arrived at tensor t. Needs keep_tensors. @return as engine_read_tensor */
int engine_read_tensor_gradient(double *out, engine *e, engine_plan *p, int t);
/** Tests: sets the input batch (n,h,w,c), already normalised, or the gradient of the last tensor. */
int engine_write_input(engine *e, engine_plan *p, const double *x);
int engine_write_output_gradient(engine *e, engine_plan *p, const double *dy);

tensor_shape engine_tensor_shape(const engine_plan *p, int t);

#endif
