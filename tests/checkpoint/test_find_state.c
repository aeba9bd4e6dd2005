/* Where the weights are in a file, and whose names they have. */
#define _GNU_SOURCE
#include "pickled.h"
#include "sample.h"

#include "base/text.h"
#include "root.h"

static char path[300];

static int load(ckpt **out, const text *file, const char *key) {
    snprintf(path, sizeof path, "%s/a.ckpt", root);
    pickled_write(path, file->data, file->n);
    return ckpt_load_key(out, path, key);
}

static void string(text *t, const char *s) {
    uint32_t n = (uint32_t)strlen(s);
    assert_ok(text_append(t, "X", 1));
    assert_ok(text_append(t, &n, 4));
    assert_ok(text_append(t, s, n));
}

static void raw(text *t, const void *bytes, size_t n) { assert_ok(text_append(t, bytes, n)); }

/** A dictionary of tensors with these names. A '*' before a name makes it a matrix. */
static void tensors(text *t, const char *const *names) {
    raw(t, BYTES("}("));
    for (; *names != NULL; names++) {
        bool matrix = **names == '*';
        string(t, *names + matrix);
        if (matrix)
            raw(t, BYTES(REBUILD(PERSISTENT("FloatStorage", "0", "K\4"), "K\0", "(K\2K\2t", "(K\2K\1t")));
        else
            raw(t, BYTES(FOUR));
    }
    raw(t, BYTES("u"));
}

#define ANCHOR "layer1.0.conv1.weight"

/** A file with one dictionary of tensors under each path of keys, such as "state model". Each has the tensors "a" to
 *  "e" up to its own letter, so state_n tells which one was read. */
static text with_parts(const char *const *paths) {
    static const char *const names[] = {ANCHOR, "b", "c", "d", "e"};
    text t = {0};
    raw(&t, BYTES("\x80\2}("));
    for (int n = 1; *paths != NULL; paths++, n++) {
        const char *list[6] = {NULL};
        char key[64];
        const char *space = strchr(*paths, ' ');
        memcpy(list, names, (size_t)n * sizeof *names);
        snprintf(key, sizeof key, "%.*s", space != NULL ? (int)(space - *paths) : (int)strlen(*paths), *paths);
        string(&t, key);
        if (space != NULL) {
            raw(&t, BYTES("}"));
            string(&t, space + 1);
        }
        tensors(&t, list);
        if (space != NULL)
            raw(&t, BYTES("s"));
    }
    raw(&t, BYTES("u."));
    return t;
}

