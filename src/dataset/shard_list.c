#define _GNU_SOURCE
#include "dataset/shard_list.h"

#include "base/log.h"
#include "base/status.h"
#include "dataset/clutter.h"
#include "dataset/layout.h"
#include "dataset/shard_names.h"
#include "dataset/transfer/fetch.h"
#include "dataset/transfer/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool dataset_is_list(const char *root) {
    size_t stem = 0;
    if (fetch_is_url(root))
        return true;
    unpack_kind(&stem, root);
    return (stem > 0 || (strchr(root, '{') != NULL && strstr(root, ".t") != NULL)) && !folder_exists(root);
}

/** If there are both shards and class folders, it is unknown which are meant: an error. */
static int check_folders(const shard_names *s, const char *root) {
    char path[PATH_BYTES];
    int rc = OK;
    DIR *dir = opendir(root);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; rc == OK && e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.' || clutter_is_folder(e->d_name) || path_join(path, root, e->d_name) != OK ||
            !folder_exists(path) || !layout_has_images(path))
            continue;
        rc = fail(
            E_DATA,
            "%s contains both .tar files (%s) and folders of images (%s): remove either the .tar files or the folders",
            root, s->name[0], e->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    return rc;
}

/** Adds a shard with its stamp, as far as that is known. */
static int take_shard(shard_list *l, const char *name) {
    int rc = OK;
    char path[PATH_BYTES];
    struct stat st;
    file_stamp stamp = {0};
    bool copied = shard_cache_needed(l->root, name);
    TRY(path_join(path, l->root, name));
    if (!fetch_is_url(l->root)) {
        if (stat(path, &st) != 0)
            return fail_errno(errno, "cannot read %s", path);
        if (!S_ISREG(st.st_mode))
            return OK;
        uint64_t modified = stamp_nanoseconds(st.st_mtim), size = (uint64_t)st.st_size;
        stamp.modified = copied ? shard_cache_version(modified, size) : modified;
        stamp.changed = copied ? 0 : size;
    }
    TRY(file_stamps_add(&l->stamps, name, stamp));
    l->copied = l->copied || copied;
    l->n++;
done:
    return rc;
}

/** Finds the shards of a folder. */
static int list_folder(shard_list *l, const char *split) {
    int rc = OK;
    shard_names s = {0};
    TRY(shard_names_of_folder(&s, l->root, split));
    if (s.n > 0)
        TRY(check_folders(&s, l->root));
    if (s.n > 0 && s.unassigned_n > 0 && strcmp(split, "train") == 0)
        log_once(LOG_WARN, "%s/%s: ignored, as its name contains neither train nor val%s", l->root, s.first_unassigned,
                 s.unassigned_n > 1 ? " (and other .tar files)" : "");
    for (size_t i = 0; i < s.n; i++)
        TRY(take_shard(l, s.name[i]));
done:
    shard_names_deinit(&s);
    return rc;
}

/** Finds the shards of a list. */
static int list_names(shard_list *l, const char *list, const char *split) {
    int rc = OK;
    shard_names s = {0};
    TRY(shard_names_of_list(&s, l->root, list, split));
    if (s.n == 0) {
        rc = fail(E_NOTFOUND,
                  "the list %s has no shard of %s (no file name contains the word %s): add such shards, or set "
                  "data.train and data.val to separate lists",
                  list, split, split);
        goto done;
    }
    if (s.unassigned_n > 0 && strcmp(split, "train") == 0)
        log_once(LOG_WARN, "%s/%s: ignored, as its name contains neither train nor val%s", l->root, s.first_unassigned,
                 s.unassigned_n > 1 ? " (and other .tar files)" : "");
    for (size_t i = 0; i < s.n; i++)
        TRY(take_shard(l, s.name[i]));
    l->listed = true;
done:
    shard_names_deinit(&s);
    return rc;
}

