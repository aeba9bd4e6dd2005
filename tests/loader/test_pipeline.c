/* The loader with the real decoder: it delivers the result of transform_decode for the image at each position. */
#include "root.h"

#include "base/file.h"
#include "base/random.h"
#include "loader/loader.h"
#include "loader/sampler.h"
#include "tools/demo_dataset.h"

#include <sys/stat.h>
#include <unistd.h>

#define SIZE 40
#define SEED 9

static loader_options options(bool training, int workers) {
    loader_options o = {.transform = transform_default(training, SIZE, 46),
                        .limits = image_limits_default(),
                        .batch_size = 8,
                        .workers = workers,
                        .ahead = 3,
                        .seed = SEED,
                        .shuffle = training,
                        .max_bad = 1,
                        .repeats = training ? 2 : 1,
                        .micro_batches_per_step = 1,
                        .micro_batch_count = 1};
    o.transform.auto_augment = (augment){.kind = AUGMENT_TRIVIAL};
    o.transform.erase = (erase){.probability = 0.5};
    return o;
}

/* Every kind of augmentation, with the jitter. */
static augment augmentation(augment_kind kind) {
    return (augment){.kind = kind,
                     .ops = 2,
                     .magnitude = 9,
                     .severity = 3,
                     .jitter = {0.4, 0.4, 0.4, 0.1},
                     .jitter_probability = 0.8,
                     .gray_probability = 0.2,
                     .timm = {.deviation = 0.5, .most = 10, .probability = 0.5, .random_filter = true}};
}

static void check_epoch(const dataset *d, loader *l, decoder *one, const loader_options *o, uint32_t epoch) {
    static uint32_t order[100];
    static uint8_t pixels[SIZE * SIZE * 3];
    size_t bytes_n = (size_t)o->transform.size * (size_t)o->transform.size * 3;
    batch *b = NULL;
    uint64_t place = 0;
    sampler_epoch(order, d->image_n, SEED, epoch, o->shuffle);
    sampler_repeat(order, d->image_n, o->repeats, o->batch_size);
    assert_ok(loader_start(l, epoch, 0));
    for (;;) {
        assert_ok(loader_next(&b, l));
        if (b == NULL)
            break;
        for (int i = 0; i < b->n; i++, place++) {
            char path[PATH_BYTES];
            random_stream r = random_open(SEED, epoch, place, RANDOM_CROP);
            assert_int_equal(b->index[i], order[place]);
            assert_int_equal(b->label[i], d->label[order[place]]);
            assert_ok(dataset_path(path, d, order[place]));
            unsigned char *bytes = NULL;
            size_t n = 0;
            assert_ok(file_read(&bytes, &n, path, 0));
            assert_ok(transform_decode(pixels, one, bytes, n, path, &o->transform, &r));
            free(bytes);
            assert_int_equal(b->h, o->transform.size);
            assert_memory_equal(b->pixels + (size_t)i * bytes_n, pixels, bytes_n);
        }
        loader_release(l, b);
    }
    assert_int_equal(place, d->image_n);
}

static void test_shapes(void **state) {
    (void)state;
    demo_dataset_options s = {.train_n = 5, .val_n = 3, .size = 48, .seed = 1};
    assert_ok(demo_dataset_write(root, &s));
    for (int training = 0; training < 2; training++) {
        for (int workers = 1; workers < 4; workers += 2) {
            dataset *d = NULL;
            loader *l = NULL;
            decoder *one = NULL;
            loader_options o = options(training, workers);
            assert_ok(dataset_open(&d, root, training ? "train" : "val"));
            assert_ok(decoder_create(&one, &o.limits));
            assert_ok(loader_open(&l, d, &o));
            for (uint32_t epoch = 0; epoch < 3; epoch++)
                check_epoch(d, l, one, &o, epoch);
            loader_set_size(l, o.transform.size = 24); /* from the next epoch on */
            check_epoch(d, l, one, &o, 3);
            assert_int_equal(loader_bad(&(const bad_image *){NULL}, l), 0);
            loader_close(l);
            decoder_destroy(one);
            dataset_close(d);
        }
    }
}

