/** On-disk cache of autotuning results: the fastest of cuDNN's candidates for each convolution. The cache folder holds
 *  one file per GPU model, compute capability, cuDNN version, driver version, and whether nondeterministic engines are
 *  allowed. The file also stores the time of BN's own passes, under the keys sums-..., apply-..., gradient-.... A file
 *  that cannot be read is ignored with a warning.
 *
 *      linnet cudnn choices 1
 *      KEY CANDIDATE ENGINE MICROSECONDS
 *
 *  Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_AUTOTUNE_CACHE_H
#define LINNET_BACKEND_CUDA_AUTOTUNE_CACHE_H

#include "base/file.h"

#include <stdbool.h>

enum { CHOICE_KEY = 128 };

typedef struct choice {
    char key[CHOICE_KEY]; /* no spaces */
    int candidate;        /* index in cuDNN's list of candidates */
    long long engine;     /* cuDNN's engine number; verifies that the list is unchanged */
    double microseconds;
} choice;

typedef struct autotune_cache {
    char path[PATH_BYTES]; /* "": the cache is not saved */
    choice *list;
    int n;
    bool changed; /* since the file was last read or written */
} autotune_cache;

/** `machine` identifies the GPU and the versions. Call autotune_cache_deinit afterwards, also after an error.
 *  @return 0, E_NOMEM */
int autotune_cache_open(autotune_cache *c, const char *machine);
/** NULL: not measured yet. The pointer is valid until the next autotune_cache_add. */
const choice *autotune_cache_find(const autotune_cache *c, const char *key);
/** @return 0, E_NOMEM */
int autotune_cache_add(autotune_cache *c, const choice *one);
/** Writes the file if there are new entries. If that fails, it prints one warning and does not try again. */
void autotune_cache_save(autotune_cache *c);
void autotune_cache_deinit(autotune_cache *c);

#endif
