/* The options that the loaders of a run receive. */
#include "check.h"

#include "training/checkpoint.h"
#include "training/run_context.h"
#include "training/run_loader.h"

static void fast_decode_is_for_training_only(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    assert_false(run_loader_options(&c, true).transform.fast_decode);
    assert_ok(config_set(&c, "data.fast_decode", "true", "test"));
    assert_true(run_loader_options(&c, true).transform.fast_decode);
    assert_false(run_loader_options(&c, false).transform.fast_decode);
}

/* np.round(np.interp([epoch], [0, 8], [128, 224]) / 32) * 32, FFCV's get_resolution */
static void images_grow_as_in_ffcv(void **state) {
    (void)state;
    static config c;
    static const int ffcv[] = {128, 128, 160, 160, 192, 192, 192, 224, 224, 224};
    config_defaults(&c);
    for (int epoch = 0; epoch < 10; epoch++)
        assert_int_equal(run_loader_train_size(&c, epoch), 224);
    c.data.progressive_size = 128;
    c.data.progressive_end = 8;
    for (int epoch = 0; epoch < 10; epoch++)
        assert_int_equal(run_loader_train_size(&c, epoch), ffcv[epoch]);
    c.data.progressive_begin = 6;
    assert_int_equal(run_loader_train_size(&c, 6), 128);
    assert_int_equal(run_loader_train_size(&c, 7), 192); /* 176 / 32: halves are rounded to even */
}

static void validation_has_its_own_sizes(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    assert_int_equal(run_loader_val_size(&c), 224);
    assert_int_equal(run_loader_resize(&c), 256);
    c.data.image_size = 176;
    c.data.val_size = 224;
    assert_int_equal(run_loader_resize(&c), 256);
    c.data.resize_size = 232;
    transform t = run_loader_options(&c, true).transform, v = run_loader_options(&c, false).transform;
    assert_int_equal(t.size, 176);
    assert_int_equal(v.size, 224);
    assert_int_equal(v.resize, 232);
}

static void resizing_reaches_the_loader(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    transform t = run_loader_options(&c, true).transform, v = run_loader_options(&c, false).transform;
    assert_true(t.resizing.filter == RESAMPLE_BILINEAR && t.resizing.order == RESIZE_NEWEST && !t.random_filter);
    assert_false(v.squash);
    c.data.crop_pct = 0.95;
    assert_int_equal(run_loader_resize(&c), 235); /* floor(224 / 0.95) = floor(235.8) */
    assert_ok(config_set(&c, "data.crop_mode", "squash", "test"));
    assert_ok(config_set(&c, "data.interpolation", "bicubic", "test"));
    assert_ok(config_set(&c, "data.train_interpolation", "random", "test"));
    assert_ok(config_set(&c, "data.resize_order", "horizontal", "test"));
    t = run_loader_options(&c, true).transform, v = run_loader_options(&c, false).transform;
    assert_true(t.random_filter && t.resizing.order == RESIZE_HORIZONTAL);
    assert_true(v.resizing.filter == RESAMPLE_BICUBIC && !v.random_filter && v.squash && v.resize == 235);
    assert_ok(config_set(&c, "data.train_interpolation", "lanczos", "test"));
    assert_true(run_loader_options(&c, true).transform.resizing.filter == RESAMPLE_LANCZOS);
    assert_ok(config_set(&c, "data.augment", "none", "test")); /* no random crop: the validation transform */
    assert_true(run_loader_options(&c, true).transform.resizing.filter == RESAMPLE_BICUBIC);
}

/* A checkpoint of linnet without the item is from a version that knew only the older order. */
static void a_checkpoint_states_the_order(void **state) {
    (void)state;
    ckpt_item own[2] = {{.kind = 'i', .key = "version"}, {.kind = 's', .key = "resize_order", .s = "newest"}};
    assert_int_equal(checkpoint_resize_order(&(ckpt){.own = own, .own_n = 2}), RESIZE_NEWEST);
    own[1].s = "horizontal";
    assert_int_equal(checkpoint_resize_order(&(ckpt){.own = own, .own_n = 2}), RESIZE_HORIZONTAL);
    assert_int_equal(checkpoint_resize_order(&(ckpt){.own = own, .own_n = 1}), RESIZE_HORIZONTAL);
    assert_int_equal(checkpoint_resize_order(&(ckpt){0}), RESIZE_NEWEST); /* of another program */
}

