/** The index of an ImageFolder: ROOT/SPLIT/CLASS/... -> files and labels.
 *  Rules: class folders in byte order get 0..C-1; below a class, folders in byte order of their path, then the names
 *  in each; links followed, but not back to a folder above; suffixes .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp
 *  whatever their case; a class without images is an error. Equals torchvision.datasets.ImageFolder. */
#ifndef LINNET_DATA_DATASET_H
#define LINNET_DATA_DATASET_H

#include <stdint.h>

typedef struct dataset {
    char *root; /* ROOT/SPLIT, or the folder itself */
    int class_n;
    char **class_name;      /* (class_n) */
    int64_t *class_image_n; /* (class_n) images of each class */
    int64_t image_n;
    /* one block of strings and offsets rather than a pointer per image: 1.28 million of them must stay small */
    char *names;    /* "CLASS/sub/file.jpg\0..." */
    uint64_t *name; /* (image_n) offset into names */
    int32_t *label; /* (image_n) */
} dataset;

/** Reads the folder ROOT/split (root itself when split is NULL or ""), or takes its index from the user's cache while
 *  the folders are as they were (dataset_cache.h); the result is the same. @return 0, E_NOTFOUND, E_DATA (naming what
 * is wrong and what to do), E_IO, E_NOMEM */
int dataset_open(dataset **out, const char *root, const char *split);
void dataset_close(dataset *d);

/** Full path of image i into `out` (PATH_BYTES of base/file.h). @return 0 or E_IO (too long) */
int dataset_path(char *out, const dataset *d, int64_t i);
/** Path of image i below d->root. */
const char *dataset_name(const dataset *d, int64_t i);

/** E_DATA, naming the first differing classes, unless both have the same class folders. */
int dataset_same_classes(const dataset *train, const dataset *val);

#endif
