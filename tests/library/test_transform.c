/* linnet_transform: pixels and values are those of transform_decode; locale, errors, several handles in threads. */
#include "root.h"

#include "base/file.h"
#include "base/log.h"
#include "loader/transform.h"
#include "tools/demo_dataset.h"

#include <linnet/linnet.h>

#include <locale.h>
#include <pthread.h>

enum { SIDE = 40, RESIZE = 46, VALUES = SIDE * SIDE * 3 };

static char image[PATH_BYTES];

static int set_up(void **state) {
    const demo_dataset_options o = {.train_n = 1, .val_n = 1, .size = 64, .seed = 1};
    root_set_up(state);
    assert_ok(demo_dataset_write(root, &o));
    assert_ok(path_join(image, root, "train/circle/0000.jpg"));
    assert_true(file_exists(image));
    return 0;
}

static linnet_transform *open_small(void) {
    linnet_options *o = NULL;
    linnet_transform *t = NULL;
    assert_ok(linnet_options_create(&o));
    assert_ok(linnet_options_set(o, "data.image_size", "40"));
    assert_ok(linnet_options_set(o, "data.resize_size", "46"));
    assert_ok(linnet_options_set(o, "data.mean", "0.5,0.25,0.125"));
    assert_ok(linnet_options_set(o, "data.std", "0.5,1.0,0.75"));
    assert_ok(linnet_transform_open(&t, o));
    linnet_options_destroy(o);
    assert_int_equal(linnet_transform_size(t), SIDE);
    return t;
}

static void expect(uint8_t pixels[VALUES]) {
    const image_limits limits = image_limits_default();
    const transform t = transform_default(false, SIDE, RESIZE);
    unsigned char *bytes = NULL;
    decoder *d = NULL;
    size_t n = 0;
    assert_ok(file_read(&bytes, &n, image, 0));
    assert_ok(decoder_create(&d, &limits));
    assert_ok(transform_decode(pixels, d, bytes, n, image, &t, NULL));
    decoder_destroy(d);
    free(bytes);
}

static void test_values(void **state) {
    static uint8_t wanted[VALUES], got[VALUES];
    static float values[VALUES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    (void)state;
    linnet_transform *t = open_small();
    expect(wanted);
    assert_ok(linnet_transform_file(got, t, image, LINNET_UINT8_NHWC));
    assert_memory_equal(got, wanted, VALUES);
    assert_ok(file_read(&bytes, &n, image, 0));
    assert_ok(linnet_transform_bytes(values, t, bytes, n, NULL, LINNET_FLOAT_NHWC));
    for (int i = 0; i < VALUES; i += 3) {
        assert_true(values[i] == ((float)wanted[i] / 255.0F - 0.5F) / 0.5F);
        assert_true(values[i + 1] == ((float)wanted[i + 1] / 255.0F - 0.25F) / 1.0F);
        assert_true(values[i + 2] == ((float)wanted[i + 2] / 255.0F - 0.125F) / 0.75F);
    }
    free(bytes);
    linnet_transform_close(t);
}

static void test_errors(void **state) {
    static uint8_t pixels[VALUES];
    linnet_transform *t = open_small();
    linnet_options *o = NULL;
    (void)state;
    assert_fails(E_FORMAT, "image: ", linnet_transform_bytes(pixels, t, "abc", 3, NULL, LINNET_UINT8_NHWC));
    assert_fails(E_FORMAT, "some.jpg", linnet_transform_bytes(pixels, t, "abc", 3, "some.jpg", LINNET_UINT8_NHWC));
    assert_fails(E_NOTFOUND, "no.jpg", linnet_transform_file(pixels, t, "no.jpg", LINNET_UINT8_NHWC));
    assert_fails(E_OPTION, "format -1", linnet_transform_file(pixels, t, image, (linnet_format)-1));
    assert_ok(linnet_transform_file(pixels, t, image, LINNET_UINT8_NCHW)); /* usable after an error */
    linnet_transform_close(t);
    assert_ok(linnet_options_create(&o));
    assert_ok(linnet_options_set(o, "data.mixup", "1.0"));
    assert_ok(linnet_options_set(o, "data.scale_min", "0.9"));
    assert_ok(linnet_options_set(o, "data.scale_max", "0.5"));
    assert_fails(E_OPTION, "data.scale_min", linnet_transform_open(&t, o)); /* options that contradict each other */
    assert_null(t);
    linnet_options_destroy(o);
    linnet_options_destroy(NULL);
    linnet_transform_close(NULL);
    linnet_model_close(NULL);
    linnet_loader_close(NULL);
}

/** Numbers have a point also if the program's locale has a comma. The locale is built here, as none may be installed.
 */
static void test_locale(void **state) {
    linnet_options *o = NULL;
    char command[2 * PATH_BYTES];
    (void)state;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de >/dev/null 2>&1", root);
    if (system(command) != 0) {
        print_message("no localedef\n");
        skip();
    }
    setenv("LOCPATH", root, 1);
    assert_non_null(setlocale(LC_ALL, "de"));
    assert_string_equal(localeconv()->decimal_point, ",");
    assert_ok(linnet_options_create(&o));
    assert_ok(linnet_options_set(o, "data.mixup", "0.2"));
    assert_fails(E_OPTION, "data.mixup", linnet_options_set(o, "data.mixup", "0,2"));
    assert_string_equal(localeconv()->decimal_point, ","); /* the program's locale is as before */
    setlocale(LC_ALL, "C");
    linnet_options_destroy(o);
}

static uint8_t by_thread[4][VALUES];

static void *work(void *out) {
    linnet_transform *t = open_small();
    for (int i = 0; i < 20; i++)
        assert_ok(linnet_transform_file(out, t, image, LINNET_UINT8_NHWC));
    linnet_transform_close(t);
    return NULL;
}

static void test_threads(void **state) {
    static uint8_t wanted[VALUES];
    pthread_t thread[4];
    (void)state;
    expect(wanted);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, by_thread[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        assert_memory_equal(by_thread[i], wanted, VALUES);
    }
}

static void count(void *context, int level, const char *line) {
    assert_true(level >= 0 && level <= 2);
    *(int *)context += strstr(line, "a line") != NULL;
}

static void test_log(void **state) {
    int n = 0;
    (void)state;
    log_warn("a line"); /* dropped */
    linnet_set_log(count, &n);
    log_warn("a line");
    linnet_set_log(NULL, NULL);
    log_warn("a line");
    assert_int_equal(n, 1);
    assert_int_equal(linnet_api_version(), LINNET_API_VERSION);
    assert_true(linnet_version()[0] >= '0' && linnet_version()[0] <= '9');
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_locale), cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_log)};
    return cmocka_run_group_tests(tests, set_up, root_tear_down);
}
