/* What the tests of linnet_loader share: a small dataset, options, and the batches of an epoch. */
#ifndef LINNET_TESTS_LIBRARY_LOADER_DATA_H
#define LINNET_TESTS_LIBRARY_LOADER_DATA_H

#include "root.h"

#include "base/file.h"
#include "tools/demo_dataset.h"

#include <linnet/linnet.h>

enum { SIDE = 32, BATCH = 7, CLASSES = 10, IMAGES = 60, BYTES = SIDE * SIDE * 3, MOST = 64 };

/** Everything that linnet_loader_next gives for an epoch. */
typedef struct epoch_data {
    int batches, n[MOST];
    uint8_t pixels[MOST][BATCH][BYTES];
    int64_t label[MOST][BATCH], index[MOST][BATCH];
    float target[MOST][BATCH][CLASSES];
} epoch_data;

static char folder[PATH_BYTES];

static inline int set_up(void **state) {
    const demo_dataset_options o = {.train_n = IMAGES / CLASSES, .val_n = 6, .size = 48, .seed = 1};
    root_set_up(state);
    assert_ok(path_join(folder, root, "data"));
    assert_ok(demo_dataset_write(folder, &o));
    return 0;
}

static const char *const settings[][2] = {{"data.image_size", "32"},    {"data.batch_size", "7"},
                                          {"trainer.seed", "5"},        {"data.mixup", "0.2"},
                                          {"data.cutmix", "1.0"},       {"data.auto_augment", "trivialaugment"},
                                          {"data.random_erase", "0.5"}, {"data.progressive_size", "0"}};

static inline linnet_options *options_of(const char *workers) {
    linnet_options *o = NULL;
    assert_ok(linnet_options_create(&o));
    assert_ok(linnet_options_set(o, "data.path", folder));
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_ok(linnet_options_set(o, settings[i][0], settings[i][1]));
    assert_ok(linnet_options_set(o, "workers", workers)); /* an alias */
    return o;
}

static inline linnet_loader *open_with(const char *workers, const char *split, const linnet_ranks *ranks) {
    linnet_options *o = options_of(workers);
    linnet_loader *l = NULL;
    assert_ok(linnet_loader_open(&l, o, split, ranks));
    linnet_options_destroy(o);
    return l;
}

/** Reads up to `most` batches; appends them to `out`. @return their number */
static inline int take(epoch_data *out, linnet_loader *l, int most) {
    for (int k = 0; k < most; k++) {
        int b = out->batches, n = linnet_loader_next(out->pixels[b], out->label[b], out->target[b][0], out->index[b], l,
                                                     LINNET_UINT8_NHWC);
        if (n < 0)
            fail_msg("%s", linnet_error());
        if (n == 0)
            return k;
        out->n[out->batches++] = n;
    }
    return most;
}

#endif
