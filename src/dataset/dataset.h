/** The images of a split with their labels: of an image folder ROOT/SPLIT/CLASS/..., or of WebDataset shards
 *  (shards.h). The same images give the same dataset in every container (source.h). The order is that of
 *  torchvision.datasets.ImageFolder: class folders in byte order get the labels 0..C-1; within a class, folders are
 *  in byte order of their paths, and the files of each folder in byte order of their names. Links are followed,
 *  except to a parent folder. DATASET_SUFFIXES are matched in any case. Files and folders of
 *  clutter.h are left out. A class without images is an error, except in val. */
#ifndef LINNET_DATASET_DATASET_H
#define LINNET_DATASET_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATASET_SUFFIXES ".jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp"

#define DATASET_LINKS_MAX 100000 /* links to folders that are followed: links within each other multiply */

/** Location of an image in a file that contains many images. */
typedef struct image_location {
    uint64_t offset; /* of its bytes; in a tar file its header is before them */
    uint32_t bytes;
    uint32_t shard;
} image_location;

typedef struct dataset {
    char *root; /* ROOT/SPLIT, or the folder itself; the folder of the shards */
    int class_n;
    char **class_name;      /* (class_n) */
    int64_t *class_image_n; /* (class_n) images of each class; 0 is possible in val, and with `allow_empty` */
    int64_t image_n;
    char *
        *class_passed; /* (class_n) for a class without images: its files that are not images, "12 .jfif"; NULL: none */
    int64_t passed_n;  /* files in class folders that may be images but are not read because of their suffix ... */
    char passed[128];  /* ... "12 .jfif, 3 without a suffix". In a stored index, 0 if less than 1 % of the images */
    /* one block of strings with offsets instead of a pointer per image, to save memory with 1.28 million images */
    char *names;    /* "CLASS/sub/file.jpg\0..." */
    uint64_t *name; /* (image_n) offset into names */
    int32_t *label; /* (image_n) */

    /* if a file contains many images */
    int shard_n;              /* such files; 0: every image is a file */
    char **shard_name;        /* (shard_n) below root */
    image_location *location; /* (image_n); NULL: every image is a file */
    int64_t lost_n;           /* images that the shards should contain and do not: they count as unreadable */
    int64_t ahead_n;          /* images by which dataset_advise should precede the reading in sequential reading */
    uint64_t copy_bytes;      /* room that copies of shards need at a time (shard_cache.h); 0: there are none */

    char of[24]; /* for messages: "" or what part of the images of root this is, such as " (validation)" */

    const struct source *source; /* the container */
    void *opened;                /* private to the container, such as open files; shared by threads */
} dataset;

/** What to open, and how. The pointers are used during the call only. */
typedef struct dataset_request {
    const char *root;  /* a folder, or a list of shards (dataset_is_list) */
    const char *split; /* "train", "val"; NULL or "": root itself */
    bool own; /* root contains this split alone: it is the folder of the classes or shards, or lists its shards */
    bool allow_empty; /* all class folders may be empty; the index of a folder is neither read from the cache nor stored
                       */
    /* shards: */
    const char *image_key; /* which image of a sample is used: "jpg", "left.jpg"; NULL or "": the only one */
    const char *cache_dir; /* the copies of shards (shard_cache.h): folder, limit, and patience with servers ... */
    uint64_t cache_bytes;
    double timeout;
    void (*on_progress)(void *context); /* called now and then while a long list or a copy is made; NULL: none. It must
                                     remain valid while the dataset is open, and threads may call it at the same time */
    void *progress_context;
    int64_t window; /* sequential reading: images in use at a time; 0: random access, every copy remains in use */
} dataset_request;

int dataset_open_request(dataset **out, const dataset_request *r);

/** Whether `root` is a list of shards and not a folder: the name of one (x.tar, x.tar.gz, x.tgz, x.tar.zst), several in
 *  braces (brace.h), or one or several URLs (fetch.h). */
bool dataset_is_list(const char *root);

/** Lists the images of a split: the shards of the split if there are any, else the folder ROOT/split (ROOT itself if
 * split is NULL or ""). A valid stored index is used instead (shards.h, cache.h); the result is the same. The
 * folder of the split "val" may have another name (layout_folder), and its class folders may be empty.
 *  @return 0, E_NOTFOUND, E_DATA (says what is wrong and what to do), E_IO, E_NOMEM */
int dataset_open(dataset **out, const char *root, const char *split);
void dataset_close(dataset *d);
/** A dataset with the classes of another and no images. @return 0, E_NOMEM */
int dataset_empty(dataset **out, const dataset *like);

/** Full path of image i into `out` (PATH_BYTES of base/file.h); in shards "ROOT/SHARD:NAME", for messages only.
 *  @return 0 or E_IO (too long) */
int dataset_path(char *out, const dataset *d, int64_t i);
/** "CLASS/sub/file.jpg": path of image i below d->root; in shards, its path when they were packed. */
const char *dataset_name(const dataset *d, int64_t i);

/** Whether the name (without a path) has the suffix of an image and is not clutter (clutter.h). */
bool dataset_is_image_name(const char *name);

/** Gives `d` the given classes (n different names, in any order), and maps its labels to them by name. The images are
 *  sorted by the new labels; their order within a class does not change. of: the path to which the classes belong, for
 *  messages. A class that has no images in `d` gets class_image_n 0.
 *  @return 0; E_DATA: `d` has other classes, of which the message lists the first; E_NOMEM */
int dataset_use_classes(dataset *d, char *const *name, int n, const char *of);

/** Removes all images i but those with keep[i] (image_n). The classes remain. */
void dataset_keep(dataset *d, const bool *keep);

#endif
