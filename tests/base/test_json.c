#include "check.h"

#include "base/json.h"

#include <sys/resource.h>
#include <unistd.h>

/** For a name of any bytes, the JSON is complete, UTF-8 and readable. */
static void test_any_bytes(void **state) {
    (void)state;
    char name[256] = {0};
    text t = {0};
    for (int i = 1; i < 256; i++)
        name[i - 1] = (char)i;
    assert_ok(text_append(&t, "file: ", 6));
    json_t *o = json_pack("{s:o,s:o}", "file", json_text(name), "class", json_text("caf\xe9"));
    assert_ok(json_append(&t, o, JSON_COMPACT));
    json_decref(o);
    o = json_loads(text_string(&t) + 6, 0, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "class")), "caf\\xE9");
    const char *file = json_string_value(json_object_get(o, "file"));
    assert_int_equal(strncmp(file, name, 127), 0);
    assert_string_equal(file + 127 + 4 * 127, "\\xFF");
    json_decref(o);
    text_deinit(&t);
}

static void test_numbers(void **state) {
    (void)state;
    json_t *o = json_pack("[o,o,o]", json_number_or_null(0.5), json_number_or_null(NAN), json_number_or_null(INFINITY));
    text t = {0};
    assert_ok(json_append(&t, o, JSON_COMPACT));
    assert_string_equal(t.data, "[0.5,null,null]");
    json_decref(o);
    text_deinit(&t);
}

/** A failed construction or dump is an error, and no partial output is written. */
static void test_failure(void **state) {
    (void)state;
    text t = {0};
    assert_ok(text_append(&t, "before", 6));
    assert_fails(E_NOMEM, "JSON", json_append(&t, NULL, 0));
    json_t *o = json_pack("{s:o}", "name", json_string_nocheck("caf\xe9"));
    assert_fails(E_NOMEM, "JSON", json_append(&t, o, 0));
    assert_string_equal(t.data, "before");
    json_decref(o);
    text_deinit(&t);
}

/** If a key could not be set for lack of memory, this dump fails, and later ones do not. */
static void test_memory(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* the sanitizers' own mappings exceed any limit */
#endif
    enum { LARGE = 256 << 20 };
    struct rlimit before, low;
    text t = {0};
    char *name = malloc(LARGE);
    unsigned long pages = 0;
    assert_non_null(name);
    memset(name, 'a', LARGE - 1);
    name[LARGE - 1] = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    json_t *o = json_object();
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    low = before;
    low.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + LARGE / 2;
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    json_object_set_new(o, "file", json_text(name));
    int rc = json_append(&t, o, 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(t.n, 0);
    assert_ok(json_append(&t, o, 0));
    assert_string_equal(t.data, "{}");
    json_decref(o);
    free(name);
    text_deinit(&t);
}

static void test_read(void **state) {
    (void)state;
    json_t *o = NULL;
    json_error_t error;
    assert_ok(json_read(&o, "{\"a\":[1]}", 9, 0, &error));
    assert_int_equal(json_array_size(json_object_get(o, "a")), 1);
    json_decref(o);
    assert_fails(E_FORMAT, "in line 2", json_read(&o, "{\n\"a\":}", 8, 0, &error));
    assert_null(o);
}

static int foreign_n;

/** Blocks that free() cannot release. */
static void *foreign_allocate(size_t n) {
    char *p = malloc(n + 16);
    assert_non_null(p);
    foreign_n++;
    return p + 16;
}

static void foreign_free(void *p) {
    if (p == NULL)
        return;
    foreign_n--;
    free((char *)p - 16);
}

/** Another part of the process may have set jansson's allocator: a dump goes back to it. */
static void test_foreign_allocator(void **state) {
    json_malloc_t allocate_before = NULL;
    json_free_t free_before = NULL;
    text t = {0};
    (void)state;
    json_get_alloc_funcs(&allocate_before, &free_before);
    json_set_alloc_funcs(foreign_allocate, foreign_free);
    json_t *o = json_pack("{s:i}", "a", 1);
    assert_ok(json_append(&t, o, 0));
    json_decref(o);
    json_set_alloc_funcs(allocate_before, free_before);
    assert_string_equal(t.data, "{\"a\": 1}");
    assert_int_equal(foreign_n, 0);
    text_deinit(&t);
}

/** Only json_watch_memory changes the allocator. To be the first test. */
static void test_allocator_unchanged(void **state) {
    json_malloc_t allocate = NULL;
    json_free_t release = NULL;
    (void)state;
    json_get_alloc_funcs(&allocate, &release);
    assert_true(allocate == malloc && release == free);
    json_watch_memory();
    json_get_alloc_funcs(&allocate, &release);
    assert_true(allocate != malloc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocator_unchanged),
        cmocka_unit_test(test_foreign_allocator),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
