#include "training/batch_fit.h"

#include "base/status.h"
#include "base/text.h"
#include "training/run_loader.h"

#include <stdio.h>

static int plan_size(const run_context *s, bool training) {
    return training ? s->config->data.image_size : run_loader_val_size(s->config);
}

/** The largest batch, below `images`, with whose plan the total of `m` stays within `limit`; 0: not even one image
 *  fits. Memory grows almost linearly with the batch, so few plans are tried. @param m activations: those for
 *  `images`, 0 if not known */
static int largest_batch(int *out, run_context *s, engine_memory m, size_t limit, int images, bool training) {
    int size = plan_size(s, training), low = 0, high = images;
    double low_bytes = 0, high_bytes = (double)m.activations;
    m.activations = 0;
    double room = (double)limit - (double)engine_memory_total(&m);
    while (high - low > 1) {
        double part = high_bytes > low_bytes ? (room - low_bytes) / (high_bytes - low_bytes) : 0.5;
        int guess = low + (int)(part * (high - low)), middle = guess <= low    ? low + 1
                                                               : guess >= high ? high - 1
                                                                               : guess;
        size_t bytes = 0;
        int rc = engine_plan_bytes(&bytes, s->engine, middle, size, size, training);
        if (rc < 0 && rc != E_NOMEM && rc != E_SHAPE)
            return rc;
        if (rc == OK && (double)bytes <= room) {
            low = middle;
            low_bytes = (double)bytes;
        } else {
            high = middle;
            high_bytes = rc == OK ? (double)bytes : 0;
        }
    }
    *out = low;
    return OK;
}

/** Sets the error message after a failure. If m.activations is not known (0), the message so far is the reason.
 *  @param m as for largest_batch. @return E_NOMEM with the message, or the error of finding the largest batch */
static int refuse_batch(run_context *s, engine_memory m, size_t limit, int images, bool training) {
    const char *option = training ? "data.batch_size" : "data.val_batch_size";
    int size = plan_size(s, training), most = 0, rc = OK;
    char reason[256], need[32], room[32];
    text_bytes(need, (double)engine_memory_total(&m));
    text_bytes(room, (double)limit);
    if (m.activations > 0)
        snprintf(reason, sizeof reason, "needs %s of memory, but only %s is available", need, room);
    else
        snprintf(reason, sizeof reason, "cannot be planned (%s)", status_message());
    TRY(largest_batch(&most, s, m, limit, images, training));
    if (most < 1)
        rc = fail(E_NOMEM, "a batch of %d images of %d x %d %s: not even one image fits", images, size, size, reason);
    else
        rc = fail(E_NOMEM, "a batch of %d images of %d x %d %s: the largest that fits is %s %d", images, size, size,
                  reason, option, most);
done:
    return rc;
}

int run_context_compile_batch(engine_plan **out, run_context *s, int images, bool training) {
    int size = plan_size(s, training);
    size_t bytes = 0;
    int rc = engine_compile(out, s->engine, images, size, size, training);
    if (rc < 0 && rc != E_NOMEM)
        return rc;
    size_t limit = engine_memory_limit(s->engine);
    engine_memory m = engine_plan_memory(s->engine, *out);
    if (rc == OK && engine_memory_total(&m) <= limit)
        return OK;
    if (limit == SIZE_MAX)
        return rc;
    if (rc == E_NOMEM && engine_plan_bytes(&bytes, s->engine, images, size, size, training) == OK)
        m.activations = bytes;
    *out = NULL;
    return refuse_batch(s, m, limit, images, training);
}

/** Compiles the plan of an epoch's last batch. With tiny images, batch norm may get a single value per channel. */
static int compile_last(run_context *s, int size) {
    engine_plan *p = NULL;
    int last = run_context_batch_images(s, s->train_batches - 1);
    int rc = engine_compile(&p, s->engine, last, size, size, true);
    if (rc == E_SHAPE)
        fail_context(rc, "the last batch of an epoch has %d image%s (set data.drop_last to drop it)", last,
                     last == 1 ? "" : "s");
    return rc;
}

int run_context_compile(engine_memory *out, run_context *s) {
    const config *c = s->config;
    int size = c->data.image_size, rc = OK;
    engine_plan *p = NULL;
    TRY(compile_last(s, run_loader_train_size(c, 0))); /* the smallest size */
    TRY(compile_last(s, size));
    if (s->val_batches > 0) {
        int val = run_loader_val_batch_size(c);
        TRY(run_context_compile_batch(&p, s, val < s->val->image_n ? val : (int)s->val->image_n, false));
    }
    TRY(run_context_compile_batch(&p, s, run_context_batch_images(s, 0), true));
    *out = engine_plan_memory(s->engine, p);
done:
    return rc;
}
