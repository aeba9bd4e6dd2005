/** An engine: one device and all data stored on it: weights, gradients, optimizer state, running statistics,
 *  activations.
 *
 *      engine_create(&e, "cpu", model, &options);
 *      engine_compile(&p, e, 32, 224, 224, true);            // cached
 *      engine_set_hyper(e, &hyper);
 *      engine_load_batch(e, p, batch);
 *      engine_forward(e, p);
 *      engine_loss(e, p);
 *      engine_backward(e, p, ENGINE_FIRST | ENGINE_LAST);    // FIRST: =, else +=; LAST: all-reduce
 *      engine_unscale(e);                                    // pass 1: unscale, norm, finite check
 *      engine_update(e);                                     // pass 2: clip and one optimizer step, if finite
 *      engine_result(&r, e);                                 // waits for the device
 *
 *  After the first two steps of a plan, a step allocates no memory, apart from small blocks within oneDNN. An engine
 *  may be used by only one thread at a time. */
#ifndef LINNET_ENGINE_ENGINE_H
#define LINNET_ENGINE_ENGINE_H

#include "backend/types.h"
#include "loader/batch.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *precision_name(precision p);

/** 32-true, one thread per core, deterministic, ImageNet's mean and std, one rank. */
engine_options engine_options_default(void);

typedef struct engine engine;

typedef struct engine_plan engine_plan;

/** `device`: "ref", "cpu" or "cuda". The model must outlive the engine. Frozen layers (model_freeze) run as in
 *  evaluation also in training plans: batch norm uses its running statistics and does not update them, backward stops
 *  at the first trained layer, and parameters and optimizer state of frozen layers never change. Weights are
 * initialised to zero: call engine_init_weights or engine_write.
 *  @return 0, E_OPTION (unknown device, unsupported precision), E_DEVICE, E_NOMEM, E_SHAPE (a tensor with more than two
 *  readers, or with none) */
int engine_create(engine **out, const char *device, const model *n, const engine_options *o);
void engine_destroy(engine *e);

/** Why the device cannot be used on this machine (for example "cpu" built without oneDNN), or NULL if it can. */
const char *engine_unavailable(const char *device);
/** The PCI address of the GPU that engine_create would use, as in /sys/bus/pci/devices: "0000:3b:00.0"; "" if the
 *  device is not a PCI device. @return 0, errors as engine_create */
int engine_pci_address(char out[ENGINE_PCI_ADDRESS], const char *device, const engine_options *o);
/** The library that exchanges gradients between GPUs of that device: "NCCL 2.28.9,
 *  /usr/lib/x86_64-linux-gnu/libnccl.so.2". Does not require a GPU.
 *  @return 0, E_UNSUPPORTED (built without it), E_DEVICE (cannot be used; the message says why and what to do) */
int engine_exchange_text(char out[ENGINE_EXCHANGE_TEXT], const char *device);
const char *engine_device(const engine *e);
/** A one-line description: "oneDNN 2.6.3, AVX-512 bf16, 2 threads". */
const char *engine_description(const engine *e);

/** Initialises all weights with model_init_param(seed), running means and optimizer state with 0, running variances
 * with 1. */
int engine_init_weights(engine *e, uint64_t seed);

/** The plan for (batch, h, w, training), compiled on first use and then cached. The engine owns it. All plans share one
 *  activation arena, so running a plan overwrites the results of the others. A smaller batch needs a plan of its own.
 *  @return 0, E_SHAPE, E_NOMEM (the message states the size), E_DEVICE */
int engine_compile(engine_plan **out, engine *e, int batch, int h, int w, bool training);

