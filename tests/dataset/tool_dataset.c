/* Prints the index of a folder for tests/interop/test_imagefolder.py: "LABEL NAME" of each image, each ended by a zero
 * byte; classes first, as "class NAME". */
#include "base/status.h"
#include "dataset/dataset.h"

#include <stdio.h>

int main(int argc, char **argv) {
    dataset *d = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    if (dataset_open(&d, argv[1], NULL) != OK) {
        fprintf(stderr, "%s\n", status_message());
        return 1;
    }
    for (int c = 0; c < d->class_n; c++)
        printf("class %s%c", d->class_name[c], 0);
    for (int64_t i = 0; i < d->image_n; i++)
        printf("%d %s%c", (int)d->label[i], dataset_name(d, i), 0);
    dataset_close(d);
    return 0;
}
