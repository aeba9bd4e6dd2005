#define _GNU_SOURCE
/* The container "folder": ROOT/SPLIT/CLASS/..., read as torchvision's ImageFolder does. Every image is a file. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/cache.h"
#include "dataset/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOPS_MAX 1000 /* links back to a folder above; beyond it the links are a web, not an accident */

/** Names in one block, addressed by offset. */
typedef struct name_list {
    text block;
    uint64_t *at; /* (n) */
    size_t n, capacity;
} name_list;

/** A folder of the class being read; its images are file.at[first .. first + n). */
typedef struct folder {
    uint64_t name; /* in folder_names: path below the class folder's parent */
    size_t first, n;
} folder;

/** What reading one class needs; reused for all classes. */
typedef struct walk {
    dataset *d;
    char path[PATH_BYTES]; /* the folder being read */
    size_t root_bytes;     /* of `path`, up to and with the '/' after d->root */
    name_list file;
    text folder_names;
    folder *folder;
    size_t folder_n, folder_capacity;
    int loops, links;   /* back to a folder above; to folders, each as often as it was followed */
    file_stamps stamps; /* of all folders read */
    bool keep;          /* they tell all that the index depends on: cache.h */
    text names;         /* what becomes d->names */
    size_t image_capacity;
} walk;

/** The folders on the way from the class to the one being read. */
typedef struct ancestor {
    dev_t device;
    ino_t inode;
    const struct ancestor *above;
} ancestor;

static int name_list_add(name_list *list, const char *name) {
    int rc = memory_grow(&list->at, &list->capacity, list->n + 1, sizeof *list->at);
    uint64_t at = list->block.n;
    if (rc == OK)
        rc = text_append(&list->block, name, strlen(name) + 1);
    if (rc == OK)
        list->at[list->n++] = at;
    return rc;
}

static const char *name_of(const name_list *list, size_t i) { return list->block.data + list->at[i]; }

static void name_list_clear(name_list *list) {
    list->n = 0;
    list->block.n = 0;
}

static void name_list_deinit(name_list *list) {
    text_deinit(&list->block);
    free(list->at);
}

static int by_name(const void *a, const void *b, void *block) {
    const char *names = block;
    return strcmp(names + *(const uint64_t *)a, names + *(const uint64_t *)b);
}

static void name_list_sort(name_list *list, size_t first) {
    if (list->n > first + 1)
        qsort_r(list->at + first, list->n - first, sizeof *list->at, by_name, list->block.data);
}

/** Whether the entry is a folder or a link to one. Plain files cost no stat. */
static bool entry_is_folder(walk *w, DIR *dir, const struct dirent *entry) {
    struct stat st, own;
    if (entry->d_type == DT_DIR)
        return true;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return false;
    if (fstatat(dirfd(dir), entry->d_name, &st, 0) != 0) {
        w->keep = false;
        return false;
    }
    if (S_ISDIR(st.st_mode) && fstatat(dirfd(dir), entry->d_name, &own, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(own.st_mode))
        w->links++;
    return S_ISDIR(st.st_mode);
}

/** The stamp is from before the entries were read: what changes meanwhile shows later. */
static int stamp_folder(walk *w, const struct stat *st) {
    file_stamp stamp = folder_stamp_of(st);
    if (!dataset_cache_is_settled(&stamp))
        w->keep = false;
    return file_stamps_add(&w->stamps, w->path + w->root_bytes, stamp);
}

/** Splits the entries of the folder w->path into folders and images; both lists grow.
 *  @param[out] id  the folder's identity */
static int read_folder(name_list *folders, name_list *images, ancestor *id, walk *w) {
    int rc = OK;
    struct stat st;
    const char *path = w->path;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return fail_errno(errno, "cannot read the folder %s", path);
    if (fstat(dirfd(dir), &st) != 0) {
        rc = fail_errno(errno, "cannot read the folder %s", path);
        goto done;
    }
    id->device = st.st_dev;
    id->inode = st.st_ino;
    TRY(stamp_folder(w, &st));
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL)
            break;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (entry_is_folder(w, dir, entry))
            TRY(name_list_add(folders, name));
        else if (dataset_is_image_name(name))
            TRY(name_list_add(images, name));
    }
    if (errno != 0)
        rc = fail_errno(errno, "cannot read the folder %s", path);
    else if (w->links > DATASET_LINKS_MAX)
        rc = fail(E_DATA,
                  "%s: more than %d links to folders were followed: do the linked folders contain further links?", path,
                  DATASET_LINKS_MAX);
done:
    closedir(dir);
    return rc;
}

static bool is_loop(const ancestor *id) {
    for (const ancestor *a = id->above; a != NULL; a = a->above)
        if (a->device == id->device && a->inode == id->inode)
            return true;
    return false;
}

