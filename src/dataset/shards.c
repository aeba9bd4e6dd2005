#define _GNU_SOURCE
#include "dataset/shards.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/cache.h"
#include "dataset/shard_files.h"
#include "dataset/source.h"
#include "dataset/tar.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define INDEX_MAX ((size_t)8 << 30)

static bool ends_with(const char *name, const char *suffix) {
    size_t n = strlen(name), k = strlen(suffix);
    return n > k && strcmp(name + n - k, suffix) == 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/** What the folder l->root has. */
typedef struct listing {
    char **name; /* (n) of the .tar files of the split */
    size_t n;
    char **packed; /* (packed_n) of the compressed ones */
    size_t packed_n, strangers;
    char stranger[256]; /* the first .tar of no split; "" none */
} listing;

static void listing_deinit(listing *f) {
    for (size_t i = 0; i < f->n; i++)
        free(f->name[i]);
    for (size_t i = 0; i < f->packed_n; i++)
        free(f->packed[i]);
    free(f->name);
    free(f->packed);
}

static int add_name(char ***list, size_t *n, const char *name) {
    int rc = OK;
    TRY(memory_resize(list, *n + 1, sizeof **list));
    TRY(memory_string(&(*list)[*n], name));
    ++*n;
done:
    return rc;
}

/** Whether a word of the name, between what are no letters, is one of `words` (n). */
static bool has_word(const char *name, const char *const *words, size_t n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *p = name; *p != 0;) {
        size_t length = strspn(p, letters);
        for (size_t i = 0; i < n; i++)
            if (length == strlen(words[i]) && strncasecmp(p, words[i], length) == 0)
                return true;
        p += length > 0 ? length : 1;
    }
    return false;
}

static bool is_train(const char *name) {
    static const char *const words[] = {"train", "training"};
    return has_word(name, words, 2);
}

static bool is_val(const char *name) {
    static const char *const words[] = {"val", "valid", "validation"};
    return has_word(name, words, 3);
}

static const char *packed_suffix(const char *name) {
    static const char *const suffix[] = {".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"};
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++)
        if (ends_with(name, suffix[i]))
            return suffix[i];
    return NULL;
}

/** Takes up a file of the folder. `split`: "train", "val", or "" for any name. */
static int take_file(listing *f, const char *root, const char *split, const char *name) {
    bool tar = ends_with(name, ".tar"), any = split[0] == 0, train = is_train(name), val = is_val(name);
    if (name[0] == '.' || (!tar && packed_suffix(name) == NULL))
        return OK;
    if (!any && train && val)
        return fail(E_DATA, "%s/%s names two splits, train and val: rename it", root, name);
    if (!any && !train && !val && tar && f->strangers++ == 0)
        snprintf(f->stranger, sizeof f->stranger, "%s", name);
    if (!any && !(strcmp(split, "val") == 0 ? val : train))
        return OK;
    return tar ? add_name(&f->name, &f->n, name) : add_name(&f->packed, &f->packed_n, name);
}

static int list_names(listing *f, const char *root, const char *split) {
    int rc = OK;
    DIR *dir = opendir(root);
    if (dir == NULL)
        return errno == ENOENT || errno == ENOTDIR ? OK : fail_errno(errno, "cannot read the folder %s", root);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        TRY(take_file(f, root, split, e->d_name));
    if (f->n > 1)
        qsort(f->name, f->n, sizeof *f->name, by_name);
done:
    closedir(dir);
    return rc;
}

/** A compressed shard whose .tar is not there too is images that would be missing without a word. */
static int check_packed(const listing *f, const char *root) {
    for (size_t i = 0; i < f->packed_n; i++) {
        const char *name = f->packed[i];
        int stem = (int)(strlen(name) - strlen(packed_suffix(name)));
        char tar[512];
        snprintf(tar, sizeof tar, "%.*s.tar", stem, name);
        bool there = false;
        for (size_t k = 0; k < f->n && !there; k++)
            there = strcmp(f->name[k], tar) == 0;
        if (!there)
            return fail(E_DATA,
                        "%s has compressed shards (%s): they do not allow random access; decompress them first (%s)",
                        root, name, "gunzip *.tar.gz");
    }
    return OK;
}

/** Whether the folder has images, and no folders count below it. */
static bool has_images(const char *path) {
    bool found = false;
    DIR *dir = opendir(path);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL && !found; e = readdir(dir))
        found = dataset_is_image_name(e->d_name);
    if (dir != NULL)
        closedir(dir);
    return found;
}