typedef struct engine_memory {
    size_t parameters;  /* bytes: weights, gradients, optimizer state, statistics, their copies for computation and
                           all-reduce;  the EMA, if the device uses host memory */
    size_t activations; /* the arena size of this plan, with saved values and workspaces */
    size_t library;     /* measured: growth of the process while compiling, mainly the device's library (generated code,
                           descriptors); and the staging buffers of engine_read and engine_write */
    size_t process;     /* measured: resident memory of the process when the engine was created */
} engine_memory;
/** p NULL: without activations. On a device with its own memory, host memory is not counted. */
engine_memory engine_plan_memory(const engine *e, const engine_plan *p);
size_t engine_memory_total(const engine_memory *m);
/** The largest engine_memory_total for which there is currently memory, bytes: on the GPU, or on the host within the
 *  limits of the process's control group. SIZE_MAX: unknown. */
size_t engine_memory_limit(const engine *e);
/** The same for one of several processes on this host that take equal shares of the free host memory. */
size_t engine_memory_share(const engine *e, int processes);

/** The size of the activation arena that a plan would need, without allocating it. Takes some time, because the device
 *  plans every layer. @return 0, E_SHAPE, E_NOMEM (exceeds the address space), E_DEVICE */
int engine_plan_bytes(size_t *out, engine *e, int batch, int h, int w, bool training);

/** Sets the weights of the classes (model->classes) for engine_loss_options.weighted. They are copied.
 *  @return 0, E_OPTION (a negative or infinite weight, or all are 0), E_NOMEM, E_DEVICE */
int engine_set_class_weights(engine *e, const double *weight);

/** @return 0, E_OPTION (loss_scale, images, label_smoothing or updates out of range; weighted without weights),
 * E_DEVICE */
int engine_set_hyper(engine *e, const engine_hyper *h);

/** Uploads and normalises a batch; b->n, h and w must be the plan's. The batch can be used for only one forward and
 *  backward, which overwrite its memory. @return 0, E_SHAPE, E_DATA (an invalid label), E_DEVICE */
int engine_load_batch(engine *e, engine_plan *p, const batch *b);
/** Draws which images of the loaded batch keep each residual branch (model_set_drop_path), as a function of (seed,
 * epoch, number of the batch in the epoch). Does nothing if the model has no stochastic depth, else it must be called
 * before each forward of a training plan. @return 0, E_NOMEM, E_DEVICE */
int engine_draw_drop_path(engine *e, const engine_plan *p, uint64_t seed, uint32_t epoch, uint64_t number);
/** Training plans use batch statistics and update the running statistics (momentum 0.1, unbiased variance).
 *  @return 0, E_DEVICE, E_SHAPE (no engine_draw_drop_path; p has no batch, because another plan has run since; likewise
 * for all functions that take a plan) */
int engine_forward(engine *e, engine_plan *p);
/** The loss of the loaded labels (engine_hyper.loss), added to the result. Training plans also compute the gradient of
 *  the logits, scaled by loss_scale / images. With class weights the sum that is added is the number of images times
 *  cross_entropy's weighted mean over this batch. */
int engine_loss(engine *e, engine_plan *p);

/* FIRST, LAST: the first and last micro-batch of an accumulated batch. KEEP_STATISTICS: do not update the running
 * statistics (only in engine_step). */
enum { ENGINE_FIRST = 1, ENGINE_LAST = 2, ENGINE_KEEP_STATISTICS = 4 };
/** FIRST: gradients are overwritten, otherwise accumulated. LAST: gradient buckets are all-reduced (mean over ranks) as
 *  soon as backward has completed them, last layer first, overlapping with backward. Returns after all buckets are
 *  reduced. @return 0, E_OPTION (p is not a training plan), E_SHAPE, E_DEVICE, E_RANK */
int engine_backward(engine *e, engine_plan *p, unsigned flags);
int engine_unscale(engine *e);
int engine_update(engine *e);

/** Forward, loss and backward of the loaded batch and, after the last micro-batch, unscale and update. A device that
 *  supports it captures the work of the second call for the same plan and flags, and replays it in that call and all
 *  later ones. */
int engine_step(engine *e, engine_plan *p, unsigned flags);

/** engine_step for a rank that has no batch while other ranks have one: takes part in their communication. With
 *  ENGINE_LAST its gradient is 0, and all-reduce, unscale and update follow as on the other ranks.
 *  @return as engine_step */
