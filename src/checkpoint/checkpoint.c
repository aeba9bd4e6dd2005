#define _GNU_SOURCE
#include "checkpoint/checkpoint.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "checkpoint/layout.h"
#include "checkpoint/unpickle.h"
#include "checkpoint/weights_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

size_t ckpt_type_bytes(ckpt_type t) {
    static const size_t bytes[] = {[CKPT_F32] = 4, [CKPT_F64] = 8, [CKPT_F16] = 2, [CKPT_BF16] = 2,
                                   [CKPT_I64] = 8, [CKPT_I32] = 4, [CKPT_U8] = 1,  [CKPT_BOOL] = 1};
    return bytes[t];
}

/** Writes the zip container with a finished pickle. */
static int container_save(const char *path, const pickle *p) {
    int rc = OK;
    zip_writer z = {.file.fd = -1};
    char name[32];
    TRY(zip_write_open(&z, path));
    TRY(zip_write_add(&z, "archive/data.pkl", p->out.data, p->out.n));
    TRY(zip_write_add(&z, "archive/byteorder", "little", 6));
    for (int i = 0; i < p->storage_n; i++) {
        const pickle_storage *s = &p->storages[i];
        snprintf(name, sizeof name, "archive/data/%d", i);
        TRY(zip_write_add(&z, name, s->data != NULL ? s->data : &s->scalar, s->bytes));
    }
    TRY(zip_write_add(&z, "archive/version", "3\n", 2));
    TRY(zip_write_commit(&z));
done:
    zip_write_abort(&z);
    return rc;
}

int ckpt_save(const char *path, const ckpt *c) {
    int rc = OK;
    pickle p;
    pickle_begin(&p);
    layout_write(&p, c);
    TRY(pickle_end(&p));
    TRY(container_save(path, &p));
done:
    pickle_deinit(&p);
    if (rc != OK)
        fail_context(rc, "the checkpoint was not saved (an existing file of this name is unchanged)");
    return rc;
}

int state_dict_save(const char *path, const ckpt_tensor *tensors, int n) {
    int rc = OK;
    pickle p;
    pickle_begin(&p);
    layout_write_state(&p, tensors, n);
    TRY(pickle_end(&p));
    TRY(container_save(path, &p));
done:
    pickle_deinit(&p);
    return rc;
}

/** Reads an entry of at most `limit` bytes into malloc'd memory. */
static int entry_read(unsigned char **out, size_t *n, const zip_reader *z, const char *name, uint64_t limit) {
    int rc = OK;
    unsigned char *bytes = NULL;
    const zip_entry *e = zip_find(z, name, strlen(name));
    if (e == NULL)
        return fail(E_FORMAT, "entry %s is missing: this zip file was not written by torch.save", name);
    if (e->size > limit)
        return fail(E_FORMAT, "entry %s has %llu bytes, more than the limit of %llu", name, (unsigned long long)e->size,
                    (unsigned long long)limit);
    TRY(memory_resize(&bytes, (size_t)e->size, 1));
    TRY(zip_read(z, e, bytes));
    *out = bytes;
    *n = (size_t)e->size;
    bytes = NULL; /* now owned by the caller */
done:
    free(bytes);
    return rc;
}

static int byteorder_check(const zip_reader *z) {
    unsigned char *order = NULL;
    size_t n = 0;
    if (zip_find(z, "byteorder", 9) == NULL) /* PyTorch before 2.1 does not write this entry */
        return OK;
    int rc = entry_read(&order, &n, z, "byteorder", 16);
    if (rc == OK && (n != 6 || memcmp(order, "little", 6) != 0))
        rc = fail(E_FORMAT, "the file was written on a big-endian machine; only little-endian files are supported");
    free(order);
    return rc;
}

static int zip_load(ckpt *c, int fd, int (*read)(ckpt *c, const value *top, tensor_source *source)) {
    int rc = OK;
    zip_reader z = {.fd = -1};
    pool values = {0};
    tensor_source source = {.zip = &z};
    unsigned char *bytes = NULL;
    size_t n = 0, used = 0;
    value *top = NULL;
    TRY(zip_read_open(&z, fd));
    source.budget = TENSOR_BUDGET(z.bytes);
    TRY(byteorder_check(&z));
    TRY(entry_read(&bytes, &n, &z, "data.pkl", PICKLE_LIMIT));
    TRY(unpickle(&top, &used, &values, bytes, n));
    layout_list_skipped(c, &values);
    TRY(read(c, top, &source));
done:
    tensor_source_deinit(&source);
    pool_deinit(&values);
    free(bytes);
    zip_read_close(&z);
    return rc;
}

