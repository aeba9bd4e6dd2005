/* Shards: they give the same dataset as the folder from which they were packed; changes while they are in use; the
 * order of sequential reading. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "base/log.h"
#include "dataset/read.h"
#include "dataset/splits/fingerprint.h"
#include "loader/loader.h"
#include "loader/sampler.h"
#include "tools/demo_dataset.h"
#include "tools/pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[256], folder[PATH_BYTES], shards[PATH_BYTES];
static char log_text[8192]; /* messages of the log */

static void listen(void *context, log_level level, const char *line) {
    (void)context;
    if (level != LOG_DEBUG && strlen(log_text) + strlen(line) + 2 < sizeof log_text)
        snprintf(log_text + strlen(log_text), sizeof log_text - strlen(log_text), "%s\n", line);
}

static void pack_again(void) {
    pack_options o = {.shard_bytes = 20000};
    pack_result r;
    char command[PATH_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf -- '%s'", shards);
    assert_int_equal(system(command), 0);
    splits_request data = {.path = folder, .list = "", .class_list = "", .train = true, .val = true};
    assert_ok(pack(&r, &data, shards, &o));
    assert_true(r.shards[0] > 3);
}

static int set_up(void **state) {
    (void)state;
    demo_dataset_options o = {.train_n = 8, .val_n = 2, .size = 32, .seed = 1};
    make_temporary_folder(root);
    assert_ok(path_join(folder, root, "folder"));
    assert_ok(path_join(shards, root, "shards"));
    assert_ok(demo_dataset_write(folder, &o));
    char odd[PATH_BYTES], command[3 * PATH_BYTES]; /* names that need renamed keys: dots, capitals, one stem twice */
    assert_ok(path_join(odd, folder, "train/circle"));
    snprintf(command, sizeof command,
             "cd '%s' && cp 0001.jpg a.b.JPEG && cp 0002.jpg 0001.jpeg && mkdir s && cp 0003.jpg s/", odd);
    assert_int_equal(system(command), 0);
    log_set_sink(listen, NULL);
    pack_again();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove_folder(root);
    return 0;
}

static void shard_path(char path[PATH_BYTES], const dataset *d, int shard) {
    assert_ok(path_join(path, d->root, d->shard_name[shard]));
}

static void test_same_as_folder(void **state) {
    (void)state;
    image_buffer x = {0}, y = {0};
    for (int split = 0; split < 2; split++) {
        dataset *f = NULL, *s = NULL;
        assert_ok(dataset_open(&f, folder, split ? "val" : "train"));
        assert_ok(dataset_open(&s, shards, split ? "val" : "train"));
        assert_int_equal(f->image_n, s->image_n);
        assert_int_equal(f->class_n, s->class_n);
        for (int c = 0; c < f->class_n; c++)
            assert_string_equal(f->class_name[c], s->class_name[c]);
        fingerprint of_folder = {0}, of_shards = {0};
        fingerprint_begin(&of_folder, f);
        fingerprint_begin(&of_shards, s);
        assert_string_equal(fingerprint_value(&of_folder), fingerprint_value(&of_shards));
        fingerprint_end(&of_folder);
        fingerprint_end(&of_shards);
        for (int64_t i = 0; i < f->image_n; i++) {
            const unsigned char *a = NULL, *b = NULL;
            size_t a_n = 0, b_n = 0;
            assert_string_equal(dataset_name(f, i), dataset_name(s, i));
            assert_int_equal(f->label[i], s->label[i]);
            assert_ok(dataset_read(&a, &a_n, &x, f, i, 0));
            assert_ok(dataset_read(&b, &b_n, &y, s, i, 0));
            assert_int_equal(a_n, b_n);
            assert_memory_equal(a, b, a_n);
            assert_int_equal(dataset_image_bytes(s, i), a_n);
        }
        dataset_close(f);
        dataset_close(s);
    }
    image_buffer_deinit(&x);
    image_buffer_deinit(&y);
}

/** Packing twice gives the same bytes; a deleted index is rebuilt with equal bytes; one older than a shard is not used.
 */
static void test_index(void **state) {
    (void)state;
    dataset *d = NULL;
    char path[PATH_BYTES];
    unsigned char *before = NULL, *after = NULL;
    size_t before_n = 0, after_n = 0;
    assert_ok(path_join(path, shards, "train.index"));
    assert_ok(file_read(&before, &before_n, path, 0));
    assert_ok(file_remove(path));
    log_text[0] = 0;
    assert_ok(dataset_open(&d, shards, "train"));
    assert_non_null(strstr(log_text, "once to build an index"));
    assert_ok(file_read(&after, &after_n, path, 0));
    assert_int_equal(before_n, after_n);
    assert_memory_equal(before, after, after_n);
    char shard[PATH_BYTES];
    shard_path(shard, d, 1);
    dataset_close(d);
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    assert_int_equal(utimensat(AT_FDCWD, shard, times, 0), 0);
    log_text[0] = 0;
    assert_ok(dataset_open(&d, shards, "train"));
    assert_non_null(strstr(log_text, "train-000001.tar was modified after it was indexed"));
    dataset_close(d);
    log_text[0] = 0;
    assert_ok(dataset_open(&d, shards, "train"));
    assert_string_equal(log_text, "");
    dataset_close(d);
    free(before);
    free(after);
}

/** Reads all images of the shard. @return how many failed; the message is that of the last */
static int read_shard(const dataset *d, int shard) {
    image_buffer b = {0};
    const unsigned char *bytes = NULL;
    size_t n = 0;
    int bad = 0;
    for (int64_t i = 0; i < d->image_n; i++)
        if ((int)d->location[i].shard == shard && dataset_read(&bytes, &n, &b, d, i, 0) != OK)
            bad++;
    image_buffer_deinit(&b);
    return bad;
}

/** Images of shards that are deleted, truncated or overwritten while a run uses them are reported as bad, by name. */
static void test_changed_in_use(void **state) {
    (void)state;
    dataset *d = NULL;
    char path[PATH_BYTES], other[PATH_BYTES];
    pack_again();
    assert_ok(dataset_open(&d, shards, "train"));
    shard_path(path, d, 0);
    assert_int_equal(read_shard(d, 0), 0);
    assert_ok(file_remove(path)); /* it is open, so its content can still be read */
    assert_int_equal(read_shard(d, 0), 0);
    shard_path(path, d, 1);
    assert_ok(file_remove(path));
    assert_true(read_shard(d, 1) > 0);
    assert_non_null(strstr(status_message(), "train-000001.tar"));
    shard_path(path, d, 2);
    assert_int_equal(truncate(path, 3000), 0);
    assert_true(read_shard(d, 2) > 0);
    assert_non_null(strstr(status_message(), "truncated"));
    shard_path(path, d, 3);
    shard_path(other, d, 2);
    unsigned char *bytes = NULL;
    size_t n = 0;
    assert_ok(file_read(&bytes, &n, path, 0));
    memmove(bytes, bytes + 512, n - 512);
    assert_ok(file_write_atomic(path, bytes, n));
    assert_true(read_shard(d, 3) > 0);
    assert_non_null(strstr(status_message(), "replaced"));
    free(bytes);
    dataset_close(d);
    pack_again();
}

/** Every image once, none earlier than the buffer allows; the order is reproducible and differs in the next epoch. */
static void test_buffered_order(void **state) {
    (void)state;
    enum { N = 1000, BUFFER = 50 };
    uint32_t a[N], b[N];
    bool used[N] = {false};
    int moved = 0;
    for (uint32_t i = 0; i < N; i++)
        a[i] = b[i] = i;
    sampler_buffered(a, N, 7, 3, 0, BUFFER);
    for (int p = 0; p < N; p++) {
        assert_false(used[a[p]]);
        used[a[p]] = true;
        assert_true(a[p] < (uint32_t)(p + BUFFER));
        moved += a[p] != (uint32_t)p;
    }
    assert_true(moved > N * 9 / 10);
    sampler_buffered(b, N, 7, 3, 0, BUFFER);
    assert_memory_equal(a, b, sizeof a);
    sampler_buffered(b, N, 7, 4, 0, BUFFER);
    assert_memory_not_equal(a, b, sizeof a);
}

static loader_options sequential(int workers) {
    return (loader_options){.transform = transform_default(true, 16, 18),
                            .limits = image_limits_default(),
                            .batch_size = 8,
                            .workers = workers,
                            .ahead = 3,
                            .seed = 5,
                            .shuffle = true,
                            .max_bad = 0,
                            .read_ahead = 2,
                            .buffer = 20,
                            .micro_batches_per_step = 1,
                            .micro_batch_count = 1};
}

/** The images that a loader delivers from batch `first` on, in order. @return number of images */
static int64_t deliver(int64_t *index, const dataset *d, const loader_options *o, int64_t first) {
    loader *l = NULL;
    batch *b = NULL;
    int64_t n = 0;
    assert_ok(loader_open(&l, d, o));
    assert_ok(loader_start(l, 2, first));
    for (;;) {
        assert_ok(loader_next(&b, l));
        if (b == NULL)
            break;
        for (int i = 0; i < b->n; i++)
            index[n++] = b->index[i];
        loader_release(l, b);
    }
    loader_close(l);
    return n;
}

/** Sequential reading: all images once, shard after shard except for the buffer, for any number of workers, and from
 * the middle of an epoch. */
static void test_sequential(void **state) {
    (void)state;
    dataset *d = NULL, *f = NULL;
    loader *l = NULL;
    assert_ok(dataset_open(&d, shards, "train"));
    int64_t *a = calloc((size_t)d->image_n, sizeof *a), *b = calloc((size_t)d->image_n, sizeof *b);
    bool *used = calloc((size_t)d->image_n, sizeof *used);
    loader_options one = sequential(1), three = sequential(3);
    assert_int_equal(deliver(a, d, &one, 0), d->image_n);
    assert_int_equal(deliver(b, d, &three, 0), d->image_n);
    assert_memory_equal(a, b, (size_t)d->image_n * sizeof *a);
    assert_int_equal(deliver(b, d, &three, 4), d->image_n - 32);
    assert_memory_equal(a + 32, b, (size_t)(d->image_n - 32) * sizeof *a);
    uint32_t first_shard = d->location[a[0]].shard;
    for (int64_t i = 0; i < d->image_n; i++) {
        assert_false(used[a[i]]);
        used[a[i]] = true;
    }
    int64_t in_first = 0, at = 0;
    for (int64_t i = 0; i < d->image_n; i++)
        in_first += d->location[i].shard == first_shard;
    for (int64_t i = 0; i < d->image_n && at == 0; i++)
        at = d->location[a[i]].shard != first_shard ? i + 1 : 0;
    assert_true(at <= in_first + 20);
    assert_ok(dataset_open(&f, folder, "train"));
    assert_fails(E_OPTION, "data.sequential needs shards", loader_open(&l, f, &one));
    dataset_close(f);
    dataset_close(d);
    free(a);
    free(b);
    free(used);
}

/** Three ranks on two hosts: together all images once; each host has a contiguous part of the stream of shards; the
 * batches of a rank do not depend on the batch at which the epoch begins. */
static void test_hosts(void **state) {
    (void)state;
    static const int host[4] = {0, 0, 1, 0}, first[3] = {0, 2, 3}, count[3] = {2, 1, 1};
    dataset *d = NULL;
    assert_ok(dataset_open(&d, shards, "train"));
    int64_t n = d->image_n, all = 0, *a = calloc((size_t)n, sizeof *a), *b = calloc((size_t)n, sizeof *b);
    int *times = calloc((size_t)n, sizeof *times), *hosts = calloc((size_t)d->shard_n, sizeof *hosts), both = 0;
    for (int r = 0; r < 3; r++) {
        loader_options o = sequential(2);
        o.batch_size = 3;
        o.micro_batches_per_step = 4;
        o.micro_batch_first = first[r];
        o.micro_batch_count = count[r];
        o.micro_batch_host = host;
        o.hosts = 2;
        int64_t own = deliver(a, d, &o, 0), later = deliver(b, d, &o, 8);
        all += own;
        assert_int_equal(own - later, 2 * 3 * count[r]);
        assert_memory_equal(a + own - later, b, (size_t)later * sizeof *a);
        for (int64_t i = 0; i < own; i++) {
            times[a[i]]++;
            hosts[d->location[a[i]].shard] |= 1 << host[first[r]];
        }
    }
    assert_int_equal(all, n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(times[i], 1);
    for (int s = 0; s < d->shard_n; s++)
        both += hosts[s] == 3;
    assert_in_range(both, 0, 1);
    dataset_close(d);
    free(a);
    free(b);
    free(times);
    free(hosts);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_folder), cmocka_unit_test(test_index),
                                       cmocka_unit_test(test_changed_in_use), cmocka_unit_test(test_buffered_order),
                                       cmocka_unit_test(test_sequential),     cmocka_unit_test(test_hosts)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
