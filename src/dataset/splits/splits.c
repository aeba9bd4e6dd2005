#define _GNU_SOURCE
#include "dataset/splits/splits.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/layout.h"
#include "dataset/splits/class_list.h"
#include "dataset/splits/listed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct keyed {
    uint64_t key;
    int64_t index;
} keyed;

static uint64_t key_of(const dataset *d, int64_t i, uint64_t seed) {
    const char *class_name = d->class_name[d->label[i]], *name = path_name(dataset_name(d, i));
    uint64_t h = hash_bytes(HASH_START, class_name, strlen(class_name) + 1);
    return splitmix64(seed ^ hash_bytes(h, name, strlen(name)));
}

static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static int64_t val_images(int64_t n, double fraction) {
    int64_t k = llround(fraction * (double)n);
    k = k < 1 ? 1 : k;
    return k < n ? k : n - 1;
}

/** Marks the validation images. */
static int choose(bool *is_val, const dataset *d, const splits_request *q) {
    keyed *of_class = NULL;
    int64_t first = 0;
    int rc = OK;
    TRY(memory_zeroed(&of_class, (size_t)d->image_n, sizeof *of_class));
    for (int c = 0; c < d->class_n; c++) {
        int64_t n = d->class_image_n[c];
        for (int64_t i = 0; i < n; i++)
            of_class[i] = (keyed){.key = key_of(d, first + i, q->seed), .index = first + i};
        if (n > 1)
            qsort(of_class, (size_t)n, sizeof *of_class, by_key);
        for (int64_t i = 0; n > 0 && i < val_images(n, q->val_split); i++)
            is_val[of_class[i].index] = true;
        first += n;
    }
done:
    free(of_class);
    return rc;
}

/** Reduces two copies of a dataset, either of which may be NULL, to its training and its validation images. */
static int split_off(dataset *train, dataset *val, const splits_request *q) {
    const dataset *d = train != NULL ? train : val;
    bool *keep = NULL;
    int rc = OK;
    if (d == NULL)
        return OK;
    int64_t all = d->image_n;
    TRY(memory_zeroed(&keep, (size_t)all, sizeof *keep));
    TRY(choose(keep, d, q));
    if (train != NULL && val != NULL) /* both are read from the same copies, and validation needs all of them */
        train->copy_bytes = 0;
    if (val != NULL) {
        dataset_keep(val, keep);
        val->lost_n = val->passed_n = 0; /* they count for the training images */
        snprintf(val->of, sizeof val->of, " (validation)");
    }
    for (int64_t i = 0; i < all; i++)
        keep[i] = !keep[i];
    if (train != NULL) {
        dataset_keep(train, keep);
        snprintf(train->of, sizeof train->of, " (training)");
        log_once(LOG_INFO, "%s: %lld of %lld images are for validation (data.val_split %g, seed %llu)", d->root,
                 (long long)(all - train->image_n), (long long)all, q->val_split, (unsigned long long)q->seed);
    } else {
        log_once(LOG_INFO, "%s: validation on %lld of %lld images (data.val_split %g, seed %llu)", d->root,
                 (long long)val->image_n, (long long)all, q->val_split, (unsigned long long)q->seed);
    }
done:
    free(keep);
    return rc;
}

/* --- folders and shards --- */

/** `own`: root contains this split alone. `window`: as in dataset_request. */
static int open_place(dataset **out, const splits_request *q, const char *root, const char *split, bool own,
                      int64_t window) {
    dataset_request r = q->shard_options;
    r.root = root;
    r.split = split;
    r.own = own;
    r.allow_empty = q->allow_empty;
    r.window = window;
    return dataset_open_request(out, &r);
}

/** Opens the training images. */
static int open_train(dataset **out, const layout *l, const splits_request *q, int64_t window) {
    return open_place(out, q, l->root, l->is_flat ? NULL : "train", false, window);
}

static int open_val(dataset **out, const layout *l, const splits_request *q) {
    return open_place(out, q, l->root, "val", false, 0);
}

/** Whether the validation images are split off; also checks the combination. */
static int use_split(bool *out, const layout *l, const splits_request *q) {
    /* test images are for a later evaluation if others can be split off */
    bool has_val = l->has_val && !(l->is_test && l->has_train);
    *out = q->val_split > 0 && (!has_val || !q->prefer_val_set);
    if (*out && has_val)
        return fail(E_OPTION,
                    "%s has a folder or shards of validation images, so data.val_split %g cannot apply: set it to 0, "
                    "or rename them",
                    l->root, q->val_split);
    return OK;
}

