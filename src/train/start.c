#include "train/start.h"

#include "base/log.h"
#include "base/status.h"
#include "train/snapshot.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The file to go on from: --resume FILE, or for auto the newest checkpoint of the run's folder; "" begins anew. */
static int find_resume(train_run_state *r, const config *c) {
    char real[PATH_MAX];
    const char *resume = c->trainer.resume;
    if (resume[0] == 0)
        return OK;
    if (strcmp(resume, "auto") != 0) {
        if (realpath(resume, real) == NULL)
            return fail_errno(errno, "cannot resume from %s", resume);
        return path_format(r->resumed_from, "%s", real);
    }
    int rc = run_folder_newest(r->resumed_from, &r->folder);
    if (rc == OK && r->resumed_from[0] == 0)
        log_info("nothing to resume in %s: training begins anew", r->folder.checkpoints);
    return rc;
}

static int load_init(train_run_state *r, const char *path) {
    ckpt *c = NULL;
    int rc = OK;
    TRY(ckpt_load(&c, path));
    TRY(snapshot_init_weights(&r->setup, c, path));
    log_info("weights from %s", path);
done:
    ckpt_free(c);
    return rc;
}

static int resume(train_run_state *r, const config *c) {
    ckpt *from = NULL;
    int rc = OK;
    TRY(find_resume(r, c));
    if (r->resumed_from[0] == 0) {
        if (c->model.init[0] != 0)
            TRY(load_init(r, c->model.init));
        TRY(run_folder_logs(&r->folder, c->trainer.out, c->model.arch, -1, ""));
        goto done;
    }
    TRY(ckpt_load(&from, r->resumed_from));
    TRY(snapshot_restore(&r->setup, &r->state, from, r->resumed_from, &r->folder));
    int version = run_folder_holds(&r->folder, r->resumed_from) ? snapshot_version(from) : -1;
    TRY(run_folder_logs(&r->folder, c->trainer.out, c->model.arch, version, from->last_path));
    snprintf(r->summary->last, sizeof r->summary->last, "%s", r->resumed_from);
    log_info("resumed from %s: epoch %lld, batch %lld, step %lld, LR %.4g", r->resumed_from,
             (long long)r->state.epoch + 1, (long long)r->state.batch_in_epoch, (long long)r->state.global_step,
             schedule_lr(&r->state.schedule, r->state.epoch, r->state.batch_in_epoch / c->trainer.accumulate,
                         r->setup.steps_per_epoch));
done:
    ckpt_free(from);
    return rc;
}

/** What a person wants to see before hours are spent. */
static void describe(const train_run_state *r) {
    const setup *s = &r->setup;
    const config *c = s->config;
    char a[32], b[32], m[32];
    log_info("model      %s, %s parameters, %.2f GMAC an image at %d px, %d classes", s->net->arch,
             text_count(a, s->net->weight_n), net_macs(s->net, c->data.image_size, c->data.image_size) / 1e9,
             c->data.image_size, s->net->classes);
    log_info("data       %s: %s training, %s validation images", c->data.path,
             text_count(a, (unsigned long long)s->train->image_n), text_count(b, (unsigned long long)s->val->image_n));
    log_info("engine     %s; %s; %d loader thread%s", engine_description(s->engine), precision_name(s->precision),
             s->workers, s->workers == 1 ? "" : "s");
    log_info("training   %d epochs of %lld steps, batch %d%s, base LR %.4g, schedule %s, clip %g",
             c->trainer.max_epochs, (long long)s->steps_per_epoch, c->data.batch_size * c->trainer.accumulate,
             c->trainer.accumulate > 1 ? " (accumulated)" : "", s->base_lr, c->schedule.name, c->trainer.clip_norm);
    log_info("memory     %s parameters and state, %s activations", text_bytes(m, (double)r->memory.parameters),
             text_bytes(a, (double)r->memory.activations));
    log_info("logs       %s", r->folder.logs);
    log_info("checkpoints %s", r->folder.checkpoints);
}

int train_start(train_run_state *r, train_summary *out, const config *c, const train_hooks *h) {
    int rc = OK;
    *out = (train_summary){.best_loss = NAN};
    *r = (train_run_state){.hooks = h, .summary = out, .folder = {.lock_fd = -1}, .started = clock_seconds()};
    TRY(config_check(c));
    TRY(setup_open(&r->setup, c));
    TRY(run_folder_open(&r->folder, c->trainer.out, c->model.arch));
    TRY(train_state_init(&r->state, c, r->setup.base_lr, r->setup.precision == PRECISION_16));
    TRY(setup_compile(&r->memory, &r->setup));
    TRY(resume(r, c));
    if (r->state.epoch >= c->trainer.max_epochs) {
        log_info("all %lld epochs are done already: raise trainer.max_epochs to go on", (long long)r->state.epoch);
        goto done;
    }
    TRY(logbook_open(&r->logbook, &r->folder, c, r->state.global_step));
    TRY(progress_open(&r->progress, &h->progress));
    describe(r);
done:
    return rc;
}

int train_finish(train_run_state *r) {
    int rc = logbook_close(&r->logbook);
    progress_close(r->progress);
    train_state_deinit(&r->state);
    run_folder_close(&r->folder);
    setup_close(&r->setup);
    return rc;
}
