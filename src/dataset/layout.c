#define _GNU_SOURCE
#include "dataset/layout.h"

#include "base/status.h"
#include "base/text.h"
#include "dataset/clutter.h"
#include "dataset/dataset.h"
#include "dataset/name_list.h"
#include "dataset/shard_list.h"
#include "dataset/transfer/unpack.h"

#include <dirent.h>
#include <string.h>
#include <strings.h>

enum { NAMES_SHOWN = 5 };
enum { CLASSES_LEAST = 2 }; /* class folders of a dataset that has no folder train */

static bool is_below(const char *folder, const struct dirent *e) {
    char path[PATH_BYTES];
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || clutter_is_folder(e->d_name))
        return false;
    if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return path_join(path, folder, e->d_name) == OK && folder_exists(path);
}

/** Lists the folders in `path`, without clutter, in byte order. A folder that cannot be read counts as empty: it is
 *  reported when it is used. */
static int list_below(name_list *out, const char *path) {
    int rc = OK;
    DIR *dir = opendir(path);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; rc == OK && e != NULL; e = readdir(dir))
        if (is_below(path, e))
            rc = name_list_add(out, e->d_name);
    if (dir != NULL)
        closedir(dir);
    name_list_sort(out, 0);
    return rc;
}

bool layout_has_images(const char *path) {
    bool found = false;
    DIR *dir = opendir(path);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL && !found; e = readdir(dir))
        found = dataset_is_image_name(e->d_name);
    if (dir != NULL)
        closedir(dir);
    return found;
}

/** Whether the folder contains folders or shards. */
static bool holds_classes(const char *path) {
    bool found = false;
    DIR *dir = opendir(path);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL && !found; e = readdir(dir)) {
        size_t stem = 0;
        unpack_kind(&stem, e->d_name);
        found = is_below(path, e) || stem > 0;
    }
    if (dir != NULL)
        closedir(dir);
    return found;
}

/** Parts of a dataset, by the names of their folders. */
typedef enum part { TRAIN, VAL, TEST, PARTS } part;

/** The part that a word means. PARTS: none */
static part part_of_word(const char *word, size_t n) {
    static const struct {
        const char *word;
        part means;
    } known[] = {{"train", TRAIN}, {"training", TRAIN}, {"val", VAL},     {"validation", VAL},
                 {"valid", VAL},   {"test", TEST},      {"testing", TEST}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].word) == n && strncasecmp(known[i].word, word, n) == 0)
            return known[i].means;
    return PARTS;
}

/** The part that the name of a folder means: "Training", "seg_train", "test set". PARTS: none, or several */
static part part_of(const char *name) {
    part found = PARTS;
    for (size_t n = 0; *name != 0; name += n + (name[n] != 0)) {
        n = strcspn(name, "-_. ");
        part one = part_of_word(name, n);
        if (one != PARTS && found != PARTS)
            return PARTS;
        found = one != PARTS ? one : found;
    }
    return found;
}

/** Finds the only folder below `root` for each part by the meaning of its name: one that is a word for the part, else
 *  one that contains such a word. It must contain folders or shards and no images, so that a class of such a name is
 *  not meant. "": there is none, or several. */
static int find_parts(char out[PARTS][PATH_BYTES], const char *root) {
    char one[PATH_BYTES];
    int rc = OK, found[PARTS][2] = {{0}};
    name_list below = {0};
    for (int p = 0; p < PARTS; p++)
        out[p][0] = 0;
    TRY(list_below(&below, root));
    for (size_t i = 0; i < below.n; i++) {
        const char *name = name_list_get(&below, i);
        part p = part_of(name);
        if (p == PARTS || path_join(one, root, name) != OK || !holds_classes(one) || layout_has_images(one))
            continue;
        bool word = part_of_word(name, strlen(name)) != PARTS;
        found[p][word]++;
        if (word || found[p][true] == 0)
            TRY(path_format(out[p], "%s", found[p][word] == 1 ? one : ""));
    }
done:
    name_list_deinit(&below);
    return rc;
}

/** train/train, seg_test/seg_test: goes one level down if the folder contains nothing but one of the same part. */
static int descend(char path[PATH_BYTES]) {
    char one[PATH_BYTES];
    int rc = OK;
    name_list below = {0};
    TRY(list_below(&below, path));
    if (below.n == 1 && part_of(name_list_get(&below, 0)) == part_of(path_name(path)) && !layout_has_images(path)) {
        TRY(path_join(one, path, name_list_get(&below, 0)));
        if (holds_classes(one))
            TRY(path_format(path, "%s", one));
    }
done:
    name_list_deinit(&below);
    return rc;
}

