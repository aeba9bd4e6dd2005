/** What a checkpoint says about how to use it. */
#ifndef LINNET_CLI_CHECKPOINT_OPTIONS_H
#define LINNET_CLI_CHECKPOINT_OPTIONS_H

#include "checkpoint/checkpoint.h"
#include "config/config.h"

/** Sets what the checkpoint knows of its network and images; read the command line afterwards, so that it wins.
 *  @return 0, E_OPTION, E_FORMAT */
int checkpoint_options(config *c, const ckpt *k, const char *path);

#endif
