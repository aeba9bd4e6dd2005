#include "training/resume.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "training/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** A checkpoint in a run folder, described by its own content, since file times change when files are copied. */
typedef struct candidate {
    char name[256];
    int64_t version, step, epoch;
    bool epoch_done, last;
    bool damaged;
    char why[512];
} candidate;

typedef struct candidate_list {
    candidate *at;
    size_t n;
} candidate_list;

/** Sorts the checkpoint to resume first: undamaged, of the newest run, with the most steps. */
static int by_progress(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->damaged != y->damaged)
        return x->damaged - y->damaged;
    if (x->version != y->version)
        return x->version < y->version ? 1 : -1;
    if (x->step != y->step)
        return x->step < y->step ? 1 : -1;
    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? 1 : -1;
    if (x->epoch_done != y->epoch_done)
        return y->epoch_done - x->epoch_done;
    return x->last != y->last ? y->last - x->last : strcmp(x->name, y->name);
}

static int read_candidate(candidate *out, const char *folder, const char *name) {
    char path[PATH_BYTES];
    ckpt *c = NULL;
    int rc = OK;
    *out = (candidate){.version = -1, .last = run_folder_is_last(name)};
    snprintf(out->name, sizeof out->name, "%s", name);
    TRY(path_join(path, folder, name));
    rc = ckpt_load_progress(&c, path);
    if (rc == E_FORMAT) {
        out->damaged = true;
        snprintf(out->why, sizeof out->why, "%s", status_message());
        rc = OK;
    } else if (rc == OK) {
        out->version = checkpoint_version(c);
        out->step = c->global_step;
        out->epoch = c->epoch;
        out->epoch_done = c->epoch_done;
    }
done:
    ckpt_free(c);
    return rc;
}

static int list_candidates(candidate_list *out, const char *folder) {
    const struct dirent *e = NULL;
    int rc = OK;
    *out = (candidate_list){0};
    DIR *d = opendir(folder);
    if (d == NULL)
        return errno == ENOENT ? OK : fail_errno(errno, "cannot read %s", folder);
    while ((e = readdir(d)) != NULL) {
        if (!run_folder_is_last(e->d_name) && !run_folder_is_best(e->d_name))
            continue;
        TRY(memory_resize(&out->at, out->n + 1, sizeof *out->at));
        TRY(read_candidate(&out->at[out->n], folder, e->d_name));
        out->n++;
    }
    if (out->n > 0)
        qsort(out->at, out->n, sizeof *out->at, by_progress);
done:
    closedir(d);
    return rc;
}

/** Lists the architectures that have checkpoints under `parent`, as "resnet18, resnet50", and counts them. */
static int find_archs(text *names, int *n, const char *parent) {
    char folder[PATH_BYTES];
    const struct dirent *e = NULL;
    int rc = OK;
    *n = 0;
    DIR *d = opendir(parent);
    if (d == NULL)
        return OK;
    while (rc == OK && (e = readdir(d)) != NULL) {
        candidate_list list = {0};
        if (e->d_name[0] == '.')
            continue;
        rc = path_join(folder, parent, e->d_name);
        rc = rc == OK ? list_candidates(&list, folder) : rc;
        if (rc == OK && list.n > 0)
            rc = text_printf(names, "%s%s", (*n)++ > 0 ? ", " : "", e->d_name);
        free(list.at);
    }
    closedir(d);
    return rc;
}

/** Reports that there is nothing to resume from, and which architectures have checkpoints. */
static int tell_nothing(const run_folder *f) {
    char parent[PATH_BYTES];
    text names = {0};
    int rc = OK, n = 0;
    snprintf(parent, sizeof parent, "%.*s", (int)(path_name(f->checkpoints) - f->checkpoints), f->checkpoints);
    TRY(find_archs(&names, &n, parent));
    if (n > 0)
        log_warn("no checkpoint to resume from in %s (there are checkpoints of %s): training starts from the beginning",
                 f->checkpoints, names.data);
    else
        log_info("no checkpoint to resume from in %s: training starts from the beginning", f->checkpoints);
done:
    text_deinit(&names);
    return rc;
}