/** An error if only the validation images are missing; anything else is reported when it is opened. */
static int check_val(const layout *l) {
    if (!l->has_train && !l->is_flat)
        return OK;
    return fail(E_NOTFOUND,
                "%s has no validation images: add a folder val (or validation, valid, test) with CLASS/*.jpg in it, or "
                "pass --data.val_split 0.1, which takes a tenth of the training images",
                l->root);
}

static int fail_flat(const layout *l) {
    return fail(E_NOTFOUND,
                "%s has class folders, but no folders train and val: pass --data.val_split 0.1, which takes a tenth "
                "of the images for validation, or move the class folders to %s/train and %s/val",
                l->root, l->root, l->root);
}

/** Whether the images are neither in ROOT/SPLIT nor in shards in ROOT. */
static int is_renamed(bool *out, const layout *l, const dataset *d, const char *split) {
    char usual[PATH_BYTES];
    int rc = path_join(usual, l->root, split);
    *out = rc == OK && d != NULL && strcmp(d->root, usual) != 0 && strcmp(d->root, l->root) != 0;
    return rc;
}

/** One line about a layout other than ROOT/train and ROOT/val. */
static int tell(const layout *l, const dataset *train, const dataset *val) {
    bool renamed = false;
    int rc = OK;
    TRY(is_renamed(&renamed, l, train, "train"));
    if (!renamed)
        TRY(is_renamed(&renamed, l, val, "val"));
    if (!l->is_below && !renamed)
        goto done;
    if (train != NULL && val != NULL)
        log_once(LOG_INFO, "dataset: training images from %s, validation images from %s", train->root, val->root);
    else if (train != NULL || val != NULL)
        log_once(LOG_INFO, "dataset: %s images from %s", train != NULL ? "training" : "validation",
                 train != NULL ? train->root : val->root);
done:
    return rc;
}

static int open_folders(dataset **train, dataset **val, const splits_request *q) {
    layout l;
    bool split = false;
    int rc = OK;
    TRY(layout_find(&l, q->path, q->train || (q->val_split > 0 && !q->prefer_val_set)));
    TRY(use_split(&split, &l, q));
    if (l.is_flat && !split && !q->allow_empty) {
        rc = fail_flat(&l);
        goto done;
    }
    bool lacks_val = q->val && !split && !l.has_val, may_lack = q->may_lack_val && q->train;
    if (lacks_val && !may_lack)
        TRY(check_val(&l));
    if (q->train)
        TRY(open_train(train, &l, q, q->train_window));
    if (q->val && !(lacks_val && may_lack))
        TRY(split ? open_train(val, &l, q, 0) : open_val(val, &l, q));
    if (split)
        TRY(split_off(*train, *val, q));
    TRY(tell(&l, *train, split ? NULL : *val)); /* split_off has told about val */
done:
    return rc;
}

/* --- places of their own, lists of shards --- */

static bool given(const char *path) { return path != NULL && path[0] != 0; }

static bool in_places(const splits_request *q) {
    return given(q->train_path) || given(q->val_path) || dataset_is_list(q->path);
}

/** Opens the validation images in `path` or `val_path`. *split: they are to be split off instead. */
static int open_val_place(dataset **out, bool *split, const splits_request *q) {
    bool own = given(q->val_path);
    const char *root = own ? q->val_path : q->path;
    int rc = root[0] != 0 ? open_place(out, q, root, "val", own, 0) : E_NOTFOUND;
    *split = rc == E_NOTFOUND && q->val_split > 0 && !own;
    if (*split)
        return OK;
    if (rc == OK && q->val_split > 0 && !q->prefer_val_set)
        return fail(E_OPTION, "%s has validation images, so data.val_split %g cannot apply: set it to 0", root,
                    q->val_split);
    if (rc == E_NOTFOUND && q->may_lack_val && q->train && !own)
        return OK;
    if (root[0] == 0)
        return fail(E_OPTION,
                    "no validation images are given: set data.val, pass --data.val_split 0.1, or pass a dataset "
                    "of both splits with --data");
    return rc;
}

/** Decides about *split if only the training images are requested. */
static int find_split(bool *split, const splits_request *q) {
    dataset *val = NULL;
    int rc = q->val_split > 0 ? open_val_place(&val, split, q) : OK;
    dataset_close(val);
    return rc;
}