int engine_step_empty(engine *e, unsigned flags);

int engine_result(engine_result_data *out, engine *e);
/** Queues a copy of the current result, to be taken later, in order. At most 2 results may be posted and not taken.
 *  @return 0, E_DEVICE (also if two are pending) */
int engine_post_result(engine *e);
/** Takes the oldest posted result; waits for it. @return 0, E_DEVICE (also if none is pending) */
int engine_take_result(engine_result_data *out, engine *e);
/** Whether the device is asynchronous, so that it is better to take a result one step later. */
bool engine_runs_ahead(const engine *e);
/** Sets the state of the device's own loss scaler, which engine_update then updates.
 *  @return 0, E_UNSUPPORTED (not engine_runs_ahead), E_DEVICE */
int engine_set_grad_scaler(engine *e, const engine_grad_scaler *s);
int engine_reset_result(engine *e);

/** Reads or writes parameter i < model->param_n (logical order OIHW, OI, C) or running statistics i < model->stats_n (c
 *  means, then c variances). Exact for fp32 values. After a write of weights the device refreshes its copies itself.
 *  out, values: param[i].count doubles, or 2 * c for ENGINE_STATS. ENGINE_MOMENTUM, ENGINE_SQUARE: the state
 *  of the optimizer (device_arenas). @return 0, E_OPTION (no such i; the optimizer has no square), E_DEVICE, E_NOMEM */
typedef enum engine_what { ENGINE_WEIGHT, ENGINE_GRADIENT, ENGINE_MOMENTUM, ENGINE_STATS, ENGINE_SQUARE } engine_what;
int engine_read(double *out, engine *e, engine_what what, int i);
int engine_write(engine *e, engine_what what, int i, const double *values);

/** A bit-exact copy of all weights, optimizer state and running statistics in host memory; it may be restored any
 * number of times. The caller frees it with engine_state_free. @return 0, E_NOMEM, E_DEVICE */
typedef struct engine_saved_state engine_saved_state;
int engine_state_save(engine_saved_state **out, engine *e);
int engine_state_restore(engine *e, const engine_saved_state *s);
/** Size of a saved state, bytes. */
size_t engine_state_bytes(const engine *e);
void engine_state_free(engine_saved_state *s);

/** Updates the EMA of weights and running statistics, which is kept in host memory:
 *  a = decay * a + (1 - decay) * current, in the precision of the weights. With decay 0, and in the first call, the EMA
 *  becomes a copy. @return 0, E_NOMEM, E_DEVICE */
int engine_ema_update(engine *e, double decay);
/** Swaps the EMA with the weights and statistics: until the next call the engine runs, reads and writes the EMA.
 *  The optimizer state is unchanged. @return 0, E_OPTION (no EMA yet), E_DEVICE */
int engine_ema_swap(engine *e);
/** Host memory of the EMA, bytes; 0 if there is no EMA. */
size_t engine_ema_bytes(const engine *e);

/** Reads tensor `t` (MODEL_INPUT or a layer index) of the plan's last run, NHWC. The logits (the last tensor) are
 * always readable after forward; others need options.keep_tensors. out: tensor_count(engine_tensor_shape(p, t))
 * doubles.
 *  @return 0, E_OPTION, E_SHAPE, E_DEVICE, E_UNSUPPORTED (not stored, because a fused layer computes it) */
int engine_read_tensor(double *out, engine *e, engine_plan *p, int t);
/** Reads the sum of the gradients of tensor t. Needs keep_tensors. @return as engine_read_tensor */
int engine_read_tensor_gradient(double *out, engine *e, engine_plan *p, int t);
/** For tests: sets the input batch (n,h,w,c), already normalised, or the gradient of the last tensor. */
int engine_write_input(engine *e, engine_plan *p, const double *x);
int engine_write_output_gradient(engine *e, engine_plan *p, const double *dy);

tensor_shape engine_tensor_shape(const engine_plan *p, int t);

#endif
