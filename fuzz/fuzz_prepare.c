/* `linnet prepare imagenet`: the parts of the input are the members of the archive of validation images, which is also
 * given as the archive of training images; those named ".../ILSVRC2012_validation_ground_truth.txt" are the devkit's.
 * Nothing may be written outside the output folder. */
#include "tools/prepare.h"

#include "members.h"
#include "tools/devkit.h"

static void write_archives(const uint8_t *bytes, size_t n) {
    text kit = {0}, images = {0};
    part p;
    for (size_t at = 0; part_next(&p, &at, bytes, n);)
        if (p.name[0] != 0)
            member_put(strstr(p.name, "ground_truth") != NULL ? &kit : &images, &p);
    member_write(&kit, "kit.tar");
    member_write(&images, "images.tar");
}

/** The devkit's reader alone, on the input itself, compressed or not. */
static void read_kit(const uint8_t *bytes, size_t n) {
    devkit d;
    char path[PATH_BYTES];
    scratch_write("raw", bytes, n);
    int rc = devkit_read(&d, scratch_path(path, "raw"));
    for (int64_t i = 0; rc == OK && i < d.val_n; i++)
        if (d.val_class[i] < 0 || d.val_class[i] >= SYNSETS)
            abort();
    devkit_deinit(&d);
}

static int names_n(const char *folder) {
    int n = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir))
        n += e->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char kit[PATH_BYTES], images[PATH_BYTES], out[PATH_BYTES];
    prepare_result result;
    read_kit(bytes, n);
    write_archives(bytes, n);
    prepare_options o = {.devkit = scratch_path(kit, "kit.tar"), .out = scratch_path(out, "out")};
    if (folder_make(out) != OK)
        abort();
    o.val = scratch_path(images, "images.tar");
    (void)prepare_imagenet(&result, &o);
    o.val = NULL;
    o.train = images;
    (void)prepare_imagenet(&result, &o);
    if (names_n(scratch()) != 4) /* raw, kit.tar, images.tar, out */
        abort();
    scratch_empty(scratch());
    return 0;
}
