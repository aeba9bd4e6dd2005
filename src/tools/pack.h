/** Writes a dataset as WebDataset shards, readable by linnet and other programs:
 *    OUT/train-000000.tar ...  members CLASS/STEM.jpg, .cls (the label) and .json {"label", "filename"}
 *    OUT/val-000000.tar ...
 *    OUT/train.index, val.index, _info.json (names and lengths of the shards, as timm's sets have them), classes.txt
 *  The training images are written in shuffled order, so that shards can also be read sequentially. Equal data and
 * options give equal shards. The folder is called OUT.tmp until everything is written. */
#ifndef LINNET_TOOLS_PACK_H
#define LINNET_TOOLS_PACK_H

#include "dataset/dataset.h"
#include "dataset/splits/splits.h"

#include <signal.h>

typedef struct pack_options {
    uint64_t shard_bytes; /* size at which a shard is full */
    int resize;  /* maximum of the shorter side in pixels; larger images are scaled down; 0: images are not changed */
    int quality; /* of resized JPEGs, 1..100 */
    double max_bad; /* fraction of the images that may be omitted because their files cannot be read */
    void (*progress)(void *context, const char *split, int64_t done, int64_t total); /* NULL: silent */
    void *context;
    const volatile sig_atomic_t *stop; /* not 0: E_STOPPED; NULL: never */
} pack_options;

typedef struct pack_result {
    int64_t images[2], shards[2]; /* of train and val */
    uint64_t bytes;
    int64_t left_out;  /* omitted because they cannot be read */
    int64_t undecoded; /* with `resize`: packed unchanged, because they cannot be decoded */
} pack_result;

/** Packs the training and the validation images; these may also be shards, which are packed again. `out` must not
 * exist, or be an empty folder. @return 0, E_OPTION, E_DATA, E_FULL, E_IO, E_NOMEM, E_STOPPED: after an error the
 * output is removed */
int pack(pack_result *result, const splits_request *data, const char *out, const pack_options *o);

#endif
