/** One pass of a convolution by cuDNN's backend API: a graph of its operations, the candidates that cuDNN suggests for
 *  it, the fastest of them measured once a shape (choices.h) and made ready to run. Internal to src/engine/cuda. */
#ifndef LINNET_ENGINE_CUDA_CONVOLUTION_H
#define LINNET_ENGINE_CUDA_CONVOLUTION_H

#include "engine/cuda/gpu.h"

/** CONVOLUTION_STATISTICS: forward, with the sums of each channel of y. */
typedef enum convolution_pass {
    CONVOLUTION_FORWARD,
    CONVOLUTION_DATA,
    CONVOLUTION_WEIGHTS,
    CONVOLUTION_STATISTICS
} convolution_pass;

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
/** Measured; infinite: not, memory alone was asked for or was short. */
double convolution_microseconds(const convolution *c);

/** Queues it. Forward: y of x, w. Data: x (written) of y, w. Weights: w (written) of x, y. */
int convolution_run(const cuda_device *d, const convolution *c, const void *x, const void *w, const void *y,
                    void *workspace);
/** y of x, w; sums, in fp32: (2, c) of y and of y's squares. */
int convolution_run_statistics(const cuda_device *d, const convolution *c, const void *x, const void *w, void *y,
                               float *sums, void *workspace);
void convolution_destroy(const cuda_device *d, convolution *c);

/** Names a measured thing of this shape and type, for the file of choices. */
void convolution_key(char key[CHOICE_KEY], const cuda_device *d, const convolution_shape *s, const char *what,
                     element result);

/** The convolution that also sums, where it takes less time than `forward` and BN's own pass for the sums; *out is NULL
 *  where it does not, where cuDNN has none, or nothing was measured. In 16 bits alone (statistics.c says why).
 *  @return 0, E_NOMEM, E_DEVICE */
int statistics_find(convolution **out, cuda_device *d, const convolution_shape *s, const convolution *forward);

#endif
