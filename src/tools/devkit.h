/** ILSVRC2012's classes, and the labels of the validation images from ILSVRC2012_devkit_t12.tar.gz
 *  (data/ILSVRC2012_validation_ground_truth.txt: ILSVRC2012_IDs, one line per image, in the order of the file names).
 */
#ifndef LINNET_TOOLS_DEVKIT_H
#define LINNET_TOOLS_DEVKIT_H

#include <stdint.h>

enum { SYNSETS = 1000 };

typedef struct synset {
    int id;            /* ILSVRC2012_ID, from 1 */
    const char *wnid;  /* WordNet id, "n01440764" */
    const char *words; /* "tench, Tinca tinca" */
} synset;

/** The classes, sorted by wnid: the index is the label in training. */
extern const synset synsets[SYNSETS];

/** Index of the class; -1: none. */
int synset_find(const char *wnid);

typedef struct devkit {
    int *val_class; /* (val_n) index into synsets */
    int64_t val_n;
} devkit;

/** Reads the archive, compressed or not. @return 0, E_FORMAT, E_NOTFOUND, E_IO, E_NOMEM; devkit_deinit must be called
 * in any case */
int devkit_read(devkit *d, const char *path);
void devkit_deinit(devkit *d);

#endif
