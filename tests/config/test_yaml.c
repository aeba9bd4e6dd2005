#include "check.h"

#include "base/file.h"
#include "base/random.h"
#include "config/options.h"

#include <dirent.h>

static int read_yaml(config *c, const char *yaml) {
    config_defaults(c);
    return config_read_yaml_text(c, yaml, strlen(yaml), "r.yaml");
}

static void test_reads(void **state) {
    (void)state;
    config c, d;
    assert_ok(read_yaml(&c, "# a comment\n"
                            "data:\n"
                            "  batch_size: 64   # more\n"
                            "  mean: [0.1, 0.2, 0.3]\n"
                            "  std:\n    - 0.4\n    - 0.5\n    - 0.6\n"
                            "  shuffle: no\n"
                            "  path: '/a b/c: d'\n"
                            "optimizer: {lr: 1e-3, weight-decay: 0}\n"
                            "schedule:\n  milestones: [82, 123]\n"
                            "trainer.max_epochs: 7\n"
                            "trainer:\n"
                            "  seed: \"12\"\n"
                            "  resume: null\n"
                            "  max_time: 1:00:00\n"
                            "  limit_train_batches: 1\n"
                            "  limit_val_batches: 1.0\n"
                            "checkpoint:\n"));
    assert_true(c.data.batch_size == 64 && !c.data.shuffle);
    assert_true(c.data.mean[0] == 0.1 && c.data.mean[2] == 0.3 && c.data.std[0] == 0.4 && c.data.std[2] == 0.6);
    assert_string_equal(c.data.path, "/a b/c: d");
    assert_true(c.schedule.milestones.n == 2 && c.schedule.milestones.at[0] == 82 &&
                c.schedule.milestones.at[1] == 123);
    assert_true(c.optimizer.lr == 1e-3 && c.optimizer.weight_decay == 0);
    assert_true(c.trainer.max_epochs == 7 && c.trainer.seed == 12 && c.trainer.max_time == 3600);
    assert_string_equal(c.trainer.resume, "");
    assert_true(config_limit(c.trainer.limit_train_batches, 50) == 1);
    assert_true(config_limit(c.trainer.limit_val_batches, 50) == 50);
    assert_ok(read_yaml(&c, "lr_finder:\n  repeats: 3\n")); /* an old name */
    assert_int_equal(c.lr_finder.sweeps, 3);
    static const char *const empty[] = {"", "\n", "# nothing\n", "---\n", "{}", "---\n...\n", "\xef\xbb\xbf# bom\n"};
    config_defaults(&d);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        assert_ok(read_yaml(&c, empty[i]));
        assert_memory_equal(&c, &d, sizeof c);
    }
}