static void augmentation_reaches_the_loader(void **state) {
    (void)state;
    static config c;
    config_defaults(&c);
    loader_options o = run_loader_options(&c, true);
    assert_true(o.transform.auto_augment.kind == AUGMENT_NONE && o.transform.erase.probability == 0 && o.repeats == 1);
    assert_ok(config_set(&c, "data.auto_augment", "randaugment", "test"));
    c.data.ra_ops = 3;
    c.data.ra_magnitude = 7;
    c.data.random_erase = 0.1;
    c.data.repeats = 4;
    c.data.balance = 0.5;
    o = run_loader_options(&c, true);
    assert_true(o.transform.auto_augment.kind == AUGMENT_RAND && o.transform.auto_augment.ops == 3);
    assert_int_equal(o.transform.auto_augment.magnitude, 7);
    assert_true(o.transform.erase.probability == 0.1);
    assert_memory_equal(o.transform.erase.fill, ((uint8_t[]){124, 116, 104}), 3); /* ImageNet's mean */
    assert_int_equal(o.repeats, 4);
    assert_true(o.balance == 0.5);
    assert_int_equal(run_loader_options(&c, false).repeats, 1);
    assert_true(run_loader_options(&c, false).balance == 0);
    assert_ok(config_set(&c, "data.auto_augment", "trivialaugment", "test"));
    assert_true(run_loader_options(&c, true).transform.auto_augment.kind == AUGMENT_TRIVIAL);
    assert_ok(config_set(&c, "data.auto_augment", "autoaugment", "test"));
    assert_true(run_loader_options(&c, true).transform.auto_augment.kind == AUGMENT_AUTO);
    assert_ok(config_set(&c, "data.auto_augment", "augmix", "test"));
    c.data.augmix_severity = 5;
    c.data.grayscale = 0.2;
    augment a = run_loader_options(&c, true).transform.auto_augment;
    assert_true(a.kind == AUGMENT_AUGMIX && a.severity == 5 && a.gray_probability == 0.2 && a.jitter_probability == 1);
    assert_true(a.jitter[0] == 0 && a.jitter[3] == 0); /* auto */
    assert_ok(config_set(&c, "data.auto_augment", "3augment", "test"));
    a = run_loader_options(&c, true).transform.auto_augment;
    assert_true(a.kind == AUGMENT_3 && a.jitter[0] == 0.3 && a.jitter[2] == 0.3 && a.jitter[3] == 0);
    assert_ok(config_set(&c, "data.color_jitter", "0", "test"));
    assert_ok(config_set(&c, "data.auto_augment", "rand-m9-n3-mstd0.5-inc1", "test"));
    a = run_loader_options(&c, true).transform.auto_augment;
    assert_true(a.kind == AUGMENT_TIMM && a.ops == 3 && a.magnitude == 9 && a.timm.deviation == 0.5);
    assert_true(a.timm.increasing && a.timm.most == 10 && a.timm.probability == 0.5 && a.timm.fill[0] == 124);
    assert_true(!a.timm.bicubic && !a.timm.random_filter);
    assert_ok(config_set(&c, "data.train_interpolation", "random", "test"));
    assert_true(run_loader_options(&c, true).transform.auto_augment.timm.random_filter);
    assert_ok(config_set(&c, "data.train_interpolation", "bicubic", "test"));
    assert_true(run_loader_options(&c, true).transform.auto_augment.timm.bicubic);
    assert_true(run_loader_options(&c, true).transform.auto_augment.jitter[0] == 0);
    assert_ok(config_set(&c, "data.color_jitter", "0.4,0.3,0.2,0.1", "test"));
    c.data.color_jitter_prob = 0.8;
    a = run_loader_options(&c, true).transform.auto_augment;
    assert_true(a.jitter[0] == 0.4 && a.jitter[1] == 0.3 && a.jitter[2] == 0.2 && a.jitter[3] == 0.1);
    assert_true(a.jitter_probability == 0.8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_decode_is_for_training_only), cmocka_unit_test(images_grow_as_in_ffcv),
        cmocka_unit_test(validation_has_its_own_sizes),     cmocka_unit_test(resizing_reaches_the_loader),
        cmocka_unit_test(a_checkpoint_states_the_order),    cmocka_unit_test(augmentation_reaches_the_loader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