static int note_loop(walk *w) {
    log_warn("%s links to a folder above it: not followed", w->path);
    w->keep = false;
    if (++w->loops <= LOOPS_MAX)
        return OK;
    return fail(E_DATA, "%s: more than %d links point to a folder above them; remove them", w->path, LOOPS_MAX);
}

/** Reads the folder w->path and those below it. The frame is small: the depth is bounded by PATH_BYTES alone. */
static int walk_folder(walk *w, const ancestor *above) {
    int rc = OK;
    name_list below = {0};
    ancestor id = {.above = above};
    size_t path_n = strlen(w->path), first = w->file.n;
    TRY(read_folder(&below, &w->file, &id, w));
    if (is_loop(&id)) {
        w->file.n = first;
        TRY(note_loop(w));
        goto done;
    }
    name_list_sort(&w->file, first);
    TRY(memory_grow(&w->folder, &w->folder_capacity, w->folder_n + 1, sizeof *w->folder));
    w->folder[w->folder_n++] = (folder){.name = w->folder_names.n, .first = first, .n = w->file.n - first};
    TRY(text_append(&w->folder_names, w->path + w->root_bytes, path_n - w->root_bytes + 1));
    for (size_t i = 0; i < below.n; i++) {
        const char *name = name_of(&below, i);
        size_t n = strlen(name);
        if (path_n + 1 + n + 1 > PATH_BYTES) {
            rc = fail(E_IO, "path too long: %.200s.../%s", w->path, name);
            goto done;
        }
        w->path[path_n] = '/';
        memcpy(w->path + path_n + 1, name, n + 1);
        TRY(walk_folder(w, &id));
        w->path[path_n] = 0;
    }
done:
    name_list_deinit(&below);
    return rc;
}

static int by_folder(const void *a, const void *b, void *block) {
    const char *names = block;
    return strcmp(names + ((const folder *)a)->name, names + ((const folder *)b)->name);
}

/** Appends the images of the class that was walked, folder by folder, as torchvision's make_dataset does. */
static int take_class(walk *w, int32_t label) {
    int rc = OK;
    dataset *d = w->d;
    if (w->folder_n > 1)
        qsort_r(w->folder, w->folder_n, sizeof *w->folder, by_folder, w->folder_names.data);
    size_t total = (size_t)d->image_n + w->file.n, capacity = w->image_capacity;
    TRY(memory_grow(&d->name, &capacity, total, sizeof *d->name));
    TRY(memory_resize(&d->label, capacity, sizeof *d->label));
    w->image_capacity = capacity;
    for (size_t f = 0; f < w->folder_n; f++) {
        const char *folder_name = w->folder_names.data + w->folder[f].name;
        for (size_t i = 0; i < w->folder[f].n; i++) {
            const char *name = name_of(&w->file, w->folder[f].first + i);
            d->name[d->image_n] = w->names.n;
            d->label[d->image_n++] = label;
            TRY(text_append(&w->names, folder_name, strlen(folder_name)));
            TRY(text_append(&w->names, "/", 1));
            TRY(text_append(&w->names, name, strlen(name) + 1));
        }
    }
    d->class_image_n[label] = (int64_t)w->file.n;
done:
    return rc;
}

static int read_class(walk *w, int32_t label) {
    int rc = OK;
    const char *name = w->d->class_name[label];
    name_list_clear(&w->file);
    w->folder_names.n = 0;
    w->folder_n = 0;
    TRY(path_join(w->path, w->d->root, name));
    w->root_bytes = strlen(w->path) - strlen(name);
    TRY(walk_folder(w, NULL));
    TRY(take_class(w, label));
done:
    return rc;
}

static int find_classes(walk *w) {
    int rc = OK;
    dataset *d = w->d;
    name_list classes = {0}, images = {0};
    ancestor id;
    TRY(path_format(w->path, "%s", d->root));
    w->root_bytes = strlen(w->path);
    TRY(read_folder(&classes, &images, &id, w));
    if (classes.n == 0) {
        rc = fail(E_DATA, "%s has no class folders%s: expected one folder of images per class, %s/CLASS/*.jpg", d->root,
                  images.n > 0 ? ", only images" : "", d->root);
        goto done;
    }
    name_list_sort(&classes, 0);
    TRY(memory_zeroed(&d->class_name, classes.n, sizeof *d->class_name));
    TRY(memory_zeroed(&d->class_image_n, classes.n, sizeof *d->class_image_n));
    for (size_t i = 0; i < classes.n; i++) {
        TRY(memory_string(&d->class_name[i], name_of(&classes, i)));
        d->class_n++;
    }
done:
    name_list_deinit(&classes);
    name_list_deinit(&images);
    return rc;
}

