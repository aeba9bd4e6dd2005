/** Images without classes, as a dataset: files by name, folders with all below them. */
#ifndef LINNET_DATASET_IMAGE_LIST_H
#define LINNET_DATASET_IMAGE_LIST_H

#include "base/text.h"
#include "dataset/dataset.h"

/** Adds `path` to the list, one name a line: a file as it is, a folder's images (dataset_is_image_name) in byte order,
 *  links followed, but not back to a folder above. @return 0, E_NOTFOUND, E_IO, E_NOMEM, E_DATA (a line end in a name)
 */
int image_list_add(text *list, const char *path);

/** The names of the list in their order, as a dataset of one class, for a loader in validation; its root is "", so that
 *  paths are the names. Close it with dataset_close. @return 0, E_DATA (none), E_NOMEM */
int image_list_dataset(dataset **out, const text *list);

#endif
