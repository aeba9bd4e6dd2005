#define _GNU_SOURCE
#include "tools/pack.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "dataset/read.h"
#include "dataset/shards.h"
#include "dataset/splits/dataset_checks.h"
#include "dataset/tar.h"
#include "image/jpeg_write.h"
#include "loader/sampler.h"
#include "loader/transform.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { END_BLOCKS = 2, FLUSH_BYTES = 1 << 20, DEAL_SEED = 0 };

#define MARK ".linnet-pack" /* exists in a folder while it is being written */

typedef struct packer {
    const pack_options *options;
    pack_result *result;
    int split; /* 0 train, 1 val: index in the result */
    char folder[PATH_BYTES];
    atomic_file shard;
    bool open;
    int mark;            /* the lock on MARK; -1: none */
    text block;          /* data of the shard that are not written yet */
    uint64_t shard_used; /* bytes */
    int64_t in_shard;
    char key[PATH_BYTES]; /* of the last sample; "" at the beginning */
    image_buffer file;
    decoder *decoder;
    uint8_t *pixels;
    unsigned char *jpeg;
    json_t *names, *lengths; /* of the split's shards */
} packer;

static const char *const split_name[] = {"train", "val"};

static int flush(packer *p) {
    int rc = atomic_write(&p->shard, p->block.data, p->block.n);
    p->shard_used += p->block.n;
    p->block.n = 0;
    return rc;
}

static int close_shard(packer *p) {
    static const char zeros[END_BLOCKS * TAR_BLOCK];
    int rc = OK;
    if (!p->open)
        return OK;
    TRY(text_append(&p->block, zeros, sizeof zeros));
    TRY(flush(p));
    TRY(atomic_commit(&p->shard));
    p->open = false;
    p->result->bytes += p->shard_used;
    p->result->shards[p->split]++;
    if (json_array_append_new(p->names, json_text(path_name(p->shard.path))) != 0 ||
        json_array_append_new(p->lengths, json_integer(p->in_shard)) != 0)
        rc = fail(E_NOMEM, "out of memory for _info.json");
done:
    return rc;
}

static int open_shard(packer *p) {
    int rc = OK;
    char path[PATH_BYTES];
    TRY(path_format(path, "%s/%s-%06lld.tar", p->folder, split_name[p->split], (long long)p->result->shards[p->split]));
    TRY(atomic_open(&p->shard, path));
    p->open = true;
    p->shard_used = 0;
    p->in_shard = 0;
done:
    return rc;
}

static int put_member(packer *p, const char *key, const char *suffix, const void *bytes, size_t n) {
    static const char zeros[TAR_BLOCK];
    int rc = OK;
    char name[PATH_BYTES];
    TRY(path_format(name, "%s.%s", key, suffix));
    TRY(tar_put_header(&p->block, name, n));
    TRY(text_append(&p->block, bytes, n));
    TRY(text_append(&p->block, zeros, tar_padding(n)));
done:
    return rc;
}

static bool begins_with_stem(const dataset *d, int64_t i, const char *name, size_t stem) {
    return i >= 0 && i < d->image_n && strncmp(dataset_name(d, i), name, stem) == 0 && dataset_name(d, i)[stem] == '.';
}

/** Length of the name without its image suffix; the whole length if it has none. */
static size_t stem_bytes(const char *name) {
    return dataset_is_image_name(name) ? (size_t)(strrchr(name, '.') - name) : strlen(name);
}

/** Makes the key: the name without its suffix. Since a key ends at the first dot, other dots become '_'. If dots
 *  were replaced, or an adjacent image has the same stem, the image's number makes the key unique. */
