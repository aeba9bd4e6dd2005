/** The images of a split with their labels: of an image folder ROOT/SPLIT/CLASS/..., or of WebDataset shards
 * (shards.h). The same images are the same dataset in each container (source.h). Order, as in
 * torchvision.datasets.ImageFolder: class folders in byte order get the labels 0..C-1. Within a class, folders in byte
 * order of their path, then the file names of each in byte order. Links are followed, except to a folder above.
 * Suffixes in any case: DATASET_SUFFIXES. A class without images is an error. */
#ifndef LINNET_DATASET_DATASET_H
#define LINNET_DATASET_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATASET_SUFFIXES ".jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp"

#define DATASET_LINKS_MAX 100000 /* links to folders that are followed: links within each other multiply */

/** Location of an image in a file that holds many. */
typedef struct image_location {
    uint64_t offset; /* of its bytes; in a tar file its header is before them */
    uint32_t bytes;
    uint32_t shard;
} image_location;

typedef struct dataset {
    char *root; /* ROOT/SPLIT, or the folder itself; the folder of the shards */
    int class_n;
    char **class_name;      /* (class_n) */
    int64_t *class_image_n; /* (class_n) images of each class */
    int64_t image_n;
    /* one block of strings and offsets rather than a pointer per image: 1.28 million of them must stay small */
    char *names;    /* "CLASS/sub/file.jpg\0..." */
    uint64_t *name; /* (image_n) offset into names */
    int32_t *label; /* (image_n) */

    /* where a file holds many images */
    int shard_n;              /* such files; 0: every image is a file */
    char **shard_name;        /* (shard_n) below root */
    image_location *location; /* (image_n); NULL: every image is a file */
    int64_t lost_n;           /* images that the shards should contain and do not: they count as unreadable */

    const struct source *source; /* the container */
    void *opened;                /* the container's own, such as open files; shared by threads */
} dataset;

/** Lists the images of a split: the shards of the split if there are any, else the folder ROOT/split (ROOT itself if
 * split is NULL or ""). A valid stored index is used instead (shards.h, cache.h); the result is the same.
 *  @return 0, E_NOTFOUND, E_DATA (says what is wrong and what to do), E_IO, E_NOMEM */
int dataset_open(dataset **out, const char *root, const char *split);
/** The same, but class folders may be empty, and the index of a folder is neither read from the cache nor stored. */
int dataset_open_whole(dataset **out, const char *root, const char *split);
void dataset_close(dataset *d);

/** Full path of image i into `out` (PATH_BYTES of base/file.h); in shards "ROOT/SHARD:NAME", for messages only.
 *  @return 0 or E_IO (too long) */
int dataset_path(char *out, const dataset *d, int64_t i);
/** "CLASS/sub/file.jpg": path of image i below d->root; in shards, its path when they were packed. */
const char *dataset_name(const dataset *d, int64_t i);

/** Whether the name has the suffix of an image. */
bool dataset_is_image_name(const char *name);

/** E_DATA with the first classes that differ, unless both have the same class folders. */
int dataset_same_classes(const dataset *train, const dataset *val);

#endif
