#define _GNU_SOURCE
#include "dataset/splits/listed.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/image_file.h"
#include "dataset/source.h"
#include "dataset/splits/class_list.h"
#include "dataset/splits/delimited.h"
#include "dataset/splits/list_columns.h"
#include "dataset/splits/list_suffix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX ((size_t)4 << 30)

enum { SAMPLES = 16, SPLITS = 5 };

/** The splits, those of validation images in the order of preference. */
static const char *const split_name[SPLITS] = {"train", "val", "validation", "valid", "test"};

typedef struct row {
    char *path, *label; /* in the text of the list; path may be in `completed` */
    int split;
    size_t line;
} row;

/** The list while it is read. */
typedef struct reader {
    const char *file, *root;
    char *bytes, *completed; /* the text of the list; paths to which a suffix was added */
    row *row;
    size_t n, capacity;
    list_columns columns;
    const char *separator; /* for messages */
    int64_t of[SPLITS];
} reader;

static int find_split(int *out, const reader *r, const char *name, size_t line) {
    if (strcasecmp(name, "training") == 0)
        name = split_name[0];
    for (*out = 0; *out < SPLITS; ++*out)
        if (strcasecmp(name, split_name[*out]) == 0)
            return OK;
    return fail(E_FORMAT, "%s:%zu: unknown split '%s': expected train, val, validation, valid or test", r->file, line,
                name);
}

static int take_row(reader *r, char *const *field, int n, size_t line) {
    int rc = OK;
    row one = {.line = line};
    if (n != r->columns.n)
        return fail(E_FORMAT,
                    "%s:%zu: the row has %d column%s, but the first row has %d: write a field that contains the "
                    "separator, %s, in double quotes",
                    r->file, line, n, n == 1 ? "" : "s", r->columns.n, r->separator);
    one.path = field[r->columns.of[LIST_PATH]];
    one.label = field[r->columns.of[LIST_LABEL]];
    if (one.path[0] == 0 || one.path[strlen(one.path) - 1] == '/' || strpbrk(one.path, "\r\n") != NULL)
        return fail(E_FORMAT, "%s:%zu: '%s' cannot be the path of an image", r->file, line, one.path);
    if (strlen(r->root) + strlen(one.path) + LIST_SUFFIX_BYTES + 1 >= PATH_BYTES)
        return fail(E_FORMAT, "%s:%zu: the path has %zu bytes, more than a path may have: %.40s...", r->file, line,
                    strlen(one.path), one.path);
    if (!class_list_is_name(one.label))
        return fail(E_FORMAT,
                    "%s:%zu: '%s' cannot be a class: a label must not be empty or contain '/' or a line break", r->file,
                    line, one.label);
    if (r->columns.of[LIST_SPLIT] >= 0)
        TRY(find_split(&one.split, r, field[r->columns.of[LIST_SPLIT]], line));
    TRY(memory_grow(&r->row, &r->capacity, r->n + 1, sizeof *r->row));
    r->row[r->n++] = one;
    r->of[one.split]++;
done:
    return rc;
}

static int read_rows(reader *r, size_t size) {
    char **field = NULL;
    int rc = OK, n = 0;
    bool first = true;
    size_t line = 0;
    delimited d = delimited_begin(r->bytes, size);
    r->separator = d.separator == '\t' ? "a tab" : d.separator == ';' ? "a semicolon" : "a comma";
    if (memchr(r->bytes, 0, size) != NULL)
        return fail(E_FORMAT, "%s contains zero bytes: save it as UTF-8 text", r->file);
    TRY(memory_zeroed(&field, LIST_COLUMNS_MAX, sizeof *field));
    for (;; first = false) {
        rc = delimited_next(&d, field, LIST_COLUMNS_MAX, &n, &line);
        if (rc != OK) {
            fail_context(rc, "%s", r->file);
            goto done;
        }
        if (n == 0)
            break;
        if (first)
            TRY(list_columns_find(&r->columns, field, n, r->file, line, r->root));
        if (!first || !r->columns.header)
            TRY(take_row(r, field, n, line));
    }
    if (r->n == 0)
        rc = fail(E_DATA, "%s lists no images: write one row per image, path,label or path,label,split", r->file);
done:
    free(field);
    return rc;
}

