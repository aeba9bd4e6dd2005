#include "training/run/save_policy.h"

#include "base/log.h"
#include "base/status.h"
#include "training/checkpoint.h"
#include "training/run/run_monitor.h"
#include "training/run/step_result.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/** Records a complete checkpoint in the summary, and calls the `saved` hook. */
static void note_saved(train_run_state *r, const char *path) {
    snprintf(r->summary->last, sizeof r->summary->last, "%s", path);
    disk_space_saved(r, path);
    run_monitor_checkpoint(r, path);
    if (r->hooks->saved != NULL && train_leads(r))
        r->hooks->saved(path);
}

/** @param final the run ends after this: a full disk is an error */
static int write_last(train_run_state *r, bool final) {
    int rc = result_settle(r);
    if (rc != OK)
        return rc;
    r->save_failed = true;
    comm_at(r->context.ranks.comm, COMM_SAVES);
    if (train_leads(r)) {
        rc = checkpoint_save(r->folder.last, &r->context, &r->state, &r->state.best, &r->folder);
        if (rc == OK)
            note_saved(r, r->folder.last);
        else
            rc = final ? disk_space_explain(r, rc) : disk_space_save_failed(r, rc);
    }
    r->save_failed = rc != OK;
    return comm_agree(r->context.ranks.comm, rc);
}

int save_last(train_run_state *r) { return write_last(r, false); }
int save_final(train_run_state *r) { return write_last(r, true); }

/** Whether a save failed on rank 0 and none has followed; the same result on every rank. */
static int is_unsaved(bool *out, train_run_state *r) {
    int64_t unsaved = train_leads(r) && r->disk.unsaved;
    int rc = comm_all(r->context.ranks.comm, COMM_MAX, COMM_I64, &unsaved, 1);
    *out = unsaved != 0;
    return rc;
}

int save_unsaved(train_run_state *r) {
    bool unsaved = false;
    int rc = OK;
    TRY(is_unsaved(&unsaved, r));
    if (unsaved)
        TRY(save_final(r));
done:
    return rc;
}

/** Deletes a checkpoint, except for the one from which the run was resumed. */
static int evict(train_run_state *r, const char *path) {
    bool stays = strcmp(path, r->resumed_from) == 0;
    int rc = OK;
    if (!stays)
        TRY(file_remove(path));
    run_logger_event(&r->run_logger, &r->state, "evicted", "%s is no longer among the best %d%s", path, r->state.best.k,
                     stays ? " (not deleted: the run was resumed from this file)" : "");
done:
    return rc;
}

/** Saves the epoch's checkpoint if it is among the best. @param[out] evicted the file that is no longer among them,
 *  "" none */
static int save_best(char evicted[PATH_BYTES], train_run_state *r) {
    const char *monitor = r->context.config->checkpoint.monitor;
    bool scored = !config_monitors_val(monitor) || r->state.val.images > 0;
    double score = train_state_score(&r->state, monitor);
    top_k *best = &r->state.best;
    char path[PATH_BYTES] = "";
    top_k next = {0};
    int rc = OK;
    evicted[0] = 0;
    if (best->k > 0 && scored && !isfinite(score))
        log_warn("epoch %lld: %s is %s, so its checkpoint is not among the best", (long long)r->state.epoch + 1,
                 monitor, isnan(score) ? "nan" : "inf");
    if (best->k > 0 && scored && top_k_admits(best, score)) {
        TRY(top_k_init(&next, best->k, best->max));
        next.n = best->n;
        memcpy(next.kept, best->kept, (size_t)best->n * sizeof *best->kept);
        TRY(top_k_name(path, r->folder.checkpoints, r->state.epoch, monitor, score));
        top_k_insert(evicted, &next, path, score);
        rc = checkpoint_save(path, &r->context, &r->state, &next, &r->folder);
        if (rc != OK)
            evicted[0] = 0; /* the list of the best remains as it was */
        TRY(rc);
        top_k swap = *best;
        *best = next;
        next = swap; /* the old list is released below */
        note_saved(r, path);
        run_logger_event(&r->run_logger, &r->state, "best", "%s %.6g is among the best %d: %s", monitor, score, best->k,
                         path);
    }
done:
    top_k_deinit(&next);
    return rc;
}

int save_epoch(train_run_state *r) {
    char evicted[PATH_BYTES] = "";
    bool due = r->context.config->checkpoint.save_last;
    int rc = OK;
    if (train_leads(r))
        rc = disk_space_save_failed(r, save_best(evicted, r));
    TRY(comm_agree(r->context.ranks.comm, rc));
    if (evicted[0] != 0)
        TRY(evict(r, evicted));
    if (!due)
        TRY(is_unsaved(&due, r));
    if (due)
        TRY(save_last(r));
    if (train_leads(r) && r->state.epoch + 1 < r->context.config->trainer.max_epochs)
        disk_space_warn_low(r);
done:
    return rc;
}

/** Saves on rank 0, without communication, after an error that the other ranks know. If a step's result is pending,
 *  only this rank's part of it is counted. */
static int save_alone(train_run_state *r) {
    step_result step;
    int rc = OK;
    if (train_settle(&step, &r->context, &r->state) != OK && r->state.pending.on)
        return E_DEVICE; /* even this rank's own result is not available */
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
    bool worth = error != E_STOPPED && !r->state.in_step && !r->save_failed && r->state.global_step > r->started_step;
    if (!worth) {
        status_restore(&first);
        return;
    }
    if (save_alone(r) == OK) {
        fail(error, "%s (checkpoint %s saved at step %lld: continue with --resume auto%s)", first.message,
             r->folder.last, (long long)r->state.global_step,
             error == E_DATA ? ", and --data.changed true if images were repaired or removed" : "");
        return;
    }
    status_saved why;
    status_save(&why, error);
    fail(error, "%s (and the checkpoint could not be saved: %s)", first.message, why.message);
}
