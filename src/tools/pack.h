/** Writing a dataset as WebDataset shards, for linnet and for everyone else:
 *    OUT/train-000000.tar ...  members CLASS/STEM.jpg, .cls (the label) and .json {"label", "filename"}
 *    OUT/val-000000.tar ...
 *    OUT/train.index, val.index, _info.json (names and lengths of the shards, as timm's sets have them), classes.txt
 *  The training images are dealt out in a shuffled order, so that shards can also be read one after the other. Equal
 *  data and options give equal shards. OUT appears when all of it is written: it is OUT.tmp until then. */
#ifndef LINNET_TOOLS_PACK_H
#define LINNET_TOOLS_PACK_H

#include "dataset/dataset.h"

#include <signal.h>

typedef struct pack_options {
    uint64_t shard_bytes; /* a shard is full when it has so many */
    int resize;           /* images whose shorter side is longer get this one; 0: every byte stays as it is */
    int quality;          /* of the JPEGs made then, 1..100 */
    double max_bad;       /* share of the images that may be left out because their files cannot be read */
    void (*progress)(void *context, const char *split, int64_t done, int64_t total); /* NULL: silent */
    void *context;
    const volatile sig_atomic_t *stop; /* not 0: E_STOPPED; NULL: never */
} pack_options;

typedef struct pack_result {
    int64_t images[2], shards[2]; /* of train and val */
    uint64_t bytes;
    int64_t left_out;  /* unreadable */
    int64_t undecoded; /* with `resize`: packed as they are, as they cannot be decoded */
} pack_result;

/** Packs ROOT/train and ROOT/val, or the shards of those splits anew. `out` must not exist, or be an empty folder.
 *  @return 0, E_OPTION, E_DATA, E_FULL, E_IO, E_NOMEM, E_STOPPED: then nothing is left of it */
int pack(pack_result *result, const char *root, const char *out, const pack_options *o);

#endif