static int make_key(char key[PATH_BYTES], const packer *p, const dataset *d, int64_t i) {
    const char *name = dataset_name(d, i);
    size_t stem = stem_bytes(name), base = (size_t)(path_name(name) - name);
    int rc = path_format(key, "%.*s", (int)stem, name);
    bool plain = stem > base && name[stem] != 0;
    for (size_t k = base; rc == OK && k < stem; k++) {
        plain = plain && key[k] != '.';
        key[k] = key[k] == '.' ? '_' : key[k];
    }
    if (rc == OK && (!plain || begins_with_stem(d, i - 1, name, stem) || begins_with_stem(d, i + 1, name, stem)))
        rc = path_format(key + stem, "_%lld", (long long)i);
    while (rc == OK && strcmp(key, p->key) == 0) /* two adjacent images with the same key would be one sample */
        rc = path_format(key + strlen(key), "_%lld", (long long)i);
    return rc;
}

/** Re-encodes an image that is larger than `resize`. An image that cannot be decoded stays unchanged. */
static int shrink(const unsigned char **bytes, size_t *n, bool *is_jpeg, packer *p, const char *name) {
    int rc = OK, w = 0, h = 0;
    unsigned long jpeg_n = 0;
    const uint8_t *full = NULL;
    const pack_options *o = p->options;
    if (o->resize == 0)
        return OK;
    rc = decoder_decode_full(&full, &w, &h, p->decoder, *bytes, *n, name);
    if (rc == OK && (w < h ? w : h) <= o->resize)
        return OK;
    if (rc == OK)
        rc = transform_resize(&p->pixels, &w, &h, p->decoder, *bytes, *n, name, o->resize);
    if (rc == E_FORMAT || rc == E_UNSUPPORTED) {
        log_warn("%s: packed unchanged", status_message());
        p->result->undecoded++;
        return OK;
    }
    TRY(rc);
    free(p->jpeg);
    p->jpeg = NULL;
    TRY(jpeg_encode(&p->jpeg, &jpeg_n, p->pixels, w, h, o->quality));
    *bytes = p->jpeg;
    *n = jpeg_n;
    *is_jpeg = true;
done:
    return rc;
}

