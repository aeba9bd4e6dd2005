/** Copies the weight gradient from oneDNN's layout to the gradient arena. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_ONEDNN_UNPACK_H
#define LINNET_BACKEND_CPU_ALGO_ONEDNN_UNPACK_H

#include "backend/cpu/algo/onednn.h"

typedef struct onednn_unpack {
    onednn_reorder *set, *add;
    size_t dw_bytes; /* size of dw in oneDNN's layout, rounded up to whole cache lines */
} onednn_unpack;

/** Keeps no reference to `dw`. Call onednn_unpack_deinit afterwards, also after an error.
 *  @return 0, E_DEVICE, E_NOMEM */
int onednn_unpack_init(onednn_unpack *u, onednn *o, const onednn_layout *dw);
void onednn_unpack_deinit(onednn_unpack *u);
size_t onednn_unpack_scratchpad(const onednn_unpack *u);
/** out (fp32 OIHW) = dw, or += if `add`. @return 0, E_DEVICE */
int onednn_unpack_run(const onednn_unpack *u, const void *dw, float *out, bool add, void *scratchpad);

#endif
