#include "training/run/eta.h"

#include "base/log.h"
#include "base/text.h"

double epoch_images_per_second(const epoch_clock *k) {
    double seconds = clock_seconds() - k->start;
    return seconds > 0 ? (double)k->images / seconds : NAN;
}

double epoch_wait_share(const train_run_state *r, const epoch_clock *k) {
    double seconds = clock_seconds() - k->start;
    return seconds > 0 ? (loader_waited(r->context.train_loader) - k->waited) / seconds : 0;
}

/** The first steps warm caches; the prediction starts after them. */
void eta_tell(train_run_state *r, epoch_clock *k) {
    enum { WARM = 3, MEASURED = 5 };
    char time[32];
    if (r->eta_told)
        return;
    if (k->warm_at == 0 && k->batches >= WARM) {
        k->warm_at = clock_seconds();
        k->warm_batches = k->batches;
    }
    int64_t measured = k->batches - k->warm_batches;
    if (k->warm_at == 0 || measured < MEASURED)
        return;
    double per_batch = (clock_seconds() - k->warm_at) / (double)measured;
    log_info("an epoch takes about %s", text_duration(time, per_batch * (double)r->context.train_batches));
    r->eta_told = true;
}