static int load_auto(ckpt **out, char path[PATH_BYTES], const run_folder *f) {
    candidate_list list = {0};
    int rc = OK;
    TRY(list_candidates(&list, f->checkpoints));
    for (size_t i = 0; i < list.n; i++)
        if (list.at[i].damaged)
            log_warn("checkpoint skipped: %s", list.at[i].why);
    for (size_t i = 0; i < list.n && !list.at[i].damaged; i++) {
        TRY(path_join(path, f->checkpoints, list.at[i].name));
        rc = ckpt_load(out, path);
        if (rc != E_FORMAT)
            goto done;
        log_warn("checkpoint skipped: %s", status_message());
    }
    path[0] = 0;
    if (list.n > 0)
        rc = fail(E_FORMAT, "none of the checkpoints in %s can be read: leave out --resume to start a new run",
                  f->checkpoints);
    else
        rc = tell_nothing(f);
done:
    free(list.at);
    return rc;
}

/** Adds to the message of a damaged file the best other checkpoint in its folder. */
static void name_next_best(const char *path) {
    char folder[PATH_BYTES];
    candidate_list list = {0};
    status_saved damage;
    status_save(&damage, E_FORMAT);
    snprintf(folder, sizeof folder, "%.*s", (int)(path_name(path) - path), path);
    int rc = list_candidates(&list, folder);
    size_t i = 0;
    while (i < list.n && strcmp(list.at[i].name, path_name(path)) == 0)
        i++;
    if (rc == OK && i < list.n && !list.at[i].damaged)
        fail(E_FORMAT,
             "%s; the newest readable checkpoint in the same folder is at step %lld: continue with --resume %s%s",
             damage.message, (long long)list.at[i].step, folder, list.at[i].name);
    else
        status_restore(&damage);
    free(list.at);
}

int resume_load(ckpt **out, char path[PATH_BYTES], const config *c, const run_folder *f) {
    const char *resume = c->trainer.resume;
    char real[PATH_MAX];
    int rc = OK;
    *out = NULL;
    path[0] = 0;
    if (resume[0] == 0)
        return OK;
    if (strcmp(resume, "auto") == 0)
        return load_auto(out, path, f);
    if (realpath(resume, real) == NULL)
        return fail_errno(errno, "cannot resume from %s", resume);
    TRY(path_format(path, "%s", real));
    rc = ckpt_load(out, path);
    if (rc == E_FORMAT)
        name_next_best(path);
done:
    return rc;
}

void resume_warn_older(const ckpt *from, const char *path, const run_folder *f) {
    candidate_list list = {0};
    int version = checkpoint_version(from);
    if (list_candidates(&list, f->checkpoints) != OK)
        log_warn("%s", status_message());
    for (size_t i = 0; i < list.n && !list.at[i].damaged; i++) {
        if (list.at[i].version != version || list.at[i].step <= from->global_step)
            continue;
        log_warn("%s is at step %lld, but the same run has a newer checkpoint at step %lld: %s/%s", path,
                 (long long)from->global_step, (long long)list.at[i].step, f->checkpoints, list.at[i].name);
        break;
    }
    free(list.at);
}

int resume_free_version(int *out, const run_folder *f) {
    candidate_list list = {0};
    int rc = OK;
    *out = 0;
    TRY(list_candidates(&list, f->checkpoints));
    for (size_t i = 0; i < list.n; i++)
        if (list.at[i].version >= *out && list.at[i].version < INT_MAX)
            *out = (int)list.at[i].version + 1;
done:
    free(list.at);
    return rc;
}

