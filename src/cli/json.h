/** One JSON object on stdout, for --json. */
#ifndef LINNET_CLI_JSON_H
#define LINNET_CLI_JSON_H

#include <jansson.h>

/** A number, or null when it is not finite (JSON has no NaN). */
json_t *json_number_or_null(double x);
/** Prints the object and a line end; takes ownership of the reference. */
void json_print(json_t *object);

#endif
