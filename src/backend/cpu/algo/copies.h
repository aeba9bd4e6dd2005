/** Weights in oneDNN's layouts, beside the fp32 masters: one copy for each (weight, layout), renewed when the weights
 *  have changed, shared by all plans and passes that agree on the layout. Internal to src/backend/cpu. */
#ifndef LINNET_BACKEND_CPU_ALGO_COPIES_H
#define LINNET_BACKEND_CPU_ALGO_COPIES_H

#include "backend/cpu/algo/onednn.h"
#include "base/memory.h"

typedef struct weight_copy {
    int weight; /* parameter number */
    onednn_reorder *reorder;
    void *memory;     /* the weights, as the layout says */
    void *scratch;    /* of the reorder, or NULL */
    uint64_t version; /* of the weights it holds; 0: none yet */
} weight_copy;

typedef struct copies {
    weight_copy **copy; /* (n), owned */
    int n;
    arena *block; /* (block_n) memory of the copies */
    int block_n;
} copies;

void copies_deinit(copies *c);
/** Bytes of the copies, as far as they are in use. */
size_t copies_bytes(const copies *c);

/** The copy of weight number `weight` in the layout, made if there is none. Stays where it is until copies_deinit. */
int copies_find(weight_copy **out, copies *c, onednn *o, int weight, const onednn_layout *l);

/** Brings the copy up to date with the master (fp32 OIHW). */
int copy_renew(weight_copy *w, const void *master, uint64_t version);

#endif
