#include "cli/json.h"

#include <math.h>
#include <stdio.h>

json_t *json_number_or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

void json_print(json_t *object) {
    json_dumpf(object, stdout, JSON_REAL_PRECISION(17)); /* all of a double: a rate found is given back as --lr */
    putchar('\n');
    json_decref(object);
}
