/* The file that stores cuDNN's choices: written, read again, and replaced if damaged. */
#include "backend/cuda/autotune_cache.h"
#include "base/status.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/linnet-choices-XXXXXX";

static void add(autotune_cache *c, const char *key, int candidate, double microseconds) {
    choice one = {.candidate = candidate, .engine = 40 + candidate, .microseconds = microseconds};
    strncpy(one.key, key, sizeof one.key - 1);
    assert_ok(autotune_cache_add(c, &one));
}

static void test_round_trip(void **state) {
    (void)state;
    autotune_cache c;
    assert_ok(autotune_cache_open(&c, "GPU 1/9.0"));
    assert_int_equal(c.n, 0);
    assert_null(autotune_cache_find(&c, "forward-a"));
    add(&c, "forward-a", 2, 12.5);
    add(&c, "data-a", 0, 7);
    add(&c, "forward-a", 1, 11);
    autotune_cache_save(&c);
    assert_null(strchr(path_name(c.path), ' '));
    autotune_cache_deinit(&c);
    assert_ok(autotune_cache_open(&c, "GPU 1/9.0"));
    assert_int_equal(c.n, 2);
    const choice *one = autotune_cache_find(&c, "forward-a");
    assert_non_null(one);
    assert_int_equal(one->candidate, 1);
    assert_true(one->engine == 41);
    assert_true(one->microseconds == 11);
    assert_false(c.changed);
    autotune_cache_deinit(&c);
    assert_ok(autotune_cache_open(&c, "GPU 2"));
    assert_int_equal(c.n, 0); /* the file of another machine is ignored */
    autotune_cache_deinit(&c);
}

static void test_broken(void **state) {
    (void)state;
    static const char *const broken[] = {"", "something else\n", "linnet cudnn choices 1\nforward-a one 2 3\n",
                                         "linnet cudnn choices 1\nforward-a -1 2 3\n",
                                         "linnet cudnn choices 1\nforward-a 1 2 3 4\n"};
    char path[PATH_BYTES];
    autotune_cache c;
    assert_ok(autotune_cache_open(&c, "broken"));
    assert_ok(path_format(path, "%s", c.path));
    autotune_cache_deinit(&c);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_ok(file_write_atomic(path, broken[i], strlen(broken[i])));
        assert_ok(autotune_cache_open(&c, "broken"));
        assert_int_equal(c.n, 0);
        autotune_cache_deinit(&c);
    }
    assert_ok(autotune_cache_open(&c, "broken"));
    add(&c, "forward-a", 3, 1);
    autotune_cache_save(&c);
    autotune_cache_deinit(&c);
    assert_ok(autotune_cache_open(&c, "broken"));
    assert_int_equal(c.n, 1);
    autotune_cache_deinit(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_broken)};
    if (mkdtemp(folder) == NULL || setenv("XDG_CACHE_HOME", folder, 1) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
