/** One pass of a convolution by cuDNN's backend API: a graph of its operations, the candidates that cuDNN suggests for
 *  it, the fastest of them measured once a shape (choices.h) and made ready to run. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_CONVOLUTION_H
#define LINNET_BACKEND_CUDA_CONVOLUTION_H

#include "backend/cuda/gpu.h"

/** The three passes, and those that do a part of the BN before or behind on the way: STATISTICS: the sums of y; SCALED:
 *  x is made from BN's x; DATA_SUMS: x's gradient behind ReLU, and its sums (graph.c has the formulas). */
typedef enum convolution_pass {
    CONVOLUTION_FORWARD,
    CONVOLUTION_DATA,
    CONVOLUTION_WEIGHTS,
    CONVOLUTION_STATISTICS,
    CONVOLUTION_SCALED_FORWARD,
    CONVOLUTION_SCALED_STATISTICS,
    CONVOLUTION_SCALED_WEIGHTS,
    CONVOLUTION_DATA_SUMS
} convolution_pass;

/** What the passes read and write, each some of them. All of one channel each but X, W, Y, BN_X; fp32 but these, SCALE
 *  and SHIFT, which have the compute type. */
typedef enum convolution_tensor {
    TENSOR_X, /* SCALED: BN's x */
    TENSOR_W,
    TENSOR_Y,
    TENSOR_SUM, /* (y.c) of y, and of y^2 */
    TENSOR_SQUARES,
    TENSOR_SCALE, /* (x.c) the convolution's x is relu(X * SCALE + SHIFT) */
    TENSOR_SHIFT,
    TENSOR_BN_X, /* what the BN that made x has read, and its (x.c) statistics and parameters */
    TENSOR_MEAN,
    TENSOR_INV_STD,
    TENSOR_GAMMA,
    TENSOR_BETA,
    TENSOR_DBETA, /* (x.c) sums for BN's backward, and factors that it has no use for */
    TENSOR_DGAMMA,
    TENSOR_OF_DY,
    TENSOR_OF_X,
    TENSOR_ALONE,
    TENSORS
} convolution_tensor;

typedef struct convolution_shape {
    tensor_shape x, y; /* channels as in memory */
    int kernel, stride, pad, groups;
    element type;  /* of x, y and the weights: (k, r, s, c / groups) */
    element dw;    /* of the weights' gradient */
    bool estimate; /* take the first candidate where none was measured: only memory is asked for */
} convolution_shape;

/** The device owns it; the same shape gives the same one. @return 0, E_NOMEM, E_DEVICE, E_UNSUPPORTED (cuDNN has
 *  nothing for it) */
int convolution_find(convolution **out, cuda_device *d, const convolution_shape *s, convolution_pass pass);
size_t convolution_workspace(const convolution *c);
/** "cudnn", with the part of a BN that it does; the number of cuDNN's engine. */
void convolution_describe(engine_algorithm *out, const convolution *c);
/** Whether it makes x itself (SCALED). */
bool convolution_scales(const convolution *c);
/** Measured; infinite: not, memory alone was asked for or was short. */
double convolution_microseconds(const convolution *c);

/** Queues it on those of the tensors that its pass has; the others may be NULL. Forward writes Y, data X, weights W. */
int convolution_run(const cuda_device *d, const convolution *c, const void *const tensor[TENSORS], void *workspace);
void convolution_destroy(const cuda_device *d, convolution *c);

/** Names a measured thing of this shape and type, for the file of choices. */
void convolution_key(char key[CHOICE_KEY], const cuda_device *d, const convolution_shape *s, const char *what,
                     element result);

enum { FUSED_CHANNELS = 8 }; /* a multiple: for cuDNN's tensor cores; pairs of them are then aligned to 16 bytes */

/** How long one of BN's own passes takes over x: measured, or from the file of choices under the name `what`; infinite
 *  where memory is short. @return 0, E_NOMEM, E_DEVICE */
int own_pass_microseconds(double *out, cuda_device *d, const convolution_shape *s, const char *what, kernel f32,
                          tensor_shape x);

/** Of `plain` with BN's own pass for the sums, and the convolution that also sums, the one that takes less time;
 *  plain: NULL where cuDNN has none. *microseconds of it all; infinite: not measured. *sums: whether *out sums. In 16
 *  bits alone (statistics.c says why). *out is NULL where there is none. @return 0, E_NOMEM, E_DEVICE */
int statistics_find(convolution **out, bool *sums, double *microseconds, cuda_device *d, const convolution_shape *s,
                    convolution *plain, convolution_pass pass);

/** The convolutions of a layer: forward with the sums for the BN behind or without, weights. */
typedef struct convolution_pair {
    convolution *forward, *weights;
    element dw;          /* of weights */
    bool sums;           /* forward leaves them */
    double microseconds; /* of both and BN's passes that they leave to be done */
} convolution_pair;

/** The pair that makes x itself from BN's x, where it takes less time than `apart`, to which BN's own pass that makes x
 *  is added. out->forward is NULL where not (prologue.c). @return 0, E_NOMEM, E_DEVICE */
int prologue_find(convolution_pair *out, cuda_device *d, const convolution_shape *s, bool sums_wanted,
                  const convolution_pair *apart);

/** Weights' gradient in fp32, or else in the compute type: pass is CONVOLUTION_WEIGHTS or SCALED_WEIGHTS.
 *  @return 0, E_NOMEM, E_DEVICE, E_UNSUPPORTED */
int weights_find(convolution **out, element *dw, cuda_device *d, const convolution_shape *s, convolution_pass pass);

/** The data convolution that leaves the sums for the BN ahead, where it takes less time than `data` and BN's own pass;
 *  else *out is NULL (gradient.c). @return 0, E_NOMEM, E_DEVICE */
int gradient_find(convolution **out, cuda_device *d, const convolution_shape *s, const convolution *data);

#endif
