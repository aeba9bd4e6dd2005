/* safetensors: valid files are read, and each hostile header is refused with a one-line message. */
#include "sample.h"

#include "base/file.h"

#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_LIMIT (1 << 20) /* KiB; with shadow memory; freed memory is kept for a while */
#else
#define MEMORY_LIMIT (192 << 10) /* KiB */
#endif

static char folder[256], path[300];

static int setup(void **state) {
    (void)state;
    make_temporary_folder(folder);
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

/** A file of this header and `data_n` bytes of data, its length field claiming `claimed` bytes. */
static int load_claimed(ckpt **c, uint64_t claimed, const char *header, size_t data_n) {
    static unsigned char bytes[4 << 20];
    size_t n = strlen(header);
    assert_true(8 + n + data_n <= sizeof bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(claimed >> 8 * i);
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < data_n; i++)
        bytes[8 + n + i] = (unsigned char)i;
    assert_ok(file_write_atomic(path, bytes, 8 + n + data_n));
    return ckpt_load(c, path);
}

static int load(ckpt **c, const char *header, size_t data_n) { return load_claimed(c, strlen(header), header, data_n); }

static void test_valid(void **state) {
    (void)state;
    ckpt *c = NULL;
    assert_ok(
        load(&c,
             "{\"b\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[8,12]}, \"__metadata__\":{\"format\":\"pt\","
             "\"class_names\":\"[\\\"a\\\", \\\"\\u00e9\\ud83d\\ude00\\\"]\"},\n\"a\\u002e\\n\":{\"shape\":[],"
             "\"data_offsets\" : [ 0 , 8 ],\"dtype\":\"I64\"}, \"e\":{\"dtype\":\"F32\",\"shape\":[0,3],"
             "\"data_offsets\":[12,12]}}   ",
             12));
    assert_int_equal(c->state_n, 3);
    assert_string_equal(c->state[1].name, "a.\n");
    assert_int_equal(c->state[1].type, CKPT_I64);
    assert_int_equal(*(int64_t *)c->state[1].data, 0x0706050403020100);
    assert_int_equal(c->state[0].type, CKPT_BF16);
    assert_int_equal(c->state[0].shape[0], 2);
    assert_memory_equal(c->state[0].data, "\x8\x9\xa\xb", 4);
    assert_int_equal(c->state[2].bytes, 0);
    assert_string_equal(ckpt_find_item(c->hyper, c->hyper_n, "format")->s, "pt");
    assert_non_null(ckpt_class_names(c));
    assert_int_equal(ckpt_class_names(c)->i, 2);
    assert_string_equal(ckpt_class_names(c)->list[1], "\xc3\xa9\xf0\x9f\x98\x80");
    ckpt_free(c);
}

#define ONE(fields) "{\"a\":{" fields "}}"
#define TYPE "\"dtype\":\"F32\","
#define FOUR TYPE "\"shape\":[1],\"data_offsets\":[0,4]"

static void test_hostile(void **state) {
    (void)state;
    static const struct {
        const char *header, *part;
        size_t data_n;
    } cases[] = {
        {"{}", "no tensors", 0},
        {"{", "JSON header is invalid", 0},
        {ONE(FOUR), "may be incomplete", 3},
        {ONE(FOUR), "may be incomplete", 5},
        {ONE(FOUR) "x", "end of file expected", 4},
        {ONE(FOUR "," FOUR), "duplicate object key", 4},
        {ONE(FOUR ",\"more\":1"), "unknown field", 4},
        {"{\"a\":{" FOUR "},\"a\":{" TYPE "\"shape\":[0],\"data_offsets\":[4,4]}}", "duplicate object key", 4},
        {"{\"a\":{" FOUR "},\"b\":{" FOUR "}}", "overlaps another", 4},
        {"{\"a\":{" FOUR "},\"b\":{" TYPE "\"shape\":[1],\"data_offsets\":[5,9]}}", "leaves a hole", 9},
        {ONE(TYPE "\"shape\":[1],\"data_offsets\":[4,8]"), "leaves a hole", 8},
        {ONE(TYPE "\"shape\":[2],\"data_offsets\":[0,4]"), "the shape needs 8", 4},
        {ONE(TYPE "\"shape\":[1],\"data_offsets\":[4,0]"), "the shape needs 4", 4},
        {ONE(TYPE "\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]"), "exceeds the address space", 4},
        {ONE(TYPE "\"shape\":[99999999999999999999],\"data_offsets\":[0,4]"), "too big integer", 4},
        {ONE(TYPE "\"shape\":[-1],\"data_offsets\":[0,4]"), "not a non-negative integer", 4},
        {ONE(TYPE "\"shape\":[01],\"data_offsets\":[0,4]"), "invalid token", 4},
        {ONE(TYPE "\"shape\":[1.0],\"data_offsets\":[0,4]"), "not a non-negative integer", 4},
        {ONE(TYPE "\"shape\":[1e0],\"data_offsets\":[0,4]"), "not a non-negative integer", 4},
        {ONE(TYPE "\"shape\":[true],\"data_offsets\":[0,4]"), "not a non-negative integer", 4},
        {ONE(TYPE "\"shape\":1,\"data_offsets\":[0,4]"), "not a list", 4},
        {ONE("\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]"), "not a string", 4},
        {"{\"a\":[]}", "not a JSON object", 0},
        {ONE(TYPE "\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), "more than 8", 4},
        {ONE(TYPE "\"shape\":[1],\"data_offsets\":[0,4,4]"), "more than 2", 4},
        {ONE(TYPE "\"shape\":[1],\"data_offsets\":[0]"), "needs two numbers", 4},
        {ONE(TYPE "\"shape\":[1]"), "missing", 4},
        {ONE("\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]"), "type F8_E4M3 are not supported", 1},
        {ONE("\"dtype\":\"F\\n32\",\"shape\":[1],\"data_offsets\":[0,1]"), "type F?32", 1},
        {"{\"a\":[[[[[[[[[[[[[[", "JSON header is invalid", 0},
        {"{\"__metadata__\":{\"a\":{}}}", "not a string", 0},
        {"{\"__metadata__\":\"a\"}", "not an object", 0},
        {"{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", "duplicate object key", 0},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "duplicate object key", 0},
        {"{\"a\\u0000\":{" FOUR "}}", "JSON header is invalid", 4},
        {"{\"\\ud800\":{" FOUR "}}", "invalid Unicode", 4},
        {"{\"\\q\":{" FOUR "}}", "invalid escape", 4},
        {"{\"\xff\":{" FOUR "}}", "decode byte", 4},
        {"{\"a", "premature end of input", 0},
        {"{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":{}"
         "}",
         "less than 96 bytes", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ckpt *c = NULL;
        assert_fails(E_FORMAT, cases[i].part, load(&c, cases[i].header, cases[i].data_n));
        assert_null(c);
        assert_null(strchr(status_message(), '\n'));
        assert_non_null(strstr(status_message(), path));
    }
    ckpt *c = NULL;
    assert_fails(E_FORMAT, "larger than the file", load_claimed(&c, 1 << 20, ONE(FOUR), 4));
    assert_fails(E_FORMAT, "larger than the file", load_claimed(&c, UINT64_MAX, ONE(FOUR), 4));
    assert_fails(E_FORMAT, "at byte", load_claimed(&c, 20, ONE(FOUR), 4));
}

/** `n` times `part` in a list of lists. */
static const char *repeated(const char *part, size_t n) {
    static char header[4000000];
    char *at = header + snprintf(header, sizeof header, "{\"a\":[");
    size_t length = strlen(part);
    assert_true((size_t)(at - header) + n * length < sizeof header);
    for (size_t i = 0; i < n; i++, at += length)
        memcpy(at, part, length);
    *at = 0;
    return header;
}

/** A value takes much more memory than its text, so the number of values and their depth are limited. */
static void test_many_values(void **state) {
    (void)state;
    struct rusage usage;
    ckpt *c = NULL;
    assert_fails(E_FORMAT, "more than 786432 JSON values", load(&c, repeated("[],", 400000), 0));
    assert_fails(E_FORMAT, "more than 786432 JSON values", load(&c, repeated("[", 800000), 0));
    assert_fails(E_FORMAT, "maximum parsing depth", load(&c, repeated("[", 100000), 0));
    assert_fails(E_FORMAT, "JSON header is invalid", load(&c, repeated("{},", 390000), 0));
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_true(usage.ru_maxrss < MEMORY_LIMIT);
}

/* Every truncation is refused; a file with a flipped bit is refused or read. */
static void test_damage(void **state) {
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"class_names\":\"[\\\"a\\\"]\"},\"a\":{" FOUR "}}";
    char broken[sizeof header];
    ckpt *c = NULL;
    for (size_t n = 1; n < sizeof header - 1; n++) {
        snprintf(broken, sizeof broken, "%.*s", (int)n, header);
        assert_int_equal(load(&c, broken, 4), E_FORMAT);
    }
    for (size_t i = 1; i < sizeof header - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            snprintf(broken, sizeof broken, "%s", header);
            broken[i] ^= (char)(1 << bit);
            if (load(&c, broken, 4) == OK)
                ckpt_free(c);
            else
                assert_null(strchr(status_message(), '\n'));
        }
}

int main(void) {
    use_memory_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
