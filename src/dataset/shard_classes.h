/** Determines the classes of the samples in shards. */
#ifndef LINNET_DATASET_SHARD_CLASSES_H
#define LINNET_DATASET_SHARD_CLASSES_H

#include "dataset/dataset.h"

enum { LABEL_NONE = -1, LABEL_TEXT = -2 /* the name of a class */ };

/** An image with its label. */
typedef struct sample {
    uint64_t name; /* offset into the names of all samples: "CLASS/FILE" if is_path, else KEY.EXT */
    image_location location;
    uint64_t label_name; /* offset as `name`, of a label that is a name */
    int32_t label;
    bool is_path;
} sample;

/** The names of classes that labels give; n = 0: labels are numbers. */
typedef struct shard_labels {
    const char **name; /* (n), in byte order */
    size_t n;
} shard_labels;

/** Sets the classes of `d` from its samples (n >= 1), which are sorted by label; names: see sample.name.
 *  The classes have the names of `labels`. If labels are numbers, they are named by the folders of the files if all
 * samples have a path and the folders agree with the labels, else by the labels. In the split "val" some labels may
 * have no images. Such labels are not classes of `d` (dataset_use_classes adds them), and the labels of the samples are
 * renumbered. @param[out] named whether the classes are named by the folders
 *  @return 0, E_DATA (a label without images in another split), E_NOMEM */
int shard_classes_set(bool *named, dataset *d, sample *s, size_t n, const char *names, const shard_labels *labels,
                      const char *split);

#endif
