#define _GNU_SOURCE
/* The container "folder": ROOT/SPLIT/CLASS/..., read as torchvision's ImageFolder does. Every image is a file. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/cache.h"
#include "dataset/clutter.h"
#include "dataset/image_file.h"
#include "dataset/layout.h"
#include "dataset/name_list.h"
#include "dataset/passed_over.h"
#include "dataset/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOPS_MAX 1000 /* links to a parent folder; more are not plausible */

/** A folder of the class being read; its images are file.at[first .. first + n). */
typedef struct folder {
    uint64_t name; /* in folder_names: path below the class folder's parent */
    size_t first, n;
} folder;

/** The state of reading one class; reused for all classes. */
typedef struct walk {
    dataset *d;
    char path[PATH_BYTES]; /* the folder being read */
    size_t root_bytes;     /* of `path`, up to and with the '/' after d->root */
    name_list file;
    text folder_names;
    folder *folder;
    size_t folder_n, folder_capacity;
    int loops, links; /* number of links to parent folders; number of links to folders that were followed */
    passed_over class_passed,
        passed;         /* files of the class that are no images; files of all classes that may be images */
    clutter clutter;    /* entries of all folders that are left out */
    file_stamps stamps; /* of all folders read */
    bool keep;          /* the stamps cover all that the index depends on, so it may be cached (cache.h) */
    text names;         /* what becomes d->names */
    size_t image_capacity;
} walk;

/** A list of the folders from the class folder to the one being read. */
typedef struct ancestor {
    dev_t device;
    ino_t inode;
    const struct ancestor *above;
} ancestor;

/** Whether the entry is a folder or a link to one. For plain files no stat is needed. */
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

/** The stamp is taken before the entries are read, so a change during the reading is detected later. */
static int stamp_folder(walk *w, const struct stat *st) {
    file_stamp stamp = folder_stamp_of(st);
    if (!dataset_cache_is_settled(&stamp))
        w->keep = false;
    return file_stamps_add(&w->stamps, w->path + w->root_bytes, stamp);
}

static void pass_over(walk *w, const char *name) {
    passed_over_add(&w->class_passed, name);
    if (passed_over_is_image(name))
        passed_over_add(&w->passed, name);
}

/** Splits the entries of the folder w->path into folders and images; both lists grow.
 *  @param[out] id  the folder's identity */
static int read_folder(name_list *folders, name_list *images, ancestor *id, walk *w) {
    int rc = OK;
    struct stat st;
    const char *path = w->path;
    DIR *dir = opendir(path);
    if (dir == NULL && errno == ELOOP) /* Linux may count a link twice: a lookup that is repeated does not start at 0 */
        return fail(E_DATA,
                    "%s: too many symbolic links in the path; remove links to folders that contain further links",
                    path);
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
        bool is_folder = entry_is_folder(w, dir, entry);
        if (clutter_count(&w->clutter, name, is_folder))
            continue;
        if (is_folder)
            TRY(name_list_add(folders, name));
        else if (dataset_is_image_name(name))
            TRY(name_list_add(images, name));
        else
            pass_over(w, name);
    }
    if (errno != 0)
        rc = fail_errno(errno, "cannot read the folder %s", path);
    else if (w->links > DATASET_LINKS_MAX)
        rc = fail(E_DATA,
                  "%s: more than %d symbolic links to folders; remove links to folders that contain further links",
                  path, DATASET_LINKS_MAX);
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
    log_once(LOG_WARN, "%s is a symbolic link to one of its parent folders: not followed", w->path);
    w->keep = false;
    if (++w->loops <= LOOPS_MAX)
        return OK;
    return fail(E_DATA, "%s: more than %d symbolic links to a parent folder; remove them", w->path, LOOPS_MAX);
}

/** Reads the folder w->path and its subfolders. The stack frame is small, because only PATH_BYTES limits the depth. */
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
        const char *name = name_list_get(&below, i);
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

/** Appends the images of the class just read, folder by folder, in the order of torchvision's make_dataset. */
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
            const char *name = name_list_get(&w->file, w->folder[f].first + i);
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
    w->class_passed = (passed_over){0};
    w->folder_names.n = 0;
    w->folder_n = 0;
    TRY(path_join(w->path, w->d->root, name));
    w->root_bytes = strlen(w->path) - strlen(name);
    TRY(walk_folder(w, NULL));
    TRY(take_class(w, label));
    if (w->file.n == 0 && w->class_passed.n > 0) {
        char passed[PASSED_TEXT];
        TRY(memory_string(&w->d->class_passed[label], passed_over_text(passed, &w->class_passed)));
    }
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
    TRY(memory_zeroed(&d->class_passed, classes.n, sizeof *d->class_passed));
    w->passed = (passed_over){0}; /* files beside the class folders do not count */
    for (size_t i = 0; i < classes.n; i++) {
        TRY(memory_string(&d->class_name[i], name_list_get(&classes, i)));
        d->class_n++;
    }
done:
    name_list_deinit(&classes);
    name_list_deinit(&images);
    return rc;
}

