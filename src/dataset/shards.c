#define _GNU_SOURCE
#include "dataset/shards.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/cache.h"
#include "dataset/clutter.h"
#include "dataset/layout.h"
#include "dataset/shard_files.h"
#include "dataset/source.h"
#include "dataset/tar.h"
#include "dataset/transfer/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAX ((size_t)8 << 30)

/** Fails with the name of the first shard that has changed. What is not known yet is taken from the index: the size of
 * a compressed shard, and both stamps of a shard on a server, which are compared when it is downloaded. */
static int compare(shard_list *l, const file_stamps *then) {
    const char *name = text_string(&l->stamps.names);
    if (l->stamps.names.n != then->names.n || memcmp(name, then->names.data, then->names.n) != 0)
        return fail(E_DATA, "the set of shards has changed");
    for (size_t i = 0; i < l->n; i++, name += strlen(name) + 1) {
        file_stamp *s = &l->stamps.stamp[i], t = then->stamp[i];
        bool sized = s->changed == 0 || s->changed == t.changed, same = s->modified == 0 || s->modified == t.modified;
        if (!sized || !same || s->inode != t.inode)
            return fail(E_DATA, "%s was modified after it was indexed", name);
    }
    memcpy(l->stamps.stamp, then->stamp, l->n * sizeof *then->stamp);
    return OK;
}

/** @return E_NOTFOUND if there is no index, E_DATA or E_FORMAT if it is no longer valid */
static int load(dataset **out, const char *file, shard_list *l) {
    int rc = OK;
    unsigned char *bytes = NULL;
    size_t n = 0;
    dataset *d = NULL;
    file_stamps then = {0};
    TRY(file_read(&bytes, &n, file, INDEX_MAX));
    TRY(dataset_index_decode(&d, &then, &source_shards, bytes, n, text_string(&l->label), l->root));
    TRY(compare(l, &then));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    file_stamps_deinit(&then);
    free(bytes);
    return rc;
}

/** Of a list of names, whose folder may contain the shards of other lists: an index in the folder of copies. */
static int list_index(char cached[PATH_BYTES], char folder[PATH_BYTES], const shard_list *l) {
    int rc = OK;
    char *real = fetch_is_url(l->root) ? NULL : realpath(l->root, NULL);
    const char *root = real != NULL ? real : l->root, *names = text_string(&l->stamps.names);
    uint64_t h = hash_bytes(HASH_START, root, strlen(root));
    h = hash_bytes(hash_bytes(h, text_string(&l->label), l->label.n), names, l->stamps.names.n);
    TRY(path_format(folder, "%s", l->cache.folder));
    if (folder[0] != 0)
        TRY(path_format(cached, "%s/index-%016llx", folder, (unsigned long long)h));
done:
    free(real);
    return rc;
}

/** The index file beside the shards ("": none), and the one in the cache for a folder that is not writable. */
static int index_files(char own[PATH_BYTES], char cached[PATH_BYTES], char folder[PATH_BYTES], const shard_list *l) {
    int rc = OK;
    char *real = NULL;
    const char *key = l->image_key, *dot = key[0] != 0 ? "." : "";
    own[0] = cached[0] = 0;
    if (l->listed)
        return list_index(cached, folder, l);
    real = realpath(l->root, NULL);
    TRY(path_format(own, "%s/%s%s%s.index", l->root, l->split, dot, key));
    if (real != NULL && path_format(cached, "%s/%s%s%s.index", real, l->split, dot, key) == OK &&
        dataset_cache_file(cached, folder, cached) != OK)
        cached[0] = 0;
done:
    free(real);
    return rc;
}

static int find_index(dataset **out, const char *own, const char *cached, shard_list *l) {
    const char *const file[] = {own, cached};
    int rc = E_NOTFOUND;
    for (int i = 0; i < 2 && rc != OK; i++) {
        if (file[i][0] == 0)
            continue;
        int found = load(out, file[i], l);
        if (found == OK)
            log_debug("%s: index read from %s", l->root, file[i]);
        else if (found != E_NOTFOUND)
            log_once(LOG_INFO, "the index %s is not used: %s", file[i], status_message());
        if (found == E_NOMEM)
            return found;
        rc = found == OK ? OK : rc;
    }
    return rc;
}

