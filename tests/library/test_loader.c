/* linnet_loader: its batches are those of the training loader, for any number of threads and ranks and after a resume
 * in the middle of an epoch. */
#include "loader_data.h"

#include "loader/loader.h"
#include "tools/pack.h"
#include "training/run_dataset.h"
#include "training/run_loader.h"

static void assert_same(const epoch_data *a, const epoch_data *b) { assert_memory_equal(a, b, sizeof *a); }

/** The epoch from the internal loader, as train_step reads it. */
static void expect(epoch_data *out, uint32_t epoch, bool training) {
    static config c;
    dataset *d = NULL;
    loader *l = NULL;
    batch *b = NULL;
    config_defaults(&c);
    assert_ok(config_set(&c, "data.path", folder, "test"));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_ok(config_set(&c, settings[i][0], settings[i][1], "test"));
    assert_ok(run_context_open_one(&d, &c, training ? "train" : "val"));
    loader_options o = run_loader_options(&c, training);
    o.workers = 2;
    assert_ok(loader_open(&l, d, &o));
    assert_ok(loader_start(l, epoch, 0));
    memset(out, 0, sizeof *out);
    for (; loader_next(&b, l) == OK && b != NULL; out->batches++) {
        int k = out->batches;
        if (training)
            run_loader_mix(&c, epoch, k, b);
        out->n[k] = b->n;
        memcpy(out->pixels[k], b->pixels, (size_t)b->n * BYTES);
        memcpy(out->index[k], b->index, (size_t)b->n * sizeof *b->index);
        for (int i = 0; i < b->n; i++) {
            out->label[k][i] = b->label[i];
            out->target[k][i][b->label[i]] += b->mix[i];
            out->target[k][i][b->label_b[i]] += 1 - b->mix[i];
        }
        loader_release(l, b);
    }
    loader_close(l);
    dataset_close(d);
}

static epoch_data wanted, got;

static void test_batches_are_those_of_training(void **state) {
    static const char *const workers[] = {"1", "2", "5", "auto"};
    (void)state;
    expect(&wanted, 0, true);
    assert_int_equal(wanted.batches, (IMAGES + BATCH - 1) / BATCH);
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        linnet_loader *l = open_with(workers[i], "train", NULL);
        assert_int_equal(linnet_loader_images(l), IMAGES);
        assert_int_equal(linnet_loader_batches(l), wanted.batches);
        assert_int_equal(linnet_loader_batch_size(l), BATCH);
        assert_int_equal(linnet_loader_image_size(l), SIDE);
        assert_int_equal(linnet_loader_classes(l), CLASSES);
        assert_int_equal(linnet_loader_mixes(l), 1);
        memset(&got, 0, sizeof got);
        take(&got, l, MOST);
        assert_same(&got, &wanted);
        assert_int_equal(linnet_loader_position(l), wanted.batches);
        linnet_loader_close(l);
    }
}

static void test_later_epoch_and_val(void **state) {
    (void)state;
    linnet_loader *l = open_with("2", "train", NULL);
    expect(&wanted, 3, true);
    memset(&got, 0, sizeof got);
    take(&got, l, 2); /* of epoch 0, discarded */
    memset(&got, 0, sizeof got);
    assert_ok(linnet_loader_start(l, 3, 0));
    assert_int_equal(linnet_loader_epoch(l), 3);
    take(&got, l, MOST);
    assert_same(&got, &wanted);
    linnet_loader_close(l);
    l = open_with("2", "val", NULL);
    expect(&wanted, 0, false);
    memset(&got, 0, sizeof got);
    take(&got, l, MOST);
    assert_same(&got, &wanted);
    assert_int_equal(linnet_loader_mixes(l), 0);
    assert_string_equal(linnet_loader_class_name(l, (int)got.label[0][0]), linnet_loader_class_name(l, 0));
    assert_int_equal(memcmp(linnet_loader_image_name(l, 0), linnet_loader_class_name(l, 0), 3), 0);
    assert_null(linnet_loader_class_name(l, CLASSES));
    assert_null(linnet_loader_image_name(l, -1));
    linnet_loader_close(l);
}

