/** One convolution pass by cuDNN's backend API: builds the operation graph, asks cuDNN for candidates, measures the
 *  fastest once per shape (autotune_cache.h) and runs it. Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_CUDNN_CONV_H
#define LINNET_BACKEND_CUDA_CUDNN_CONV_H

#include "backend/cuda/gpu.h"

/** The three plain passes, and passes that are fused with a part of the preceding or following BN. STATISTICS: also
 *  outputs the sums of y. SCALED: computes x from the BN's input. DATA_SUMS: applies the ReLU mask to dx and outputs
 *  its sums. Formulas: cudnn_graph.c. */
typedef enum convolution_pass {
    CONVOLUTION_FORWARD,
    CONVOLUTION_DGRAD,
    CONVOLUTION_WGRAD,
    CONVOLUTION_STATISTICS,
    CONVOLUTION_SCALED_FORWARD,
    CONVOLUTION_SCALED_STATISTICS,
    CONVOLUTION_SCALED_WEIGHTS,
    CONVOLUTION_DATA_SUMS
} convolution_pass;

/** The tensors that passes read and write; each pass uses some of them. X, W, Y and BN_X are full tensors, the others
 *  have one value per channel. X, W, Y, BN_X, SCALE and SHIFT have the compute type (the result of wgrad: dw), the
 *  others fp32. */
typedef enum convolution_tensor {
    TENSOR_X, /* SCALED: the BN's input */
    TENSOR_W,
    TENSOR_Y,
    TENSOR_SUM, /* (y.c) sums of y and of y^2 */
    TENSOR_SQUARES,
    TENSOR_SCALE, /* (x.c) the convolution reads relu(X * SCALE + SHIFT) */
    TENSOR_SHIFT,
    TENSOR_BN_X, /* input of the BN that produced x, then its (x.c) statistics and parameters */
    TENSOR_MEAN,
    TENSOR_INV_STD,
    TENSOR_GAMMA,
    TENSOR_BETA,
    TENSOR_DBETA, /* (x.c) the two sums for BN's backward, then cuDNN's dBNApply factors, which are not used */
    TENSOR_DGAMMA,
    TENSOR_EQ_DY_SCALE,
    TENSOR_EQ_X_SCALE,
    TENSOR_EQ_BIAS,
    TENSORS
} convolution_tensor;

typedef struct convolution_shape {
    tensor_shape x, y; /* channels as in memory */
    int kernel, stride, pad, groups;
    element type;  /* of x, y and the weights (k, r, s, c / groups) */
    element dw;    /* of the weight gradient */
    bool estimate; /* only memory is queried: use the first candidate if none has been measured */
} convolution_shape;

/** Finds or creates the convolution, which the device owns. The same shape and pass return the same object, except that
 *  an unmeasured one is returned only if s->estimate. @return 0, E_NOMEM, E_DEVICE, E_UNSUPPORTED (no cuDNN engine) */
int convolution_find(convolution **out, cuda_device *d, const convolution_shape *s, convolution_pass pass);
size_t convolution_workspace(const convolution *c);
/** name: "cudnn" and the pass, if it is fused with a part of a BN; implementation: cuDNN's engine number. */
void convolution_describe(engine_algorithm *out, const convolution *c);
/** Whether it computes x from the BN's input (SCALED). */
bool convolution_scales(const convolution *c);
/** Measured time; infinite: not measured, because only memory was queried or memory was short. */
double convolution_microseconds(const convolution *c);

/** Queues the pass. Tensors that it does not use may be NULL. Forward writes Y, dgrad X, wgrad W. */
int convolution_run(const cuda_device *d, const convolution *c, const void *const tensor[TENSORS], void *workspace);
void convolution_destroy(const cuda_device *d, convolution *c);

/** Cache key of a measurement of this shape and type. */
void convolution_key(char key[CHOICE_KEY], const cuda_device *d, const convolution_shape *s, const char *what,
                     element result);

enum { FUSED_CHANNELS = 8 }; /* c must be a multiple: tensor cores; aligns both rows of a (2, c) array to 16 bytes */

/** Time of one of BN's own passes over x, measured or from the cache under the name `what`; infinite if memory is
 *  short. @return 0, E_NOMEM, E_DEVICE */
int bn_pass_microseconds(double *out, cuda_device *d, const convolution_shape *s, const char *what, kernel f32,
                         tensor_shape x);

/** Chooses the faster of two: `plain` followed by BN's own pass for the sums, or the convolution that also outputs the
 *  sums. plain: NULL if cuDNN has none. *microseconds: total time; infinite: not measured. *sums: whether *out outputs
 *  the sums, which only 16-bit types do (fused_conv_bn_stats.c says why). *out is NULL if neither exists.
 *  @return 0, E_NOMEM, E_DEVICE */
int fused_conv_bn_stats_find(convolution **out, bool *sums, double *microseconds, cuda_device *d,
                             const convolution_shape *s, convolution *plain, convolution_pass pass);

/** The convolutions of a layer: forward, with or without the sums for the following BN, and wgrad. */
typedef struct convolution_pair {
    convolution *forward, *weights;
    element dw;          /* element type of the weight gradient */
    bool sums;           /* forward outputs the sums */
    double microseconds; /* both convolutions, and the BN passes that are not fused into them */
} convolution_pair;

/** The pair that computes x from the BN's input, if it takes less time than `apart` plus BN's own pass that writes x.
 *  Otherwise out->forward is NULL (fused_bn_relu_conv.c). @return 0, E_NOMEM, E_DEVICE */
int fused_bn_relu_conv_find(convolution_pair *out, cuda_device *d, const convolution_shape *s, bool sums_wanted,
                            const convolution_pair *apart);

/** wgrad with the result in fp32 or, if that is not supported, in the compute type (*dw). pass: CONVOLUTION_WGRAD or
 *  CONVOLUTION_SCALED_WEIGHTS. @return 0, E_NOMEM, E_DEVICE, E_UNSUPPORTED */
int wgrad_find(convolution **out, element *dw, cuda_device *d, const convolution_shape *s, convolution_pass pass);

/** The dgrad that outputs the sums for the preceding BN, if it takes less time than `data` plus BN's own pass.
 *  Otherwise *out is NULL (fused_dgrad_bn_bwd.c). @return 0, E_NOMEM, E_DEVICE */
int fused_dgrad_bn_bwd_find(convolution **out, cuda_device *d, const convolution_shape *s, const convolution *data);

#endif
