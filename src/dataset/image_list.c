#include "dataset/image_list.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/clutter.h"
#include "dataset/source.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add_line(text *list, const char *name) {
    if (strchr(name, '\n') != NULL)
        return fail(E_DATA, "a file name contains a line break; rename it: %s", name);
    return text_printf(list, "%s\n", name);
}

static int by_name(const FTSENT **a, const FTSENT **b) { return strcmp((*a)->fts_name, (*b)->fts_name); }

static bool is_link(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int add_folder(text *list, const char *path) {
    int rc = OK, links = 0;
    clutter left_out = {0};
    char root[PATH_BYTES];
    char *roots[] = {root, NULL};
    TRY(path_format(root, "%s", path));
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    if (walk == NULL)
        return fail_errno(errno, "cannot read the folder %s", path);
    for (FTSENT *e = NULL; (errno = 0, e = fts_read(walk)) != NULL;) {
        if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR) {
            rc = fail_errno(e->fts_errno, "cannot read %s", e->fts_path);
            break;
        }
        bool below = e->fts_level > 0 && (e->fts_info == FTS_D || e->fts_info == FTS_F);
        if (below && clutter_count(&left_out, e->fts_name, e->fts_info == FTS_D))
            fts_set(walk, e, FTS_SKIP);
        else if (e->fts_info == FTS_D && is_link(e->fts_path) && ++links > DATASET_LINKS_MAX)
            rc = fail(E_DATA,
                      "%s: more than %d symbolic links to folders; remove links to folders that contain further links",
                      e->fts_path, DATASET_LINKS_MAX);
        else if (e->fts_info == FTS_F && dataset_is_image_name(e->fts_name))
            rc = add_line(list, e->fts_path);
        if (rc != OK)
            break;
    }
    if (rc == OK && errno != 0)
        rc = fail_errno(errno, "cannot read the folder %s", path);
    fts_close(walk);
    clutter_log(&left_out, path);
done:
    return rc;
}

int image_list_add(text *list, const char *path) {
    if (folder_exists(path))
        return add_folder(list, path);
    if (!file_exists(path))
        return fail(E_NOTFOUND, "%s does not exist: expected an image or a folder of images", path);
    return add_line(list, path);
}

int image_list_dataset(dataset **out, const text *list) {
    int rc = OK;
    dataset *d = NULL;
    size_t lines = 0;
    for (size_t i = 0; i < list->n; i++)
        lines += list->data[i] == '\n';
    if (lines == 0)
        return fail(E_DATA, "no images found (" DATASET_SUFFIXES ")");
    TRY(dataset_create(&d, &source_folder, ""));
    TRY(memory_zeroed(&d->class_name, 1, sizeof *d->class_name));
    TRY(memory_string(&d->class_name[0], ""));
    d->class_n = 1;
    TRY(memory_zeroed(&d->class_image_n, 1, sizeof *d->class_image_n));
    TRY(memory_zeroed(&d->names, list->n, 1));
    TRY(memory_zeroed(&d->name, lines, sizeof *d->name));
    TRY(memory_zeroed(&d->label, lines, sizeof *d->label));
    memcpy(d->names, list->data, list->n);
    for (size_t i = 0, begin = 0; i < list->n; i++)
        if (d->names[i] == '\n') {
            d->names[i] = 0;
            d->name[d->image_n++] = begin;
            begin = i + 1;
        }
    d->class_image_n[0] = d->image_n;
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    dataset_close(d);
    return rc;
}