/** Shards or class folders: which of them are meant nobody can tell. */
static int check_folders(const listing *f, const char *root) {
    char path[PATH_BYTES];
    int rc = OK;
    DIR *dir = opendir(root);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; rc == OK && e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.' || path_join(path, root, e->d_name) != OK || !folder_exists(path) || !has_images(path))
            continue;
        rc = fail(E_DATA,
                  "%s has both .tar files (%s) and folders of images (%s): remove the ones that are not to be used",
                  root, f->name[0], e->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    return rc;
}

static file_stamp shard_stamp_of(const struct stat *st) {
    return (file_stamp){.modified = stamp_nanoseconds(st->st_mtim), .changed = (uint64_t)st->st_size};
}

/** Those of one folder into the list, with their stamps. */
static int list_folder(shard_list *l, const char *split) {
    int rc = OK;
    char path[PATH_BYTES];
    listing f = {0};
    TRY(list_names(&f, l->root, split));
    TRY(check_packed(&f, l->root));
    if (f.n > 0)
        TRY(check_folders(&f, l->root));
    if (f.n > 0 && f.strangers > 0 && strcmp(split, "train") == 0)
        log_warn("%s/%s: ignored, as its name contains neither train nor val%s", l->root, f.stranger,
                 f.strangers > 1 ? " (and other .tar files)" : "");
    for (size_t i = 0; i < f.n; i++) {
        struct stat st;
        TRY(path_join(path, l->root, f.name[i]));
        if (stat(path, &st) != 0) {
            rc = fail_errno(errno, "cannot read %s", path);
            goto done;
        }
        if (!S_ISREG(st.st_mode))
            continue;
        TRY(file_stamps_add(&l->stamps, f.name[i], shard_stamp_of(&st)));
        l->n++;
    }
done:
    listing_deinit(&f);
    return rc;
}

int shard_list_find(shard_list *l, const char *root, const char *split) {
    int rc = OK;
    *l = (shard_list){0};
    if (split == NULL || split[0] == 0) {
        snprintf(l->split, sizeof l->split, "all");
        TRY(path_format(l->root, "%s", root));
        TRY(list_folder(l, ""));
        goto done;
    }
    snprintf(l->split, sizeof l->split, "%s", split);
    TRY(path_join(l->root, root, split));
    if (strcmp(split, "val") == 0 && !folder_exists(l->root))
        TRY(path_join(l->root, root, "validation"));
    if (folder_exists(l->root)) {
        TRY(list_folder(l, ""));
    } else {
        TRY(path_format(l->root, "%s", root));
        TRY(list_folder(l, split));
    }
done:
    return rc;
}

void shard_list_deinit(shard_list *l) { file_stamps_deinit(&l->stamps); }

/** Names the first shard that is not as it was. */
static int compare(const shard_list *l, const file_stamps *then) {
    const char *name = text_string(&l->stamps.names);
    if (l->stamps.names.n != then->names.n || memcmp(name, then->names.data, then->names.n) != 0)
        return fail(E_DATA, "the set of shards has changed");
    for (size_t i = 0; i < l->n; i++, name += strlen(name) + 1)
        if (memcmp(&l->stamps.stamp[i], &then->stamp[i], sizeof then->stamp[i]) != 0)
            return fail(E_DATA, "%s was modified after it was indexed", name);
    return OK;
}

/** E_NOTFOUND where there is none, E_DATA or E_FORMAT where it is no longer right. */
static int load(dataset **out, const char *file, const shard_list *l) {
    int rc = OK;
    unsigned char *bytes = NULL;
    size_t n = 0;
    dataset *d = NULL;
    file_stamps then = {0};
    TRY(file_read(&bytes, &n, file, INDEX_MAX));
    TRY(dataset_index_decode(&d, &then, &source_shards, bytes, n, l->split, l->root));
    TRY(compare(l, &then));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    file_stamps_deinit(&then);
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
        log_warn("the index of %s was not stored; the next start reads all shards again: %s", l->root,
                 status_message());
    text_deinit(&t);
}

/** The dataset of the shards: from the index SPLIT.index beside them or in the user's cache, while each shard has the
 *  size and time of modification it had; else read in one pass, and the index kept. */
static int open_shards(dataset **out, const shard_list *l) {
    int rc = OK;
    char own[PATH_BYTES], cached[PATH_BYTES], folder[PATH_BYTES];
    dataset *d = NULL;
    TRY(index_files(own, cached, folder, l));
    rc = find_index(&d, own, cached, l);
    if (rc == E_NOTFOUND) {
        log_info("%s: reading the %zu shards of %s once to build an index", l->root, l->n, l->split);
        TRY(shard_index_build(&d, l));
        keep_index(d, own, cached, folder, l);
    } else if (rc != OK) {
        goto done;
    }
    if (d->lost_n > 0)
        log_warn("%s: %lld images of %s are missing or have no label; they count as unreadable", l->root,
                 (long long)d->lost_n, l->split);
    TRY(shard_files_create(d));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}

static int list(dataset **out, const char *root, const char *split, bool whole) {
    int rc = OK;
    shard_list l = {0};
    (void)whole;
    TRY(shard_list_find(&l, root, split));
    if (l.n > 0)
        TRY(open_shards(out, &l));
done:
    shard_list_deinit(&l);
    return rc;
}

/** Plain names of files; every image lies behind a header and within its shard. */
static int check_index(dataset *d, const file_stamps *f) {
    int rc = OK;
    const char *name = text_string(&f->names);
    if (d->location == NULL)
        return fail(E_FORMAT, "the index is not of shards");
    TRY(memory_zeroed(&d->shard_name, f->n, sizeof *d->shard_name));
    for (size_t i = 0; i < f->n; i++) {
        if (name[0] == 0 || strchr(name, '/') != NULL || f->stamp[i].inode != 0 || f->n > INT32_MAX)
            return fail(E_FORMAT, "the index contains an invalid shard");
        TRY(memory_string(&d->shard_name[i], name));
        d->shard_n++;
        name += strlen(name) + 1;
    }
    for (int64_t i = 0; i < d->image_n; i++) {
        image_location at = d->location[i];
        if (at.shard >= f->n || at.offset < TAR_BLOCK || at.offset > f->stamp[at.shard].changed ||
            at.bytes > f->stamp[at.shard].changed - at.offset)
            return fail(E_FORMAT, "the index contains an invalid image location");
    }
done:
    return rc;
}

static int path(char out[PATH_BYTES], const dataset *d, int64_t i) {
    return path_format(out, "%s/%s:%s", d->root, d->shard_name[d->location[i].shard], dataset_name(d, i));
}

static int64_t bytes(const dataset *d, int64_t i) { return d->location[i].bytes; }

const source source_shards = {.list = list,
                              .check_index = check_index,
                              .path = path,
                              .bytes = bytes,
                              .read = shard_files_read,
                              .advise = shard_files_advise,
                              .close = shard_files_close};