static void test_refuses(void **state) {
    (void)state;
    static const struct {
        int code;
        const char *yaml, *message;
    } bad[] = {
        {E_OPTION, "data:\n  batchsize: 3\n",
         "r.yaml:2: unknown option 'data.batchsize'; did you mean data.batch_size?"},
        {E_OPTION, "data:\n\n  batch_size: 0\n",
         "r.yaml:3: data.batch_size must be auto or a whole number from 1 to 65536, not '0'"},
        {E_OPTION, "\nbatch_size: 3\n",
         "r.yaml:2: 'batch_size' is not a group of options; did you mean data.batch_size?"},
        {E_OPTION, "batch_size:\n", "r.yaml:1: 'batch_size' is not a group"},
        {E_OPTION, "model:\n  arch: resnet18\noptimiser:\n  lr: 1\n",
         "r.yaml:3: unknown group 'optimiser'; did you mean optimizer?"},
        {E_OPTION, "data:\n  lr: 1\n", "r.yaml:2: unknown option 'data.lr'; did you mean optimizer.lr?"},
        {E_OPTION, "data:\n  data.batch_size: 1\n", "r.yaml:2: unknown option 'data.data.batch_size'"},
        {E_OPTION, "data.btach_size: 1\n", "did you mean data.batch_size?"},
        {E_OPTION, "data:\n  batch_size: null\n", "not 'null'"},
        {E_OPTION, "data:\n  batch_size:\n", "not ''"},
        {E_OPTION, "data:\n  mean: [0.1, 0.2]\n", "r.yaml:2: data.mean must be three numbers"},
        {E_OPTION, "data:\n  mean: [.nan, 0.2, 0.2]\n", "three numbers"},
        {E_OPTION, "trainer:\n  out: \"\\x80\\0\"\n", NULL},
        {E_FORMAT, "data: photos\n", "r.yaml:1: data is a group of options"},
        {E_FORMAT, "data: [1]\n", "r.yaml:1: data is a group of options"},
        {E_FORMAT, "- data\n", "r.yaml:1: expected groups of options"},
        {E_FORMAT, "hello\n", "expected groups of options"},
        {E_FORMAT, "data:\n  batch_size: [3]\n",
         "r.yaml:2: data.batch_size must be auto or a whole number from 1 to 65536, not a list"},
        {E_FORMAT, "data:\n  batch_size: {a: 3}\n", "not a group"},
        {E_FORMAT, "data:\n  mean: [[0.1], 0.2, 0.2]\n", "expected a list of numbers"},
        {E_FORMAT, "data:\n  batch_size: 3\n  batch_size: 3\n", "r.yaml:3: data.batch_size is already set at line 2"},
        {E_FORMAT, "data:\n  batch_size: 3\n  batch-size: 3\n", "already set at line 2"},
        {E_FORMAT, "data.batch_size: 3\ndata:\n  batch_size: 3\n",
         "r.yaml:3: data.batch_size is already set at line 1"},
        {E_FORMAT, "data:\n  flip: 1\nmodel: {}\ndata:\n  flip: 1\n", "r.yaml:4: group data already appears at line 1"},
        {E_FORMAT, "data: &a\n  flip: 1\n", "r.yaml:1: anchors"},
        {E_FORMAT, "data:\n  flip: &a 1\n", "r.yaml:2: anchors"},
        {E_FORMAT, "data:\n  flip: *a\n", "r.yaml:2: anchors"},
        {E_OPTION, "data:\n  <<: *a\n", "unknown option 'data.<<'"},
        {E_FORMAT, "data:\n  flip: !!python/object 1\n", "tags are not supported"},
        {E_FORMAT, "data: !x {}\n", "tags"},
        {E_FORMAT, "data:\n  ? [a]\n  : 1\n", "expected the name of an option"},
        {E_FORMAT, "? [a]\n: 1\n", "expected the name of a group"},
        {E_FORMAT, "data:\n  flip: 1\n---\ndata:\n", "second YAML document"},
        {E_FORMAT, "data:\n  flip: 1\n model: x\n", "r.yaml:3: invalid YAML"},
        {E_FORMAT, "data:\n\tflip: 1\n", "r.yaml:2: invalid YAML"},
        {E_FORMAT, "data:\n  path: \"\xff\"\n", "invalid YAML"},
        {E_FORMAT, "data:\n  path: \"a\\0b\"\n", "r.yaml:2: a value contains a NUL byte"},
        {E_FORMAT, "{", "invalid YAML"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        config c, d;
        config_defaults(&d);
        if (bad[i].message == NULL) {
            assert_true(read_yaml(&c, bad[i].yaml) != OK);
            continue;
        }
        assert_fails(bad[i].code, bad[i].message, read_yaml(&c, bad[i].yaml));
        assert_memory_equal(&c, &d, sizeof c); /* an invalid file changes nothing */
    }
}

/* Random values of every option, written as YAML and read back: the same bytes. */
static void random_value(char *out, size_t n, const option *o, random_stream *r) {
    double span = (o->max < 1e6 ? o->max : 1e6) - o->min, v = o->min + span * random_unit(r);
    if (v <= o->min)
        v = o->min + span / 2;
    static const char *const odd[] = {"null",
                                      "~",
                                      "true",
                                      "12",
                                      "1e3",
                                      "a b",
                                      " a ",
                                      "",
                                      "ü/ß",
                                      "\"q\\\"",
                                      "a: b # c",
                                      "tab\there",
                                      "a \xe2\x80\xa8 line",
                                      "\xc2\x85",
                                      "\xef\xbb\xbf",
                                      "\x01\x1f\x7f",
                                      "- x",
                                      "\xf0\x9f\x90\xa6",
                                      "&a",
                                      "*a",
                                      "!t",
                                      "'",
                                      "%",
                                      "@",
                                      "`",
                                      "[a]",
                                      "{a}",
                                      "---",
                                      "a\nb",
                                      "\xef\xbf\xbe",
                                      "\xef\xbf\xbf",
                                      "\r",
                                      "..",
                                      "=",
                                      "y"};
    switch (o->type) {
    case OPTION_INT:
    case OPTION_LONG: snprintf(out, n, "%lld", (long long)ceil(v)); break;
    case OPTION_SEED: snprintf(out, n, "%llu", (unsigned long long)random_u32(r) << 32 | random_u32(r)); break;
    case OPTION_REAL:
    case OPTION_TIME: snprintf(out, n, "%.17g", random_below(r, 4) == 0 ? v * 1e-7 + o->min : v); break;
    case OPTION_REAL3:
        snprintf(out, n, "%.17g,%.17g,%.17g", v, random_unit(r) + 1e-9, 1e-9 * random_unit(r) + 1e-300);
        break;
    case OPTION_JITTER: {
        static const char *const jitter[] = {"auto", "0.0", "0.4", "1e-3,0.5,10", "0.4,0.4,0.4,1e-9", "0,0,0.5"};
        snprintf(out, n, "%s", jitter[random_below(r, sizeof jitter / sizeof *jitter)]);
        break;
    }
    case OPTION_BOOL: snprintf(out, n, "%s", random_below(r, 2) ? "true" : "false"); break;
    case OPTION_TEXT: snprintf(out, n, "%s", odd[random_below(r, sizeof odd / sizeof *odd)]); break;
    case OPTION_DEVICES: {
        static const char *const devices[] = {"auto", "7", "0,2", "[3]", "63, 1 ,5"};
        snprintf(out, n, "%s", devices[random_below(r, sizeof devices / sizeof *devices)]);
        break;
    }
    case OPTION_EPOCHS: {
        static const char *const epochs[] = {"none", "7", "1,2", "[3]", "[30, 60 ,80]"};
        snprintf(out, n, "%s", epochs[random_below(r, sizeof epochs / sizeof *epochs)]);
        break;
    }
    case OPTION_LIMIT:
        if (random_below(r, 2))
            snprintf(out, n, "%u", (unsigned)random_below(r, 1000));
        else
            snprintf(out, n, "%.17e", random_unit(r));
        break;
    case OPTION_CHOICE: {
        const char *p = o->choices;
        for (uint64_t skip = random_below(r, 3); skip > 0 && strchr(p, '|') != NULL; skip--)
            p = strchr(p, '|') + 1;
        snprintf(out, n, "%.*s", (int)strcspn(p, "|"), p);
        break;
    }
    }
}

static void test_round_trip(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        random_stream r = random_open(5, 0, (uint64_t)round, RANDOM_TEST);
        config c, d;
        config_defaults(&c);
        for (int i = 0; i < option_n && round > 0; i++) {
            char value[OPTION_PRINT];
            random_value(value, sizeof value, &option_table[i], &r);
            if (random_below(&r, 10) > 0) /* some keep their default, for example "auto" */
                assert_ok(option_parse(&c, &option_table[i], value, "random"));
        }
        text yaml = {0};
        assert_ok(config_to_yaml(&yaml, &c));
        assert_ok(read_yaml(&d, text_string(&yaml)));
        assert_memory_equal(&c, &d, sizeof c);
        text_deinit(&yaml);
    }
}

