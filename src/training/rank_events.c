#include "training/rank_events.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "distributed/warning_relay.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINE = 512 };

typedef struct rank_event {
    char warning[LINE]; /* "" none */
    int64_t image;      /* index in the dataset of `loader` */
    int loader;         /* 0: training, 1: validation, -1: none */
    char cause[LINE];
} rank_event;

static loader *loader_of(const run_context *s, int i) { return i == 0 ? s->train_loader : s->val_loader; }

bool rank_events_pending(const run_context *s) {
    const bad_image *bad = NULL;
    if (ranks_lead(&s->ranks))
        return false;
    for (int i = 0; i < 2; i++)
        if (loader_of(s, i) != NULL && loader_bad(&bad, loader_of(s, i)) > s->told[i].n)
            return true;
    return warning_relay_pending();
}

static bool was_told(const reported_images *t, int64_t image) {
    for (int64_t i = 0; i < t->n; i++)
        if (t->image[i] == image)
            return true;
    return false;
}

/** Finds the first bad image that has not been reported yet. */
static int find_image(rank_event *out, run_context *s) {
    int rc = OK;
    out->loader = -1;
    for (int i = 0; i < 2 && out->loader < 0; i++) {
        const bad_image *bad = NULL;
        reported_images *t = &s->told[i];
        int64_t n = loader_of(s, i) != NULL ? loader_bad(&bad, loader_of(s, i)) : 0;
        for (int64_t k = 0; n > t->n && k < n; k++) {
            if (was_told(t, bad[k].index))
                continue;
            TRY(memory_resize(&t->image, (size_t)t->n + 1, sizeof *t->image));
            t->image[t->n++] = bad[k].index;
            *out = (rank_event){.image = bad[k].index, .loader = i};
            snprintf(out->cause, sizeof out->cause, "%s", bad[k].message);
            break;
        }
    }
done:
    return rc;
}

/** Handles the event of a rank; called on rank 0. */
static int take(run_context *s, const rank_event *n, int rank) {
    if (n->warning[0] != 0)
        log_warn("rank %d: %s", rank, n->warning);
    return n->loader >= 0 ? loader_add_bad(loader_of(s, n->loader), n->image, n->cause) : OK;
}

int rank_events_exchange(run_context *s) {
    comm *c = s->ranks.comm;
    rank_event *all = NULL;
    int rc = OK;
    if (!s->ranks.agreed_events)
        return OK;
    TRY(memory_zeroed(&all, (size_t)comm_ranks(c), sizeof *all));
    rank_event *own = &all[comm_rank(c)];
    own->loader = -1;
    if (!ranks_lead(&s->ranks)) {
        TRY(find_image(own, s));
        warning_relay_take(own->warning, sizeof own->warning);
    }
    TRY(comm_all(c, COMM_GATHER, COMM_BYTES, all, sizeof *all));
    for (int r = 1; r < comm_ranks(c) && ranks_lead(&s->ranks); r++)
        TRY(take(s, &all[r], r));
done:
    free(all);
    return rc;
}

int rank_events_finish(run_context *s) {
    int rc = OK;
    do {
        s->ranks.has_events = rank_events_pending(s);
        TRY(rank_sync_begin(&s->ranks, NULL));
        TRY(rank_sync_end(NULL, &s->ranks));
        TRY(rank_events_exchange(s));
    } while (s->ranks.agreed_events);
done:
    return rc;
}
