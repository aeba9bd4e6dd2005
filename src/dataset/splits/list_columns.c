#include "dataset/splits/list_columns.h"

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "dataset/dataset.h"
#include "dataset/splits/list_suffix.h"

#include <string.h>
#include <strings.h>

/** Names of the columns. */
static const char *const role_name[LIST_ROLES] = {
    "path|filepath|file_path|file|filename|file_name|image|image_path|image_name|img|img_path|image_id|id|id_code",
    "label|labels|class|class_name|category|target", "split|set|subset|partition|dataset"};

static int role_of(const char *field) {
    for (int r = 0; r < LIST_ROLES; r++)
        for (const char *name = role_name[r]; *name != 0; name += strspn(name, "|")) {
            size_t n = strcspn(name, "|");
            if (strlen(field) == n && strncasecmp(field, name, n) == 0)
                return r;
            name += n;
        }
    return -1;
}

bool list_is_image(const char *path, const char *root) {
    const char *suffix = NULL;
    return dataset_is_image_name(path_name(path)) || list_suffix_find(&suffix, root, path);
}

/** Sets the columns that the names of the first row tell. */
static void find_names(list_columns *out, char *const *field, int n) {
    for (int k = 0; k < LIST_ROLES; k++)
        out->of[k] = -1;
    for (int i = 0; i < n && i < LIST_COLUMNS_MAX; i++) {
        int role = role_of(field[i]);
        if (role >= 0 && out->of[role] < 0)
            out->of[role] = i;
    }
}

static void say(const char *file, char *const *field, const list_columns *c) {
    log_info("%s: the column '%s' is the path of an image, '%s' its label", file, field[c->of[LIST_PATH]],
             field[c->of[LIST_LABEL]]);
}

/** Two columns of which at most one has a known name. */
static void find_pair(list_columns *out, char *const *field, const char *file, const char *root) {
    int *path = &out->of[LIST_PATH], *label = &out->of[LIST_LABEL];
    const bool named = *path >= 0 || *label >= 0;
    if (*path < 0)
        *path = *label >= 0 ? 1 - *label : list_is_image(field[1], root) && !list_is_image(field[0], root);
    *label = 1 - *path;
    if (list_is_image(field[*path], root)) {
        if (*path != 0)
            log_info("%s: the first column is the label, the second the path of an image", file);
        return;
    }
    out->header = named;
    out->unsure = !named;
    if (named)
        say(file, field, out);
}

void list_columns_decide(list_columns *c, bool header, char *const first[2], const char *file) {
    char *field[2] = {0};
    c->unsure = false;
    c->header = header;
    field[c->of[LIST_PATH]] = first[0];
    field[c->of[LIST_LABEL]] = first[1];
    if (header)
        say(file, field, c);
}

int list_columns_find(list_columns *out, char *const *field, int n, const char *file, size_t line, const char *root) {
    *out = (list_columns){.n = n};
    find_names(out, field, n);
    out->header = out->of[LIST_PATH] >= 0 && out->of[LIST_LABEL] >= 0;
    if (out->header)
        return OK;
    if (n == 2 && out->of[LIST_SPLIT] < 0) {
        find_pair(out, field, file, root);
        return OK;
    }
    for (int k = 0; k < LIST_ROLES; k++)
        out->of[k] = k < n ? k : -1;
    if (n < 2 || n > LIST_ROLES)
        return fail(E_FORMAT,
                    "%s:%zu: expected the columns path,label or path,label,split, or a first row that names them, but "
                    "the row has %d column%s",
                    file, line, n, n == 1 ? "" : "s");
    if (!list_is_image(field[0], root))
        return fail(E_FORMAT,
                    "%s:%zu: '%s' is no image. If this row is a header, name the columns path, label and split; "
                    "otherwise pass the folder of the images with --data",
                    file, line, field[0]);
    return OK;
}
