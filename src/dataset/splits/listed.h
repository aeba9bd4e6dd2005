/** A dataset whose images and labels are in a CSV or TSV file (delimited.h): one row per image, with the columns
 *
 *      path, label[, split]
 *
 *  The first row may name its columns instead; then they may be in any order, and further columns are ignored
 *  (list_columns.h). A path may lack the suffix of its file (list_suffix.h). Paths are relative to a root folder, or
 * absolute. Labels are class names. Splits are train, training, val, validation, valid and test, in any case.
 *
 *  Classes are in byte order. Within a class, images are ordered as in an ImageFolder: by the folder, then by the name
 *  of the file. The order of the rows does not matter. The name of an image is "LABEL/PATH", so names, and with them
 *  the fingerprint, contain all that the list says about it. */
#ifndef LINNET_DATASET_LISTED_H
#define LINNET_DATASET_LISTED_H

#include "dataset/dataset.h"

#include <stdbool.h>

/** The images of a list. Without a column split, all are in `train`, and `val` is NULL. */
typedef struct listed {
    dataset *train, *val; /* NULL: the list has no such images */
    bool has_split;       /* the list has a column split */
    bool is_test;         /* `val` is the split test */
} listed;

/** Reads the list. root: to which the paths are relative; NULL: the folder of the list. If several of val, validation,
 *  valid and test occur, the first of them is used, which a log line says. *out is owned by the caller, who calls
 *  listed_deinit in any case.
 *  @return 0; E_FORMAT: an invalid row or column, or an image that is listed twice (the message has the line);
 *  E_NOTFOUND: no list, or none of a sample of its images exists; E_DATA (no images), E_IO, E_NOMEM */
int listed_open(listed *out, const char *file, const char *root);
void listed_deinit(listed *l);

#endif
