#include "engine/memory_plan.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b) {
    const plan_block *x = *(plan_block *const *)a, *y = *(plan_block *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : 1; /* makes the order deterministic for every qsort */
}

static bool meet(const plan_block *a, const plan_block *b) { return a->first <= b->last && b->first <= a->last; }

/** The lowest offset at which b fits between the placed blocks, which are sorted by offset. */
static size_t lowest_gap(const plan_block *b, plan_block *const *placed, int placed_n) {
    size_t need = memory_round(b->bytes), at = 0;
    for (int i = 0; i < placed_n; i++) {
        const plan_block *other = placed[i];
        if (!meet(b, other))
            continue;
        if (other->offset >= at && other->offset - at >= need)
            break;
        size_t end = other->offset + memory_round(other->bytes);
        if (end > at)
            at = end;
    }
    return at;
}

static void insert_by_offset(plan_block **placed, int placed_n, plan_block *b) {
    int i = placed_n;
    for (; i > 0 && placed[i - 1]->offset > b->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = b;
}

int plan_layout(size_t *total, plan_block *block, int n) {
    int rc = OK;
    plan_block **order = NULL, **placed = NULL;
    size_t sum = 0;
    *total = 0;
    TRY(memory_zeroed(&order, (size_t)n, sizeof *order));
    TRY(memory_zeroed(&placed, (size_t)n, sizeof *placed));
    for (int i = 0; i < n; i++) {
        /* no layout is larger than the sum, so no addition below can overflow */
        if (block[i].bytes > SIZE_MAX / 2 || __builtin_add_overflow(sum, memory_round(block[i].bytes), &sum)) {
            rc = fail(E_NOMEM, "the activations exceed the address space");
            goto done;
        }
        order[i] = &block[i];
    }
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int i = 0; i < n; i++) {
        order[i]->offset = lowest_gap(order[i], placed, i);
        insert_by_offset(placed, i, order[i]);
        size_t end = order[i]->offset + memory_round(order[i]->bytes);
        if (end > *total)
            *total = end;
    }
done:
    free(order);
    free(placed);
    return rc;
}
