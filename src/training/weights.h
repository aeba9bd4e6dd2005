/** A file's weights and a network: whether they fit, and putting them in. */
#ifndef LINNET_TRAINING_WEIGHTS_H
#define LINNET_TRAINING_WEIGHTS_H

#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "training/setup.h"

/** Whether `c` holds all of the network in its shapes, and nothing that another ResNet would have besides. Other
 * tensors (a loss's, a metric's) are no matter.
 *  @param[out] head whether the last layer fits as well; NULL: it must
 *  @return 0; E_FORMAT with one line of what is missing, what is too much and what has another shape */
int weights_check(bool *head, const net *n, const ckpt *c, const char *path);

/** The architecture whose network `c` holds, whatever its classes. @return 0, E_FORMAT (none that is known), E_NOMEM */
int weights_arch(char out[32], const ckpt *c, const char *path);
/** Rows of the last layer. @return 0, E_FORMAT (no head) */
int weights_classes(int *out, const ckpt *c, const char *path);

/** Values of a floating-point tensor as doubles, in its order. */
void weights_widen(double *out, const ckpt_tensor *t);
bool weights_floating(ckpt_type t);
/** Whether a tensor of that name is the network's, its statistics and counters included. */
bool weights_known(const net *n, const char *name);
/** Whether `t` is there, of floating point and of that shape. */
bool weights_fit(const ckpt_tensor *t, const int *shape, int rank);

/** Weights and statistics of `c` into the engine. Every tensor of the net must be there in its shape. */
int weights_restore(setup *s, const ckpt *c, const char *path);
/** The same to begin a training with (--init): a head that does not fit is left as initialised, in one warning. */
int weights_init(setup *s, const ckpt *c, const char *path);

#endif
