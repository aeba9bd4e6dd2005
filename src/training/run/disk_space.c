/* Checks the disk space for checkpoints, and decides whether a run continues when the disk is full. */

#include "training/run/disk_space.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "training/checkpoint.h"
#include "training/run/run_open.h"

#include <stdio.h>
#include <string.h>

#define LOOK_SECONDS 1.0  /* between checks while the disk is full; a check takes microseconds */
#define WAIT_SECONDS 60.0 /* between other checks */

/** The number of best checkpoints that the run keeps. */
static int best_n(const run_context *s) {
    bool scored = s->val_batches > 0 || !config_monitors_val(s->config->checkpoint.monitor);
    return scored ? s->config->checkpoint.top_k : 0;
}

int disk_space_check(const char *folder, const run_context *s) {
    const config *c = s->config;
    uint64_t room = 0, bytes = checkpoint_bytes(s);
    char have[32], need[32];
    if (best_n(s) == 0 && !c->checkpoint.save_last && c->checkpoint.every_n_steps == 0)
        return OK;
    int rc = disk_free(&room, folder);
    if (rc != OK || bytes <= room)
        return rc;
    return fail(
        E_FULL,
        "not enough disk space: %s has %s free, but a checkpoint of this run needs %s: free some space or choose "
        "another --out",
        folder, text_bytes(have, (double)room), text_bytes(need, (double)bytes));
}

void disk_space_warn_peak(const char *folder, const run_context *s, int64_t epochs_done, int kept, bool last) {
    const config *c = s->config;
    int64_t epochs = c->trainer.max_epochs - epochs_done, best = best_n(s), files = 0;
    double validations = run_context_validations(s, (double)epochs * (double)s->train_batches);
    int64_t final = kept + (config_monitors_val(c->checkpoint.monitor) ? (int64_t)validations : epochs);
    bool evicts = best > 0 && final > best, replaces = c->checkpoint.save_last && (last || epochs > 1);
    uint64_t room = 0, bytes = checkpoint_bytes(s);
    char have[32], one[32], more[32];
    /* while a best file or last.ckpt is replaced, the new file and the old one both exist */
    files = (best < final ? best : final) + (c->checkpoint.save_last ? 1 : 0) + (evicts || replaces ? 1 : 0);
    if (disk_free(&room, folder) != OK) {
        log_warn("%s", status_message());
        return;
    }
    int64_t exist = kept + (last ? 1 : 0);
    if (files <= exist || (uint64_t)(files - exist) * bytes <= room)
        return;
    uint64_t lacking = (uint64_t)(files - exist) * bytes - room;
    log_warn(
        "%s has %s free, but the run needs space for %lld checkpoints of %s (checkpoint.top_k %d%s%s), of which %lld "
        "exist: lower checkpoint.top_k, free %s or choose another --out. Otherwise the run will continue without "
        "saving when the disk is full",
        folder, text_bytes(have, (double)room), (long long)files, text_bytes(one, (double)bytes), c->checkpoint.top_k,
        c->checkpoint.save_last ? " + last.ckpt" : "",
        evicts || replaces ? " + 1, because a new file is written before an old one is deleted" : "", (long long)exist,
        text_bytes(more, (double)lacking));
}

/** Whether a checkpoint of the run exists. */
static bool has_checkpoint(const train_run_state *r) {
    const ckpt_kept *best = top_k_best(&r->state.best);
    return file_exists(r->summary->last) || (best != NULL && file_exists(best->path));
}

int disk_space_save_failed(train_run_state *r, int rc) {
    uint64_t room = 0, bytes = checkpoint_bytes(&r->context);
    char have[32], need[32];
    status_saved why;
    if (rc != E_FULL || !has_checkpoint(r))
        return rc;
    status_save(&why, rc);
    if (disk_free(&room, r->folder.checkpoints) != OK)
        room = UINT64_MAX;
    r->disk.unsaved = true;
    /* if there is space but writing fails (because of a quota, for example), only another attempt shows when it works
     */
    r->disk.next = clock_seconds() + (room < bytes ? LOOK_SECONDS : WAIT_SECONDS);
    log_warn(
        "%s. Step %lld is not saved; training continues. A checkpoint will be saved when %s has %s free (now %s). The "
        "newest "
        "checkpoint is %s at step %lld",
        why.message, (long long)r->state.global_step, r->folder.checkpoints, text_bytes(need, (double)bytes),
        room < UINT64_MAX ? text_bytes(have, (double)room) : "unknown", r->summary->last,
        (long long)r->disk.saved_step);
    run_logger_event(&r->run_logger, &r->state, "disk_full", "%s", why.message);
    return OK;
}

void disk_space_saved(train_run_state *r, const char *path) {
    r->disk.saved_step = r->state.global_step;
    if (!r->disk.unsaved)
        return;
    r->disk.unsaved = false;
    log_info("there is enough space again: saved %s at step %lld", path, (long long)r->state.global_step);
    run_logger_event(&r->run_logger, &r->state, "saved", "%s, as there is enough space again", path);
}

int disk_space_explain(train_run_state *r, int rc) {
    char need[32];
    status_saved why;
    if (rc != E_FULL || !has_checkpoint(r))
        return rc;
    status_save(&why, rc);
    return fail(rc,
                "%s. Step %lld is not saved. The newest checkpoint is %s at step %lld: free %s and continue with "
                "--resume auto",
                why.message, (long long)r->state.global_step, r->summary->last, (long long)r->disk.saved_step,
                text_bytes(need, (double)checkpoint_bytes(&r->context)));
}

int disk_space_logged(train_run_state *r, int rc) {
    if (rc != E_FULL)
        return rc;
    if (!r->disk.logs_warned)
        log_warn("%s; training continues. The logs will be written when there is enough space again", status_message());
    r->disk.logs_warned = true;
    return OK;
}

void disk_space_warn_low(train_run_state *r) {
    const run_context *s = &r->context;
    uint64_t room = 0, bytes = checkpoint_bytes(s);
    int files = s->config->checkpoint.save_last && r->state.best.n < best_n(s) ? 2 : 1; /* a further best; last.ckpt */
    char have[32], need[32];
    if (disk_free(&room, r->folder.checkpoints) != OK || room >= (uint64_t)files * bytes) {
        r->disk.low_warned = false;
        return;
    }
    if (!r->disk.low_warned && !r->disk.unsaved)
        log_warn("%s has %s free, but the checkpoints of the next epoch need %s: free some space",
                 r->folder.checkpoints, text_bytes(have, (double)room),
                 text_bytes(need, (double)files * (double)bytes));
    r->disk.low_warned = true;
}

void disk_space_poll(train_run_state *r) {
    uint64_t room = 0;
    double now = clock_seconds();
    if (!train_leads(r) || now < r->disk.next)
        return;
    if (!r->disk.unsaved) {
        disk_space_warn_low(r);
        r->disk.next = now + WAIT_SECONDS;
        return;
    }
    bool fits = disk_free(&room, r->folder.checkpoints) != OK || room >= checkpoint_bytes(&r->context);
    r->context.ranks.save_due = fits;
    r->disk.next = now + (fits ? WAIT_SECONDS : LOOK_SECONDS);
}
