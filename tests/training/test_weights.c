/* Which tensors of a file belong to a model: prefixes, other heads, other architectures, and one clear line for a
 * mismatch. */
#include "check.h"

#include "checkpoint/layout.h"
#include "training/weights.h"

typedef struct file {
    ckpt c;
    ckpt_tensor tensor[1000];
} file;

static ckpt_tensor *add(file *f, const char *prefix, const char *name, const int *shape, int rank) {
    ckpt_tensor *t = &f->tensor[f->c.state_n++];
    *t = (ckpt_tensor){.type = CKPT_F32, .rank = rank};
    snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
    for (int d = 0; d < rank; d++)
        t->shape[d] = shape[d];
    return t;
}

/** Appends the tensors of a model to `f`, with a prefix and without values. */
static void add_model(file *f, const char *arch, int classes, const char *prefix) {
    static const char *const part[] = {"running_mean", "running_var", "num_batches_tracked"};
    model *n = NULL;
    assert_ok(model_create(&n, arch, &(model_options){.classes = classes}));
    f->c.state = f->tensor;
    for (int i = 0; i < n->param_n; i++)
        add(f, prefix, n->param[i].name, n->param[i].shape, n->param[i].rank);
    for (int i = 0; i < n->stats_n; i++)
        for (int k = 0; k < 3; k++) {
            char name[96];
            snprintf(name, sizeof name, "%s.%s", n->stats[i].name, part[k]);
            add(f, prefix, name, &n->stats[i].c, k < 2)->type = k < 2 ? CKPT_F32 : CKPT_I64;
        }
    model_destroy(n);
}

static file *make(const char *arch, int classes, const char *prefix) {
    file *f = calloc(1, sizeof *f);
    add_model(f, arch, classes, prefix);
    return f;
}

static ckpt_tensor *find(file *f, const char *name) { return (ckpt_tensor *)ckpt_find_tensor(&f->c, name); }

static int check(file *f, const char *arch, int classes, bool *head) {
    model *n = NULL;
    assert_ok(layout_find_prefix(&f->c));
    assert_ok(model_create(&n, arch, &(model_options){.classes = classes}));
    int rc = weights_check(head, n, &f->c, "x.pth");
    model_destroy(n);
    assert_null(strchr(status_message(), '\n'));
    return rc;
}

static void test_prefixes(void **state) {
    (void)state;
    static const char *const prefix[] = {"",           "model.",     "module.", "model.module.", "module.model.",
                                         "model.net.", "_orig_mod.", "encoder."};
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++) {
        char arch[32];
        int classes = 0;
        file *f = make("resnet18", 7, prefix[i]);
        assert_ok(layout_find_prefix(&f->c));
        assert_string_equal(f->c.prefix, prefix[i]);
        assert_ok(weights_arch(arch, &f->c, "x.pth"));
        assert_string_equal(arch, "resnet18");
        assert_ok(weights_classes(&classes, &f->c, "x.pth"));
        assert_int_equal(classes, 7);
        assert_ok(check(f, "resnet18", 7, NULL));
        free(f);
    }
}

/* One prefix is used for all tensors: a missing tensor is never read from another model in the file. */
static void test_one_prefix(void **state) {
    (void)state;
    file *f = make("resnet18", 7, "model.");
    add_model(f, "resnet18", 9, "module.");
    int classes = 0;
    assert_ok(check(f, "resnet18", 7, NULL));
    assert_ok(weights_classes(&classes, &f->c, "x.pth"));
    assert_int_equal(classes, 7);
    find(f, "model.bn1.weight")->name[0] = 'M';
    assert_fails(E_FORMAT, "x.pth (under model.) does not match resnet18: lacks bn1.weight",
                 check(f, "resnet18", 7, NULL));
    free(f);
    f = make("resnet18", 7, "student.");
    add_model(f, "resnet18", 7, "teacher.");
    assert_fails(E_FORMAT, "2 models (the first two have the prefixes student. and teacher.)",
                 layout_find_prefix(&f->c));
    free(f);
}

static void test_head(void **state) {
    (void)state;
    bool head = true;
    file *f = make("resnet18", 1000, "");
    assert_fails(E_FORMAT, "no last layer (fc.weight, fc.bias) for 10 classes", check(f, "resnet18", 10, NULL));
    assert_ok(check(f, "resnet18", 10, &head));
    assert_false(head);
    assert_ok(check(f, "resnet18", 1000, &head));
    assert_true(head);
    /* one decision for the classifier: if the weight does not fit, the bias is not loaded either */
    find(f, "fc.weight")->shape[1] = 2048;
    assert_ok(check(f, "resnet18", 1000, &head));
    assert_false(head);
    snprintf(find(f, "fc.weight")->name, 96, "fc.1.weight");
    snprintf(find(f, "fc.bias")->name, 96, "fc.1.bias");
    assert_ok(check(f, "resnet18", 1000, &head));
    assert_false(head);
    free(f);
}

static void test_mismatches(void **state) {
    (void)state;
    char arch[32];
    /* all of a ResNet-50 is in a ResNet-101 */
    file *f = make("resnet101", 10, "");
    assert_fails(E_FORMAT, "does not match resnet50: has unexpected ", check(f, "resnet50", 10, NULL));
    assert_non_null(strstr(status_message(), "layer3.6.conv1.weight"));
    assert_non_null(strstr(status_message(), " more"));
    assert_ok(weights_arch(arch, &f->c, "x.pth"));
    assert_string_equal(arch, "resnet101");
    assert_fails(E_FORMAT, "lacks layer2.4.conv1.weight", check(f, "resnet152", 10, NULL));
    free(f);

    f = make("resnet18", 10, "");
    add(f, "", "criterion.weight", (int[]){10}, 1); /* the weight of a loss: ignored */
    assert_ok(check(f, "resnet18", 10, NULL));
    find(f, "conv1.weight")->shape[1] = 1;
    assert_fails(E_FORMAT, "conv1.weight does not have shape (64, 3, 7, 7)", check(f, "resnet18", 10, NULL));
    find(f, "conv1.weight")->shape[1] = 3;
    find(f, "bn1.bias")->type = CKPT_I64;
    assert_fails(E_FORMAT, "bn1.bias does not have a floating-point type", check(f, "resnet18", 10, NULL));
    assert_fails(E_FORMAT, "no supported ResNet", weights_arch(arch, &f->c, "x.pth"));
    find(f, "bn1.bias")->type = CKPT_F32;
    add(f, "", "layer1.\n\033[31m", (int[]){10}, 1);
    assert_fails(E_FORMAT, "layer1.??[31m", check(f, "resnet18", 10, NULL));
    free(f);
}

static void test_widen(void **state) {
    (void)state;
    double out[4];
    uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7c00}, bfloat[] = {0x3f80, 0xc000, 0x4049, 0xff80};
    weights_widen(out, &(ckpt_tensor){.type = CKPT_F16, .data = half, .bytes = sizeof half});
    assert_true(out[0] == 1 && out[1] == -2 && out[2] == 0x1p-24 && out[3] == INFINITY);
    weights_widen(out, &(ckpt_tensor){.type = CKPT_BF16, .data = bfloat, .bytes = sizeof bfloat});
    assert_true(out[0] == 1 && out[1] == -2 && out[2] == 3.140625 && out[3] == -INFINITY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),   cmocka_unit_test(test_one_prefix), cmocka_unit_test(test_head),
        cmocka_unit_test(test_mismatches), cmocka_unit_test(test_widen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
