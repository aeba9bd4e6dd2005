#include "training/batch_size.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "training/resume.h"
#include "training/run_loader.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool on_host(const engine *e) { return strcmp(engine_device(e), "cuda") != 0; }

/** The size to try after `images`; 0: none. */
static int next_size(const config *c, const comm *all, int images) {
    int whole = c->trainer.global_batch, share = whole / comm_ranks(all);
    if (whole == 0)
        return images <= CONFIG_BATCH_MAX / 2 ? 2 * images : 0;
    for (int i = images + 1; i <= share && i <= CONFIG_BATCH_MAX; i++)
        if (whole % i == 0)
            return i;
    return 0;
}

/** The images that the two loaders hold. */
static size_t loader_bytes(const config *c, int images) {
    size_t train = (size_t)c->data.image_size * (size_t)c->data.image_size;
    size_t val = (size_t)run_loader_val_size(c) * (size_t)run_loader_val_size(c);
    size_t val_images = (size_t)(c->data.val_batch_size > 0 ? c->data.val_batch_size : images);
    return (size_t)c->data.ahead * 3 * (train * (size_t)images + val * val_images);
}

/** @return 0, E_NOMEM, E_SHAPE (batch norm has a single value per channel) or the error of planning */
static int bytes_of(size_t *out, run_context *s, int images) {
    const config *c = s->config;
    engine_memory m = engine_plan_memory(s->engine, NULL);
    size_t train = 0, val = 0;
    int rc = OK, size = c->data.image_size, val_size = run_loader_val_size(c);
    TRY(engine_plan_bytes(&train, s->engine, images, size, size, true));
    if (s->val != NULL && s->val->image_n > 0) {
        int64_t n = c->data.val_batch_size > 0 ? c->data.val_batch_size : images;
        TRY(engine_plan_bytes(&val, s->engine, n < s->val->image_n ? (int)n : (int)s->val->image_n, val_size, val_size,
                              false));
    }
    m.activations = memory_larger(train, val); /* the plans share one arena */
    *out = engine_memory_total(&m) + (on_host(s->engine) ? loader_bytes(c, images) : 0);
done:
    return rc;
}

int batch_size_largest(batch_size_fit *out, run_context *s, size_t limit, int64_t most) {
    int too_small = 0; /* the largest batch that is too small for batch norm */
    *out = (batch_size_fit){0};
    for (int i = 1; i > 0 && i <= most; i = next_size(s->config, s->ranks.comm, i)) {
        size_t bytes = 0;
        int rc = bytes_of(&bytes, s, i);
        if (rc == E_SHAPE && out->images == 0) {
            too_small = i;
            continue;
        }
        if (rc < 0 && rc != E_NOMEM && rc != E_SHAPE)
            return rc;
        if (rc != OK || bytes > limit) {
            out->next = i;
            out->next_bytes = rc == OK ? bytes : SIZE_MAX;
            break;
        }
        out->images = i;
        out->bytes = bytes;
    }
    if (out->images > 0)
        return OK;
    if (out->next == 0)
        return fail_context(E_SHAPE, "data.batch_size auto: a batch of %d image%s, the largest that the options allow",
                            too_small, too_small == 1 ? "" : "s");
    char need[32], room[32];
    return fail(E_NOMEM,
                "data.batch_size auto: not even the smallest batch of %d x %d pixels fits: it needs %s of memory, and "
                "%s may be used",
                s->config->data.image_size, s->config->data.image_size, text_bytes(need, (double)out->next_bytes),
                text_bytes(room, (double)limit));
}

/** The largest size with which an epoch has a full step. */
static int64_t most_images(const run_context *s) {
    if (s->config->trainer.global_batch > 0)
        return s->config->trainer.global_batch;
    int64_t most = s->train->image_n / run_context_micro_batches(s->config, s->ranks.comm);
    return most > 1 ? most : 1;
}

static void explain(const run_context *s, const batch_size_fit *own, int chosen, size_t limit) {
    char need[32], room[32], more[32];
    const char *rule = s->config->trainer.global_batch > 0 ? "divisor of trainer.global_batch" : "power of two";
    text_bytes(need, (double)own->bytes);
    text_bytes(room, (double)limit);
    if (chosen < own->images)
        log_info("data.batch_size auto: %d, the largest that fits on every rank; rank 0 has memory for %d", chosen,
                 own->images);
    else if (own->next == 0 && s->config->trainer.global_batch > 0)
        log_info(
            "data.batch_size auto: %d, the largest divisor of trainer.global_batch %d for one rank: it needs %s of the "
            "%s that may be used",
            chosen, s->config->trainer.global_batch, need, room);
    else if (own->next == 0)
        log_info("data.batch_size auto: %d needs %s of the %s that may be used; a larger %s would leave an epoch "
                 "without a full step of %d batch%s",
                 chosen, need, room, rule, s->micro_batches_per_step, s->micro_batches_per_step == 1 ? "" : "es");
    else if (own->next_bytes == SIZE_MAX)
        log_info("data.batch_size auto: %d needs %s of the %s that may be used; %d cannot be planned", chosen, need,
                 room, own->next);
    else
        log_info("data.batch_size auto: %d is the largest %s that fits: it needs %s of the %s that may be used, and %d "
                 "would need %s",
                 chosen, rule, need, room, own->next, text_bytes(more, (double)own->next_bytes));
}

/** With data.batch_size 1 in s->config. */
static int find(int *out, const config *c, comm *all) {
    run_context s = {0};
    batch_size_fit own = {0};
    size_t limit = 0;
    int rc = OK;
    TRY(run_context_open(&s, c, all));
    TRY(comm_barrier(all)); /* what all ranks have taken is counted */
    limit = engine_memory_share(s.engine, all != NULL ? all->local_ranks : 1);
    if (limit == SIZE_MAX) {
        rc = fail(E_OPTION, "data.batch_size auto: this system does not tell how much memory is free: give a number");
    } else {
        limit = (size_t)(BATCH_SIZE_SHARE * (double)limit);
        rc = batch_size_largest(&own, &s, limit, most_images(&s));
    }
    TRY(comm_agree(all, rc));
    int64_t least = -own.images;
    TRY(comm_all(all, COMM_MAX, COMM_I64, &least, 1));
    *out = (int)-least;
    explain(&s, &own, *out, limit);
done:
    ranks_failed(all, rc);
    run_context_close(&s);
    return rc;
}

int batch_size_choose(config *c, const ckpt *from, comm *all) {
    config *probe = NULL;
    int64_t images = 0;
    int rc = OK, found = 0;
    if (c->data.batch_size != CONFIG_BATCH_AUTO)
        return OK;
    TRY(memory_zeroed(&probe, 1, sizeof *probe));
    *probe = *c;
    probe->data.batch_size = 1;
    TRY(config_check(probe));
    images = resume_batch_size(from);
    TRY(comm_all(all, COMM_BROADCAST, COMM_I64, &images, 1));
    found = (int)images;
    if (found > 0)
        log_info("data.batch_size auto: %d, as in the checkpoint of --resume", found);
    else
        TRY(find(&found, probe, all));
    c->data.batch_size = found;
done:
    free(probe);
    return rc;
}