static void test_keys(void **state) {
    (void)state;
    static const struct {
        const char *paths[6], *key;
        int found; /* from 1; 0: refused */
    } cases[] = {
        {{"state_dict", "state_dict_ema"}, "", 1},
        {{"state_dict_ema", "state_dict"}, "", 2},
        {{"state_dict", "state_dict_ema"}, "state_dict_ema", 2},
        {{"model", "optimizer state", "model_ema"}, "", 1},
        {{"model", "optimizer state", "model_ema"}, "model_ema", 3},
        {{"optimizer state", "state model"}, "", 2},
        {{"optimizer state", "state model"}, "state.model", 2},
        {{"optimizer state", "state model"}, "state", 2},
        {{"model_state_dict", "epoch"}, "", 1},
        {{"acc", "net"}, "", 2},
        {{"state_dict_ema"}, "", 1},
        {{"a.b", "a b"}, "a.b", 1},
        {{"model", "other"}, "other", 2},
        {{"model", "other"}, "nothing", 0},
        {{"other", "another"}, "", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ckpt *c = NULL;
        text t = with_parts(cases[i].paths);
        int rc = load(&c, &t, cases[i].key);
        if ((rc == OK ? c->state_n : 0) != cases[i].found)
            fail_msg("case %zu: found %d: %s", i, rc == OK ? c->state_n : 0, status_message());
        ckpt_free(c);
        text_deinit(&t);
    }
}

static void test_messages(void **state) {
    (void)state;
    ckpt *c = NULL;
    char key[200];
    text t = with_parts((const char *const[]){"model", "other x", "another", NULL});
    assert_fails(E_FORMAT, "no ResNet under 'nothing': the file has tensors under model, another",
                 load(&c, &t, "nothing"));
    assert_fails(E_FORMAT, "no tensors", load(&c, &t, "other"));
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    assert_fails(E_OPTION, "has 199 bytes, more than the limit of 95", load(&c, &t, key));
    assert_ok(load(&c, &t, "model"));
    assert_string_equal(c->parts, "model, another");
    ckpt_free(c);
    text_deinit(&t);
    t = with_parts((const char *const[]){"x", "y", NULL});
    assert_fails(E_FORMAT, "but under x, y: choose one with --init-key", load(&c, &t, ""));
    text_deinit(&t);
    raw(&t, BYTES("\x80\2}X\5\0\0\0modelK\1s."));
    assert_fails(E_FORMAT, "'model' is not a dictionary", load(&c, &t, "model"));
    text_deinit(&t);
}

/** Loads a state_dict of these names, and compares what they have become. */
static void check_names(const char *const *theirs, const char *const *ours, const char *prefix, const char *key) {
    ckpt *c = NULL;
    text t = {0};
    raw(&t, BYTES("\x80\2"));
    tensors(&t, theirs);
    raw(&t, BYTES("."));
    assert_ok(load(&c, &t, key));
    assert_string_equal(c->prefix, prefix);
    for (int i = 0; i < c->state_n; i++)
        assert_string_equal(c->state[i].name, ours[i]);
    ckpt_free(c);
    text_deinit(&t);
}

#define LAST "layer4.0.conv1.weight"
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/** A classifier beside the other parts, or in a Sequential. */
static void test_heads(void **state) {
    (void)state;
#define NET(prefix) prefix ANCHOR, prefix LAST
    static const struct {
        const char *prefix, *from, *to; /* without weight and bias */
    } moved[] = {{"", "fc.1.", "fc."},
                 {"model.", "model.fc.1.", "model.fc."},
                 {"backbone.", "head.fc.", "backbone.fc."}, /* MMPretrain */
                 {"model.backbone.", "model.head.", "model.backbone.fc."},
                 {"net.resnet.", "net.classifier.1.", "net.resnet.fc."} /* Hugging Face */};
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
        char name[6][64];
        snprintf(name[0], sizeof *name, "%s" ANCHOR, moved[i].prefix);
        snprintf(name[1], sizeof *name, "%s" LAST, moved[i].prefix);
        for (int k = 0; k < 2; k++) {
            snprintf(name[2 + 2 * k], sizeof *name, "%s%sweight", k == 0 ? "*" : "",
                     k == 0 ? moved[i].from : moved[i].to);
            snprintf(name[3 + 2 * k], sizeof *name, "%sbias", k == 0 ? moved[i].from : moved[i].to);
        }
        check_names(LIST(name[0], name[1], name[2], name[3]), LIST(name[0], name[1], name[4], name[5]), moved[i].prefix,
                    "");
    }
    /* a ResNet for CIFAR */
    check_names(LIST("net." ANCHOR, "*head.weight", "head.bias"),
                LIST("net." ANCHOR, "net.linear.weight", "net.linear.bias"), "net.", "");
    /* unchanged: the model has a classifier, the other has none of a single layer, or it is not clear which is meant */
    static const char *const same[][8] = {
        {NET("backbone."), "backbone.fc.weight", "*head.weight", "head.bias"},
        {NET("net."), "net.linear.weight", "*head.weight", "head.bias"},
        {NET(""), "*fc.0.weight", "fc.0.bias", "*fc.2.weight", "fc.2.bias"},
        {NET(""), "fc.0.weight", "fc.0.bias", "*fc.1.weight", "fc.1.bias"}, /* batch norm before it */
        {NET(""), "*fc.1.weight"},
        {NET("student."), "*head.a.weight", "head.a.bias", "*head.b.weight", "head.b.bias"},
        {NET("model.net."), "*head.weight", "head.bias"}, /* of another model */
    };
    static const char *const prefix[] = {"backbone.", "net.", "", "", "", "student.", "model.net."};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *plain[8] = {NULL};
        for (int k = 0; k < 8 && same[i][k] != NULL; k++)
            plain[k] = same[i][k] + (same[i][k][0] == '*');
        check_names(same[i], plain, prefix[i], "");
    }
}

