/** The interface to oneDNN, versions 2 and 3: convolutions of NHWC tensors with weights in oneDNN's own layouts, and
 *  the conversion between those layouts and fp32 OIHW. Internal to src/backend/cpu.
 *
 *  x (n,h,w,c), y (n,p,q,k) and their gradients are plain NHWC; a linear layer is a 1x1 convolution of 1x1 maps. Ops
 *  are created once and run many times. The caller supplies the memory of a run, including the scratchpad; oneDNN
 *  itself allocates some small blocks in each run. Only one thread at a time may use an `onednn` and its ops, but
 *  different ones may be used concurrently. Within a parallel region, use only ops whose `onednn` has one thread. */
#ifndef LINNET_BACKEND_CPU_ALGO_ONEDNN_H
#define LINNET_BACKEND_CPU_ALGO_ONEDNN_H

#include "backend/backend.h"
#include "base/cpu_level.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct onednn onednn;               /* engine and stream */
typedef struct onednn_op onednn_op;         /* one pass of one convolution */
typedef struct onednn_layout onednn_layout; /* memory layout of weights */
typedef struct onednn_reorder onednn_reorder;

/** @return 0, E_DEVICE, E_NOMEM */
int onednn_open(onednn **out, int threads);
void onednn_close(onednn *o);
/** "oneDNN 2.6.3, AVX-512 AMX bf16"; static storage. */
const char *onednn_description(void);
/** The version of the library that is loaded: "3.7.2". */
const char *onednn_version(void);
/** The CPU level that oneDNN and the native kernels use: cpu_level_get(), or a lower one if ONEDNN_MAX_CPU_ISA limits
 *  oneDNN. The first call passes LINNET_CPU on to oneDNN. */
cpu_level onednn_level(void);

typedef enum onednn_pass { ONEDNN_FORWARD, ONEDNN_DGRAD, ONEDNN_WGRAD } onednn_pass;

typedef struct onednn_conv {
    const char *name; /* for messages; used only during the call */
    tensor_shape x, y;
    int kernel, stride, pad, groups;
    element x_type, y_type; /* F32 or BF16, also of the gradients. Weights are converted to x_type; dw is F32 */
    bool training;
} onednn_conv;

/** Whether oneDNN must not compute this: wgrad of wide maps in bf16 with AMX (docs/numerics.md). */
bool onednn_row_too_wide(const onednn_conv *c, onednn_pass pass);
/** @return 0, E_DEVICE (the message states the layer and oneDNN's status; also if onednn_row_too_wide), E_NOMEM (also
 *  if a tensor has more than INT32_MAX elements) */
int onednn_op_create(onednn_op **out, onednn *o, const onednn_conv *c, onednn_pass pass);
void onednn_op_destroy(onednn_op *op);
size_t onednn_op_scratchpad(const onednn_op *op);
/** The layout of w (forward, dgrad) or dw (wgrad), valid as long as the op. */
const onednn_layout *onednn_op_layout(const onednn_op *op);
/** The implementation that oneDNN chose ("brgconv:avx512_core_bf16"). */
const char *onednn_op_implementation(const onednn_op *op);
/** Whether that is one of oneDNN's reference implementations: plain loops, many times slower than the others. */
bool onednn_is_reference(const char *implementation);
/** Forward: y = conv(x, w). dgrad: x = gradient of x, with y = dy. wgrad: w = gradient of w, with y = dy. */
int onednn_op_run(onednn_op *op, void *x, void *w, void *y, void *scratchpad);

/** Computes w (k, c), fp32 in plain order, = y^T x, or += if `add`, over m rows of c and k channels: wgrad of a 1x1
 *  convolution of stride 1 without a oneDNN weight layout. Use it like an op, but do not call onednn_op_layout. */
int onednn_gemm_create(onednn_op **out, onednn *o, const char *name, tensor_shape x, tensor_shape y, element type,
                       bool add);

size_t onednn_layout_bytes(const onednn_layout *l);
bool onednn_layout_equal(const onednn_layout *a, const onednn_layout *b);

/** Converts between fp32 OIHW and a layout. `to_plain`: to OIHW; `add`: adds to the output. Keeps no reference to
 *  `l`. */
int onednn_reorder_create(onednn_reorder **out, onednn *o, const onednn_layout *l, bool to_plain, bool add);
void onednn_reorder_destroy(onednn_reorder *r);
/** Whether the reorder's layout is `l`. */
bool onednn_reorder_is_for(const onednn_reorder *r, const onednn_layout *l);
size_t onednn_reorder_scratchpad(const onednn_reorder *r);
int onednn_reorder_run(onednn_reorder *r, const void *from, void *to, void *scratchpad);

#endif
