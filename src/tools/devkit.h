/** What ILSVRC2012_devkit_t12.tar.gz tells: the classes (data/meta.mat) and which of them each validation image shows
 *  (data/ILSVRC2012_validation_ground_truth.txt: ILSVRC ids, a line an image, in the order of the images' names).
 *  Classes are the synsets without children. Equals torchvision.datasets.imagenet's reading. */
#ifndef LINNET_TOOLS_DEVKIT_H
#define LINNET_TOOLS_DEVKIT_H

#include "base/text.h"

#include <stdint.h>

#define WNID_BYTES 16

typedef struct synset {
    int id;                /* ILSVRC2012_ID */
    char wnid[WNID_BYTES]; /* "n01440764" */
    uint64_t words;        /* offset in devkit.words: "tench, Tinca tinca" */
} synset;

typedef struct devkit {
    synset *synset; /* (synset_n) sorted by wnid */
    int synset_n;
    text words;
    int *val_class; /* (val_n) index into synset */
    int64_t val_n;
} devkit;

/** From the archive, compressed or not. @return 0, E_FORMAT, E_NOTFOUND, E_IO, E_NOMEM; devkit_deinit is due */
int devkit_read(devkit *d, const char *path);
void devkit_deinit(devkit *d);
/** Index of the class; -1: none. */
int devkit_find(const devkit *d, const char *wnid);

#endif
