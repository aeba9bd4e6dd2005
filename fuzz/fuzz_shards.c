/* The index of shards: the parts of the input are the members of a shard; "@@" begins the next shard, and the part
 * _info.json is the set's description. The index must be written and read back, and each image must have its bytes. */
#include "dataset/index.h"
#include "dataset/read.h"
#include "dataset/shard_files.h"
#include "dataset/shards.h"
#include "dataset/source.h"
#include "members.h"

static int write_shards(const uint8_t *bytes, size_t n) {
    text archive = {0};
    char name[32];
    part p;
    int shard_n = 0;
    for (size_t at = 0; part_next(&p, &at, bytes, n);) {
        if (strcmp(p.name, "_info.json") == 0) {
            scratch_write(p.name, p.bytes, p.n);
        } else if (p.name[0] == '@' && shard_n < 8) {
            snprintf(name, sizeof name, "train-%d.tar", shard_n++);
            member_write(&archive, name);
        } else if (p.name[0] != 0) {
            member_put(&archive, &p);
        }
    }
    member_write(&archive, "train-9.tar");
    return shard_n + 1;
}

static void check_images(const dataset *d) {
    for (int64_t i = 0; i < d->image_n; i++) {
        image_buffer b = {0};
        const unsigned char *image = NULL;
        size_t got = 0;
        const char *name = dataset_name(d, i);
        size_t class_n = strlen(d->class_name[d->label[i]]);
        if (strncmp(name, d->class_name[d->label[i]], class_n) != 0 || name[class_n] != '/' ||
            d->location[i].shard >= (uint32_t)d->shard_n)
            abort();
        if (dataset_read(&image, &got, &b, d, i, 0) != OK || got != d->location[i].bytes)
            abort();
        image_buffer_deinit(&b);
    }
}

static void check_index(dataset *d, const shard_list *l) {
    text index = {0}, again = {0};
    dataset *back = NULL;
    file_stamps stamps = {0};
    if (dataset_index_encode(&index, d, &l->stamps, "train") != OK ||
        dataset_index_decode(&back, &stamps, &source_shards, (unsigned char *)index.data, index.n, "train", l->root) !=
            OK ||
        dataset_index_encode(&again, back, &stamps, "train") != OK || again.n != index.n ||
        memcmp(again.data, index.data, index.n) != 0 || shard_files_create(back, l, SHARD_FILES_MAX) != OK)
        abort();
    check_images(back);
    text_deinit(&index);
    text_deinit(&again);
    dataset_close(back);
    file_stamps_deinit(&stamps);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    dataset *d = NULL;
    shard_list l;
    int shard_n = write_shards(bytes, n);
    const dataset_request r = {.root = scratch(), .split = "train"};
    if (shard_list_find(&l, &r) != OK || l.n != (size_t)shard_n)
        abort();
    int rc = shard_index_build(&d, &l);
    if ((rc == OK) != (d != NULL) || (rc != OK && rc != E_DATA))
        abort();
    if (d != NULL)
        check_index(d, &l);
    dataset_close(d);
    shard_list_deinit(&l);
    scratch_empty(scratch());
    return 0;
}