static void test_resume_in_the_middle(void **state) {
    char *saved = NULL, *end = NULL;
    (void)state;
    expect(&wanted, 0, true);
    for (int stop = 0; stop <= wanted.batches; stop += 3) {
        linnet_loader *a = open_with("1", "train", NULL), *b = open_with("5", "train", NULL);
        memset(&got, 0, sizeof got);
        take(&got, a, stop);
        assert_ok(linnet_loader_state(&saved, a));
        assert_ok(linnet_loader_restore(b, saved));
        assert_int_equal(linnet_loader_position(b), stop < wanted.batches ? stop : 0);
        assert_int_equal(linnet_loader_epoch(b), stop < wanted.batches ? 0 : 1);
        linnet_free(saved);
        if (stop < wanted.batches)
            take(&got, b, MOST);
        assert_same(&got, &wanted);
        assert_ok(linnet_loader_state(&end, b));
        if (stop < wanted.batches) /* the start of the next epoch */
            assert_non_null(strstr(end, "\"epoch\": 1, \"batch\": 0"));
        linnet_free(end);
        linnet_loader_close(a);
        linnet_loader_close(b);
    }
}

/** The batches of two ranks, one after the other, and whether an odd one remains at the end. */
static void test_ranks(void **state) {
    static epoch_data of[2];
    (void)state;
    for (int training = 0; training < 2; training++) {
        expect(&wanted, 0, training);
        for (int r = 0; r < 2; r++) {
            linnet_ranks ranks = {.rank = r, .count = 2};
            linnet_loader *l = open_with("2", training ? "train" : "val", &ranks);
            memset(&of[r], 0, sizeof of[r]);
            take(&of[r], l, MOST);
            assert_int_equal(of[r].batches, linnet_loader_batches(l));
            linnet_loader_close(l);
        }
        assert_int_equal(wanted.batches % 2, 1);
        assert_int_equal(of[0].batches, wanted.batches / 2 + !training);
        assert_int_equal(of[1].batches, wanted.batches / 2);
        for (int k = 0; k < of[0].batches + of[1].batches; k++) {
            const epoch_data *rank = &of[k % 2];
            assert_int_equal(rank->n[k / 2], wanted.n[k]);
            assert_memory_equal(rank->pixels[k / 2], wanted.pixels[k], (size_t)wanted.n[k] * BYTES);
            assert_memory_equal(rank->target[k / 2], wanted.target[k], (size_t)wanted.n[k] * CLASSES * sizeof(float));
        }
    }
}

/** A state of two ranks continues on one. */
static void test_other_ranks(void **state) {
    linnet_ranks ranks = {.rank = 1, .count = 2};
    char *saved = NULL;
    (void)state;
    expect(&wanted, 0, true);
    linnet_loader *a = open_with("2", "train", &ranks), *b = open_with("2", "train", NULL);
    memset(&got, 0, sizeof got);
    take(&got, a, 2);
    assert_ok(linnet_loader_state(&saved, a));
    assert_ok(linnet_loader_restore(b, saved));
    memset(&got, 0, sizeof got);
    take(&got, b, MOST);
    assert_int_equal(got.batches, wanted.batches - 4);
    assert_memory_equal(got.pixels, wanted.pixels[4], (size_t)got.batches * BATCH * BYTES);
    linnet_free(saved);
    linnet_loader_close(a);
    linnet_loader_close(b);
}

/** Two hosts with a rank each read parts of a stream of shards: no image twice. A state in the middle needs the hosts.
 */
static void test_hosts(void **state) {
    char shards[PATH_BYTES], *saved = NULL;
    bool seen[IMAGES] = {false};
    pack_options how = {.shard_bytes = 1 << 14};
    pack_result packed;
    splits_request data = {.path = folder, .list = "", .class_list = "", .train = true, .val = true};
    linnet_options *o = options_of("2");
    linnet_loader *l = NULL;
    (void)state;
    assert_ok(path_join(shards, root, "shards"));
    assert_ok(pack(&packed, &data, shards, &how));
    assert_true(packed.shards[0] > 3);
    assert_ok(linnet_options_set(o, "data.path", shards));
    assert_ok(linnet_options_set(o, "data.sequential", "true"));
    assert_ok(linnet_options_set(o, "data.shuffle_buffer", "16"));
    for (int r = 0; r < 2; r++) {
        linnet_ranks ranks = {.rank = r, .count = 2, .per_host = 1};
        assert_ok(linnet_loader_open(&l, o, "train", &ranks));
        memset(&got, 0, sizeof got);
        assert_int_equal(take(&got, l, 1), 1);
        if (r == 1)
            assert_ok(linnet_loader_state(&saved, l));
        assert_int_equal(take(&got, l, MOST), 3);
        for (int k = 0; k < got.batches; k++)
            for (int i = 0; i < got.n[k]; i++) {
                assert_false(seen[got.index[k][i]]);
                seen[got.index[k][i]] = true;
            }
        linnet_loader_close(l);
    }
    assert_ok(linnet_loader_open(&l, o, "train", NULL));
    assert_fails(E_OPTION, "hosts \"2 ranks, 1 per host\", but now it is \"one host\"",
                 linnet_loader_restore(l, saved));
    linnet_free(saved);
    linnet_loader_close(l);
    linnet_options_destroy(o);
}

