/** A file with the names of the classes, one a line, which defines their order. */
#ifndef LINNET_DATASET_CLASS_LIST_H
#define LINNET_DATASET_CLASS_LIST_H

#include "dataset/dataset.h"

#include <stdbool.h>

/** Gives `d` the classes of the file, in its order (dataset_use_classes). A class without images in `d` is no error.
 *  Empty lines are ignored.
 *  @return 0; E_DATA: `d` has classes that the file does not name; E_FORMAT (no names, a name twice, an invalid name),
 *  E_NOTFOUND, E_IO, E_NOMEM */
int class_list_apply(dataset *d, const char *file);

/** Whether a class may have the name: it is not empty and contains no '/' and no line break. */
bool class_list_is_name(const char *name);

#endif