static int open_places(dataset **train, dataset **val, const splits_request *q) {
    bool own = given(q->train_path), split = false;
    const char *root = own ? q->train_path : q->path;
    int rc = OK;
    if (q->train && root[0] == 0) {
        rc = fail(E_OPTION,
                  "no training images are given: set data.train, or pass a dataset of both splits with --data");
        goto done;
    }
    if (q->train)
        TRY(open_place(train, q, root, "train", own, q->train_window));
    TRY(q->val ? open_val_place(val, &split, q) : find_split(&split, q));
    if (split && q->val)
        TRY(open_place(val, q, root, "train", own, 0));
    if (split)
        TRY(split_off(*train, *val, q));
done:
    return rc;
}

/* --- lists of images --- */

static const char *list_root(const splits_request *q) { return q->path[0] != 0 ? q->path : NULL; }

/** Both parts of the training images of the list. */
static int split_list(dataset **train, dataset **val, listed *l, const splits_request *q) {
    listed again = {0};
    int rc = OK;
    if (q->train && q->val)
        TRY(listed_open(&again, q->list, list_root(q)));
    if (q->val) {
        dataset **from = q->train ? &again.train : &l->train;
        *val = *from;
        *from = NULL; /* now owned by *val */
    }
    if (q->train) {
        *train = l->train;
        l->train = NULL; /* now owned by *train */
    }
    rc = split_off(*train, *val, q);
done:
    listed_deinit(&again);
    return rc;
}

/** The list has no validation images and none are split off. */
static int lack_val(dataset **val, dataset *train, listed *l, const splits_request *q) {
    int rc = OK;
    if (train != NULL && q->may_lack_val)
        return OK;
    if (train != NULL) {
        TRY(dataset_empty(val, train));
        log_once(LOG_WARN,
                 "%s has no validation images, so the run does not validate. --data.val_split 0.1 takes a tenth of the "
                 "images for validation",
                 q->list);
    } else if (l->has_split || l->train == NULL) {
        rc = fail(E_NOTFOUND, "%s has no rows of the split val (or validation, valid, test)", q->list);
    } else {
        log_once(LOG_INFO, "%s has no column split: all %lld images are used for validation", q->list,
                 (long long)l->train->image_n);
        *val = l->train;
        l->train = NULL; /* now owned by *val */
    }
done:
    return rc;
}

static int open_list(dataset **train, dataset **val, const splits_request *q) {
    listed l;
    int rc = OK;
    TRY(listed_open(&l, q->list, list_root(q)));
    bool has_val = l.val != NULL && !(l.is_test && l.train != NULL);
    bool split = q->val_split > 0 && l.train != NULL && (!has_val || !q->prefer_val_set);
    if (q->train && l.train == NULL)
        rc = fail(E_NOTFOUND, "%s has no rows of the split train", q->list);
    else if (split && has_val)
        rc = fail(E_OPTION, "%s has validation images, so data.val_split %g cannot apply: set it to 0", q->list,
                  q->val_split);
    else if (split)
        rc = split_list(train, val, &l, q);
    if (rc != OK || split)
        goto done;
    if (q->train) {
        *train = l.train;
        l.train = NULL; /* now owned by *train */
    }
    if (q->val && l.val == NULL) {
        rc = lack_val(val, *train, &l, q);
    } else if (q->val) {
        *val = l.val;
        l.val = NULL; /* now owned by *val */
    }
done:
    listed_deinit(&l);
    return rc;
}

int splits_open(dataset **train, dataset **val, const splits_request *q) {
    int rc = OK;
    *train = *val = NULL;
    if (q->list[0] != 0 && (given(q->train_path) || given(q->val_path)))
        return fail(E_OPTION, "data.list contains all images: remove data.train and data.val");
    TRY(q->list[0] != 0 ? open_list(train, val, q)
        : in_places(q)  ? open_places(train, val, q)
                        : open_folders(train, val, q));
    for (int i = 0; i < 2 && q->class_list[0] != 0; i++) {
        dataset *d = i == 0 ? *train : *val;
        if (d != NULL)
            TRY(class_list_apply(d, q->class_list));
    }
done:
    if (rc != OK) {
        dataset_close(*train);
        dataset_close(*val);
        *train = *val = NULL;
    }
    return rc;
}