/** The folder that contains the shards of the split. */
static int find_folder(shard_list *l, const char *root, const char *split) {
    int rc = OK;
    if (split[0] == 0) {
        TRY(path_format(l->root, "%s", root));
        TRY(list_folder(l, ""));
        goto done;
    }
    TRY(layout_folder(l->root, root, split));
    if (folder_exists(l->root)) {
        TRY(list_folder(l, ""));
    } else {
        TRY(path_format(l->root, "%s", root));
        TRY(list_folder(l, split));
    }
done:
    return rc;
}

int shard_list_find(shard_list *l, const dataset_request *r) {
    int rc = OK;
    const char *split = r->split != NULL ? r->split : "", *wanted = r->own ? "" : split;
    *l = (shard_list){.image_key = r->image_key != NULL ? r->image_key : "", .window = r->window};
    snprintf(l->split, sizeof l->split, "%s", split[0] != 0 ? split : "all");
    if (strchr(l->image_key, '/') != NULL)
        return fail(E_OPTION, "data.image_key '%s' must be a suffix without '/', such as jpg or left.jpg",
                    l->image_key);
    if (dataset_is_list(r->root))
        TRY(list_names(l, r->root, wanted));
    else
        TRY(find_folder(l, r->root, wanted));
    rc = l->listed || l->copied ? shard_cache_init(&l->cache, r->cache_dir, r->cache_bytes, r->timeout) : OK;
    if (l->copied)
        TRY(rc); /* plain shards need the folder for their index only */
    l->cache.on_progress = r->on_progress;
    l->cache.progress_context = r->progress_context;
    TRY(text_printf(&l->label, "%s", l->split));
    if (l->image_key[0] != 0)
        TRY(text_printf(&l->label, " image_key=%s", l->image_key));
    if (l->listed)
        TRY(text_printf(&l->label, " %s", l->root));
done:
    return rc;
}

bool shard_list_has(const char *root, const char *split) {
    shard_names s = {0};
    int rc = shard_names_of_folder(&s, root, split);
    bool found = rc == E_DATA || s.n > 0; /* opening them reports what is wrong */
    shard_names_deinit(&s);
    return found;
}

void shard_list_deinit(shard_list *l) {
    file_stamps_deinit(&l->stamps);
    text_deinit(&l->label);
}

const char *shard_list_name(const shard_list *l, size_t i) {
    const char *name = text_string(&l->stamps.names);
    while (i-- > 0)
        name += strlen(name) + 1;
    return name;
}

int shard_list_open(int *fd, bool *made, shard_list *l, size_t i) {
    int rc = OK;
    char path[PATH_BYTES];
    const char *name = shard_list_name(l, i);
    if (shard_cache_needed(l->root, name))
        return shard_cache_open_copy(fd, &l->stamps.stamp[i], made, &l->cache, l->root, name, NULL);
    TRY(path_join(path, l->root, name));
    *made = false;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        rc = fail_errno(errno, "cannot read %s", path);
done:
    return rc;
}

int shard_list_check_room(const shard_list *l, uint64_t bytes) {
    char need[32], limit[32];
    if (bytes <= l->cache.limit)
        return OK;
    const char *what = l->window > 0 ? "the shards in use at one time need"
                       : strcmp(l->split, "val") == 0 || strcmp(l->split, "all") == 0
                           ? "they need"
                           : "without data.sequential all shards are in use and need";
    const char *advice = l->window > 0                    ? "or lower data.shuffle_buffer"
                         : strcmp(l->split, "train") == 0 ? "or set data.sequential"
                                                          : "or decompress or copy them yourself";
    return fail(E_DATA,
                "%s: the copies of the shards of %s do not fit into the cache %s: %s at least %s, and data.cache_size "
                "is %s: raise data.cache_size, %s",
                l->root, l->split, l->cache.folder, what, text_bytes(need, (double)bytes),
                text_bytes(limit, (double)l->cache.limit), advice);
}
