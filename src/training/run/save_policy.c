#include "training/run/save_policy.h"

#include "base/log.h"
#include "base/status.h"
#include "training/checkpoint.h"
#include "training/run/step_result.h"

#include <stdio.h>
#include <string.h>

/** A checkpoint is complete: the summary names it, and who runs this learns it. */
static void note_saved(train_run_state *r, const char *path) {
    snprintf(r->summary->last, sizeof r->summary->last, "%s", path);
    if (r->hooks->saved != NULL && train_leads(r))
        r->hooks->saved(path);
}

int save_last(train_run_state *r) {
    int rc = result_settle(r);
    if (rc != OK)
        return rc;
    r->saving = true;
    comm_at(r->context.ranks.comm, COMM_SAVES);
    if (train_leads(r))
        rc = checkpoint_save(r->folder.last, &r->context, &r->state, &r->state.best, &r->folder);
    if (rc == OK)
        note_saved(r, r->folder.last);
    r->saving = rc != OK;
    return comm_agree(r->context.ranks.comm, rc);
}

/** The file the run was resumed from stays. */
static int evict(train_run_state *r, const char *path) {
    bool stays = strcmp(path, r->resumed_from) == 0;
    int rc = OK;
    if (!stays)
        TRY(file_remove(path));
    run_logger_event(&r->run_logger, &r->state, "evicted", "%s is no longer among the best %d%s", path, r->state.best.k,
                     stays ? " (kept: the run was resumed from it)" : "");
done:
    return rc;
}

/** Saves the epoch's checkpoint when it is among the best. @param[out] evicted what fell out, "" nothing */
static int save_best(char evicted[PATH_BYTES], train_run_state *r, double val_loss) {
    topk *best = &r->state.best;
    char path[PATH_BYTES] = "";
    topk next = {0};
    int rc = OK;
    evicted[0] = 0;
    if (best->k > 0 && r->state.val.images > 0 && topk_admits(best, val_loss)) {
        TRY(topk_init(&next, best->k));
        next.n = best->n;
        memcpy(next.kept, best->kept, (size_t)best->n * sizeof *best->kept);
        TRY(topk_name(path, r->folder.checkpoints, r->state.epoch, val_loss));
        topk_insert(evicted, &next, path, val_loss);
        TRY(checkpoint_save(path, &r->context, &r->state, &next, &r->folder));
        topk swap = *best;
        *best = next;
        next = swap; /* the old list is released below */
        note_saved(r, path);
        run_logger_event(&r->run_logger, &r->state, "best", "val_loss %.6g is among the best %d: %s", val_loss, best->k,
                         path);
    }
done:
    topk_deinit(&next);
    return rc;
}

int save_epoch(train_run_state *r, double val_loss) {
    char evicted[PATH_BYTES] = "";
    int rc = OK;
    TRY(comm_agree(r->context.ranks.comm, train_leads(r) ? save_best(evicted, r, val_loss) : OK));
    if (r->context.config->checkpoint.save_last)
        TRY(save_last(r));
    if (evicted[0] != 0)
        TRY(evict(r, evicted));
done:
    return rc;
}

/** On rank 0, after an error of which the other ranks know: they cannot be asked any more. Where a step's result is
 * still to come, it is that of this rank. */
static int save_alone(train_run_state *r) {
    step_result step;
    int rc = OK;
    if (train_settle(&step, &r->context, &r->state) != OK && r->state.pending.on)
        return E_DEVICE; /* not even its own */
    if (r->state.in_step)
        return fail(E_NONFINITE, "the last step's gradient is not finite");
    comm_at(r->context.ranks.comm, COMM_SAVES);
    TRY(checkpoint_save(r->folder.last, &r->context, &r->state, &r->state.best, &r->folder));
    note_saved(r, r->folder.last);
done:
    return rc;
}

void save_rescue(train_run_state *r, int error) {
    status_saved first;
    status_save(&first, error);
    if (run_logger_bad_images(&r->run_logger, &r->context, &r->state) != OK)
        log_warn("bad_images.txt is incomplete: %s", status_message());
    if (error != E_STOPPED)
        run_logger_event(&r->run_logger, &r->state, "error", "%s", first.message);
    bool worth = error != E_STOPPED && !r->state.in_step && !r->saving && r->state.global_step > r->started_step;
    if (!worth) {
        status_restore(&first);
        return;
    }
    if (save_alone(r) == OK) {
        fail(error, "%s (saved %s at step %lld: continue with --resume auto%s)", first.message, r->folder.last,
             (long long)r->state.global_step,
             error == E_DATA ? ", and --data.changed true if images were repaired or removed" : "");
        return;
    }
    status_saved why;
    status_save(&why, error);
    fail(error, "%s (and the run could not be saved: %s)", first.message, why.message);
}
