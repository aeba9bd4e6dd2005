/** Functions for the builders of models, in addition to model.h. Internal to src/model. */
#ifndef LINNET_MODEL_BUILD_H
#define LINNET_MODEL_BUILD_H

#include "model/model.h"

/** Adds gamma, beta and statistics of a BN layer to the tables before the layer itself is added. model_add_bn with the
 *  same name then uses them. For a layer that runs later than its position in torchvision's parameters().
 *  @return 0, E_SHAPE, E_NOMEM */
int model_reserve_bn(model *n, const char *name, int c);

#endif