/** A first row of unknown names is a header if its label occurs in no other row, and the second row has an image. */
static void decide_header(reader *r) {
    if (!r->columns.unsure)
        return;
    char *const first[2] = {r->row[0].path, r->row[0].label};
    bool header = r->n > 1 && list_is_image(r->row[1].path, r->root);
    for (size_t i = 1; i < r->n && header; i++)
        header = strcmp(r->row[i].label, first[1]) != 0;
    list_columns_decide(&r->columns, header, first, r->file);
    if (header) {
        r->of[r->row[0].split]--;
        memmove(r->row, r->row + 1, --r->n * sizeof *r->row);
    }
}

/** Adds the suffix of the file to paths that lack it; each is tried with the suffix of the one before it first. */
static int complete_paths(reader *r) {
    size_t bytes = 0, completed = 0;
    const char *suffix = NULL;
    int rc = OK;
    for (size_t i = 0; i < r->n; i++)
        if (!dataset_is_image_name(path_name(r->row[i].path)))
            bytes += strlen(r->row[i].path) + LIST_SUFFIX_BYTES;
    if (bytes == 0)
        return OK;
    TRY(memory_zeroed(&r->completed, bytes, 1));
    char *to = r->completed, *end = r->completed + bytes;
    for (size_t i = 0; i < r->n; i++) {
        row *one = &r->row[i];
        if (dataset_is_image_name(path_name(one->path)) || !list_suffix_find(&suffix, r->root, one->path) ||
            suffix[0] == 0)
            continue;
        int n = snprintf(to, (size_t)(end - to), "%s%s", one->path, suffix);
        one->path = to;
        to += n + 1;
        completed++;
    }
    if (completed > 0)
        log_info("%s: %zu of %zu paths have no suffix: it is added, as in %s", r->file, completed, r->n, r->completed);
done:
    return rc;
}

static int by_path(const void *a, const void *b) {
    const row *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order != 0 ? order : x->line < y->line ? -1 : 1;
}

static int check_twice(reader *r) {
    qsort(r->row, r->n, sizeof *r->row, by_path);
    for (size_t i = 1; i < r->n; i++)
        if (strcmp(r->row[i - 1].path, r->row[i].path) == 0)
            return fail(E_FORMAT, "%s:%zu: %s is already listed in line %zu: remove one of the rows", r->file,
                        r->row[i].line, r->row[i].path, r->row[i - 1].line);
    return OK;
}

/** The order of an ImageFolder: class, folder, name of the file. */
static int by_class(const void *a, const void *b) {
    const row *x = a, *y = b;
    int order = strcmp(x->label, y->label);
    size_t m = (size_t)(path_name(x->path) - x->path), n = (size_t)(path_name(y->path) - y->path);
    if (order == 0)
        order = memcmp(x->path, y->path, (m < n ? m : n) - ((m < n ? m : n) > 0));
    if (order == 0 && m != n)
        order = m < n ? -1 : 1;
    return order != 0 ? order : strcmp(x->path + m, y->path + n);
}

static int path(char out[PATH_BYTES], const dataset *d, int64_t i) {
    const char *name = dataset_name(d, i) + strlen(d->class_name[d->label[i]]) + 1;
    return name[0] == '/' ? path_format(out, "%s", name) : path_join(out, d->root, name);
}

static const source source_listed = {.path = path, .bytes = image_file_bytes, .read = image_file_read};

/** Adds an image to the dataset; the rows come in the order of by_class. */
static int add_image(dataset *d, text *names, const row *one) {
    int rc = OK;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): every row has a label */
    if (d->class_n == 0 || strcmp(d->class_name[d->class_n - 1], one->label) != 0)
        TRY(memory_string(&d->class_name[d->class_n++], one->label));
    d->class_image_n[d->class_n - 1]++;
    d->label[d->image_n] = d->class_n - 1;
    d->name[d->image_n++] = names->n;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): every row has a label */
    TRY(text_append(names, one->label, strlen(one->label)));
    TRY(text_append(names, "/", 1));
    TRY(text_append(names, one->path, strlen(one->path) + 1));
