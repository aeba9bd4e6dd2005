/** Writes a checkpoint's weights for other programs: as a state_dict of PyTorch, as safetensors, or as an ONNX graph.
 */
#ifndef LINNET_EXPORT_EXPORT_H
#define LINNET_EXPORT_EXPORT_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"
#include "model/model.h"

typedef enum export_format { EXPORT_SAFETENSORS, EXPORT_PTH, EXPORT_ONNX } export_format;

typedef struct export_options {
    export_format format;
    bool fold;      /* fold each batch norm into its convolution, which gets a bias, as torch's fuse_conv_bn_eval */
    bool half;      /* weights, and in ONNX all computation, in fp16 */
    bool normalise; /* ONNX: the input is RGB in [0, 1]; the graph subtracts mean and divides by std. false: the input
                       is normalised */
} export_options;

/** The tensors of a model, with torchvision's names in torchvision's order, without a prefix. */
typedef struct export_set {
    ckpt_tensor *tensor; /* (n); owns their data */
    int n;
    size_t capacity;
} export_set;

/** Writes `c` to `path`, atomically. `o->model.arch` must be its architecture. The metadata contain sizes, mean and
 *  std, and the class names as a JSON list if `c` has them. A .pth contains tensors only.
 *  @param name of the checkpoint, for messages
 *  @return 0, E_FORMAT, E_OPTION, E_DATA (a weight beyond fp16), E_IO, E_FULL, E_NOMEM */
int export_checkpoint(const char *path, const ckpt *c, const char *name, const config *o, const export_options *how);

/* Shared by export.c and onnx.c. */

#define EXPORT_PREPROCESSING "preprocessing" /* metadata of ONNX: from an image to the input, in words */

/** Writes the ONNX graph of `n` with the tensors of `set`, in opset 17. @param metadata (metadata_n) items of kind 's',
 *  one of them EXPORT_PREPROCESSING */
int export_onnx(const char *path, const model *n, const export_set *set, const config *o, const export_options *how,
                const ckpt_item *metadata, int metadata_n);

#endif
