/** The output of `linnet bench train --profile`. */
#ifndef LINNET_CLI_COMMANDS_CMD_BENCH_PROFILE_H
#define LINNET_CLI_COMMANDS_CMD_BENCH_PROFILE_H

#include "tools/profile.h"

#include <jansson.h>

/** Prints tables to stdout: peaks, kinds of layers, layers. */
void bench_profile_print(const profile *p);
/** The same as a new JSON object; all times in seconds per step. */
json_t *bench_profile_json(const profile *p);

#endif
