/** Opens the training and the validation images of a dataset, in any of its layouts: folders or shards (layout.h), or a
 *  list (listed.h); the validation images may be a part of the training images. */
#ifndef LINNET_DATASET_SPLITS_H
#define LINNET_DATASET_SPLITS_H

#include "dataset/dataset.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct splits_request {
    const char *path;       /* folder of the dataset; "": that of the list */
    const char *train_path; /* where the training images are, if not in `path`; NULL or "": in `path` */
    const char *val_path;   /* the same for the validation images */
    const char *list;       /* "": none */
    const char *class_list; /* file (class_list.h); "": classes in byte order */
    double val_split;       /* fraction of the training images that are for validation; 0: none */
    uint64_t seed;          /* of val_split */
    bool train, val;        /* what to open */
    bool prefer_val_set;    /* val_split is used only if there is no validation set; else both are an error */
    bool may_lack_val;      /* *val = NULL if there are no validation images; else an error, except for a list */
    bool allow_empty;       /* as in dataset_request */
    /* how shards are read; root, split, own, allow_empty and window are set for each dataset */
    dataset_request shard_options;
    int64_t train_window; /* dataset_request.window of the training images */
} splits_request;

/** Opens what is asked for; the other is NULL. What differs from ROOT/train and ROOT/val is logged in one line.
 *
 *  With val_split, k = round(val_split * n) of the n images of each class are for validation, but at least one (if
 *  n > 1) and at most n - 1: those with the smallest keys. The key of an image is splitmix64(seed ^ h), where h is
 *  the FNV-1a hash of its class name, a 0 byte and its file name without folders; equal keys are in the order of the
 *  dataset. So the choice depends on the seed and the names alone, and most images keep their part when others are
 *  added.
 *
 *  Without a column split and val_split, all images of a list are returned as *train, and *val is a dataset without
 *  images; if only `val` is asked for, all are returned as *val.
 *
 *  `path` may also be a list of shards (dataset_is_list); layouts are looked for in folders only.
 *  @return 0, E_NOTFOUND (no such images), E_OPTION (val_split and a validation set, no place is given), E_DATA (also:
 * several folders could be meant), E_FORMAT (list or class list), E_IO, E_NOMEM */
int splits_open(dataset **train, dataset **val, const splits_request *q);

#endif