/** Epoch checksum and number of images, so that two runs can be compared. */
static uint64_t checksum(int64_t *images, const dataset *d, const loader_options *o, int64_t *bad_n) {
    loader *l = NULL;
    batch *b = NULL;
    uint64_t sum = 0;
    *images = 0;
    assert_ok(loader_open(&l, d, o));
    assert_ok(loader_start(l, 1, 0));
    for (;;) {
        assert_ok(loader_next(&b, l));
        if (b == NULL)
            break;
        for (int i = 0; i < b->n; i++)
            sum = sum * 31 + (uint64_t)b->index[i];
        for (int i = 0; i < b->n * SIZE * SIZE * 3; i++)
            sum = sum * 31 + b->pixels[i];
        *images += b->n;
        loader_release(l, b);
    }
    const bad_image *list = NULL;
    *bad_n = loader_bad(&list, l);
    for (int64_t i = 0; i < *bad_n; i++)
        assert_non_null(strrchr(list[i].message, ':'));
    loader_close(l);
    return sum;
}

/** The bytes of an epoch do not depend on the number of workers. */
static void test_workers(void **state) {
    (void)state;
    demo_dataset_options s = {.train_n = 9, .val_n = 1, .size = 48, .seed = 1};
    uint64_t sums[AUGMENT_TIMM + 1];
    dataset *d = NULL;
    assert_ok(demo_dataset_write(root, &s));
    assert_ok(dataset_open(&d, root, "train"));
    for (augment_kind kind = AUGMENT_NONE; kind <= AUGMENT_TIMM; kind++) {
        static const int workers[] = {1, 2, 5};
        for (int i = 0; i < 3; i++) {
            int64_t images = 0, bad_n = 0;
            loader_options o = options(true, workers[i]);
            o.transform.auto_augment = augmentation(kind);
            uint64_t sum = checksum(&images, d, &o, &bad_n);
            assert_int_equal(images, d->image_n);
            assert_true(i == 0 || sum == sums[kind]);
            sums[kind] = sum;
        }
        for (augment_kind other = AUGMENT_NONE; other < kind; other++)
            assert_true(sums[other] != sums[kind]);
    }
    dataset_close(d);
}

/** Hundreds of broken JPEGs: each is decoded or reported by name, and the number of workers has no effect. */
static void test_broken_jpegs(void **state) {
    (void)state;
    char folder[PATH_BYTES] = "", path[PATH_BYTES];
    FILE *script = popen("bash " SOURCE_DIR "/tests/data.sh bad-jpegs", "r");
    assert_non_null(script);
    char *line = fgets(folder, sizeof folder, script);
    if (pclose(script) != 0 || line == NULL)
        skip();
    folder[strcspn(folder, "\n")] = 0;
    assert_ok(path_join(path, root, "broken"));
    assert_int_equal(symlink(folder, path), 0);
    assert_ok(path_join(path, root, "whole"));
    assert_ok(folder_make(path));
    demo_dataset_options s = {.train_n = 1, .val_n = 1, .size = 48, .seed = 1};
    assert_ok(path_join(path, root, "whole/shapes"));
    assert_ok(demo_dataset_write(path, &s));

    dataset *d = NULL;
    assert_ok(dataset_open(&d, root, NULL));
    for (int training = 0; training < 2; training++) {
        int64_t images = 0, again = 0, bad_n = 0, bad_again = 0;
        loader_options o = options(training, 1);
        uint64_t sum = checksum(&images, d, &o, &bad_n);
        assert_true(bad_n > 0 && bad_n < d->image_n);
        assert_int_equal(images, training ? d->image_n : d->image_n - bad_n);
        o.workers = 3;
        assert_true(sum == checksum(&again, d, &o, &bad_again));
        assert_int_equal(images, again);
        assert_int_equal(bad_n, bad_again);
        print_message("%s: %lld of %lld bad\n", training ? "train" : "val", (long long)bad_n, (long long)d->image_n);
    }
    dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shapes, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_workers, root_set_up, root_tear_down),
        cmocka_unit_test_setup_teardown(test_broken_jpegs, root_set_up, root_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
