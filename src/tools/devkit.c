#include "tools/devkit.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/tar.h"
#include "tools/mat.h"
#include "tools/unzip.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCHIVE_MAX ((size_t)256 << 20)
#define META "data/meta.mat"
#define TRUTH "data/ILSVRC2012_validation_ground_truth.txt"

static bool ends_with(const char *name, const char *suffix) {
    size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

static int by_wnid(const void *a, const void *b) {
    return strcmp(((const synset *)a)->wnid, ((const synset *)b)->wnid);
}

static int take_synset(devkit *d, const mat_structs *m, int64_t i) {
    int rc = OK;
    double id = 0, children = 0;
    text wnid = {0};
    TRY(mat_number(&children, m, i, "num_children"));
    if (children != 0)
        goto done;
    TRY(mat_number(&id, m, i, "ILSVRC2012_ID"));
    TRY(mat_text(&wnid, m, i, "WNID"));
    const char *name = text_string(&wnid);
    bool plain = wnid.n > 1 && wnid.n < WNID_BYTES && strlen(name) == wnid.n && name[0] == 'n';
    for (size_t k = 1; plain && k < wnid.n; k++)
        plain = isdigit((unsigned char)name[k]) != 0;
    if (!plain || !(id >= 1 && id <= 1e6)) {
        rc = fail(E_FORMAT, META ": synset %lld is called '%.20s' and has the number %g", (long long)i, name, id);
        goto done;
    }
    synset *s = &d->synset[d->synset_n++];
    *s = (synset){.id = (int)id, .words = d->words.n};
    memcpy(s->wnid, name, wnid.n + 1);
    TRY(mat_text(&d->words, m, i, "words"));
    TRY(text_append(&d->words, "", 1));
done:
    text_deinit(&wnid);
    return rc;
}

static int read_meta(devkit *d, const unsigned char *bytes, size_t n) {
    int rc = OK;
    mat_structs m;
    TRY(mat_structs_read(&m, bytes, n, "synsets", META));
    TRY(memory_zeroed(&d->synset, (size_t)m.n, sizeof *d->synset));
    for (int64_t i = 0; i < m.n; i++)
        TRY(take_synset(d, &m, i));
    qsort(d->synset, (size_t)d->synset_n, sizeof *d->synset, by_wnid);
    for (int i = 1; i < d->synset_n; i++)
        if (strcmp(d->synset[i - 1].wnid, d->synset[i].wnid) == 0)
            rc = fail(E_FORMAT, META ": %s occurs twice", d->synset[i].wnid);
    if (rc == OK && d->synset_n == 0)
        rc = fail(E_FORMAT, META ": no synset without children");
done:
    mat_structs_deinit(&m);
    return rc;
}

static int class_of(const devkit *d, long long id) {
    for (int i = 0; i < d->synset_n; i++)
        if (d->synset[i].id == id)
            return i;
    return -1;
}

static int read_truth(devkit *d, char *bytes) {
    int rc = OK;
    size_t lines = 1;
    for (const char *p = bytes; *p != 0; p++)
        lines += *p == '\n';
    TRY(memory_zeroed(&d->val_class, lines, sizeof *d->val_class));
    for (char *line = bytes, *end; *line != 0; line = end) {
        long long id = 0;
        size_t n = strcspn(line, "\r\n");
        end = line + n + strspn(line + n, "\r\n");
        line[n] = 0;
        int at = text_to_int(&id, line) ? class_of(d, id) : -1;
        if (at < 0)
            return fail(E_FORMAT, TRUTH ": line %lld, '%.20s', is no ILSVRC2012_ID of a class", (long long)d->val_n + 1,
                        line);
        d->val_class[d->val_n++] = at;
    }
done:
    return rc;
}

/** A member as a string. */
static int read_member(char **out, tar_reader *r, const tar_member *m) {
    int rc = OK;
    TRY(memory_resize(out, (size_t)m->size + 1, 1));
    TRY(tar_read(*out, r, m, 0, (size_t)m->size));
    (*out)[m->size] = 0;
done:
    return rc;
}

static int read_archive(devkit *d, const unsigned char *bytes, size_t n, const char *path) {
    int rc = OK;
    tar_source s = {.fd = -1, .memory = bytes, .size = n, .name = path};
    tar_reader r = {0};
    tar_member *m = NULL;
    char *meta = NULL, *truth = NULL;
    size_t meta_n = 0;
    bool more = true;
    TRY(memory_zeroed(&m, 1, sizeof *m));
    TRY(tar_reader_init(&r, &s));
    while (meta == NULL || truth == NULL) {
        TRY(tar_next(&more, m, &r));
        if (!more) {
            rc = fail(E_NOTFOUND, "no %s in it: expected ILSVRC2012_devkit_t12.tar.gz", meta == NULL ? META : TRUTH);
            goto done;
        }
        if (m->type == '0' && meta == NULL && ends_with(m->name, META)) {
            TRY(read_member(&meta, &r, m));
            meta_n = (size_t)m->size;
        } else if (m->type == '0' && truth == NULL && ends_with(m->name, TRUTH)) {
            TRY(read_member(&truth, &r, m));
        }
    }
    TRY(read_meta(d, (unsigned char *)meta, meta_n));
    TRY(read_truth(d, truth));
done:
    tar_reader_deinit(&r);
    free(meta);
    free(truth);
    free(m);
    return rc;
}

int devkit_read(devkit *d, const char *path) {
    int rc = OK;
    unsigned char *file = NULL, *bytes = NULL;
    size_t file_n = 0, n = 0;
    *d = (devkit){0};
    TRY(file_read(&file, &file_n, path, ARCHIVE_MAX));
    bool packed = file_n > 2 && file[0] == 0x1f && file[1] == 0x8b;
    if (packed)
        rc = unzip(&bytes, &n, file, file_n, ARCHIVE_MAX);
    if (rc == OK)
        rc = read_archive(d, packed ? bytes : file, packed ? n : file_n, path);
    if (rc != OK)
        fail_context(rc, "%s", path);
done:
    free(file);
    free(bytes);
    return rc;
}

void devkit_deinit(devkit *d) {
    free(d->synset);
    free(d->val_class);
    text_deinit(&d->words);
    *d = (devkit){0};
}

int devkit_find(const devkit *d, const char *wnid) {
    synset key = {0};
    if (strlen(wnid) >= WNID_BYTES)
        return -1;
    memcpy(key.wnid, wnid, strlen(wnid));
    const synset *s = bsearch(&key, d->synset, (size_t)d->synset_n, sizeof *s, by_wnid);
    return s != NULL ? (int)(s - d->synset) : -1;
}