static int arch_of_file(char arch[32], const char *path) {
    ckpt *c = NULL;
    int rc = ckpt_load_progress(&c, path);
    const ckpt_item *own = rc == OK ? ckpt_find_item(c->own, c->own_n, "arch") : NULL;
    if (own != NULL && own->kind == 's' && own->s != NULL)
        snprintf(arch, 32, "%s", own->s);
    ckpt_free(c);
    return rc == E_FORMAT || rc == E_NOTFOUND ? OK : rc; /* the error is reported when the file is loaded */
}

/** The architecture of the checkpoints under `out`. */
static int arch_of_folder(char arch[32], const char *out) {
    char parent[PATH_BYTES];
    text names = {0};
    int rc = OK, n = 0;
    TRY(path_join(parent, out, "checkpoints"));
    TRY(find_archs(&names, &n, parent));
    if (n > 1)
        rc = fail(E_OPTION, "%s contains checkpoints of several models: set --arch to one of %s", parent, names.data);
    else
        snprintf(arch, 32, "%s", text_string(&names));
done:
    text_deinit(&names);
    return rc;
}

int resume_progress(ckpt **out, const config *c) {
    char folder[PATH_BYTES], path[PATH_BYTES];
    candidate_list list = {0};
    int rc = OK;
    *out = NULL;
    if (c->trainer.resume[0] == 0)
        return OK;
    if (strcmp(c->trainer.resume, "auto") != 0) {
        rc = ckpt_load_progress(out, c->trainer.resume);
        goto done;
    }
    TRY(path_format(folder, "%s/checkpoints/%s", c->trainer.out, c->model.arch));
    TRY(list_candidates(&list, folder));
    if (list.n > 0 && !list.at[0].damaged) {
        TRY(path_join(path, folder, list.at[0].name));
        rc = ckpt_load_progress(out, path);
    }
done:
    free(list.at);
    return rc == E_FORMAT || rc == E_NOTFOUND ? OK : rc;
}

int resume_batch_size(const ckpt *from) {
    const ckpt_item *own = from != NULL ? ckpt_find_item(from->own, from->own_n, "batch_size") : NULL;
    return own != NULL && own->kind == 'i' && own->i > 0 && own->i <= CONFIG_BATCH_MAX ? (int)own->i : 0;
}

const char *resume_precision(const ckpt *from) {
    const ckpt_item *own = from != NULL ? ckpt_find_item(from->own, from->own_n, "precision") : NULL;
    return own != NULL && own->kind == 's' && own->s != NULL ? own->s : "";
}

int resume_expectation(config *c, const ckpt *from, long long images) {
    config *trained = NULL;
    bool found = false;
    int rc = OK;
    if (from == NULL)
        return OK;
    TRY(memory_zeroed(&trained, 1, sizeof *trained));
    if (checkpoint_config(trained, &found, from) != OK || trained->expected.val_acc < 0)
        goto done;
    if (c->expected.val_acc < 0) {
        const ckpt_item *step = ckpt_find_item(from->own, from->own_n, "global_batch");
        c->expected = trained->expected;
        config_add_differences(c, trained);
        if (step != NULL && step->kind == 'i' && images > 0 && step->i != images)
            config_add_differing(c, "images per step");
    } else {
        config_add_differing(c, trained->expected.differs);
    }
done:
    free(trained);
    return rc;
}

int resume_choose_arch(config *c, comm *all) {
    char arch[32] = "";
    const char *resume = c->trainer.resume;
    int rc = OK;
    if (comm_rank(all) == 0)
        rc = strcmp(resume, "auto") == 0 ? arch_of_folder(arch, c->trainer.out) : arch_of_file(arch, resume);
    TRY(comm_agree(all, rc));
    TRY(comm_all(all, COMM_BROADCAST, COMM_BYTES, arch, sizeof arch));
    if (arch[0] == 0 || strcmp(arch, c->model.arch) == 0)
        goto done;
    log_info("model.arch %s, as in %s", arch, strcmp(resume, "auto") == 0 ? c->trainer.out : resume);
    TRY(config_set(c, "model.arch", arch, "the checkpoint"));
done:
    return rc;
}
