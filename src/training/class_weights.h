/** The weights of the classes in the cross-entropy of training (optimizer.class_weights). */
#ifndef LINNET_TRAINING_CLASS_WEIGHTS_H
#define LINNET_TRAINING_CLASS_WEIGHTS_H

#include "dataset/dataset.h"
#include "engine/engine.h"

#include <stdbool.h>

/** Whether the option asks for weights: it is neither "none" nor empty, as YAML's null is. */
bool class_weights_on(const char *option);

/** The weights for the classes of `train`. option: "balanced", scikit-learn's n / (k * count) for n images in k classes
 *  that have images (a class without images: 0); otherwise a CSV or TSV file with one row class,weight for each class,
 *  and optionally a first row with these names.
 *  @param out (train->class_n) owned by the caller, who releases it with free
 *  @return 0; E_FORMAT (malformed; the message has the line), E_DATA (a class that `train` does not have, or without
 *  a row), E_NOTFOUND, E_IO, E_NOMEM */
int class_weights_make(double **out, const char *option, const dataset *train);

/** Gives the engine these weights, unless the option is "none". @return 0, E_DEVICE, or as class_weights_make */
int class_weights_set(engine *e, const char *option, const dataset *train);

#endif
