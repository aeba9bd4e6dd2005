/** Weights in oneDNN's layouts, beside the fp32 masters: one copy for each (weight, layout), renewed when the weights
 *  have changed, shared by all plans and passes that agree on the layout. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_PACKED_WEIGHTS_H
#define LINNET_BACKEND_CPU_ALGO_PACKED_WEIGHTS_H

#include "backend/cpu/algo/onednn.h"
#include "base/memory.h"

typedef struct packed_weight {
    int weight; /* parameter number */
    onednn_reorder *reorder;
    void *memory;     /* the weights, as the layout says */
    void *scratch;    /* of the reorder, or NULL */
    uint64_t version; /* of the weights it holds; 0: none yet */
} packed_weight;

typedef struct packed_weights {
    packed_weight **copy; /* (n), owned */
    int n;
    arena *block; /* (block_n) memory of the copies */
    int block_n;
} packed_weights;

void packed_weights_deinit(packed_weights *c);
/** Bytes of the copies, as far as they are in use. */
size_t packed_weights_bytes(const packed_weights *c);

/** The copy of weight number `weight` in the layout, made if there is none. Stays where it is until
 * packed_weights_deinit. */
int packed_weights_find(packed_weight **out, packed_weights *c, onednn *o, int weight, const onednn_layout *l);

/** Brings the copy up to date with the master (fp32 OIHW). */
int packed_weight_renew(packed_weight *w, const void *master, uint64_t version);

#endif
