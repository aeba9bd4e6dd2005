/** Conversion between a device's element types and double. Rounds to nearest, ties to even; overflow gives infinity.
 *  Internal to src/engine and src/backend. */
#ifndef LINNET_BACKEND_CONVERT_H
#define LINNET_BACKEND_CONVERT_H

#include "backend/backend.h"

void elements_to_double(double *out, const void *in, element e, size_t n);
void elements_from_double(void *out, const double *in, element e, size_t n);

#endif