static void test_real_numbers(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *s;
    } known[] = {{0.1, "0.1"},
                 {1, "1.0"},
                 {1e-6, "1.0e-06"},
                 {1.5e-7, "1.5e-07"},
                 {100, "100.0"},
                 {1e9, "1000000000.0"},
                 {1e22, "1.0e+22"},
                 {0, "0.0"},
                 {4.0 / 3, "1.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"}};
    char out[40];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        option_print_real(out, known[i].v);
        assert_string_equal(out, known[i].s);
    }
}

static void test_recipes(void **state) {
    (void)state;
    static const char folder[] = SOURCE_DIR "/configs";
    DIR *d = opendir(folder);
    assert_non_null(d);
    int n = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strstr(e->d_name, ".yaml") == NULL)
            continue;
        char path[PATH_BYTES];
        config c;
        config_defaults(&c);
        assert_ok(path_join(path, folder, e->d_name));
        assert_ok(config_read_yaml(&c, path));
        assert_ok(config_check(&c));
        n++;
    }
    closedir(d);
    assert_true(n >= 3);
}

/* The recipe equals the defaults, except that it states the resize and what it reaches. */
static void test_imagenet_recipe_is_the_default(void **state) {
    (void)state;
    config c, d;
    config_defaults(&c);
    config_defaults(&d);
    assert_ok(config_read_yaml(&c, SOURCE_DIR "/configs/imagenet-resnet50.yaml"));
    assert_int_equal(c.data.resize_size, 256);
    c.data.resize_size = 0;
    c.expected = d.expected;
    assert_memory_equal(&c, &d, sizeof c);
}

static void test_files(void **state) {
    (void)state;
    config c;
    config_defaults(&c);
    assert_fails(E_NOTFOUND, "/nowhere/r.yaml", config_read_yaml(&c, "/nowhere/r.yaml"));
    assert_true(config_read_yaml(&c, "/") != OK);
    char *big = malloc(2 << 20);
    assert_non_null(big);
    memset(big, '#', 2 << 20);
    assert_fails(E_FORMAT, "is larger than 1 MiB", config_read_yaml_text(&c, big, 2 << 20, "big.yaml"));
    free(big);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),      cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_real_numbers),
        cmocka_unit_test(test_recipes),    cmocka_unit_test(test_imagenet_recipe_is_the_default),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
