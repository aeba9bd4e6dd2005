/** Loads the weights of a file into a model, and checks whether they fit. */
#ifndef LINNET_TRAINING_WEIGHTS_H
#define LINNET_TRAINING_WEIGHTS_H

#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "training/run_context.h"

/** Checks that `c` contains all tensors of the model with the right shapes, and no tensor of a larger ResNet. Other
 *  tensors (of a loss, a metric) are ignored.
 *  @param[out] head whether the last layer fits too; NULL: it must fit
 *  @return 0; E_FORMAT (the message lists missing and unexpected tensors and those with another shape) */
int weights_check(bool *head, const model *n, const ckpt *c, const char *path);

/** Checks that no weight or statistic of the model is NaN or infinite. `c` must have passed weights_check.
 *  @param head false: the last layer is not used
 *  @return 0, E_FORMAT (the message names the tensor), E_NOMEM */
int weights_check_finite(const model *n, const ckpt *c, bool head, const char *path);

/** The architecture of the model in `c`, for any number of classes. @return 0, E_FORMAT (not supported), E_NOMEM */
int weights_arch(char out[32], const ckpt *c, const char *path);
/** The number of classes: rows of the last layer. @return 0, E_FORMAT (there is no last layer) */
int weights_classes(int *out, const ckpt *c, const char *path);

/** Converts the values of a floating-point tensor to doubles, in the tensor's order. */
void weights_widen(double *out, const ckpt_tensor *t);
bool weights_floating(ckpt_type t);
/** Whether the model has a tensor of that name; statistics and counters included. */
bool weights_known(const model *n, const char *name);
/** Whether `t` exists, has a floating-point type and that shape. */
bool weights_fit(const ckpt_tensor *t, const int *shape, int rank);

/** Loads weights and statistics of `c` into the engine. Every tensor of the model must be present with its shape. */
int weights_restore(run_context *s, const ckpt *c, const char *path);
/** The same for the start of a training (--init): if the last layer does not fit, it keeps its initial values, with a
 *  warning. */
int weights_init(run_context *s, const ckpt *c, const char *path);

#endif
