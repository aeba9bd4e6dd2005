#include "check.h"

#include "base/text.h"

#include <signal.h>

static void test_growing(void **state) {
    (void)state;
    text t = {0};
    size_t n = 0;
    assert_string_equal(text_string(&t), "");
    assert_ok(text_append(&t, "", 0));
    for (int i = 0; i < 3000; i++) {
        assert_ok(text_printf(&t, "%d,", i));
        n += i < 10 ? 2 : i < 100 ? 3 : i < 1000 ? 4 : 5;
    }
    assert_int_equal(t.n, n);
    assert_int_equal(strlen(t.data), n);
    assert_int_equal(strncmp(t.data, "0,1,2,3,", 8), 0);
    assert_string_equal(t.data + n - 10, "2998,2999,");
    assert_ok(text_append(&t, "a\0b", 3)); /* a zero byte does not end the text */
    assert_int_equal(t.n, n + 3);
    assert_memory_equal(t.data + n, "a\0b", 4);
    assert_fails(E_NOMEM, "too long", text_append(&t, "x", SIZE_MAX - 2));
    assert_int_equal(t.n, n + 3);
    text_deinit(&t);
    assert_null(t.data);
}

/** Encodes a code point below 0x110000 in UTF-8 (RFC 3629). @return number of bytes */
static size_t encoded(char out[4], unsigned code) {
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[n] | code);
    return n;
}

/** Every code point is accepted, and refused without its last byte. Of all pairs of bytes, followed by two continuation
 * bytes, exactly those that RFC 3629 allows are accepted, and they decode and encode to the same bytes. */
static void test_utf8(void **state) {
    (void)state;
    char s[4];
    int of_length[5] = {0};
    for (unsigned code = 0; code < 0x110000; code++) {
        size_t n = encoded(s, code);
        bool surrogate = code >= 0xD800 && code < 0xE000;
        assert_int_equal(text_utf8(s, n), surrogate ? 0 : n);
        if (n > 1)
            assert_int_equal(text_utf8(s, n - 1), 0);
    }
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        const unsigned char b[4] = {(unsigned char)(pair >> 8), (unsigned char)pair, 0x80, 0xBF};
        size_t n = text_utf8((const char *)b, 4);
        if (n == 0)
            continue;
        of_length[n]++;
        unsigned code = n == 1 ? b[0] : b[0] & (0x7Fu >> n);
        for (size_t i = 1; i < n; i++)
            code = code << 6 | (b[i] & 0x3F);
        assert_int_equal(encoded(s, code), n);
        assert_memory_equal(s, b, n);
    }
    const int leads_and_seconds[] = {0, 128 * 256, 30 * 64, 14 * 64 + 32 + 32, 48 + 3 * 64 + 16};
    for (int n = 1; n <= 4; n++)
        assert_int_equal(of_length[n], leads_and_seconds[n]);
}

static void test_csv_cell(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"cat", "cat"},
                                           {"a b", "a b"},
                                           {"a,b", "\"a,b\""},
                                           {"say \"x\"", "\"say \"\"x\"\"\""},
                                           {"two\nlines", "\"two lines\""},
                                           {"caf\xc3\xa9", "caf\xc3\xa9"},
                                           {"caf\xe9", "caf\\xE9"},
                                           {"\xff, \"x\"", "\"\\xFF, \"\"x\"\"\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text t = {0};
        assert_ok(text_printf(&t, "x,"));
        assert_ok(text_csv_cell(&t, cases[i][0]));
        assert_string_equal(text_string(&t) + 2, cases[i][1]);
        text_deinit(&t);
    }
}

static void test_append_utf8(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"plain \\ text", "plain \\ text"},
        {"J\xc3\xa4ger \xf0\x9f\x90\xa6", "J\xc3\xa4ger \xf0\x9f\x90\xa6"},
        {"caf\xe9/\x80.jpg", "caf\\xE9/\\x80.jpg"},
        {"\xed\xa0\x80\xc0\xaf cut \xe2\x82", "\\xED\\xA0\\x80\\xC0\\xAF cut \\xE2\\x82"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text t = {0};
        assert_ok(text_append(&t, "x", 1));
        assert_ok(text_append_utf8(&t, cases[i][0]));
        assert_string_equal(text_string(&t) + 1, cases[i][1]);
        text_deinit(&t);
    }
}

