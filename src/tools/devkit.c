/* The classes of ILSVRC2012, and the labels of its validation images from the devkit. */

#include "tools/devkit.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ARCHIVE_MAX ((size_t)256 << 20) /* the official archive unpacks to 10 MB */
#define TRUTH "data/ILSVRC2012_validation_ground_truth.txt"

const synset synsets[SYNSETS] = {
#include "tools/ilsvrc2012_synsets.inc"
};

static int by_wnid(const void *a, const void *b) {
    return strcmp(((const synset *)a)->wnid, ((const synset *)b)->wnid);
}

int synset_find(const char *wnid) {
    const synset key = {.wnid = wnid}, *s = bsearch(&key, synsets, SYNSETS, sizeof *s, by_wnid);
    return s != NULL ? (int)(s - synsets) : -1;
}

static int class_of(long long id) {
    for (int i = 0; i < SYNSETS; i++)
        if (synsets[i].id == id)
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
        int at = text_to_int(&id, line) ? class_of(id) : -1;
        if (at < 0)
            return fail(E_FORMAT, TRUTH ": line %lld, '%.20s', is not the ILSVRC2012_ID of a class",
                        (long long)d->val_n + 1, line);
        d->val_class[d->val_n++] = at;
    }
done:
    return rc;
}

/** Reads a member as a string. */
static int read_member(char **out, tar_reader *r, const tar_member *m) {
    int rc = OK;
    TRY(memory_resize(out, (size_t)m->size + 1, 1));
    TRY(tar_read(*out, r, m, 0, (size_t)m->size));
    (*out)[m->size] = 0;
done:
    return rc;
}

static bool is_truth(const tar_member *m) {
    size_t n = strlen(m->name), k = strlen(TRUTH);
    return m->type == '0' && n >= k && strcmp(m->name + n - k, TRUTH) == 0;
}

static int read_archive(devkit *d, const unsigned char *bytes, size_t n, const char *path) {
    int rc = OK;
    tar_source s = {.fd = -1, .memory = bytes, .size = n, .name = path};
    tar_reader r = {0};
    tar_member *m = NULL;
    char *truth = NULL;
    bool more = true;
    TRY(memory_zeroed(&m, 1, sizeof *m));
    TRY(tar_reader_init(&r, &s));
    while (truth == NULL) {
        TRY(tar_next(&more, m, &r));
        if (!more) {
            rc = fail(E_NOTFOUND, "the archive does not contain " TRUTH ": expected ILSVRC2012_devkit_t12.tar.gz");
            goto done;
        }
        if (is_truth(m))
            TRY(read_member(&truth, &r, m));
    }
    TRY(read_truth(d, truth));
done:
    tar_reader_deinit(&r);
    free(truth);
    free(m);
    return rc;
}

/** Checks zlib's status after the last read. */
static int gz_check(gzFile f) {
    int code = Z_OK;
    const char *what = gzerror(f, &code);
    if (code == Z_ERRNO)
        return fail_errno(errno, "cannot read");
    return code == Z_OK || code == Z_STREAM_END ? OK : fail(E_FORMAT, "damaged or truncated compressed data: %s", what);
}

/** Reads the whole file, decompressed if necessary. The caller frees it. */
static int gz_read(unsigned char **out, size_t *n, const char *path) {
    int rc = OK;
    size_t capacity = 0;
    gzFile f = gzopen(path, "rbe");
    if (f == NULL)
        return fail_errno(errno, "cannot read");
    for (int got = 0;; *n += (size_t)got) {
        if (*n == capacity) {
            capacity = capacity == 0 ? (size_t)1 << 20 : capacity * 2;
            TRY(capacity <= ARCHIVE_MAX ? memory_resize(out, capacity, 1)
                                        : fail(E_FORMAT, "the archive contains more than %zu bytes", ARCHIVE_MAX));
        }
        got = gzread(f, *out + *n, (unsigned)(capacity - *n));
        if (got <= 0)
            break;
    }
    rc = gz_check(f);
done:
    gzclose(f);
    return rc;
}

int devkit_read(devkit *d, const char *path) {
    int rc = OK;
    unsigned char *bytes = NULL;
    size_t n = 0;
    *d = (devkit){0};
    TRY(gz_read(&bytes, &n, path));
    TRY(read_archive(d, bytes, n, path));
done:
    if (rc != OK)
        fail_context(rc, "%s", path);
    free(bytes);
    return rc;
}

void devkit_deinit(devkit *d) {
    free(d->val_class);
    *d = (devkit){0};
}