/** Tries the readers of all supported formats. */
static int read_any(ckpt *c, int fd) {
    bool is_known = false;
    int rc = safetensors_read(&is_known, c, fd);
    if (rc == OK && !is_known)
        rc = torch_legacy_read(&is_known, c, fd);
    return rc == OK && !is_known ? zip_load(c, fd, layout_read) : rc;
}

static int read_progress(ckpt *c, int fd) { return zip_load(c, fd, layout_read_progress); }

static int load(ckpt **out, const char *path, const char *key, int (*read)(ckpt *c, int fd)) {
    int rc = OK;
    ckpt *c = NULL;
    struct stat st;
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a FIFO must not block */
    if (fd < 0)
        return fail_errno(errno, "cannot open checkpoint %s", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = fail(E_IO, "checkpoint %s is not a regular file", path);
        goto done;
    }
    TRY(memory_zeroed(&c, 1, sizeof *c));
    if (strlen(key) >= sizeof c->key) {
        rc = fail(E_OPTION, "the key of a checkpoint has %zu bytes, more than the limit of %zu", strlen(key),
                  sizeof c->key - 1);
        goto done;
    }
    snprintf(c->key, sizeof c->key, "%s", key);
    rc = read(c, fd);
    if (rc != OK) {
        fail_context(rc, "checkpoint %s", path);
        goto done;
    }
    *out = c;
    c = NULL; /* now owned by the caller */
done:
    ckpt_free(c);
    close(fd);
    return rc;
}

/** Logs what the user may not expect of a file of another program. */
static void tell(const ckpt *c, const char *path) {
    static const char *const ema[] = {"state_dict_ema", "model_ema"};
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): load has set it */
    if (c->skipped[0] != 0)
        log_info("%s: Python objects skipped: %s", path, c->skipped);
    for (int k = 0; k < 2 && c->key[0] == 0 && strchr(c->parts, ',') != NULL; k++)
        if (strstr(c->parts, ema[k]) != NULL)
            log_info("%s: the file contains an EMA of the weights too: --init-key %s selects it", path, ema[k]);
}

int ckpt_load_key(ckpt **out, const char *path, const char *key) {
    int rc = load(out, path, key, read_any);
    if (rc == OK)
        tell(*out, path);
    return rc;
}

int ckpt_load(ckpt **out, const char *path) { return ckpt_load_key(out, path, ""); }
int ckpt_load_progress(ckpt **out, const char *path) { return load(out, path, "", read_progress); }

static void tensors_free(ckpt_tensor *tensors, int n) {
    for (int i = 0; i < n; i++)
        free(tensors[i].data);
    free(tensors);
}

static void items_free(ckpt_item *items, int n) {
    for (int i = 0; i < n; i++) {
        free(items[i].s);
        free(items[i].list);
    }
    free(items);
}

void ckpt_free(ckpt *c) {
    if (c == NULL)
        return;
    tensors_free(c->state, c->state_n);
    tensors_free(c->current, c->current_n);
    tensors_free(c->momentum, c->momentum_n);
    tensors_free(c->square, c->square_n);
    items_free(c->hyper, c->hyper_n);
    items_free(c->own, c->own_n);
    free(c->kept);
    free(c->decay);
    free(c->unread);
    free(c);
}

const ckpt_tensor *ckpt_find_tensor(const ckpt *c, const char *name) {
    for (int i = 0; i < c->state_n; i++)
        if (strcmp(c->state[i].name, name) == 0)
            return &c->state[i];
    return NULL;
}

const ckpt_item *ckpt_find_item(const ckpt_item *items, int n, const char *key) {
    for (int i = 0; i < n; i++)
        if (strcmp(items[i].key, key) == 0)
            return &items[i];
    return NULL;
}

const ckpt_item *ckpt_class_names(const ckpt *c) {
    const ckpt_item *names = ckpt_find_item(c->hyper, c->hyper_n, "class_names");
    return names != NULL && names->kind == 'l' && names->i > 0 ? names : NULL;
}
