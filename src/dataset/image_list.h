/** Images without classes as a dataset: single files, and folders with all images below them. */
#ifndef LINNET_DATASET_IMAGE_LIST_H
#define LINNET_DATASET_IMAGE_LIST_H

#include "base/text.h"
#include "dataset/dataset.h"

/** Adds `path` to the list, one name per line: a file, or all images of a folder and its subfolders
 *  (dataset_is_image_name) in byte order, without those in folders of clutter.h. Links are followed, except to a parent
 * folder and at most DATASET_LINKS_MAX.
 *  @return 0, E_NOTFOUND, E_IO, E_NOMEM, E_DATA (a line break in a name, too many links) */
int image_list_add(text *list, const char *path);

/** The names of the list in their order, as a dataset of one class for a validation loader. Its root is "", so that
 * paths equal names. Close it with dataset_close. @return 0, E_DATA (none), E_NOMEM */
int image_list_dataset(dataset **out, const text *list);

#endif