/** The member's suffix without its dot: that of the name, or if that is no image suffix, that of the bytes' format. */
static void member_suffix(char out[16], const char *name, const unsigned char *bytes, size_t n) {
    const char *suffix = dataset_is_image_name(name) ? strrchr(name, '.') : decoder_suffix(bytes, n);
    snprintf(out, 16, "%s", suffix != NULL ? suffix + 1 : "jpg");
    for (char *c = out; *c != 0; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
    if (strcmp(out, "jpeg") == 0)
        snprintf(out, 16, "jpg"); /* the suffix that other programs expect */
}

static int put_image(packer *p, const dataset *d, int64_t i, const unsigned char *bytes, size_t n) {
    int rc = OK;
    char key[PATH_BYTES], suffix[16], label[16];
    text json = {0};
    const char *name = dataset_name(d, i);
    bool is_jpeg = false;
    json_t *o = json_pack("{s:i,s:s}", "label", (int)d->label[i], "filename", name);
    if (o == NULL || !tar_name_is_safe(name)) {
        rc = fail(E_DATA,
                  "%s/%s: the file name is not valid UTF-8 or contains control characters, which shards do not "
                  "support: rename the file",
                  d->root, name);
        goto done;
    }
    TRY(make_key(key, p, d, i));
    member_suffix(suffix, name, bytes, n);
    TRY(shrink(&bytes, &n, &is_jpeg, p, name));
    int label_n = snprintf(label, sizeof label, "%d", (int)d->label[i]);
    TRY(json_append(&json, o, JSON_COMPACT));
    TRY(put_member(p, key, is_jpeg ? "jpg" : suffix, bytes, n));
    TRY(put_member(p, key, "cls", label, (size_t)label_n));
    TRY(put_member(p, key, "json", json.data, json.n));
    memcpy(p->key, key, sizeof key);
    p->in_shard++;
    p->result->images[p->split]++;
done:
    text_deinit(&json);
    json_decref(o);
    return rc;
}

/** Packs an image. Up to max_bad files that cannot be read are omitted. */
static int pack_image(packer *p, const dataset *d, int64_t i, int64_t *bad) {
    int rc = OK;
    const unsigned char *bytes = NULL;
    size_t n = 0;
    rc = dataset_read(&bytes, &n, &p->file, d, i, 0);
    if (rc == E_FORMAT) {
        log_warn("image omitted: %s", status_message());
        p->result->left_out++;
        if ((double)++*bad > p->options->max_bad * (double)d->image_n)
            return fail_context(
                E_DATA, "more than the allowed fraction (%g) of the images in %s cannot be read; the last error",
                p->options->max_bad, d->root);
        return OK;
    }
    TRY(rc);
    if (!p->open)
        TRY(open_shard(p));
    TRY(put_image(p, d, i, bytes, n));
    if (p->shard_used + p->block.n >= p->options->shard_bytes)
        TRY(close_shard(p));
    else if (p->block.n >= FLUSH_BYTES)
        TRY(flush(p));
done:
    return rc;
}

static int pack_split(json_t *info, packer *p, const dataset *d) {
    int rc = OK;
    int64_t bad = 0;
    uint32_t *order = NULL;
    const pack_options *o = p->options;
    p->names = json_array();
    p->lengths = json_array();
    TRY(memory_zeroed(&order, (size_t)d->image_n, sizeof *order));
    sampler_epoch(order, d->image_n, DEAL_SEED, 0, p->split == 0);
    for (int64_t i = 0; i < d->image_n; i++) {
        if (o->stop != NULL && *o->stop != 0) {
            rc = fail(E_STOPPED, "stopped: %s was removed", p->folder);
            goto done;
        }
        TRY(pack_image(p, d, order[i], &bad));
        if (o->progress != NULL)
            o->progress(o->context, split_name[p->split], i + 1, d->image_n);
    }
    TRY(close_shard(p));
    if (json_object_set_new(info, p->split == 0 ? "train" : "validation",
                            json_pack("{s:s,s:I,s:O,s:O}", "name", split_name[p->split], "num_samples",
                                      (json_int_t)p->result->images[p->split], "filenames", p->names, "shard_lengths",
                                      p->lengths)) != 0)
        rc = fail(E_NOMEM, "out of memory for _info.json");
done:
    json_decref(p->names);
    json_decref(p->lengths);
    free(order);
    return rc;
}

static int write_texts(const packer *p, json_t *splits, const dataset *d) {
    int rc = OK;
    char path[PATH_BYTES];
    text classes = {0}, dump = {0};
    json_t *info = json_pack("{s:O}", "splits", splits);
    for (int c = 0; c < d->class_n; c++)
        TRY(text_printf(&classes, "%s\n", d->class_name[c]));
    TRY(path_format(path, "%s/classes.txt", p->folder));
    TRY(file_write_atomic(path, classes.data, classes.n));
    TRY(json_append(&dump, info, JSON_INDENT(1)));
    TRY(path_format(path, "%s/_info.json", p->folder));
    TRY(file_write_atomic(path, dump.data, dump.n));
done:
    text_deinit(&dump);
    json_decref(info);
    text_deinit(&classes);
    return rc;
}

/** Opens the written dataset, which builds its index: the shards are read once more, from header to header. */
static int check_split(const packer *p, int split) {
    int rc = OK;
    dataset *d = NULL;
    TRY(dataset_open(&d, p->folder, split_name[split]));
    if (d->image_n != p->result->images[split] || d->lost_n != 0)
        rc = fail(E_IO, "%s contains %lld images of %s, but %lld were written: check the disk", p->folder,
                  (long long)d->image_n, split_name[split], (long long)p->result->images[split]);
done:
    dataset_close(d);
    return rc;
}

/** Whether packing writes a file of this name, complete or temporary: "train-000012.tar", "train.index", ... */
static bool is_ours(const char *name) {
    static const char *const ends[] = {".index",     "_info.json",     "classes.txt",
                                       ".index.tmp", "_info.json.tmp", "classes.txt.tmp"};
    int split = strncmp(name, "train", 5) == 0 ? 5 : strncmp(name, "val", 3) == 0 ? 3 : 0;
    const char *rest = name + split;
    if (split > 0 && *rest == '-') {
        size_t digits = strspn(rest + 1, "0123456789");
        return digits >= 6 && (strcmp(rest + 1 + digits, ".tar") == 0 || strcmp(rest + 1 + digits, ".tar.tmp") == 0);
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(rest, ends[i]) == 0 && (split > 0) == (ends[i][0] == '.'))
            return true;
    return false;
}

/** Removes the files that packing has written, then the mark, then the folder if it is empty. */
static void remove_folder(const char *path) {
    char file[PATH_BYTES];
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        if (is_ours(e->d_name) && path_join(file, path, e->d_name) == OK)
            unlink(file);
    closedir(dir);
    if (path_join(file, path, MARK) == OK)
        unlink(file);
    rmdir(path);
}

/** Creates the output folder with a locked mark in it. A folder that has a mark was left by an interrupted run and
 *  is removed first. */
static int make_folder(packer *p) {
    char mark[PATH_BYTES];
    int rc = OK;
    TRY(path_join(mark, p->folder, MARK));
    if (file_exists(mark)) {
        TRY(lock_take(&p->mark, mark));
        remove_folder(p->folder);
        close(p->mark);
        p->mark = -1;
    }
    if (file_exists(p->folder) && rmdir(p->folder) != 0) {
        rc = fail(E_OPTION, "%s exists and contains files that linnet pack did not write: rename or remove the folder",
                  p->folder);
        goto done;
    }
    TRY(folder_make(p->folder));
    TRY(lock_take(&p->mark, mark));
done:
    return rc;
}

static int check_out(const char *out) {
    if (!file_exists(out) || (folder_exists(out) && rmdir(out) == 0))
        return OK;
    return fail(E_OPTION, "%s already exists: choose a folder that does not exist", out);
}

int pack(pack_result *result, const splits_request *data, const char *out, const pack_options *o) {
    int rc = OK;
    packer p = {.options = o, .result = result, .shard.fd = -1, .mark = -1};
    dataset *d[2] = {NULL, NULL};
    json_t *splits = json_object();
    char final[PATH_BYTES];
    bool made = false;
    *result = (pack_result){0};
    TRY(path_join(final, out, "."));
    final[strlen(final) - 2] = 0; /* without the '/' at its end */
    TRY(splits_open(&d[0], &d[1], data));
    if (d[1]->image_n == 0) {
        rc = fail(E_NOTFOUND, "%s has no validation images: pass --data.val_split 0.1 to take a tenth of the images",
                  data->list);
        goto done;
    }
    TRY(dataset_use_classes(d[1], d[0]->class_name, d[0]->class_n, d[0]->root));
    TRY(dataset_warn(d[0], d[1]));
    TRY(check_out(final));
    TRY(path_format(p.folder, "%s.tmp", final));
    TRY(make_folder(&p));
    made = true;
    TRY(decoder_create(&p.decoder, NULL));
    for (p.split = 0; p.split < 2; p.split++)
        TRY(pack_split(splits, &p, d[p.split]));
    TRY(write_texts(&p, splits, d[0]));
    for (int i = 0; i < 2; i++)
        TRY(check_split(&p, i));
    if (rename(p.folder, final) != 0) {
        rc = fail_errno(errno, "cannot rename %s to %s", p.folder, final);
        goto done;
    }
    TRY(path_join(p.folder, final, MARK));
    TRY(file_remove(p.folder));
done:
    if (p.open)
        atomic_abort(&p.shard);
    if (rc != OK && made)
        remove_folder(p.folder);
    if (p.mark >= 0)
        close(p.mark);
    for (int i = 0; i < 2; i++)
        dataset_close(d[i]);
    image_buffer_deinit(&p.file);
    decoder_destroy(p.decoder);
    text_deinit(&p.block);
    free(p.pixels);
    free(p.jpeg);
    json_decref(splits);
    return rc;
}
