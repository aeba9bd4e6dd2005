#include "training/run/stop.h"

#include "base/log.h"
#include "base/status.h"
#include "base/text.h"
#include "distributed/slurm.h"
#include "training/run/save_policy.h"

enum { REQUEUE_PATIENCE = 30 }; /* seconds for scontrol, which takes one where Slurm is well */

/** The run continues in any case, until Slurm ends it or to its own end. The other ranks wait meanwhile: not as long as
 *  makes the watchdog take rank 0 for lost. */
static void requeue(train_run_state *r) {
    double half = r->context.config->dist.timeout / 2.0;
    double patience = half > 0 && half < REQUEUE_PATIENCE ? half : REQUEUE_PATIENCE;
    if (requeue_job(patience) != OK) {
        log_warn("%s", status_message());
        return;
    }
    log_info("the job was requeued: Slurm ends it and starts it again");
    run_logger_event(&r->run_logger, &r->state, "requeued", "by Slurm");
}

int stop_check(train_run_state *r, bool *done) {
    const config *c = r->context.config;
    int rc = OK, stop = 0;
    if (ranks_save(&r->context.ranks)) {
        TRY(save_last(r));
        log_info("saved %s at step %lld, on request", r->folder.last, (long long)r->state.global_step);
        run_logger_event(&r->run_logger, &r->state, "saved", "%s, on request", r->folder.last);
        if (c->dist.requeue && ranks_lead(&r->context.ranks))
            requeue(r);
    }
    stop = ranks_stop(&r->context.ranks);
    if (stop != 0) {
        char name[32];
        TRY(save_last(r));
        text_signal(name, stop);
        run_logger_event(&r->run_logger, &r->state, "stop", "by %s, saved %s", name, r->folder.last);
        rc = fail(E_STOPPED, "stopped by %s at step %lld; saved %s: continue with --resume auto", name,
                  (long long)r->state.global_step, r->folder.last);
        goto done;
    }
    bool steps = c->trainer.max_steps >= 0 && r->state.global_step >= c->trainer.max_steps;
    bool timed_out = c->trainer.max_time > 0 && ranks_seconds(&r->context.ranks) >= c->trainer.max_time;
    if (steps || timed_out) {
        const char *limit = steps ? "max_steps" : "max_time";
        log_info("trainer.%s reached at step %lld", limit, (long long)r->state.global_step);
        run_logger_event(&r->run_logger, &r->state, "stop", "trainer.%s reached", limit);
    }
    *done = steps || timed_out;
done:
    return rc;
}
