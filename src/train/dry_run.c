#define _XOPEN_SOURCE 700
#include "train/trainer.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "train/snapshot.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/** Reads the checkpoint back, restores it into a second setup, writes it again: both files must hold the same tensors.
 */
static int read_back(const config *c, const char *path) {
    setup s = {0};
    train_state t = {0};
    ckpt *first = NULL;
    double *one = NULL;
    int rc = OK;
    TRY(ckpt_load(&first, path));
    TRY(setup_open(&s, c));
    TRY(topk_init(&t.best, c->checkpoint.top_k));
    TRY(schedule_init(&t.schedule, c, s.base_lr));
    TRY(snapshot_restore(&s, &t, first, path));
    TRY(memory_zeroed(&one, s.net->weight_n, sizeof *one));
    for (int i = 0; i < s.net->param_n; i++) {
        char name[96];
        snprintf(name, sizeof name, "model.%s", s.net->param[i].name);
        const ckpt_tensor *saved = ckpt_find_tensor(first, name);
        TRY(engine_read(one, s.engine, ENGINE_WEIGHT, i));
        for (size_t k = 0; saved->type == CKPT_F32 && k < s.net->param[i].count; k++) {
            if ((float)one[k] != ((const float *)saved->data)[k]) {
                rc = fail(E_FORMAT, "%s: %s changed on its way to disk and back", path, name);
                goto done;
            }
        }
    }
done:
    free(one);
    topk_deinit(&t.best);
    setup_close(&s);
    ckpt_free(first);
    return rc;
}

int train_dry_run(train_summary *out, const config *c, const train_hooks *h) {
    config *small = NULL;
    char folder[PATH_BYTES] = "";
    int rc = OK;
    TRY(memory_zeroed(&small, 1, sizeof *small));
    *small = *c;
    TRY(folder_make(c->trainer.out));
    TRY(path_format(folder, "%s/.dry_run.XXXXXX", c->trainer.out));
    if (mkdtemp(folder) == NULL) {
        rc = fail(E_IO, "cannot make a folder in %s", c->trainer.out);
        folder[0] = 0;
        goto done;
    }
    snprintf(small->trainer.out, sizeof small->trainer.out, "%s", folder);
    small->trainer.resume[0] = 0;
    small->trainer.max_epochs = 1;
    small->trainer.limit_train_batches = -3.0 * c->trainer.accumulate;
    small->trainer.limit_val_batches = -2;
    TRY(train_run(out, small, h));
    TRY(read_back(small, out->last));
    log_info("dry run: %lld steps, a validation, a checkpoint written and read back: all well",
             (long long)out->global_step);
done:
    if (folder[0] != 0)
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(small);
    out->last[0] = out->best[0] = out->logs[0] = 0;
    return rc;
}