static void test_names(void **state) {
    (void)state;
#define STAGES "encoder.stages."
    static const char *const hugging[] = {"resnet.embedder.embedder.convolution.weight",
                                          "resnet.embedder.embedder.normalization.running_var",
                                          "resnet." STAGES "0.layers.0.layer.0.convolution.weight",
                                          "resnet." STAGES "3.layers.0.layer.0.convolution.weight",
                                          "resnet." STAGES "2.layers.11.layer.2.normalization.bias",
                                          "resnet." STAGES "1.layers.0.shortcut.convolution.weight",
                                          "resnet." STAGES "3.layers.0.shortcut.normalization.num_batches_tracked",
                                          "*classifier.1.weight",
                                          "classifier.1.bias",
                                          "resnet." STAGES "x.layers.0.layer.0.convolution.weight",
                                          "resnet." STAGES "0.layers.99999999999999999999.layer.0.convolution.weight",
                                          "resnet." STAGES,
                                          NULL};
    static const char *const ours[] = {"resnet.conv1.weight",
                                       "resnet.bn1.running_var",
                                       "resnet." ANCHOR,
                                       "resnet." LAST,
                                       "resnet.layer3.11.bn3.bias",
                                       "resnet.layer2.0.downsample.0.weight",
                                       "resnet.layer4.0.downsample.1.num_batches_tracked",
                                       "resnet.fc.weight",
                                       "resnet.fc.bias",
                                       "resnet." STAGES "x.layers.0.layer.0.convolution.weight",
                                       "resnet." STAGES "0.layers.99999999999999999999.layer.0.convolution.weight",
                                       "resnet." STAGES,
                                       NULL};
    check_names(hugging, ours, "resnet.", "");
    /* the model without a classifier, and as a part of another */
    check_names(LIST(STAGES "0.layers.0.layer.0.convolution.weight"), LIST(ANCHOR), "", "");
    /* children of a Sequential: fastai */
    check_names(LIST("0.0.weight", "0.1.bias", "0.4.0.conv1.weight", "0.7.1.bn2.weight", "0.8.weight", "1.0.weight"),
                LIST("0.conv1.weight", "0.bn1.bias", "0." ANCHOR, "0.layer4.1.bn2.weight", "0.8.weight", "1.0.weight"),
                "0.", "");
    /* torch.compile of the whole and of parts */
    check_names(LIST("_orig_mod." ANCHOR, "_orig_mod.fc.bias"), LIST("_orig_mod." ANCHOR, "_orig_mod.fc.bias"),
                "_orig_mod.", "");
    check_names(LIST("net.layer1._orig_mod.0.conv1.weight", "net.fc._orig_mod.bias"),
                LIST("net." ANCHOR, "net.fc.bias"), "net.", "");
    /* one of two models, by its prefix */
    check_names(LIST("student." ANCHOR, "teacher." ANCHOR), LIST("student." ANCHOR, "teacher." ANCHOR), "teacher.",
                "teacher");
    check_names(LIST("student." ANCHOR, "teacher." ANCHOR), LIST("student." ANCHOR, "teacher." ANCHOR), "student.",
                "student.");
}

/* Two names that become one. */
static void test_same_name(void **state) {
    (void)state;
    ckpt *c = NULL;
    text t = {0};
    raw(&t, BYTES("\x80\2"));
    tensors(&t, LIST("layer1._orig_mod.0.conv1.weight", "fc._orig_mod.bias", "fc.bias"));
    raw(&t, BYTES("."));
    assert_fails(E_FORMAT, "tensor fc.bias occurs twice", load(&c, &t, ""));
    text_deinit(&t);
}

int main(void) {
    use_memory_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),  cmocka_unit_test(test_messages),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_heads), cmocka_unit_test(test_same_name),
    };
    return cmocka_run_group_tests(tests, root_set_up, root_tear_down);
}
