#define _XOPEN_SOURCE 700
#include "training/run/trainer.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "training/batch_fit.h"
#include "training/checkpoint.h"
#include "training/run/disk_space.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static bool same_tensor(const ckpt_tensor *a, const ckpt_tensor *b) {
    return strcmp(a->name, b->name) == 0 && a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

static bool same_tensors(const ckpt_tensor *a, int a_n, const ckpt_tensor *b, int b_n) {
    bool same = a_n == b_n;
    for (int i = 0; same && i < a_n; i++)
        same = same_tensor(&a[i], &b[i]);
    return same;
}

static int compare(const ckpt *a, const ckpt *b, const char *path) {
    bool same = same_tensors(a->state, a->state_n, b->state, b->state_n) &&
                same_tensors(a->momentum, a->momentum_n, b->momentum, b->momentum_n) &&
                same_tensors(a->square, a->square_n, b->square, b->square_n) &&
                same_tensors(a->current, a->current_n, b->current, b->current_n);
    return same ? OK : fail(E_FORMAT, "%s: the training state that was read back differs from what was saved", path);
}

/** Restores the checkpoint into a second run context and saves that again: both files must contain the same tensors. */
static int read_back(const config *c, const char *path) {
    run_context s = {0};
    train_state t = {0};
    run_folder f = {.lock_fd = -1};
    ckpt *first = NULL, *second = NULL;
    char again[PATH_BYTES];
    int rc = OK;
    TRY(ckpt_load(&first, path));
    TRY(run_context_open(&s, c, NULL));
    TRY(train_state_init(&t, c, s.base_lr, s.precision == PRECISION_16));
    TRY(checkpoint_restore(&s, &t, first, path, &f));
    TRY(path_format(again, "%s.again", path));
    TRY(checkpoint_save(again, &s, &t, &t.best, &f));
    TRY(ckpt_load(&second, again));
    TRY(compare(first, second, path));
done:
    train_state_deinit(&t);
    run_context_close(&s);
    ckpt_free(first);
    ckpt_free(second);
    return rc;
}

/** Compiles the plans of the real run and checks its disk space, because the dry run covers neither the last batch nor
 *  the whole validation, and keeps no files. */
static int compile_all(const config *c, comm *all, const char *folder) {
    run_context s = {0};
    engine_memory memory;
    int rc = OK;
    TRY(run_context_open(&s, c, all));
    TRY(run_context_compile(&memory, &s));
    if (ranks_lead(&s.ranks))
        disk_space_warn_peak(folder, &s, 0, 0, false);
done:
    run_context_close(&s);
    return rc;
}

/** Creates a folder for rank 0, the only rank that writes. */
static int make_folder(char folder[PATH_BYTES], const config *c) {
    int rc = OK;
    TRY(folder_make(c->trainer.out));
    TRY(path_format(folder, "%s/.dry_run.XXXXXX", c->trainer.out));
    if (mkdtemp(folder) == NULL) {
        rc = fail_errno(errno, "cannot create a folder in %s", c->trainer.out);
        folder[0] = 0;
    }
done:
    return rc;
}

int train_dry_run(train_summary *out, const config *c, const train_hooks *h) {
    config *small = NULL;
    char folder[PATH_BYTES] = "";
    int rc = OK;
    bool lead = comm_rank(h->comm) == 0, made = lead && !folder_exists(c->trainer.out);
    TRY(memory_zeroed(&small, 1, sizeof *small));
    *small = *c;
    TRY(config_check(c));
    TRY(comm_agree(h->comm, lead ? make_folder(folder, c) : OK));
    TRY(compile_all(c, h->comm, folder));
    if (lead)
        TRY(config_set(small, "trainer.out", folder, "the dry run"));
    small->trainer.resume[0] = 0;
    if (small->optimizer.lr == 0)
        small->optimizer.lr = 1e-3; /* replaces the LR finder, which takes about a hundred steps */
    small->expected.val_acc = -1;   /* it is for the whole run */
    small->trainer.max_epochs = 1;
    small->trainer.max_steps = -1;
    small->trainer.max_time = 0;
    small->checkpoint.save_last = true;
    small->trainer.check_val_every_n_epoch = 1;
    small->trainer.val_check_interval = 1;
    small->trainer.overfit_batches = 0;
    small->trainer.limit_train_batches = -3.0 * run_context_micro_batches(c, h->comm);
    small->trainer.limit_val_batches = -2.0 * comm_ranks(h->comm);
    TRY(train_run(out, small, h));
    small->trainer.devices = 1;
    TRY(comm_agree(h->comm, lead ? read_back(small, out->last) : OK));
    log_info("dry run passed: trained %lld steps, ran a validation, wrote a checkpoint and read it back",
             (long long)out->global_step);
done:
    if (rc == E_STOPPED)
        fail(rc, "the dry run was stopped; none of its files are kept");
    if (folder[0] != 0)
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (made)
        rmdir(c->trainer.out); /* succeeds only if the folder is empty again */
    free(small);
    out->last[0] = out->best[0] = out->logs[0] = 0;
    out->monitor = NULL;
    out->finished = false;
    out->val_acc = NAN;
    return rc;
}
