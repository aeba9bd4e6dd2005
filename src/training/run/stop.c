/* Checks before every step whether the run must save, stop or be requeued. */

#include "training/run/stop.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "distributed/slurm.h"
#include "training/run/save_policy.h"

enum { REQUEUE_PATIENCE = 30 }; /* seconds for scontrol, which normally takes one */

/** Requeues the job. The run continues until Slurm ends it or it is finished. The other ranks wait meanwhile, so the
 *  limit is at most half the timeout after which the watchdog considers rank 0 lost. */
static void requeue(train_run_state *r) {
    double half = r->context.config->dist.timeout / 2.0;
    double patience = half > 0 && half < REQUEUE_PATIENCE ? half : REQUEUE_PATIENCE;
    if (requeue_job(patience) != OK) {
        log_warn("%s", status_message());
        return;
    }
    log_info("the job was requeued: Slurm will terminate and restart it");
    run_logger_event(&r->run_logger, &r->state, "requeued", "by Slurm");
}

int stop_check(train_run_state *r, bool *done) {
    const config *c = r->context.config;
    int rc = OK, stop = 0;
    ranks_save_reason why = ranks_save(&r->context.ranks);
    if (why != RANKS_SAVE_NONE)
        TRY(save_last(r));
    if (why == RANKS_SAVE_REQUESTED) {
        if (!r->disk.unsaved) {
            log_info("saved %s at step %lld, requested by a signal", r->folder.last, (long long)r->state.global_step);
            run_logger_event(&r->run_logger, &r->state, "saved", "%s, requested by a signal", r->folder.last);
        }
        if (c->dist.requeue && ranks_lead(&r->context.ranks))
            requeue(r);
    }
    stop = ranks_stop(&r->context.ranks);
    if (stop != 0) {
        char name[32];
        TRY(save_final(r));
        text_signal(name, stop);
        run_logger_event(&r->run_logger, &r->state, "stop", "by %s, saved %s", name, r->folder.last);
        rc = fail(E_STOPPED, "stopped by %s at step %lld; saved %s: continue with --resume auto", name,
                  (long long)r->state.global_step, r->folder.last);
        goto done;
    }
    double used = ranks_run_seconds(&r->context.ranks, &r->state);
    bool steps = c->trainer.max_steps >= 0 && r->state.global_step >= c->trainer.max_steps;
    bool timed_out = c->trainer.max_time > 0 && used >= c->trainer.max_time;
    if (steps || timed_out) {
        const char *limit = steps ? "max_steps" : "max_time";
        char before[32];
        bool resumed = timed_out && !steps && r->state.seconds_before > 0;
        log_info("trainer.%s reached at step %lld%s%s", limit, (long long)r->state.global_step,
                 resumed ? "; it includes the time before the resume, " : "",
                 resumed ? text_duration(before, r->state.seconds_before) : "");
        run_logger_event(&r->run_logger, &r->state, "stop", "trainer.%s reached", limit);
    }
    *done = steps || timed_out;
done:
    return rc;
}
