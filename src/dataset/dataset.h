/** The index of an ImageFolder: ROOT/SPLIT/CLASS/... -> files and labels; or of WebDataset shards (shards.h), whose
 *  images stand in the same order, so that the same images are the same dataset either way.
 *  Rules: class folders in byte order get 0..C-1; below a class, folders in byte order of their path, then the names
 *  in each; links followed, but not back to a folder above; suffixes .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp
 *  whatever their case; a class without images is an error. Equals torchvision.datasets.ImageFolder. */
#ifndef LINNET_DATASET_DATASET_H
#define LINNET_DATASET_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Where an image lies among the shards. */
typedef struct image_place {
    uint64_t offset; /* of its bytes; its tar header stands before */
    uint32_t bytes;
    uint32_t shard;
} image_place;

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

    int shard_n;               /* 0: a folder */
    char **shard_name;         /* (shard_n) below root */
    image_place *place;        /* (image_n); NULL: a folder */
    int64_t lost_n;            /* images that the shards ought to hold and do not: they count as unreadable */
    struct shard_files *files; /* shards that are open; shared by threads (read.h) */
} dataset;

/** Reads the shards of the split, or where there are none the folder ROOT/split (root itself when split is NULL or "");
 *  or takes the index that is kept of them while they are as they were (shards.h, cache.h); the result is the
 *  same. @return 0, E_NOTFOUND, E_DATA (naming what is wrong and what to do), E_IO, E_NOMEM */
int dataset_open(dataset **out, const char *root, const char *split);
/** The same, but class folders may be without images, and nothing is taken from a cache or kept in one. */
int dataset_open_whole(dataset **out, const char *root, const char *split);
void dataset_close(dataset *d);

/** Full path of image i into `out` (PATH_BYTES of base/file.h); in shards "ROOT/SHARD:NAME", for messages alone.
 *  @return 0 or E_IO (too long) */
int dataset_path(char *out, const dataset *d, int64_t i);
/** "CLASS/sub/file.jpg": path of image i below d->root; in shards, as it was there when they were packed. */
const char *dataset_name(const dataset *d, int64_t i);

/** Whether a file's suffix is one of an image. */
bool dataset_is_image_name(const char *name);

/** E_DATA, naming the first differing classes, unless both have the same class folders. */
int dataset_same_classes(const dataset *train, const dataset *val);

#endif
