#include "check.h"

#include "base/proto.h"

static void test_fields(void **state) {
    (void)state;
    size_t mark = 0;
    text t = {0};
    assert_ok(proto_varint(&t, 1, 300));
    assert_ok(proto_open(&t, 2, &mark));
    assert_ok(proto_string(&t, 3, "ab"));
    assert_ok(proto_close(&t, mark));
    assert_int_equal(t.n, 9);
    assert_memory_equal(t.data,
                        "\x08\xac\x02\x12\x04\x1a\x02"
                        "ab",
                        9);
    text_deinit(&t);
}

/** Readers refuse a message that contains a string that is not UTF-8. */
static void test_string(void **state) {
    (void)state;
    text t = {0};
    assert_ok(proto_string(&t, 1, "caf\xe9 \xc3\xa9"));
    assert_int_equal(t.n, 12);
    assert_memory_equal(t.data,
                        "\x0a\x0a"
                        "caf\\xE9 \xc3\xa9",
                        12);
    text_deinit(&t);
    assert_ok(proto_string(&t, 1, ""));
    assert_int_equal(t.n, 2);
    assert_memory_equal(t.data, "\x0a\x00", 2);
    text_deinit(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields), cmocka_unit_test(test_string)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
