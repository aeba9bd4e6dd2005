/* Stores the index of an image folder in the user's cache. */

#define _GNU_SOURCE
#include "dataset/cache.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "dataset/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t)2 << 30) /* of a cache file: about 60 million images */
#define SETTLED_NS 2000000000       /* FAT's times have a resolution of 2 s, the coarsest of all file systems */

bool dataset_cache_is_settled(const file_stamp *stamp) {
    return (int64_t)((uint64_t)(clock_wall() * 1e9) - stamp->modified) >= SETTLED_NS;
}

int dataset_cache_file(char *out, char *folder, const char *path) {
    int rc = folder_cache(folder);
    uint64_t h = hash_bytes(HASH_START, path, strlen(path)); /* the file contains the path too */
    return rc != OK ? rc : path_format(out, "%s/index-%016llx", folder, (unsigned long long)h);
}

file_stamp folder_stamp_of(const struct stat *st) {
    return (file_stamp){.inode = (uint64_t)st->st_ino,
                        .modified = stamp_nanoseconds(st->st_mtim),
                        .changed = stamp_nanoseconds(st->st_ctim)};
}

/** The absolute path with links resolved. The caller frees it. */
static int absolute(char **out, const char *root) {
    *out = realpath(root, NULL);
    return *out != NULL ? OK : fail_errno(errno, "cannot resolve %s", root);
}

static int check_folders(const file_stamps *f, const char *root) {
    int rc = OK;
    char path[PATH_BYTES];
    const char *name = text_string(&f->names);
    for (size_t i = 0; i < f->n; i++, name += strlen(name) + 1) {
        struct stat st;
        TRY(path_join(path, root, name));
        if (stat(path, &st) != 0)
            return fail_errno(errno, "%s", path);
        file_stamp now = folder_stamp_of(&st), then = f->stamp[i];
        if (!S_ISDIR(st.st_mode) || now.inode != then.inode || now.modified != then.modified ||
            now.changed != then.changed)
            return fail(E_DATA, "%s has changed", path);
    }
done:
    return rc;
}

bool dataset_cache_load(dataset **out, const char *root) {
    int rc = OK;
    char folder[PATH_BYTES], file[PATH_BYTES], *path = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0;
    file_stamps f = {0};
    dataset *d = NULL;
    TRY(absolute(&path, root));
    TRY(dataset_cache_file(file, folder, path));
    TRY(file_read(&bytes, &n, file, BYTES_MAX));
    TRY(dataset_index_decode(&d, &f, &source_folder, bytes, n, path, root));
    TRY(check_folders(&f, root));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    if (rc != OK)
        log_debug("%s: the cached index is not used: %s", root, status_message());
    else
        log_debug("%s: index read from %s", root, file);
    dataset_close(d);
    file_stamps_deinit(&f);
    free(bytes);
    free(path);
    return rc == OK;
}

/* Two processes may write the same file at once. A mixture of both has a wrong checksum. */
void dataset_cache_store(const dataset *d, const file_stamps *f) {
    int rc = OK;
    char folder[PATH_BYTES], file[PATH_BYTES], *path = NULL;
    text t = {0};
    TRY(absolute(&path, d->root));
    TRY(dataset_cache_file(file, folder, path));
    TRY(dataset_index_encode(&t, d, f, path));
    if (t.n > BYTES_MAX)
        goto done;
    TRY(folder_make(folder));
    TRY(file_write_atomic(file, t.data, t.n));
done:
    if (rc != OK)
        log_debug("the index of %s was not cached: %s", d->root, status_message());
    text_deinit(&t);
    free(path);
}
