#define _GNU_SOURCE
#include "dataset/shard_names.h"

#include "base/memory.h"
#include "base/status.h"
#include "dataset/brace.h"
#include "dataset/transfer/fetch.h"
#include "dataset/transfer/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void shard_names_deinit(shard_names *s) {
    for (size_t i = 0; i < s->n; i++)
        free(s->name[i]);
    free(s->name);
    *s = (shard_names){0};
}

static int add_name(shard_names *s, size_t *capacity, const char *name) {
    int rc = OK;
    TRY(memory_grow(&s->name, capacity, s->n + 1, sizeof *s->name));
    TRY(memory_string(&s->name[s->n], name));
    s->n++;
done:
    return rc;
}

/** By the name without ".tar" and what follows, so that compressed shards have the order of plain ones. */
static int by_stem(const void *a, const void *b) {
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t x_n = 0, y_n = 0;
    unpack_kind(&x_n, x);
    unpack_kind(&y_n, y);
    int order = memcmp(x, y, x_n < y_n ? x_n : y_n);
    if (order == 0 && x_n != y_n) /* as if ".tar" followed in both */
        order = x_n < y_n ? strncmp(".tar", y + x_n, 4) : strncmp(x + y_n, ".tar", 4);
    return order != 0 ? order : strcmp(x, y);
}

static bool same_stem(const char *x, const char *y) {
    size_t x_n = 0, y_n = 0;
    unpack_kind(&x_n, x);
    unpack_kind(&y_n, y);
    return x_n == y_n && memcmp(x, y, x_n) == 0;
}

/** Whether one of `words` (n) occurs in name[0..end) as a whole word, delimited by non-letters. */
static bool has_word(const char *name, const char *end, const char *const *words, size_t n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *p = name; p < end;) {
        size_t length = strspn(p, letters);
        for (size_t i = 0; i < n; i++)
            if (length == strlen(words[i]) && strncasecmp(p, words[i], length) == 0)
                return true;
        p += length > 0 ? length : 1;
    }
    return false;
}

enum { TRAIN = 1, VAL = 2 };

/** Bits of the splits that the part [name, end) of a path names. */
static int splits_of(const char *name, const char *end) {
    static const char *const train[] = {"train", "training"}, *const val[] = {"val", "valid", "validation"};
    return (has_word(name, end, train, 2) ? TRAIN : 0) | (has_word(name, end, val, 3) ? VAL : 0);
}

/** Whether a shard belongs to `split`, which its `splits` (bits) say. shown: its name for messages. */
static int belongs(bool *out, shard_names *s, int splits, const char *split, const char *shown) {
    *out = split[0] == 0;
    if (*out)
        return OK;
    if (splits == (TRAIN | VAL))
        return fail(E_DATA, "%s: the file name contains both train and val: rename the file", shown);
    if (splits == 0 && s->unassigned_n++ == 0)
        snprintf(s->first_unassigned, sizeof s->first_unassigned, "%s", path_name(shown));
    *out = splits == (strcmp(split, "val") == 0 ? VAL : TRAIN);
    return OK;
}

static int check_kind(const char *name, const char *shown) {
    if (unpack_kind(NULL, name) == PACKED_OTHER)
        return fail(E_DATA, "%s: xz and bzip2 are not supported for shards: decompress the file first (%s '%s')", shown,
                    strcmp(strrchr(name, '.'), ".xz") == 0 ? "unxz" : "bunzip2", shown);
    return OK;
}

/** Removes a compressed shard whose .tar is there too, as gunzip --keep leaves it. */
static int drop_packed(shard_names *s, const char *root) {
    int rc = OK;
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool twice = kept > 0 && same_stem(s->name[kept - 1], s->name[i]);
        if (twice && unpack_kind(NULL, s->name[kept - 1]) != PACKED_NONE && rc == OK)
            rc = fail(E_DATA, "%s contains both %s and %s: remove one of them", root, s->name[kept - 1], s->name[i]);
        if (twice)
            free(s->name[i]);
        else
            s->name[kept++] = s->name[i];
    }
    s->n = kept;
    for (size_t i = 0; i < s->n && rc == OK; i++) {
        char shown[PATH_BYTES];
        rc = path_join(shown, root, s->name[i]);
        rc = rc == OK ? check_kind(s->name[i], shown) : rc;
    }
    return rc;
}

