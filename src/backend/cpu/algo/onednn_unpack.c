#include "backend/cpu/algo/onednn_unpack.h"

#include "base/memory.h"
#include "base/status.h"

int onednn_unpack_init(onednn_unpack *u, onednn *o, const onednn_layout *dw) {
    int rc = OK;
    TRY(onednn_reorder_create(&u->set, o, dw, true, false));
    TRY(onednn_reorder_create(&u->add, o, dw, true, true));
    u->dw_bytes = memory_round(onednn_layout_bytes(dw));
done:
    return rc;
}

void onednn_unpack_deinit(onednn_unpack *u) {
    onednn_reorder_destroy(u->set);
    onednn_reorder_destroy(u->add);
}

size_t onednn_unpack_scratchpad(const onednn_unpack *u) {
    size_t set = onednn_reorder_scratchpad(u->set), add = onednn_reorder_scratchpad(u->add);
    return set > add ? set : add;
}

int onednn_unpack_run(const onednn_unpack *u, const void *dw, float *out, bool add, void *scratchpad) {
    return onednn_reorder_run(add ? u->add : u->set, dw, out, scratchpad);
}