static void test_in_list(void **state) {
    (void)state;
    assert_true(text_in_list("a|bc|d", '|', "a") && text_in_list("a|bc|d", '|', "bc") &&
                text_in_list("a|bc|d", '|', "d"));
    assert_false(text_in_list("a|bc|d", '|', "b") || text_in_list("a|bc|d", '|', "c") ||
                 text_in_list("a|bc|d", '|', "bcd"));
    assert_false(text_in_list("a|bc|d", '|', "a|bc") || text_in_list("a|bc|d", '|', "") || text_in_list("", '|', "a"));
    assert_false(text_in_list("a||d", '|', ""));
}

static void test_distance(void **state) {
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("batch_size", "batch_siez"), 2);
    assert_int_equal(text_distance("flaw", "lawn"), 2);
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[199] = b[199] = 0;
    assert_in_range(text_distance(a, b), 60, 199); /* long names are truncated, without a buffer overrun */
}

static void test_numbers(void **state) {
    (void)state;
    static const char *const no_int[] = {"", " ", "x", "12x", "1.5", "9223372036854775808", "1 2"};
    static const char *const no_double[] = {"", "x", "1.5x", "1e999", "-1e999", "1,5"};
    long long i = 7;
    double d = 7;
    for (size_t k = 0; k < sizeof no_int / sizeof *no_int; k++)
        assert_false(text_to_int(&i, no_int[k]));
    assert_int_equal(i, 7);
    assert_true(text_to_int(&i, "-42"));
    assert_int_equal(i, -42);
    assert_true(text_to_int(&i, "9223372036854775807"));
    assert_true(i == INT64_MAX);
    for (size_t k = 0; k < sizeof no_double / sizeof *no_double; k++)
        assert_false(text_to_double(&d, no_double[k]));
    assert_true(d == 7);
    assert_true(text_to_double(&d, "1e-4") && d == 1e-4);
    assert_true(text_to_double(&d, "-0.5") && d == -0.5);
    assert_true(text_to_double(&d, "1e-320") && d > 0); /* a denormal number is valid */
}

static void test_human_readable(void **state) {
    (void)state;
    char out[32];
    assert_string_equal(text_count(out, 0), "0");
    assert_string_equal(text_count(out, 999), "999");
    assert_string_equal(text_count(out, 1000), "1,000");
    assert_string_equal(text_count(out, 1281167), "1,281,167");
    assert_string_equal(text_count(out, 18446744073709551615ull), "18,446,744,073,709,551,615");
    assert_string_equal(text_bytes(out, 1023), "1023 B");
    assert_string_equal(text_bytes(out, 4.2 * 1024 * 1024 * 1024), "4.2 GiB");
    assert_string_equal(text_bytes(out, 100.4 * 1024 * 1024), "100 MiB");
    assert_string_equal(text_duration(out, 3.25), "3.2 s");
    assert_string_equal(text_duration(out, 42), "42 s");
    assert_string_equal(text_duration(out, 65), "1 min 05 s");
    assert_string_equal(text_duration(out, 3900), "1 h 05 min");
    assert_string_equal(text_duration(out, -1), "?");
    assert_string_equal(text_duration(out, NAN), "?");
    assert_string_equal(text_duration(out, INFINITY), "?");
    assert_string_equal(text_signal(out, SIGTERM), "SIGTERM");
    assert_string_equal(text_signal(out, SIGUSR2), "SIGUSR2");
    assert_string_equal(text_signal(out, 70), "signal 70");
    assert_string_equal(text_signal(out, 0), "signal 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing),  cmocka_unit_test(test_distance),    cmocka_unit_test(test_in_list),
        cmocka_unit_test(test_csv_cell), cmocka_unit_test(test_numbers),     cmocka_unit_test(test_human_readable),
        cmocka_unit_test(test_utf8),     cmocka_unit_test(test_append_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