int shard_names_of_folder(shard_names *s, const char *root, const char *split) {
    int rc = OK;
    size_t capacity = 0;
    *s = (shard_names){0};
    DIR *dir = opendir(root);
    if (dir == NULL)
        return errno == ENOENT || errno == ENOTDIR ? OK : fail_errno(errno, "cannot read the folder %s", root);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        const char *name = e->d_name;
        char shown[PATH_BYTES];
        size_t stem = 0;
        bool in = false;
        unpack_kind(&stem, name);
        if (name[0] == '.' || stem == 0)
            continue;
        TRY(path_join(shown, root, name));
        TRY(belongs(&in, s, splits_of(name, name + strlen(name)), split, shown));
        if (in)
            TRY(add_name(s, &capacity, name));
    }
    if (s->n > 1)
        qsort(s->name, s->n, sizeof *s->name, by_stem);
    TRY(drop_packed(s, root));
done:
    closedir(dir);
    return rc;
}

/** The splits of a path: its last part that contains a word of a split decides. */
static int splits_of_path(const char *path) {
    const char *begin = fetch_is_url(path) ? strchr(strstr(path, "://") + 3, '/') : path;
    for (const char *end = path + strlen(path); begin != NULL && end > begin;) {
        const char *at = end;
        while (at > begin && at[-1] != '/')
            at--;
        int splits = splits_of(at, end);
        if (splits != 0)
            return splits;
        end = at > begin ? at - 1 : begin;
    }
    return 0;
}

/** The folder or URL of a list: what precedes its last '/' before the first brace. */
static int find_root(char root[PATH_BYTES], size_t *skip, const char *list) {
    size_t n = strcspn(list, "{}\\");
    while (n > 0 && list[n - 1] != '/')
        n--;
    *skip = n;
    if (n == 0)
        return path_format(root, ".");
    while (n > 1 && list[n - 1] == '/')
        n--;
    const char *scheme = fetch_is_url(list) ? strstr(list, "://") + 3 : NULL;
    if (scheme != NULL && list + n <= scheme)
        return fail(E_OPTION, "%s: expected the address of .tar files, such as https://HOST/train-{0000..0099}.tar",
                    list);
    if (scheme != NULL && memchr(scheme, '@', strcspn(scheme, "/")) != NULL)
        return fail(E_OPTION, "the address of the shards contains a password: write it into ~/.netrc instead");
    return path_format(root, "%.*s", (int)n, list);
}

/** Adds a name of the list, whose first `skip` bytes are the root's. */
static int take_listed(shard_names *s, size_t *capacity, const char *name, size_t skip, const char *split) {
    int rc = OK;
    size_t stem = 0;
    bool in = false;
    unpack_kind(&stem, name);
    if (stem == 0 || strlen(name) <= skip)
        return fail(E_OPTION, "%s: a list of shards may contain only .tar, .tar.gz, .tgz and .tar.zst files", name);
    if (strchr(name, '?') != NULL && fetch_is_url(name))
        return fail(E_OPTION, "the address of a shard must not contain '?': its name must end in .tar");
    TRY(check_kind(name, name));
    TRY(belongs(&in, s, splits_of_path(name), split, name));
    if (in)
        TRY(add_name(s, capacity, name + skip));
done:
    return rc;
}

int shard_names_of_list(shard_names *s, char root[PATH_BYTES], const char *list, const char *split) {
    int rc = OK;
    size_t n = 0, skip = 0, capacity = 0;
    text names = {0};
    *s = (shard_names){0};
    TRY(find_root(root, &skip, list));
    TRY(brace_expand(&names, &n, list));
    const char *name = text_string(&names);
    for (size_t i = 0; i < n; i++, name += strlen(name) + 1)
        TRY(take_listed(s, &capacity, name, skip, split));
    if (s->n > 1)
        qsort(s->name, s->n, sizeof *s->name, by_stem);
    for (size_t i = 1; i < s->n; i++)
        if (same_stem(s->name[i - 1], s->name[i])) {
            rc = fail(E_DATA, "%s contains the shard %s/%s twice", list, root, s->name[i]);
            goto done;
        }
done:
    text_deinit(&names);
    return rc;
}