static void keep_index(const dataset *d, const char *own, const char *cached, const char *folder, const shard_list *l) {
    text t = {0};
    int rc = OK;
    TRY(dataset_index_encode(&t, d, &l->stamps, text_string(&l->label)));
    rc = own[0] != 0 ? file_write_atomic(own, t.data, t.n) : fail(E_NOTFOUND, "set data.cache_dir or HOME");
    if (rc != OK && cached[0] != 0) {
        TRY(folder_make(folder));
        TRY(file_write_atomic(cached, t.data, t.n));
    }
done:
    if (rc != OK)
        log_once(LOG_WARN, "the index of %s was not saved; the next run reads all shards again: %s", l->root,
                 status_message());
    text_deinit(&t);
}

/** How many copies are needed at a time, and whether there is room for them. *open_max: most files to hold open; in
 *  sequential reading, shards that were read are closed, so that their copies can be removed. A shuffle buffer draws
 * some images of a shard much later than the others, so up to half of the cache is held open for them. */
static int plan_copies(int *open_max, dataset *d, const shard_list *l) {
    uint64_t all = 0, largest = 0;
    if (!l->copied)
        return OK;
    const char *name = text_string(&l->stamps.names);
    for (size_t i = 0; i < l->n; i++, name += strlen(name) + 1) {
        uint64_t bytes = shard_cache_needed(l->root, name) ? l->stamps.stamp[i].changed : 0;
        all += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    d->copy_bytes = all;
    if (l->window > 0) {
        int64_t mean = d->image_n / d->shard_n + 1, shards = l->window / mean + 5;
        d->ahead_n = 2 * mean;
        d->copy_bytes = (uint64_t)shards < all / (largest + 1) ? (uint64_t)shards * largest : all;
        int64_t kept = largest > 0 ? (int64_t)(l->cache.limit / largest / 2) : 0;
        kept = kept > shards - 1 ? kept : shards - 1;
        *open_max = kept < SHARD_FILES_MAX ? (int)kept : SHARD_FILES_MAX;
    }
    return shard_list_check_room(l, d->copy_bytes);
}

/** The dataset of the shards. It comes from the index SPLIT.index, beside them or in the user's cache, if every
 *  shard has the size and modification time of the index. Otherwise all shards are read once, and the index is
 *  stored. */
static int open_shards(dataset **out, shard_list *l) {
    int rc = OK;
    char own[PATH_BYTES], cached[PATH_BYTES], folder[PATH_BYTES];
    int open_max = SHARD_FILES_MAX;
    dataset *d = NULL;
    TRY(index_files(own, cached, folder, l));
    rc = find_index(&d, own, cached, l);
    if (rc == E_NOTFOUND) {
        log_info("%s: reading the %zu shards of %s once to build an index%s%s", l->root, l->n, l->split,
                 l->copied ? "; uncompressed local copies are kept in " : "", l->copied ? l->cache.folder : "");
        TRY(shard_index_build(&d, l));
        keep_index(d, own, cached, folder, l);
    } else if (rc != OK) {
        goto done;
    }
    if (d->lost_n > 0)
        log_once(LOG_WARN, "%s: %lld images of %s are missing or have no label; they count as unreadable", l->root,
                 (long long)d->lost_n, l->split);
    TRY(plan_copies(&open_max, d, l));
    TRY(shard_files_create(d, l, open_max));
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}

static int list(dataset **out, const dataset_request *r) {
    int rc = OK;
    shard_list l = {0};
    TRY(shard_list_find(&l, r));
    if (l.n > 0)
        TRY(open_shards(out, &l));
done:
    shard_list_deinit(&l);
    return rc;
}

/** Checks that the shards' names stay below their folder and that every image is within its shard, after a tar header.
 */
static int check_index(dataset *d, const file_stamps *f) {
    int rc = OK;
    const char *name = text_string(&f->names);
    if (d->location == NULL)
        return fail(E_FORMAT, "the index does not describe shards");
    TRY(memory_zeroed(&d->shard_name, f->n, sizeof *d->shard_name));
    for (size_t i = 0; i < f->n; i++) {
        if (!path_stays_below(name, strlen(name)) || f->stamp[i].inode != 0 || f->n > INT32_MAX)
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

const char *shards_missing(void) {
    return ""
#ifndef LINNET_ZSTD
           " libzstd (.tar.zst)"
#endif
#ifndef LINNET_CURL
           " libcurl 7.85 (shards on servers)"
#endif
        ;
}
