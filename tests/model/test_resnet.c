/* The builder against torchvision: names, shapes and order of everything in the tables; sizes, shapes, arithmetic. */
#include "check.h"

#include "base/file.h"
#include "base/text.h"
#include "model/model.h"

#include <inttypes.h>

static model *make(const char *arch, int classes) {
    model *n;
    assert_ok(model_create(&n, arch, &(model_options){.classes = classes, .decay_norm = true, .decay_bias = true}));
    return n;
}

static int layer_named(const model *n, const char *name) {
    for (int i = 0; i < n->layer_n; i++)
        if (strcmp(n->layer[i].name, name) == 0)
            return i;
    fail_msg("no layer %s", name);
    return -1;
}

static uint64_t fnv(const char *s) {
    uint64_t h = 0xCBF29CE484222325u;
    for (; *s != 0; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001B3u;
    return h;
}

/* The lines make_resnet_tables.py writes for a model. */
static void entries(text *out, const model *n) {
    for (int i = 0; i < n->param_n; i++) {
        const param *p = &n->param[i];
        assert_ok(text_printf(out, "param %s", p->name));
        for (int k = 0; k < p->rank; k++)
            assert_ok(text_printf(out, " %d", p->shape[k]));
        assert_ok(text_printf(out, "\n"));
    }
    for (int i = 0; i < n->stats_n; i++)
        assert_ok(text_printf(out, "stats %s %d\n", n->stats[i].name, n->stats[i].c));
}

static void test_tables_are_torchvisions(void **state) {
    (void)state;
    unsigned char *file;
    size_t file_n;
    int archs = 0;
    assert_ok(file_read(&file, &file_n, SOURCE_DIR "/tests/model/resnet_tables.txt", 0));
    const char *at = (const char *)file;
    while ((at = strstr(at, "arch ")) != NULL) {
        char arch[32];
        int params, stats, used = 0;
        size_t weights;
        uint64_t hash;
        assert_int_equal(
            sscanf(at, "arch %31s %d %d %zu %" SCNx64 "\n%n", arch, &params, &stats, &weights, &hash, &used), 5);
        at += used;
        model *n = make(arch, 1000);
        text mine = {0};
        entries(&mine, n);
        assert_int_equal(n->param_n, params);
        assert_int_equal(n->stats_n, stats);
        assert_int_equal(n->weight_n, weights);
        if (strncmp(at, "arch", 4) != 0 && *at != 0) /* compared line by line, to show the difference */
            for (const char *a = mine.data, *b = at; *a != 0; a += strcspn(a, "\n") + 1, b += strcspn(b, "\n") + 1)
                if (strncmp(a, b, strcspn(b, "\n") + 1) != 0)
                    fail_msg("%s: '%.*s' instead of torchvision's '%.*s'", arch, (int)strcspn(a, "\n"), a,
                             (int)strcspn(b, "\n"), b);
        assert_true(fnv(mine.data) == hash);
        text_deinit(&mine);
        model_destroy(n);
        archs++;
    }
    assert_int_equal(archs, 14);
    free(file);
}

static void test_known_sizes(void **state) {
    (void)state;
    static const struct {
        const char *arch;
        size_t weights;
        int tensors;
    } known[] = {
        {"resnet18", 11689512, 62},           {"resnet34", 21797672, 110},        {"resnet50", 25557032, 161},
        {"resnet101", 44549160, 314},         {"resnet152", 60192808, 467},       {"wide_resnet50_2", 68883240, 161},
        {"wide_resnet101_2", 126886696, 314}, {"resnext50_32x4d", 25028904, 161}, {"resnext101_32x8d", 88791336, 314}};
    /* He et al. 2015, table 6: millions of parameters for 10 classes */
    static const struct {
        const char *arch;
        double millions;
    } cifar[] = {{"resnet20", 0.27}, {"resnet32", 0.46}, {"resnet44", 0.66}, {"resnet56", 0.85}, {"resnet110", 1.7}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        model *n = make(known[i].arch, 1000);
        assert_int_equal(n->weight_n, known[i].weights);
        assert_int_equal(n->param_n, known[i].tensors);
        model_destroy(n);
    }
    for (size_t i = 0; i < sizeof cifar / sizeof *cifar; i++) {
        model *small = make(cifar[i].arch, 10);
        assert_true(fabs((double)small->weight_n / 1e6 - cifar[i].millions) < 0.05 * cifar[i].millions);
        model_destroy(small);
    }
    model *n = make("resnet50", 1000);
    assert_int_equal(n->param_n + 3 * n->stats_n, 320); /* state_dict entries */
    assert_int_equal(n->layer_n, 53 + 53 + 3);
    assert_true(fabs(model_macs(n, 224, 224) - 4.089e9) < 5e5);
    assert_true(model_macs(n, 2, 2) > 0);
    model_destroy(n);
}

/* Offsets have no gaps; every parameter belongs to exactly one layer; layers read only earlier tensors. */
static void test_tables_are_consistent(void **state) {
    (void)state;
    model *n = make("resnet101", 37);
    size_t weights = 0, stats = 0;
    int *readers = calloc((size_t)n->param_n, sizeof *readers);
    for (int i = 0; i < n->param_n; i++) {
        assert_int_equal(n->param[i].offset, weights);
        assert_int_equal(model_find_param(n, n->param[i].name), i);
        weights += n->param[i].count;
    }
    for (int i = 0; i < n->stats_n; i++) {
        assert_int_equal(n->stats[i].offset, stats);
        assert_int_equal(model_find_param(n, n->stats[i].name), i);
        stats += 2 * (size_t)n->stats[i].c;
    }
    assert_int_equal(weights, n->weight_n);
    assert_int_equal(stats, n->stats_elements);
    for (int i = 0; i < n->layer_n; i++) {
        const layer *l = &n->layer[i];
        assert_true(l->input < i && l->residual < i);
        if (l->weight >= 0)
            readers[l->weight]++;
        if (l->bias >= 0)
            readers[l->bias]++;
        if (l->kind == LAYER_BN) {
            assert_string_equal(l->name, n->stats[l->stats].name);
            assert_int_equal(n->stats[l->stats].c, l->out_c);
        }
    }
    for (int i = 0; i < n->param_n; i++)
        assert_int_equal(readers[i], 1);
    assert_int_equal(model_find_param(n, "layer9.0.conv1.weight"), -1);
    free(readers);
    model_destroy(n);
}

/* The 3x3 convolution has the stride; the shortcut runs before the BN that adds it. */
static void test_structure_of_blocks(void **state) {
    (void)state;
    model *n = make("resnet50", 10);
    const layer *l = n->layer;
    assert_int_equal(l[layer_named(n, "layer2.0.conv1")].stride, 1);
    assert_int_equal(l[layer_named(n, "layer2.0.conv2")].stride, 2);
    assert_int_equal(l[layer_named(n, "layer2.0.conv2")].pad, 1);
    assert_int_equal(l[layer_named(n, "layer2.0.downsample.0")].stride, 2);
    assert_int_equal(l[layer_named(n, "layer1.0.downsample.0")].stride, 1);
    int last = layer_named(n, "layer2.0.bn3"), side = layer_named(n, "layer2.0.downsample.1");
    assert_true(side < last);
    assert_int_equal(l[last].residual, side);
    assert_true(l[last].relu);
    assert_false(l[side].relu);
    assert_int_equal(l[side].input, layer_named(n, "layer2.0.downsample.0"));
    assert_int_equal(l[side - 1].input, layer_named(n, "layer1.2.bn3"));
    assert_int_equal(l[layer_named(n, "layer2.1.bn3")].residual, last);
    assert_int_equal(l[layer_named(n, "layer2.1.bn2")].residual, TENSOR_NONE);
    model_destroy(n);
    n = make("resnet18", 10);
    assert_int_equal(n->layer[layer_named(n, "layer2.0.conv1")].stride, 2);
    assert_int_equal(n->layer[layer_named(n, "layer1.0.bn2")].residual, layer_named(n, "maxpool"));
    model_destroy(n);
}

/** The rates are those of timm's ResNets (tests/golden/drop_path_make.py). */
static void test_drop_path(void **state) {
    (void)state;
    FILE *f = fopen(SOURCE_DIR "/tests/golden/drop_path_golden.txt", "r");
    assert_non_null(f);
    for (int k = 0; k < 3; k++) {
        char arch[32];
        model_options o = {.classes = 7};
        model *n = NULL;
        int blocks = 0, found = 0;
        assert_int_equal(fscanf(f, "%31s%lf%d", arch, &o.drop_path, &blocks), 3);
        assert_ok(model_create(&n, arch, &o));
        assert_int_equal(n->drop_n, blocks - 1); /* the first block has none */
        for (int i = 0; i < n->layer_n; i++) {
            const layer *l = &n->layer[i];
            double rate = 0;
            if (l->kind != LAYER_BN || l->residual == TENSOR_NONE) {
                assert_true(l->drop_path == 0);
                continue;
            }
            assert_int_equal(fscanf(f, "%lf", &rate), 1);
            assert_near(l->drop_path, rate, 1e-15);
            assert_true(rate == 0 || l->drop_index == found - 1);
            found++;
        }
        assert_int_equal(found, blocks);
        model_destroy(n);
    }
    fclose(f);
}

/** The draws have the layers' rates, and depend on the stream alone. */
static void test_drop_path_draws(void **state) {
    (void)state;
    enum { IMAGES = 2000 };
    model *n = NULL;
    static uint8_t kept[8 * IMAGES], again[8 * IMAGES];
    random_stream r = random_open(1, 2, 3, RANDOM_DROP_PATH), same = r;
    assert_ok(model_create(&n, "resnet20", &(model_options){.classes = 7, .drop_path = 0.8}));
    assert_int_equal(n->drop_n, 8);
    model_draw_drop_path(kept, n, IMAGES, &r);
    model_draw_drop_path(again, n, IMAGES, &same);
    assert_memory_equal(kept, again, sizeof kept);
    for (int k = 0; k < 8; k++) {
        double keep = 1 - 0.1 * (k + 1), sum = 0;
        for (int i = 0; i < IMAGES; i++)
            sum += kept[k * IMAGES + i];
        assert_true(fabs(sum - keep * IMAGES) < 4 * sqrt(IMAGES * keep * (1 - keep)));
    }
    assert_fails(E_SHAPE, "drop path rate of 0.5", model_set_drop_path(n, 0, 0.5)); /* a convolution */
    assert_fails(E_SHAPE, "drop path rate of 0.5", model_set_drop_path(n, n->layer_n, 0.5));
    model_destroy(n);
    assert_fails(E_SHAPE, "drop path rate of 1",
                 model_create(&n, "resnet20", &(model_options){.classes = 7, .drop_path = 1}));
}

static void test_options(void **state) {
    (void)state;
    model *n;
    assert_ok(model_create(&n, "resnet50", &(model_options){.classes = 7, .zero_gamma = true}));
    int zero = 0;
    for (int i = 0; i < n->param_n; i++) {
        const param *p = &n->param[i];
        assert_true(p->decays == (p->rank > 1));
        if (strstr(p->name, "bn") != NULL && strstr(p->name, ".weight") != NULL && p->init == INIT_ZERO) {
            assert_non_null(strstr(p->name, ".bn3.weight"));
            zero++;
        }
    }
    assert_int_equal(zero, 16);
    assert_int_equal(n->param[model_find_param(n, "fc.bias")].count, 7);
    model_destroy(n);
    n = make("resnet50", 7);
    for (int i = 0; i < n->param_n; i++) {
        assert_true(n->param[i].decays);
        assert_true(n->param[i].init != INIT_ZERO || strstr(n->param[i].name, ".bias") != NULL);
    }
    model_destroy(n);
    for (int k = 0; k < 2; k++) { /* without the biases of batch norm and the classifier */
        assert_ok(
            model_create(&n, "resnet18", &(model_options){.classes = 7, .decay_norm = k == 0, .decay_bias = k == 1}));
        for (int i = 0; i < n->param_n; i++) {
            const param *p = &n->param[i];
            bool is_bias = strcmp(p->name, "fc.bias") == 0;
            assert_true(p->decays == (p->rank > 1 || is_bias == (k == 1)));
        }
        model_destroy(n);
    }
    model_options o = {.classes = 10};
    assert_fails(E_OPTION, "resnet18, resnet34, resnet50, resnet101, resnet152, wide_resnet50_2",
                 model_create(&n, "resnet51", &o));
    o.classes = 0;
    assert_fails(E_OPTION, "classes", model_create(&n, "resnet18", &o));
}

static void check_shape(const model *n, const tensor_shape *s, const char *name, tensor_shape expected) {
    tensor_shape got = s[layer_named(n, name)];
    if (memcmp(&got, &expected, sizeof got) != 0)
        fail_msg("%s: %d x %d x %d x %d", name, got.n, got.h, got.w, got.c);
}

static void test_shapes(void **state) {
    (void)state;
    model *n = make("resnet50", 1000);
    tensor_shape s[109];
    assert_ok(model_shapes(s, n, 32, 224, 224));
    check_shape(n, s, "conv1", (tensor_shape){32, 112, 112, 64});
    check_shape(n, s, "maxpool", (tensor_shape){32, 56, 56, 64});
    check_shape(n, s, "layer1.2.bn3", (tensor_shape){32, 56, 56, 256});
    check_shape(n, s, "layer4.0.conv1", (tensor_shape){32, 14, 14, 512});
    check_shape(n, s, "layer4.2.bn3", (tensor_shape){32, 7, 7, 2048});
    check_shape(n, s, "avgpool", (tensor_shape){32, 1, 1, 2048});
    check_shape(n, s, "fc", (tensor_shape){32, 1, 1, 1000});
    assert_int_equal(tensor_count(s[0]), 32u * 112 * 112 * 64);
    assert_ok(model_shapes(s, n, 3, 97, 161));
    check_shape(n, s, "maxpool", (tensor_shape){3, 25, 41, 64});
    check_shape(n, s, "layer4.2.bn3", (tensor_shape){3, 4, 6, 2048});
    assert_ok(model_shapes(s, n, 1, 1, 1));
    assert_fails(E_SHAPE, "at least 1", model_shapes(s, n, 0, 224, 224));
    assert_fails(E_SHAPE, "at least 1", model_shapes(s, n, 1, 0, 224));
    model_destroy(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_torchvisions),
        cmocka_unit_test(test_known_sizes),
        cmocka_unit_test(test_tables_are_consistent),
        cmocka_unit_test(test_structure_of_blocks),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_drop_path),
        cmocka_unit_test(test_drop_path_draws),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
