/** One JSON object on stdout, for --json. */
#ifndef LINNET_CLI_JSON_H
#define LINNET_CLI_JSON_H

#include "base/json.h"

/** Prints the object and a line end, or nothing after an error; takes ownership of the reference (NULL: it could not be
 *  built). @return 0, E_IO, E_FULL, E_NOMEM */
int json_print(json_t *object);

#endif
