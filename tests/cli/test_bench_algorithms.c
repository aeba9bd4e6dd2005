/* `bench train --profile` prints the algorithm of each pass and marks oneDNN's reference implementation. oneDNN
 * 2.6.3 does not select it for any convolution of a ResNet on x86, so this test constructs the profile. */
#include "check.h"

#include "cli/commands/cmd_bench_profile.h"

#include <unistd.h>

/** The output of bench_profile_print on stdout; the caller frees it. */
static char *printed(const profile *p) {
    enum { ROOM = 1 << 14 };
    FILE *f = tmpfile();
    char *text = calloc(ROOM, 1);
    assert_true(f != NULL && text != NULL);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(saved >= 0 && dup2(fileno(f), STDOUT_FILENO) >= 0);
    bench_profile_print(p);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    rewind(f);
    assert_true(fread(text, 1, ROOM - 1, f) > 0);
    fclose(f);
    return text;
}

static void expect(const profile *p, const char *text, bool there) {
    char *all = printed(p);
    if ((strstr(all, text) != NULL) != there)
        fail_msg("'%s' %s in:\n%s", text, there ? "is not" : "is", all);
    free(all);
}

static void names_and_flag(void **state) {
    (void)state;
    profile_line layers[] = {
        {.name = "conv1",
         .kind = "conv 7x7",
         .algorithm = {[PASS_FORWARD] = {"onednn", "jit:avx2", false}, [PASS_WGRAD] = {"onednn", "ref:any", true}}},
        {.name = "bn1", .kind = "bn+relu"},
        {.name = "conv2",
         .kind = "conv 3x3",
         .algorithm = {{.name = "winograd_2d"}, {.name = "winograd_2d"}, {.name = "direct"}}},
    };
    profile p = {.batch = 1, .steps = 1, .step_seconds = 1, .layer = layers, .layer_n = 3};
    expect(&p, "conv1                  conv 7x7    onednn jit:avx2  -            onednn ref:any (SLOW)\n", true);
    expect(&p, "conv2                  conv 3x3    winograd_2d      winograd_2d  direct\n", true);
    expect(&p, "SLOW: 1 pass runs oneDNN's reference implementation", true);
    layers[2].algorithm[PASS_BACKWARD] = (engine_algorithm){"onednn", "ref:any", true};
    expect(&p, "SLOW: 2 passes run oneDNN's reference implementation", true);
    json_t *o = bench_profile_json(&p), *first = json_array_get(json_object_get(o, "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(first, "forward"), "implementation")),
                        "jit:avx2");
    assert_true(json_is_true(json_object_get(json_object_get(first, "weights"), "reference")));
    assert_null(json_object_get(json_object_get(first, "backward"), "algorithm"));
    json_decref(o);
    layers[0].algorithm[PASS_WGRAD].reference = layers[2].algorithm[PASS_BACKWARD].reference = false;
    expect(&p, "SLOW", false);
}

/** For a device without names of algorithms, no table is printed. */
static void no_names(void **state) {
    (void)state;
    profile_line line = {.name = "conv1", .kind = "conv 7x7"};
    profile p = {.batch = 1, .steps = 1, .step_seconds = 1, .layer = &line, .layer_n = 1};
    expect(&p, "algorithm", false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_flag), cmocka_unit_test(no_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
