/* Lists in braces: the names that the Python package braceexpand gives, and errors. */
#include "check.h"

#include "dataset/brace.h"

static void expands_to(const char *pattern, const char *expected) {
    text names = {0}, joined = {0};
    size_t n = 0;
    assert_ok(brace_expand(&names, &n, pattern));
    const char *name = text_string(&names);
    for (size_t i = 0; i < n; i++, name += strlen(name) + 1)
        assert_ok(text_printf(&joined, "%s%s", i > 0 ? " " : "", name));
    assert_string_equal(text_string(&joined), expected);
    text_deinit(&names);
    text_deinit(&joined);
}

static void test_names(void **state) {
    (void)state;
    expands_to("a.tar", "a.tar");
    expands_to("t-{0..3}.tar", "t-0.tar t-1.tar t-2.tar t-3.tar");
    expands_to("t-{0098..0101}", "t-0098 t-0099 t-0100 t-0101");
    expands_to("{08..10}", "08 09 10");
    expands_to("{1..010}", "001 002 003 004 005 006 007 008 009 010");
    expands_to("{3..1}", "3 2 1");
    expands_to("{0..10..5}", "0 5 10");
    expands_to("{-1..1}", "-1 0 1");
    expands_to("{a,b}-{0..1}", "a-0 a-1 b-0 b-1");
    expands_to("{train-{0..1},val}.tar", "train-0.tar train-1.tar val.tar");
    expands_to("{a,{b,c{1,2}}}", "a b c1 c2");
    expands_to("x{,.old}", "x x.old");
    expands_to("{x}{}", "{x}{}");
    expands_to("{x{1,2}}", "{x1} {x2}");
    expands_to("a\\{1,2\\}", "a{1,2}");
    expands_to("{0..}", "{0..}");
}

static void test_errors(void **state) {
    (void)state;
    static const char *const bad[] = {"a{1,2", "a}", "{a,{b}", "{0..1}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        text names = {0};
        size_t n = 0;
        assert_fails(E_OPTION, "without its", brace_expand(&names, &n, bad[i]));
        text_deinit(&names);
    }
    static const char *const many[] = {"{0..1000000}", "{0..9999}{0..9999}", "{{0..999999},{0..9}}"};
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        text names = {0};
        size_t n = 0;
        assert_fails(E_OPTION, "more than 1000000 names", brace_expand(&names, &n, many[i]));
        text_deinit(&names);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
