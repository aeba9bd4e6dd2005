/** A checkpoint's weights for other programs: as torch's state_dict, as safetensors, as an ONNX graph. */
#ifndef LINNET_EXPORT_EXPORT_H
#define LINNET_EXPORT_EXPORT_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "model/model.h"

typedef enum export_format { EXPORT_SAFETENSORS, EXPORT_PTH, EXPORT_ONNX } export_format;

typedef struct export_options {
    export_format format;
    bool fold;      /* batch norm into the convolution before it, which gets a bias: as torch's fuse_conv_bn_eval */
    bool half;      /* weights and, in ONNX, all computation in fp16 */
    bool normalise; /* ONNX: the graph takes RGB in [0, 1] and subtracts mean, divides by std itself */
} export_options;

/** The tensors of a network, in torchvision's names and order, without a prefix. */
typedef struct export_set {
    ckpt_tensor *tensor; /* (n), their data owned */
    int n;
    size_t capacity;
} export_set;

/** Writes `c` to `path`, atomically. `o->model.arch` must be its architecture; sizes, mean and std go into the
 * metadata, with the class names where `c` has them (a JSON list). A .pth holds tensors alone.
 *  @param name `c`'s, for messages. @return 0, E_FORMAT, E_OPTION, E_DATA (fp16 cannot hold a weight), E_IO, E_FULL,
 *  E_NOMEM */
int export_checkpoint(const char *path, const ckpt *c, const char *name, const config *o, const export_options *how);

/* What export.c and onnx.c share. */

/** The ONNX graph of `n` over `set`, in the opset 17. @param metadata (metadata_n) items of kind 's' */
int export_onnx(const char *path, const net *n, const export_set *set, const config *o, const export_options *how,
                const ckpt_item *metadata, int metadata_n);

#endif
