#define _GNU_SOURCE
#include "dataset/shards.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/cache.h"
#include "dataset/read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAX ((size_t)8 << 30)

static bool ends_with(const char *name, const char *suffix) {
    size_t n = strlen(name), k = strlen(suffix);
    return n > k && strcmp(name + n - k, suffix) == 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/** Names of the .tar files in l->root that hold `word` ("": all) and not `without`. */
static int list_names(char ***out, size_t *n, int *compressed, const shard_list *l, const char *word,
                      const char *without) {
    int rc = OK;
    DIR *dir = opendir(l->root);
    if (dir == NULL)
        return errno == ENOENT || errno == ENOTDIR ? OK : fail_errno(errno, "cannot read the folder %s", l->root);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.' || strstr(e->d_name, word) == NULL || (without[0] && strstr(e->d_name, without)))
            continue;
        *compressed += ends_with(e->d_name, ".tar.gz") || ends_with(e->d_name, ".tgz") ||
                       ends_with(e->d_name, ".tar.zst") || ends_with(e->d_name, ".tar.xz");
        if (!ends_with(e->d_name, ".tar"))
            continue;
        TRY(memory_resize(out, *n + 1, sizeof **out));
        TRY(memory_string(&(*out)[*n], e->d_name));
        (*n)++;
    }
    if (*n > 1)
        qsort(*out, *n, sizeof **out, by_name);
done:
    closedir(dir);
    return rc;
}

/** Those of one folder into the list, with their stamps. */
static int list_folder(shard_list *l, const char *word, const char *without) {
    int rc = OK, compressed = 0;
    char **name = NULL, path[PATH_BYTES];
    size_t n = 0;
    TRY(list_names(&name, &n, &compressed, l, word, without));
    if (n == 0 && compressed > 0) {
        rc = fail(E_DATA, "%s holds compressed shards only: they cannot be read at random; decompress them first (%s)",
                  l->root, "gunzip *.tar.gz");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        TRY(path_join(path, l->root, name[i]));
        if (stat(path, &st) != 0) {
            rc = fail_errno(errno, "cannot read %s", path);
            goto done;
        }
        if (!S_ISREG(st.st_mode))
            continue;
        TRY(folder_stamps_add(&l->stamps, name[i], shard_stamp_of(&st)));
        l->n++;
    }
done:
    for (size_t i = 0; i < n; i++)
        free(name[i]);
    free(name);
    return rc;
}

int shard_list_find(shard_list *l, const char *root, const char *split) {
    int rc = OK;
    *l = (shard_list){0};
    if (split == NULL || split[0] == 0) {
        snprintf(l->split, sizeof l->split, "all");
        TRY(path_format(l->root, "%s", root));
        TRY(list_folder(l, "", ""));
        goto done;
    }
    bool val = strcmp(split, "val") == 0;
    snprintf(l->split, sizeof l->split, "%s", split);
    TRY(path_join(l->root, root, split));
    if (val && !folder_exists(l->root))
        TRY(path_join(l->root, root, "validation"));
    if (folder_exists(l->root)) {
        TRY(list_folder(l, "", ""));
    } else {
        TRY(path_format(l->root, "%s", root));
        TRY(list_folder(l, split, val ? "train" : ""));
    }
done:
    return rc;
}

void shard_list_deinit(shard_list *l) { folder_stamps_deinit(&l->stamps); }

/** Names the first shard that is not as it was. */
static int compare(const shard_list *l, const folder_stamps *then) {
    const char *name = text_string(&l->stamps.names);
    if (l->stamps.names.n != then->names.n || memcmp(name, then->names.data, then->names.n) != 0)
        return fail(E_DATA, "the shards are others than those it was made of");
    for (size_t i = 0; i < l->n; i++, name += strlen(name) + 1)
        if (memcmp(&l->stamps.stamp[i], &then->stamp[i], sizeof then->stamp[i]) != 0)
            return fail(E_DATA, "%s was changed after it was made", name);
    return OK;
}

/** E_NOTFOUND where there is none, E_DATA or E_FORMAT where it is no longer right. */
static int load(dataset **out, const char *file, const shard_list *l) {
    int rc = OK;
    unsigned char *bytes = NULL;
    size_t n = 0;
    dataset *d = NULL;
    folder_stamps then = {0};
    TRY(file_read(&bytes, &n, file, INDEX_MAX));
    TRY(dataset_index_decode(&d, &then, bytes, n, l->split, l->root));
    if (d->place == NULL)
        rc = fail(E_FORMAT, "the index of folders");
    else
        rc = compare(l, &then);
    if (rc != OK)
        goto done;
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    folder_stamps_deinit(&then);
    free(bytes);
    return rc;
}

/** Beside the shards, and where that cannot be written. */
static int index_files(char own[PATH_BYTES], char cached[PATH_BYTES], char folder[PATH_BYTES], const shard_list *l) {
    int rc = OK;
    char *real = realpath(l->root, NULL);
    TRY(path_format(own, "%s/%s.index", l->root, l->split));
    cached[0] = 0;
    if (real != NULL && path_format(cached, "%s/%s.index", real, l->split) == OK &&
        dataset_cache_file(cached, folder, cached) != OK)
        cached[0] = 0;
done:
    free(real);
    return rc;
}

static int find_index(dataset **out, const char *own, const char *cached, const shard_list *l) {
    const char *const file[] = {own, cached};
    int rc = E_NOTFOUND;
    for (int i = 0; i < 2 && rc != OK; i++) {
        if (file[i][0] == 0)
            continue;
        int found = load(out, file[i], l);
        if (found == OK)
            log_debug("%s: the index is from %s", l->root, file[i]);
        else if (found != E_NOTFOUND)
            log_info("%s: not used: %s", file[i], status_message());
        if (found == E_NOMEM)
            return found;
        rc = found == OK ? OK : rc;
    }
    return rc;
}

static void keep_index(const dataset *d, const char *own, const char *cached, const char *folder, const shard_list *l) {
    text t = {0};
    int rc = OK;
    TRY(dataset_index_encode(&t, d, &l->stamps, l->split));
    rc = file_write_atomic(own, t.data, t.n);
    if (rc != OK && cached[0] != 0) {
        TRY(folder_make(folder));
        TRY(file_write_atomic(cached, t.data, t.n));
    }
done:
    if (rc != OK)
        log_warn("the index of %s is not kept, the next start reads all shards again: %s", l->root, status_message());
    text_deinit(&t);
}

int shards_open(dataset **out, const shard_list *l) {
    int rc = OK;
    char own[PATH_BYTES], cached[PATH_BYTES], folder[PATH_BYTES];
    dataset *d = NULL;
    TRY(index_files(own, cached, folder, l));
    rc = find_index(&d, own, cached, l);
    if (rc == E_NOTFOUND) {
        log_info("%s: reading the %zu shards of %s once, for an index", l->root, l->n, l->split);
        TRY(shard_index_build(&d, l));
        keep_index(d, own, cached, folder, l);
    } else if (rc != OK) {
        goto done;
    }
    if (d->lost_n > 0)
        log_warn("%s: %lld images of %s are lost or have no label; they count as unreadable", l->root,
                 (long long)d->lost_n, l->split);
    TRY(shard_files_create(d));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}
