/** The options that are stored in a checkpoint. */
#ifndef LINNET_TOOLS_CHECKPOINT_OPTIONS_H
#define LINNET_TOOLS_CHECKPOINT_OPTIONS_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"

/** Sets the model and image options from the checkpoint; read the command line afterwards, so that it takes precedence.
 *  @return 0, E_OPTION, E_FORMAT */
int checkpoint_options(config *c, const ckpt *k, const char *path);

#endif
