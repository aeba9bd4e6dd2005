#include "backend/cpu/algo/packed_weights.h"

#include "base/status.h"

#include <stdlib.h>

static const size_t block_bytes = (size_t)16 << 20;

static int take(void **out, packed_weights *c, size_t bytes) {
    int rc = OK;
    *out = c->block_n > 0 ? arena_take(&c->block[c->block_n - 1], bytes) : NULL;
    if (*out != NULL)
        return OK;
    TRY(memory_resize(&c->block, (size_t)c->block_n + 1, sizeof *c->block));
    TRY(arena_init(&c->block[c->block_n], bytes > block_bytes ? bytes : block_bytes));
    c->block_n++;
    *out = arena_take(&c->block[c->block_n - 1], bytes);
done:
    return rc;
}

static void destroy(packed_weight *w) {
    if (w != NULL)
        onednn_reorder_destroy(w->reorder);
    free(w);
}

void packed_weights_deinit(packed_weights *c) {
    for (int i = 0; i < c->n; i++)
        destroy(c->copy[i]);
    for (int i = 0; i < c->block_n; i++)
        arena_deinit(&c->block[i]);
    free(c->copy);
    free(c->block);
    *c = (packed_weights){0};
}

size_t packed_weights_bytes(const packed_weights *c) {
    size_t sum = 0;
    for (int i = 0; i < c->block_n; i++)
        sum += c->block[i].used;
    return sum;
}

int packed_weights_find(packed_weight **out, packed_weights *c, onednn *o, int weight, const onednn_layout *l) {
    int rc = OK;
    packed_weight *w = NULL;
    *out = NULL;
    for (int i = 0; i < c->n; i++)
        if (c->copy[i]->weight == weight && onednn_reorder_is_for(c->copy[i]->reorder, l)) {
            *out = c->copy[i];
            return OK;
        }
    TRY(memory_resize(&c->copy, (size_t)c->n + 1, sizeof *c->copy));
    TRY(memory_zeroed(&w, 1, sizeof *w));
    w->weight = weight;
    TRY(onednn_reorder_create(&w->reorder, o, l, false, false));
    TRY(take(&w->memory, c, onednn_layout_bytes(l)));
    if (onednn_reorder_scratchpad(w->reorder) > 0)
        TRY(take(&w->scratchpad, c, onednn_reorder_scratchpad(w->reorder)));
    *out = w;
    c->copy[c->n++] = w; /* now owned by c */
    w = NULL;
done:
    destroy(w);
    return rc;
}

int packed_weight_renew(packed_weight *w, const void *master, uint64_t version) {
    int rc = OK;
    if (w->version == version)
        return OK;
    TRY(onednn_reorder_run(w->reorder, master, w->memory, w->scratchpad));
    w->version = version;
done:
    return rc;
}
