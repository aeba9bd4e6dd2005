/** Which columns of a list of images (listed.h) have the path, the label and the split. */
#ifndef LINNET_DATASET_LIST_COLUMNS_H
#define LINNET_DATASET_LIST_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

enum { LIST_PATH, LIST_LABEL, LIST_SPLIT, LIST_ROLES };
enum { LIST_COLUMNS_MAX = 256 }; /* further columns are ignored */

typedef struct list_columns {
    int n;              /* of the first row */
    int of[LIST_ROLES]; /* index of the column; -1: there is none */
    bool header;        /* the first row has names and no image */
    bool unsure;        /* it may be a header: read it as a row, and call list_columns_decide */
} list_columns;

/** Finds the columns by the fields of the first row: by known names in any order, in any case, else as path, label and
 *  split in this order. In a row of two columns one known name suffices; without one, the column of the image is the
 *  path. A log line says what does not follow from the names.
 *  field: the first LIST_COLUMNS_MAX of `n` fields. file, line: for messages.
 *  @return 0, E_FORMAT */
int list_columns_find(list_columns *out, char *const *field, int n, const char *file, size_t line, const char *root);

/** Decides about a first row that may be a header, of which first is path and label. */
void list_columns_decide(list_columns *c, bool header, char *const first[2], const char *file);

/** Whether the name is that of an image, or an image of this name with a suffix exists below `root`. */
bool list_is_image(const char *path, const char *root);

#endif
