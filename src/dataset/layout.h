/** Where the training and the validation images of a dataset are. */
#ifndef LINNET_DATASET_LAYOUT_H
#define LINNET_DATASET_LAYOUT_H

#include "base/file.h"

#include <stdbool.h>

#define LAYOUT_DEPTH 3 /* levels of folders below the dataset that are searched for the folder with train */

/** The folder of the split "train" or "val" below `root`. For "val" this is the first of val, validation, valid and
 *  test that exists; test only if it contains class folders or shards, as test images often have no labels. If none
 *  exists, it is the only folder whose name contains one of these words, or training or testing, in any case:
 *  "Training", "seg_train", "test set"; it must contain folders and no images. A folder that contains nothing but one
 * of the same split (train/train) stands for that. Else *out is ROOT/SPLIT. @return 0, E_IO (too long), E_NOMEM */
int layout_folder(char out[PATH_BYTES], const char *root, const char *split);

typedef struct layout {
    char root[PATH_BYTES]; /* the folder to which train and val belong */
    bool has_train, has_val;
    bool is_test;  /* the folder of the validation images is called test */
    bool is_below; /* root is not the folder that was given, but one below it */
    bool is_flat;  /* there is no folder train: root itself contains the class folders */
} layout;

/** Finds the folder with train (or, unless need_train, with train or val): `path` itself, or the only one at most
 *  LAYOUT_DEPTH levels below it. If there is none, the class folders may be in such a folder directly (is_flat). If
 *  nothing is found, root is `path`, and has_train and has_val are false.
 *  @return 0; E_DATA: several folders qualify, which the message lists; E_IO, E_NOMEM */
int layout_find(layout *out, const char *path, bool need_train);

/** Whether the folder itself contains images; subfolders are not searched. */
bool layout_has_images(const char *path);

#endif