/** The folder of the split by one of the usual names. *found: whether it, or shards of the split, are there */
static int find_usual(char out[PATH_BYTES], bool *found, const char *root, const char *split) {
    static const char *const names[] = {"val", "validation", "valid", "test"};
    int rc = OK;
    *found = true;
    for (int i = 0; strcmp(split, "val") == 0 && i < 4; i++) {
        TRY(path_join(out, root, names[i]));
        if (i == 2 && shard_list_has(root, split))
            break;
        if (folder_exists(out) && (strcmp(names[i], "test") != 0 || holds_classes(out)))
            return OK;
    }
    TRY(path_join(out, root, split));
    *found = folder_exists(out) || shard_list_has(root, split);
done:
    return rc;
}

int layout_folder(char out[PATH_BYTES], const char *root, const char *split) {
    char parts[PARTS][PATH_BYTES];
    bool found = false;
    int rc = OK;
    TRY(find_usual(out, &found, root, split));
    if (!found && folder_exists(root)) {
        TRY(find_parts(parts, root));
        const char *one = parts[strcmp(split, "train") == 0 ? TRAIN : parts[VAL][0] != 0 ? VAL : TEST];
        found = one[0] != 0;
        if (found)
            TRY(path_format(out, "%s", one));
    }
    if (found && folder_exists(out))
        TRY(descend(out));
done:
    return rc;
}

static int look(layout *l, const char *path) {
    char folder[PATH_BYTES];
    int rc = OK;
    *l = (layout){0};
    TRY(path_format(l->root, "%s", path));
    TRY(layout_folder(folder, path, "train"));
    l->has_train = folder_exists(folder) || shard_list_has(path, "train");
    TRY(layout_folder(folder, path, "val"));
    l->has_val = folder_exists(folder) || shard_list_has(path, "val");
    l->is_test = l->has_val && part_of(path_name(folder)) == TEST;
done:
    return rc;
}

/** Whether the folder contains several folders with images. */
static int is_flat(bool *out, const char *path) {
    int rc = OK, found = 0;
    char one[PATH_BYTES];
    name_list below = {0};
    TRY(list_below(&below, path));
    for (size_t i = 0; i < below.n && found < CLASSES_LEAST; i++)
        found += path_join(one, path, name_list_get(&below, i)) == OK && layout_has_images(one);
    *out = found >= CLASSES_LEAST;
done:
    name_list_deinit(&below);
    return rc;
}

/** What is searched for. */
typedef struct search {
    bool need_train, flat;
    name_list found;
} search;

static int matches(bool *out, const search *s, const char *path) {
    layout l;
    int rc = OK;
    if (s->flat)
        return is_flat(out, path);
    TRY(look(&l, path));
    *out = l.has_train || (!s->need_train && l.has_val);
done:
    return rc;
}

/** Adds the folders below `path` that match; folders within them are not searched. */
static int search_below(search *s, const char *path, int depth) {
    int rc = OK;
    char one[PATH_BYTES];
    name_list below = {0};
    TRY(list_below(&below, path));
    for (size_t i = 0; i < below.n; i++) {
        bool found = false;
        if (path_join(one, path, name_list_get(&below, i)) != OK)
            continue; /* too long: no dataset of that depth can be read */
        TRY(matches(&found, s, one));
        if (found)
            TRY(name_list_add(&s->found, one));
        else if (depth < LAYOUT_DEPTH)
            TRY(search_below(s, one, depth + 1));
    }
done:
    name_list_deinit(&below);
    return rc;
}

static int fail_ambiguous(const search *s, const char *path) {
    int rc = OK;
    text names = {0};
    for (size_t i = 0; i < s->found.n && i < NAMES_SHOWN; i++)
        TRY(text_printf(&names, "%s%s", i > 0 ? ", " : "", name_list_get(&s->found, i)));
    rc = fail(E_DATA, "%s contains %zu datasets: %s%s. Pass the folder of one of them (--data)", path, s->found.n,
              text_string(&names), s->found.n > NAMES_SHOWN ? ", ..." : "");
done:
    text_deinit(&names);
    return rc;
}

/** Sets *out to the only match below `path`, if there is one. */
static int find_below(layout *out, search *s, const char *path) {
    int rc = OK;
    TRY(search_below(s, path, 1));
    if (s->found.n > 1) {
        rc = fail_ambiguous(s, path);
    } else if (s->found.n == 1) {
        TRY(look(out, name_list_get(&s->found, 0)));
        out->is_below = true;
        out->is_flat = s->flat;
    }
done:
    name_list_deinit(&s->found);
    return rc;
}

int layout_find(layout *out, const char *path, bool need_train) {
    int rc = OK;
    bool flat = false;
    TRY(look(out, path));
    if (out->has_train || (!need_train && out->has_val) || !folder_exists(path))
        goto done;
    TRY(find_below(out, &(search){.need_train = need_train}, path));
    if (out->is_below || out->has_val) /* the class folders of val are not for training */
        goto done;
    TRY(is_flat(&flat, path));
    if (flat)
        out->is_flat = true;
    else
        TRY(find_below(out, &(search){.flat = true}, path));
    out->has_val = false; /* a folder test, beside other class folders, is a class */
done:
    return rc;
}
