/** One pass of a convolution by cuDNN's backend API: a graph of one operation, the candidates that cuDNN suggests for
 *  it, the fastest of them measured once a shape (choices.h) and made ready to run. Internal to src/engine/cuda. */
#ifndef LINNET_ENGINE_CUDA_CONVOLUTION_H
#define LINNET_ENGINE_CUDA_CONVOLUTION_H

#include "engine/cuda/gpu.h"

typedef enum convolution_pass { CONVOLUTION_FORWARD, CONVOLUTION_DATA, CONVOLUTION_WEIGHTS } convolution_pass;

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

/** Queues it. Forward: y of x, w. Data: x (written) of y, w. Weights: w (written) of x, y. */
int convolution_run(const cuda_device *d, const convolution *c, const void *x, const void *w, const void *y,
                    void *workspace);
void convolution_destroy(const cuda_device *d, convolution *c);

#endif
