#include "dataset/splits/list_suffix.h"

#include "base/file.h"
#include "base/status.h"

#include <stddef.h>

static const char *const suffixes[] = {"",      ".jpg",  ".jpeg", ".png", ".JPG", ".JPEG", ".PNG",
                                       ".tif",  ".tiff", ".webp", ".bmp", ".ppm", ".pgm",  ".TIF",
                                       ".TIFF", ".WEBP", ".BMP",  ".PPM", ".PGM"};

static bool exists(const char *root, const char *path, const char *suffix) {
    char full[PATH_BYTES];
    int rc =
        path[0] == '/' ? path_format(full, "%s%s", path, suffix) : path_format(full, "%s/%s%s", root, path, suffix);
    return rc == OK && file_exists(full) && !folder_exists(full);
}

bool list_suffix_find(const char **suffix, const char *root, const char *path) {
    if (*suffix != NULL && exists(root, path, *suffix))
        return true;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (exists(root, path, suffixes[i])) {
            *suffix = suffixes[i];
            return true;
        }
    return false;
}
