/** Copies of the weights in oneDNN's layouts, in addition to the fp32 master weights. There is one copy per (weight,
 *  layout), shared by all plans and passes that use the layout, and updated when the weights have changed. Internal to
 *  src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_PACKED_WEIGHTS_H
#define LINNET_BACKEND_CPU_ALGO_PACKED_WEIGHTS_H

#include "backend/cpu/algo/onednn.h"
#include "base/memory.h"

typedef struct packed_weight {
    int weight; /* parameter index */
    onednn_reorder *reorder;
    void *memory;     /* the weights in the layout */
    void *scratchpad; /* of the reorder; may be NULL */
    uint64_t version; /* version of the weights in memory; 0: none yet */
} packed_weight;

typedef struct packed_weights {
    packed_weight **copy; /* (n), owned */
    int n;
    arena *block; /* (block_n) memory blocks of the copies */
    int block_n;
} packed_weights;

void packed_weights_deinit(packed_weights *c);
/** Size of the used part of the copies' memory, bytes. */
size_t packed_weights_bytes(const packed_weights *c);

/** Finds or creates the copy of weight number `weight` in the layout. Its address is valid until packed_weights_deinit.
 *  @return 0, E_DEVICE, E_NOMEM */
int packed_weights_find(packed_weight **out, packed_weights *c, onednn *o, int weight, const onednn_layout *l);

/** Updates the copy from the master weights (fp32 OIHW) if its version differs. @return 0, E_DEVICE */
int packed_weight_renew(packed_weight *w, const void *master, uint64_t version);

#endif
