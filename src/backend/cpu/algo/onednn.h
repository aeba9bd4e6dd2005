/** The one door to oneDNN: convolutions over NHWC tensors with weights in oneDNN's own layouts, and the conversion of
 *  those layouts from and to fp32 OIHW. Versions 2 and 3 of the library. Internal to src/backend/cpu.
 *
 *  x (n,h,w,c), y (n,p,q,k) and their gradients are plain NHWC; a linear layer is a 1x1 convolution of 1x1 maps.
 *  Ops are made once and run often; a run takes its memory, scratch included, from the caller. oneDNN itself
 *  allocates some small blocks in each run. One thread at a time drives an `onednn` and its ops; several
 *  of them may run at once. Within a parallel region, ops whose `onednn` has one thread alone. */
#ifndef LINNET_BACKEND_CPU_ALGO_ONEDNN_H
#define LINNET_BACKEND_CPU_ALGO_ONEDNN_H

#include "backend/backend.h"
#include "base/cpu_level.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct onednn onednn;               /* engine and stream */
typedef struct onednn_op onednn_op;         /* one pass of one convolution */
typedef struct onednn_layout onednn_layout; /* how weights lie in memory */
typedef struct onednn_reorder onednn_reorder;

/** @return 0, E_DEVICE, E_NOMEM */
int onednn_open(onednn **out, int threads);
void onednn_close(onednn *o);
/** "oneDNN 2.6.3, AVX-512 AMX bf16": static. */
const char *onednn_description(void);
/** The level at which oneDNN runs, and linnet's own kernels with it: cpu_level_get(), or a lower one where oneDNN is
 * held by ONEDNN_MAX_CPU_ISA. The first call passes LINNET_CPU on to oneDNN. */
cpu_level onednn_level(void);

typedef enum onednn_pass { ONEDNN_FORWARD, ONEDNN_BACKWARD_DATA, ONEDNN_BACKWARD_WEIGHTS } onednn_pass;

typedef struct onednn_conv {
    const char *name; /* for messages; borrowed during the call */
    tensor_shape x, y;
    int kernel, stride, pad, groups;
    element x_type, y_type; /* F32 or BF16; of the gradients too. Weights compute in x_type, dw is F32 */
    bool training;
} onednn_conv;

/** Whether oneDNN must not compute this: wgrad of wide maps by 2.6.3's AMX kernel corrupts memory or never returns. */
bool onednn_row_too_wide(const onednn_conv *c, onednn_pass pass);
/** @return 0, E_DEVICE (naming the layer and oneDNN's status; onednn_row_too_wide), E_NOMEM (also where a tensor has
 *  more than INT32_MAX elements) */
int onednn_op_create(onednn_op **out, onednn *o, const onednn_conv *c, onednn_pass pass);
void onednn_op_destroy(onednn_op *op);
size_t onednn_op_scratch(const onednn_op *op);
/** Of w (forward, dgrad) or dw (wgrad). Valid as long as the op. */
const onednn_layout *onednn_op_layout(const onednn_op *op);
/** The implementation oneDNN chose ("brgconv:avx512_core_bf16"). */
const char *onednn_op_implementation(const onednn_op *op);
/** Whether that name is one of oneDNN's reference implementations: plain loops, many times slower than the others. */
bool onednn_is_reference(const char *implementation);
/** Forward: y = conv(x, w). dgrad: x = gradient of x from y = dy. wgrad: w = gradient of w from y = dy. */
int onednn_op_run(onednn_op *op, void *x, void *w, void *y, void *scratch);

/** w (k, c), fp32 in plain order, = y^T x or += it, over m rows of c and k channels: the weight gradient of a 1x1
 *  convolution of stride 1, without a layout of its own. Runs as an op; its layout must not be asked for. */
int onednn_gemm_create(onednn_op **out, onednn *o, const char *name, tensor_shape x, tensor_shape y, element type,
                       bool add);

size_t onednn_layout_bytes(const onednn_layout *l);
bool onednn_layout_equal(const onednn_layout *a, const onednn_layout *b);

/** Between fp32 OIHW and a layout: `to_plain` chooses the direction, `add` adds to what is there.
 *  Keeps nothing of `l`. */
int onednn_reorder_create(onednn_reorder **out, onednn *o, const onednn_layout *l, bool to_plain, bool add);
void onednn_reorder_destroy(onednn_reorder *r);
/** Whether the reorder's layout is `l`. */
bool onednn_reorder_is_for(const onednn_reorder *r, const onednn_layout *l);
size_t onednn_reorder_scratch(const onednn_reorder *r);
int onednn_reorder_run(onednn_reorder *r, const void *from, void *to, void *scratch);

#endif
