#include "training/run/console.h"

#include "base/log.h"
#include "base/text.h"

#include <stdio.h>

progress_state console_state(const train_run_state *r, const epoch_clock *k) {
    int64_t left = r->context.train_batches - r->state.batch_in_epoch;
    double per_batch = k->batches > 0 ? (clock_seconds() - k->start) / (double)k->batches : NAN;
    return (progress_state){.done = r->state.batch_in_epoch,
                            .loss = metrics_loss(&r->state.train),
                            .top1 = metrics_top1(&r->state.train),
                            .images_per_second = epoch_images_per_second(k),
                            .wait_share = epoch_wait_share(r, k),
                            .remaining_seconds = per_batch * (double)left,
                            .run_seconds = run_remaining_seconds(r),
                            .ranks = comm_ranks(r->context.ranks.comm),
                            .slowest = k->timing.slowest,
                            .comm_share = k->timing.comm,
                            .excess = k->timing.excess};
}

void console_epoch(const train_run_state *r, const epoch_clock *k, double lr, double images_per_second, double wait) {
    const train_state *t = &r->state;
    char val[128] = "no validation", ranks[192] = "", left[64] = "", time[32];
    if (t->val.images > 0)
        snprintf(val, sizeof val, "val loss %.4f, top-1 %.2f%%, top-5 %.2f%%", metrics_loss(&t->val),
                 100 * metrics_top1(&t->val), 100 * metrics_top5(&t->val));
    if (k->timing.slowest >= 0)
        snprintf(ranks, sizeof ranks,
                 "; communication %.1f%%, slowest rank %d on %s: %.0f%% longer than the mean of the others, data wait "
                 "%.1f%%",
                 100 * k->timing.comm, k->timing.slowest, ranks_host(&r->context.ranks, k->timing.slowest),
                 100 * k->timing.excess, 100 * k->timing.loaded);
    if (run_remaining_seconds(r) > 0 && t->epoch + 1 < r->context.config->trainer.max_epochs)
        snprintf(left, sizeof left, "; about %s left", text_duration(time, run_remaining_seconds(r)));
    log_info("epoch %lld/%d: train loss %.4f, top-1 %.2f%%; %s; LR %.3g; %.1f images/s, data wait %.1f%%%s%s",
             (long long)t->epoch + 1, r->context.config->trainer.max_epochs, metrics_loss(&t->train),
             100 * metrics_top1(&t->train), val, lr, images_per_second, 100 * wait, ranks, left);
}
