/** The weight gradient of a convolution with the batch split by hand: each part runs in one thread of the team, with a
 *  primitive of one thread and a dw of its own, and the dw are then added in the order of the parts. So no thread
 *  waits for another inside oneDNN. The same thread count gives the same bytes. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_WEIGHT_PARTS_H
#define LINNET_BACKEND_CPU_ALGO_WEIGHT_PARTS_H

#include "backend/cpu/algo/onednn.h"

typedef struct weight_parts weight_parts;

/** `*out` is NULL where one primitive for the whole team is the better way.
 *  @return 0, E_DEVICE, E_NOMEM */
int weight_parts_create(weight_parts **out, int threads, cpu_level level, const onednn_conv *c);
void weight_parts_destroy(weight_parts *p);
/** Of dw; valid as long as `p`. */
const onednn_layout *weight_parts_layout(const weight_parts *p);
/** Beside dw. */
size_t weight_parts_scratch(const weight_parts *p);
/** dw, in its layout, = the gradient of w from x and dy.
 *  @return 0, E_DEVICE, E_NOMEM */
int weight_parts_run(weight_parts *p, const void *x, void *dw, const void *dy, void *scratch);

#endif