done:
    return rc;
}

/** The rows of a split as a dataset; *out = NULL if there are none. */
static int make_dataset(dataset **out, const reader *r, const char *root, int split) {
    dataset *d = NULL;
    text names = {0};
    size_t n = (size_t)r->of[split], classes = 0;
    const char *label = NULL;
    int rc = OK;
    if (n == 0)
        return OK;
    for (size_t i = 0; i < r->n; i++)
        if (r->row[i].split == split && (label == NULL || strcmp(label, r->row[i].label) != 0)) {
            label = r->row[i].label;
            classes++;
        }
    TRY(dataset_create(&d, &source_listed, root));
    TRY(memory_zeroed(&d->class_name, classes, sizeof *d->class_name));
    TRY(memory_zeroed(&d->class_image_n, classes, sizeof *d->class_image_n));
    TRY(memory_zeroed(&d->name, n, sizeof *d->name));
    TRY(memory_zeroed(&d->label, n, sizeof *d->label));
    for (size_t i = 0; i < r->n; i++)
        if (r->row[i].split == split)
            TRY(add_image(d, &names, &r->row[i]));
    d->names = names.data;
    names = (text){0}; /* now owned by d */
    *out = d;
    d = NULL; /* now owned by the caller */
done:
    text_deinit(&names);
    dataset_close(d);
    return rc;
}

/** If none of some images exists, the paths are probably relative to another folder. */
static int check_some(const dataset *d, const char *file) {
    char one[PATH_BYTES] = "";
    int64_t total = d->image_n < SAMPLES ? d->image_n : SAMPLES;
    int rc = OK;
    for (int64_t s = 0; s < total; s++) {
        TRY(dataset_path(one, d, s * d->image_n / total));
        if (file_exists(one))
            return OK;
    }
    rc = fail(E_NOTFOUND,
              "%s: none of the %lld images that were checked exists, for example %s. Paths are relative to %s: pass "
              "the right folder with --data",
              file, (long long)total, one, d->root);
done:
    return rc;
}

/** The split of the validation images; 0: the list has none. The others are named. */
static int choose_val(const reader *r) {
    int chosen = 0;
    for (int s = 1; s < SPLITS; s++)
        if (r->of[s] > 0 && chosen == 0)
            chosen = s;
        else if (r->of[s] > 0)
            log_once(LOG_INFO, "%s: the images of split %s (%lld) are not used; %s is the validation set", r->file,
                     split_name[s], (long long)r->of[s], split_name[chosen]);
    return chosen;
}

static int folder_of(char out[PATH_BYTES], const char *file) {
    const char *slash = strrchr(file, '/');
    if (slash == NULL)
        return path_format(out, ".");
    return path_format(out, "%.*s", slash == file ? 1 : (int)(slash - file), file);
}

int listed_open(listed *out, const char *file, const char *root) {
    char folder[PATH_BYTES];
    reader r = {.file = file, .root = folder};
    size_t size = 0;
    int rc = OK;
    *out = (listed){0};
    TRY(root != NULL ? path_format(folder, "%s", root) : folder_of(folder, file));
    TRY(file_read((unsigned char **)&r.bytes, &size, file, FILE_MAX));
    TRY(read_rows(&r, size));
    decide_header(&r);
    TRY(complete_paths(&r));
    TRY(check_twice(&r));
    qsort(r.row, r.n, sizeof *r.row, by_class);
    out->has_split = r.columns.of[LIST_SPLIT] >= 0;
    int val = choose_val(&r);
    out->is_test = val == SPLITS - 1;
    TRY(make_dataset(&out->train, &r, folder, 0));
    if (val > 0)
        TRY(make_dataset(&out->val, &r, folder, val));
    TRY(check_some(out->train != NULL ? out->train : out->val, file));
done:
    free(r.bytes);
    free(r.completed);
    free(r.row);
    return rc;
}

void listed_deinit(listed *l) {
    dataset_close(l->train);
    dataset_close(l->val);
    *l = (listed){0};
}
