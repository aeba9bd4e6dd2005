/* Lists of images: the input is the list, which is also read as a class list if the first byte is odd. Each image
 * belongs to its class, the classes have the images that they count, and all are in order. */
#include "dataset/splits/class_list.h"
#include "dataset/splits/listed.h"
#include "scratch.h"

static void check(const dataset *d) {
    int64_t *count = calloc((size_t)d->class_n + 1, sizeof *count);
    for (int64_t i = 0; i < d->image_n; i++) {
        const char *name = dataset_name(d, i);
        int label = d->label[i];
        char path[PATH_BYTES];
        if (label < 0 || label >= d->class_n || (i > 0 && label < d->label[i - 1]))
            abort();
        size_t n = strlen(d->class_name[label]);
        if (strncmp(name, d->class_name[label], n) != 0 || name[n] != '/')
            abort();
        dataset_path(path, d, i); /* may be too long */
        count[label]++;
    }
    for (int k = 0; k < d->class_n; k++)
        if (count[k] != d->class_image_n[k] || (k > 0 && strcmp(d->class_name[k - 1], d->class_name[k]) >= 0))
            abort();
    free(count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char file[PATH_BYTES], classes[PATH_BYTES];
    listed l;
    if (n == 0)
        return 0;
    scratch_write("1.jpg", "", 0);
    scratch_write("2.PNG", "", 0);
    scratch_write("list.csv", bytes + 1, n - 1);
    if (listed_open(&l, scratch_path(file, "list.csv"), NULL) == OK) {
        if (l.train == NULL && l.val == NULL)
            abort();
        if (l.train != NULL)
            check(l.train);
        if (l.val != NULL)
            check(l.val);
        if (bytes[0] % 2 == 1 && l.train != NULL)
            class_list_apply(l.train, scratch_path(classes, "list.csv")); /* any text */
    }
    listed_deinit(&l);
    return 0;
}
