/* main for compilers without libFuzzer: runs a target on each file that is named, and on each file of each folder. */
#include "base/file.h"
#include "base/status.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int run_file(const char *path) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    int rc = file_read(&bytes, &n, path, 0);
    if (rc != OK) {
        fprintf(stderr, "%s\n", status_message());
        return -1;
    }
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
    return 1;
}

static int run_folder(const char *path) {
    int ran = 0;
    DIR *dir = opendir(path);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL && ran >= 0; e = readdir(dir)) {
        char file[PATH_BYTES];
        if (e->d_name[0] == '.' || path_join(file, path, e->d_name) != OK || folder_exists(file))
            continue;
        int one = run_file(file);
        ran = one < 0 ? -1 : ran + one;
    }
    if (dir != NULL)
        closedir(dir);
    return ran;
}

int main(int argc, char **argv) {
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        int one = folder_exists(argv[i]) ? run_folder(argv[i]) : run_file(argv[i]);
        if (one < 0)
            return 1;
        ran += one;
    }
    printf("%d inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
