/** What the builders need beyond model.h. Internal to src/model. */
#ifndef LINNET_MODEL_BUILD_H
#define LINNET_MODEL_BUILD_H

#include "model/model.h"

/** Enters gamma, beta and statistics of a BN layer into the tables ahead of the layer: net_add_bn of that name takes
 *  them. For a layer that runs later than its place in torchvision's parameters(). @return 0, E_SHAPE, E_NOMEM */
int net_reserve_bn(net *n, const char *name, int c);

#endif
