#include "tools/demo_dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"
#include "image/jpeg_write.h"
#include "tools/demo_dataset_draw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define QUALITY 85
#define LONG_SIDE 1.34 /* the longer side is up to this times the shorter one */

/** Writes without fsync, which would take minutes for thousands of files. The files can be generated again. */
static int write_file(const char *path, const unsigned char *bytes, size_t n) {
    int rc = OK, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno(errno, "cannot write %s", path);
    rc = file_write_at(fd, 0, bytes, n, path);
    if (close(fd) != 0 && rc == OK)
        rc = fail_errno(errno, "cannot write %s", path);
    return rc;
}

/** Writes image `number` of a class of a split (0 train, 1 val); it does not depend on the number of images. */
static int write_image(uint8_t *pixels, float *scratch, const char *folder, int split, int kind, int number,
                       const demo_dataset_options *o) {
    int rc = OK;
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    uint64_t index = (uint64_t)(split * DEMO_DATASET_CLASSES + kind) << 32 | (uint32_t)number;
    random_stream r = random_open(o->seed, 0, index, RANDOM_SHAPES);
    int side = (int)((double)o->size * random_uniform(&r, 1, LONG_SIDE));
    bool upright = random_below(&r, 2) == 1;
    int w = upright ? o->size : side, h = upright ? side : o->size;
    demo_dataset_draw(pixels, scratch, w, h, kind, &r);
    TRY(path_format(path, "%s/%04d.jpg", folder, number));
    TRY(jpeg_encode(&bytes, &n, pixels, w, h, QUALITY));
    TRY(write_file(path, bytes, n));
done:
    free(bytes);
    return rc;
}

int demo_dataset_write(const char *root, const demo_dataset_options *o) {
    static const char *const split_name[] = {"train", "val"};
    int rc = OK;
    uint8_t *pixels = NULL;
    float *scratch = NULL;
    char folder[PATH_BYTES];
    size_t n = (size_t)o->size * (size_t)(LONG_SIDE * o->size + 1) * 3;
    TRY(memory_zeroed(&pixels, n, sizeof *pixels));
    TRY(memory_zeroed(&scratch, n, sizeof *scratch));
    for (int split = 0; split < 2; split++) {
        int images = split == 0 ? o->train_n : o->val_n;
        for (int kind = 0; kind < DEMO_DATASET_CLASSES; kind++) {
            TRY(path_format(folder, "%s/%s/%s", root, split_name[split], demo_dataset_class[kind]));
            TRY(folder_make(folder));
            for (int i = 0; i < images; i++)
                TRY(write_image(pixels, scratch, folder, split, kind, i, o));
        }
    }
done:
    free(pixels);
    free(scratch);
    return rc;
}