static int check_classes(const dataset *d) {
    int empty = 0, first = -1;
    for (int c = 0; c < d->class_n; c++)
        if (d->class_image_n[c] == 0 && empty++ == 0)
            first = c;
    if (empty == 0)
        return OK;
    char others[48] = "";
    if (empty > 1)
        snprintf(others, sizeof others, " (and %d other class folders)", empty - 1);
    return fail(E_DATA, "class folder %s/%s%s has no images (" DATASET_SUFFIXES "): add some, or remove the folder",
                d->root, d->class_name[first], others);
}

static int find_root(char path[PATH_BYTES], const char *root, const char *split) {
    int rc = OK;
    if (split == NULL || split[0] == 0) {
        TRY(path_format(path, "%s", root));
    } else {
        TRY(path_join(path, root, split));
    }
    if (folder_exists(path))
        return OK;
    const char *what = file_exists(path) ? "is not a folder" : "does not exist";
    if (split == NULL || split[0] == 0)
        return fail(E_NOTFOUND, "%s %s: expected a folder with one folder of images per class", path, what);
    if (!folder_exists(root))
        return fail(E_NOTFOUND, "%s %s: expected a folder with %s/CLASS/*.jpg in it (--data)", root,
                    file_exists(root) ? "is not a folder" : "does not exist", split);
    return fail(E_NOTFOUND, "%s %s: expected the layout %s/train/CLASS/*.jpg and %s/val/CLASS/*.jpg", path, what, root,
                root);
done:
    return rc;
}

/** Reads the folder `root` and all below it. whole: as dataset_open_whole. */
static int read_tree(dataset **out, const char *root, bool whole) {
    int rc = OK;
    dataset *d = NULL;
    walk *w = NULL;
    TRY(memory_zeroed(&w, 1, sizeof *w));
    TRY(dataset_create(&d, &source_folder, root));
    w->d = d;
    w->keep = !whole;
    TRY(find_classes(w));
    for (int32_t c = 0; c < d->class_n; c++)
        TRY(read_class(w, c));
    if (!whole)
        TRY(check_classes(d));
    TRY(memory_resize(&w->names.data, w->names.n, 1)); /* gives back the spare half */
    TRY(memory_resize(&d->name, (size_t)d->image_n, sizeof *d->name));
    TRY(memory_resize(&d->label, (size_t)d->image_n, sizeof *d->label));
    d->names = w->names.data;
    w->names = (text){0}; /* now owned by d */
    if (w->keep)
        dataset_cache_store(d, &w->stamps);
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    if (w != NULL) {
        name_list_deinit(&w->file);
        text_deinit(&w->folder_names);
        text_deinit(&w->names);
        file_stamps_deinit(&w->stamps);
        free(w->folder);
        free(w);
    }
    dataset_close(d);
    return rc;
}

static int list(dataset **out, const char *root, const char *split, bool whole) {
    int rc = OK;
    char path[PATH_BYTES];
    TRY(find_root(path, root, split));
    if (whole || !dataset_cache_load(out, path))
        TRY(read_tree(out, path, whole));
done:
    return rc;
}

static int check_index(dataset *d, const file_stamps *f) {
    bool is_folder = d->location == NULL && d->lost_n == 0 && text_string(&f->names)[0] == 0;
    return is_folder ? OK : fail(E_FORMAT, "the index is not of a folder");
}

static int path(char out[PATH_BYTES], const dataset *d, int64_t i) {
    return path_join(out, d->root, dataset_name(d, i));
}

static int64_t bytes(const dataset *d, int64_t i) {
    char file[PATH_BYTES];
    struct stat st;
    return path(file, d, i) == OK && source_stat(&st, file) == OK ? (int64_t)st.st_size : -1;
}

static int read_image(const unsigned char **bytes, size_t *n, image_buffer *b, const dataset *d, int64_t i,
                      size_t limit, const char *path) {
    int rc = OK;
    struct stat st;
    (void)d;
    (void)i;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe named .jpg must not block */
    if (fd < 0)
        return source_fail(errno, path);
    if (fstat(fd, &st) != 0) {
        rc = source_fail(errno, path);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        rc = fail(E_FORMAT, "%s is not a regular file", path);
        goto done;
    }
    TRY(source_check_limit(path, (size_t)st.st_size, limit));
    TRY(source_reserve(b, (size_t)st.st_size));
    TRY(source_read_at(n, b->bytes, fd, 0, (size_t)st.st_size, path)); /* a shorter file is found by the decoder */
    *bytes = b->bytes;
done:
    close(fd);
    return rc;
}

const source source_folder = {
    .list = list, .check_index = check_index, .path = path, .bytes = bytes, .read = read_image};
