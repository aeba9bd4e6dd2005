/** Which of cuDNN's candidates was the fastest for each convolution, kept on disk: in the cache folder, one file a GPU
 *  model, compute capability, cuDNN and driver version; beside them, under the keys sums-..., apply-..., gradient-...,
 *  how long BN's own passes take. A file that cannot be read is passed over with a warning.
 *
 *      linnet cudnn choices 1
 *      KEY CANDIDATE ENGINE MICROSECONDS
 *
 *  Internal to src/backend/cuda. */
#ifndef LINNET_BACKEND_CUDA_CHOICES_H
#define LINNET_BACKEND_CUDA_CHOICES_H

#include "base/file.h"

#include <stdbool.h>

enum { CHOICE_KEY = 128 };

typedef struct choice {
    char key[CHOICE_KEY]; /* no spaces */
    int candidate;        /* number among cuDNN's suggestions */
    long long engine;     /* cuDNN's number of it: a check that the suggestions are the same */
    double microseconds;
} choice;

typedef struct choices {
    char path[PATH_BYTES]; /* "": nowhere to keep them */
    choice *list;
    int n;
    bool changed; /* since the file was read or written */
} choices;

/** `machine` names GPU and versions. choices_deinit is due. @return 0, E_NOMEM */
int choices_open(choices *c, const char *machine);
/** NULL: not measured yet. Valid until choices_add. */
const choice *choices_find(const choices *c, const char *key);
/** @return 0, E_NOMEM */
int choices_add(choices *c, const choice *one);
/** Writes the file when there is something new; a failure is a warning, once. */
void choices_save(choices *c);
void choices_deinit(choices *c);

#endif