static int check_classes(const dataset *d, bool may_be_empty) {
    int empty = 0, first = -1;
    for (int c = 0; c < d->class_n; c++)
        if (d->class_image_n[c] == 0 && empty++ == 0)
            first = c;
    if (empty == 0 || (may_be_empty && d->image_n > 0))
        return OK;
    char others[48] = "", passed[PASSED_TEXT + 80] = ": add images, or remove the folder";
    if (empty > 1)
        snprintf(others, sizeof others, " (and %d other class folders)", empty - 1);
    if (d->class_passed[first] != NULL)
        snprintf(passed, sizeof passed, ", but other files (%s): rename or convert these files, or remove the folder",
                 d->class_passed[first]);
    return fail(E_DATA, "class folder %s/%s%s has no images (" DATASET_SUFFIXES ")%s (in every split)", d->root,
                d->class_name[first], others, passed);
}

/** Copies the counts to the dataset. A dataset about which a warning is due is not cached, because the index does not
 *  contain what the warning needs. */
static void note_passed(walk *w) {
    dataset *d = w->d;
    for (int c = 0; c < d->class_n; c++)
        if (d->class_image_n[c] == 0)
            w->keep = false;
    if (w->passed.n > 0 && w->passed.n * 100 >= d->image_n)
        w->keep = false;
    d->passed_n = w->passed.n;
    passed_over_text(d->passed, &w->passed);
}

static int no_folder(const char *root, const char *split) {
    const char *suffix = strrchr(path_name(root), '.');
    if (!file_exists(root))
        return fail(E_NOTFOUND, "%s does not exist: expected a folder with %s/CLASS/*.jpg in it (--data)", root, split);
    if (suffix != NULL && (strcasecmp(suffix, ".csv") == 0 || strcasecmp(suffix, ".tsv") == 0))
        return fail(E_NOTFOUND, "%s is not a folder: to read a list of images, pass it with --data.list", root);
    if (suffix != NULL && strcasecmp(suffix, ".zip") == 0)
        return fail(E_NOTFOUND, "%s is not a folder: extract it and pass the folder with --data", root);
    return fail(E_NOTFOUND, "%s is not a folder: expected a folder with %s/CLASS/*.jpg in it (--data)", root, split);
}

static int find_root(char path[PATH_BYTES], const char *root, const char *split) {
    int rc = OK;
    if (split == NULL || split[0] == 0) {
        TRY(path_format(path, "%s", root));
    } else {
        TRY(layout_folder(path, root, split));
    }
    if (folder_exists(path))
        return OK;
    const char *what = file_exists(path) ? "is not a folder" : "does not exist";
    if (split == NULL || split[0] == 0)
        return fail(E_NOTFOUND, "%s %s: expected a folder with one folder of images per class", path, what);
    if (!folder_exists(root))
        return no_folder(root, split);
    if (layout_has_images(root))
        return fail(E_NOTFOUND,
                    "%s contains images, but no class folders: move them to %s/train/CLASS and %s/val/CLASS, or pass a "
                    "list of images and labels with --data.list",
                    root, root, root);
    return fail(E_NOTFOUND, "%s %s: expected the layout %s/train/CLASS/*.jpg and %s/val/CLASS/*.jpg", path, what, root,
                root);
done:
    return rc;
}

/** Reads the folder `root` and everything below it. allow_empty: as in dataset_request. may_be_empty: class folders may
 * be empty, as in val. */
static int read_tree(dataset **out, const char *root, bool allow_empty, bool may_be_empty) {
    int rc = OK;
    dataset *d = NULL;
    walk *w = NULL;
    TRY(memory_zeroed(&w, 1, sizeof *w));
    TRY(dataset_create(&d, &source_folder, root));
    w->d = d;
    w->keep = !allow_empty;
    TRY(find_classes(w));
    for (int32_t c = 0; c < d->class_n; c++)
        TRY(read_class(w, c));
    if (!allow_empty)
        TRY(check_classes(d, may_be_empty));
    note_passed(w);
    clutter_log(&w->clutter, root);
    TRY(memory_resize(&w->names.data, w->names.n, 1)); /* releases the unused capacity */
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

static int list(dataset **out, const dataset_request *r) {
    int rc = OK;
    char path[PATH_BYTES];
    TRY(find_root(path, r->root, r->own ? NULL : r->split));
    if (r->allow_empty || !dataset_cache_load(out, path))
        TRY(read_tree(out, path, r->allow_empty, r->split != NULL && strcmp(r->split, "val") == 0));
done:
    return rc;
}

static int check_index(dataset *d, const file_stamps *f) {
    bool is_folder = d->location == NULL && d->lost_n == 0 && text_string(&f->names)[0] == 0;
    return is_folder ? OK : fail(E_FORMAT, "the index does not describe an image folder");
}

static int path(char out[PATH_BYTES], const dataset *d, int64_t i) {
    return path_join(out, d->root, dataset_name(d, i));
}

const source source_folder = {
    .list = list, .check_index = check_index, .path = path, .bytes = image_file_bytes, .read = image_file_read};