/** Marks the images of one split, each of which must be new. @return their number */
static int mark(bool seen[IMAGES], const linnet_options *o, const char *split) {
    linnet_loader *l = NULL;
    int i = 0;
    assert_ok(linnet_loader_open(&l, o, split, NULL));
    for (; i < linnet_loader_images(l); i++) { /* demo images are numbered in their class */
        const char *name = linnet_loader_image_name(l, i);
        const char *digits = strrchr(name, '/') + strcspn(strrchr(name, '/'), "0123456789");
        int label = 0;
        while (strncmp(name, linnet_loader_class_name(l, label), strcspn(name, "/")) != 0)
            label++;
        int image = label * (IMAGES / CLASSES) + (int)strtol(digits, NULL, 10) % (IMAGES / CLASSES);
        assert_false(seen[image]);
        seen[image] = true;
    }
    linnet_loader_close(l);
    return i;
}

/** data.val_split: the loaders of both splits have no image in common, and together all, as in `linnet train`. */
static void test_val_split(void **state) {
    char train[PATH_BYTES], shards[PATH_BYTES];
    pack_options how = {.shard_bytes = 1 << 14};
    pack_result packed;
    splits_request data = {.path = folder, .list = "", .class_list = "", .train = true, .val = true};
    (void)state;
    assert_ok(path_join(train, folder, "train"));
    assert_ok(path_join(shards, root, "split-shards"));
    assert_ok(pack(&packed, &data, shards, &how));
    assert_ok(path_format(shards, "%s/split-shards/train-{000000..%06d}.tar", root, (int)packed.shards[0] - 1));
    for (int listed = 0; listed < 2; listed++) {
        bool seen[IMAGES] = {false};
        linnet_options *o = options_of("1");
        assert_ok(linnet_options_set(o, "data.path", listed ? shards : ""));
        assert_ok(linnet_options_set(o, "data.train", listed ? "" : train));
        assert_ok(linnet_options_set(o, "data.val_split", "0.34"));
        assert_int_equal(mark(seen, o, "train"), IMAGES - 2 * CLASSES);
        assert_int_equal(mark(seen, o, "val"), 2 * CLASSES);
        linnet_options_destroy(o);
    }
}

static void test_formats(void **state) {
    static uint8_t nhwc[BATCH][SIDE][SIDE][3], nchw[BATCH][3][SIDE][SIDE];
    static float as_nhwc[BATCH][SIDE][SIDE][3], as_nchw[BATCH][3][SIDE][SIDE];
    static const float mean[] = {0.485F, 0.456F, 0.406F}, std[] = {0.229F, 0.224F, 0.225F};
    void *const memory[] = {nhwc, nchw, as_nhwc, as_nchw};
    (void)state;
    linnet_loader *l = open_with("2", "train", NULL);
    for (int f = LINNET_UINT8_NHWC; f <= LINNET_FLOAT_NCHW; f++) {
        assert_ok(linnet_loader_start(l, 0, 1));
        assert_int_equal(linnet_loader_next(memory[f], NULL, NULL, NULL, l, (linnet_format)f), BATCH);
    }
    for (int i = 0; i < BATCH; i++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                for (int c = 0; c < 3; c++) {
                    float scaled = (float)nhwc[i][y][x][c] / 255.0F, centred = scaled - mean[c];
                    assert_int_equal(nchw[i][c][y][x], nhwc[i][y][x][c]);
                    assert_true(as_nhwc[i][y][x][c] == centred / std[c]);
                    assert_true(as_nchw[i][c][y][x] == as_nhwc[i][y][x][c]);
                }
    assert_int_equal(linnet_loader_next(nhwc, NULL, NULL, NULL, l, (linnet_format)4), LINNET_E_OPTION);
    assert_non_null(strstr(linnet_error(), "format 4"));
    assert_int_equal(linnet_loader_position(l), 2);
    linnet_loader_close(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_those_of_training),
        cmocka_unit_test(test_later_epoch_and_val),
        cmocka_unit_test(test_resume_in_the_middle),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_other_ranks),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_val_split),
        cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, set_up, root_tear_down);
}
